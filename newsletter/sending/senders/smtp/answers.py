"""What a server's replies mean for a message: the verdict, and the sentence that a person reads."""

from dataclasses import dataclass
from typing import Final

from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp.letter import Letter
from newsletter.sending.senders.smtp.replies import Reply

_LOGIN_CODES: Final = {530, 534, 535, 538}
"""RFC 4954 section 6: the server wants a login, or another one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message.

    Attributes:
        verdict: How it ended.
        reason: Why, in one sentence.
        status: The enhanced status code, if there was one.
        ended: The connection had ended before the message began, so that another one may do.
        everybody: The server says no to us and not to this reader, and so it would to every message.
    """

    verdict: Verdict
    reason: str | None = None
    status: str | None = None
    ended: bool = False
    everybody: bool = False


ACCEPTED: Final = Answer(Verdict.ACCEPTED)


def refusal(reply: Reply, what: str, *, ended: bool = False, everybody: bool = False) -> Answer:
    """The answer when the server does not take something.

    Args:
        reply: What it said: 4xx for not now, 5xx for never; what is neither means nothing, and nothing has left.
        what: What it does not take, for example `the address`.
        ended: As in the answer.
        everybody: As in the answer.
    """
    if reply.code >= 500:
        text = f"The mail server refused {what}: {reply.text}"
        return Answer(Verdict.REFUSED, text, reply.status, everybody=everybody or reply.code in _LOGIN_CODES)
    if reply.later:
        return Answer(Verdict.DEFERRED, f"The mail server did not take {what} now: {reply.text}", reply.status, ended)
    return Answer(Verdict.UNSENT, f"The mail server gave an answer that means nothing: {reply.text}")


def sender_refusal(reply: Reply, letter: Letter, *, ended: bool = False) -> Answer:
    """The answer when the server does not take the sender's address.

    That address is the same for all, but for a part that no server reads, so a lasting no to it is one to everybody;
    except that size and extensions are said together with the address, and are this message's own.
    """
    size = reply.code == 552 or (reply.status or "").endswith(".3.4")  # RFC 1870 section 6.2
    extension = (reply.status or "").startswith("5.6.") or (reply.code == 555 and (letter.utf8 or letter.eight_bit))
    return refusal(reply, "the message" if size else "our address", ended=ended, everybody=not size and not extension)


def unfit(letter: Letter, *, utf8: bool, eight_bit: bool, largest: int | None) -> Answer | None:
    """Why a server that says this of itself cannot take a message; None if it can."""
    if letter.utf8 and not utf8:
        what = "The mail server cannot reach addresses beyond ASCII (it lacks SMTPUTF8)."
        return Answer(Verdict.REFUSED, what, "5.6.7")
    if letter.eight_bit and not eight_bit:
        what = "The mail server takes only ASCII (it lacks 8BITMIME), and the message holds more."
        return Answer(Verdict.REFUSED, what, "5.6.3")
    if largest is not None and letter.size > largest:
        what = f"The message has {letter.size:,} bytes, and the mail server takes at most {largest:,}."
        return Answer(Verdict.REFUSED, what, "5.3.4")
    return None
