"""What a mail server says that it can do, in its answer to EHLO (RFC 5321 section 4.1.1.1)."""

from dataclasses import dataclass

from newsletter.sending.senders.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Features:
    """The extensions that matter to us.

    Attributes:
        pipelining: Takes several commands at once (RFC 2920).
        starttls: Can go over to TLS (RFC 3207).
        eight_bit: Takes bytes beyond ASCII in a message (8BITMIME, RFC 6152).
        utf8: Takes addresses beyond ASCII (SMTPUTF8, RFC 6531).
        sizes: Wants to be told a message's size (RFC 1870).
        largest: The largest message that it takes, in bytes; None if it does not say.
        logins: Ways to log in (RFC 4954), in capitals.
    """

    pipelining: bool = False
    starttls: bool = False
    eight_bit: bool = False
    utf8: bool = False
    sizes: bool = False
    largest: int | None = None
    logins: frozenset[str] = frozenset()


def read_features(reply: Reply) -> Features:
    """The features in an answer to EHLO; what is not understood is left out."""
    said: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        # «AUTH=LOGIN PLAIN» is how servers said it before there was a standard, and some still do.
        word, *arguments = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        said.setdefault(word, []).extend(arguments)
    largest = next((int(text) for text in said.get("SIZE", []) if text.isascii() and text.isdigit()), 0)
    return Features(
        pipelining="PIPELINING" in said,
        starttls="STARTTLS" in said,
        eight_bit="8BITMIME" in said,
        utf8="SMTPUTF8" in said,
        sizes="SIZE" in said,
        largest=largest or None,  # RFC 1870 section 3: 0 means that there is no limit
        logins=frozenset(said.get("AUTH", [])),
    )
