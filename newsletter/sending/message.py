"""The finished message for one reader: the body that all share, this reader's values in its gaps, headers on top.

The costly work (encoding, MIME, pictures) is done once for each variant in `frame.py`; a message is a join of bytes.
What a reader could smuggle in is escaped by `rendering/escaping.py` and refused again by `headers.py`, and the first
message of each variant is read back by a foreign parser in `rereading.py` before any leaves.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from newsletter.config import Settings
from newsletter.rendering.composition import Composition, Person
from newsletter.rendering.escaping import clean, expression_of, fill_pieces, one_spaced
from newsletter.sending.addresses import Mailbox, parse_mailbox, wire_address
from newsletter.sending.frame import Frame, FrameBuilder, Gap
from newsletter.sending.headers import (
    date_field,
    list_id_field,
    mailbox_field,
    refuse_unsafe,
    text_field,
    token_field,
    url_field,
)
from newsletter.sending.quoted_printable import encode_stretch
from newsletter.sending.rereading import verify
from newsletter.sending.return_path import ReturnPath
from newsletter.tokens import Signer

_LINKS: Final = {"unsubscribe": "u", "preferences": "p"}
"""The reader's own links: purpose of the token -> page."""

_MIME: Final = b"MIME-Version: 1.0\r\n"
_ONE_CLICK: Final = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"  # RFC 8058 section 3.1


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is for.

    Attributes:
        subscriber_id: The subscriber's row.
        delivery_id: The row of the ledger that this message settles.
        email: The subscriber's address.
        person: What expressions see.
    """

    subscriber_id: int
    delivery_id: int
    email: str
    person: Person


@dataclass(frozen=True, slots=True)
class Message:
    """Finished bytes and their envelope.

    Attributes:
        content: The whole message, lines ended by CRLF.
        sender: The address for the envelope (MAIL FROM).
        recipient: The address for the envelope (RCPT TO); its domain is ASCII.
        message_id: With its angle brackets.
        smtputf8: Whether only a server with SMTPUTF8 (RFC 6531) may be handed this message.
    """

    content: bytes
    sender: str
    recipient: str
    message_id: str
    smtputf8: bool


class MessageWriter:
    """Writes the messages of one mailing: one composition to the readers of one list.

    The same reader at the same time always gets the same bytes, and the same Message-ID at any time.

    Args:
        composition: The edition, rendered.
        settings: The project's.
        signer: Signs the reader's links and the Message-ID.
        mailing_id: The mailing's row.
        list_slug: The list's name in addresses.
        list_id: The list's row.
        list_title: The list's name for people.
        subject_prefix: Stands before the subject, for example `[Test] `.
        archive_url: A web page with past editions, for List-Archive.
        help_url: A web page about the list, for List-Help.

    Attributes:
        composition: As given.
        sender: From.
        reply_to: Reply-To; None where answers go to the sender anyway.
        list_fields: The header fields about the list that are the same for every reader, lines ended by CRLF.
        unsubscribe_page: The page to unsubscribe at, up to the reader's token.
        pictures: Those that travel inside the messages.
        builder: Makes what the readers of a variant share.

    Raises:
        MessageError: A name, an address or a title cannot stand in a header.
    """

    def __init__(  # noqa: PLR0913 a message has this many sources
        self,
        composition: Composition,
        settings: Settings,
        *,
        signer: Signer,
        mailing_id: int,
        list_slug: str,
        list_id: int,
        list_title: str,
        subject_prefix: str = "",
        archive_url: str | None = None,
        help_url: str | None = None,
    ) -> None:
        self.composition = composition
        self._signer = signer
        self._pages = {purpose: f"{settings.newsletter.base_url}/{page}/" for purpose, page in _LINKS.items()}
        self._mailing_id = mailing_id
        self._list_id = list_id
        self._same_for_all = {"list_title": list_title}
        self.unsubscribe_page = self._pages["unsubscribe"]
        url_field("List-Unsubscribe", self.unsubscribe_page)  # refuses what could not stand there
        self.sender = parse_mailbox(composition.sender or settings.identity.from_)
        self.reply_to = reply_mailbox(composition.reply_to or settings.identity.reply_to, self.sender)
        self._smtputf8 = self.sender.smtputf8 or (self.reply_to is not None and self.reply_to.smtputf8)
        self._domain = self.sender.domain
        bounces = settings.sending.bounces
        self._return_path = None if bounces is None else ReturnPath(bounces, signer)
        self._top = mailbox_field("From", self.sender)
        if self.reply_to is not None:
            self._top += mailbox_field("Reply-To", self.reply_to)
        self.list_fields = b"".join(
            [
                # An unsafe address is only ever one of this machine, for trying things out.
                _ONE_CLICK if self.unsubscribe_page.startswith("https://") else b"",
                list_id_field(list_title, f"{list_slug}.{self._domain}"),
                url_field("List-Owner", (self.reply_to or self.sender).mailto),
                url_field("List-Archive", archive_url) if archive_url else b"",
                url_field("List-Help", help_url) if help_url else b"",
                token_field("List-Post", "NO"),
                # Old holiday responders know only this one to keep quiet (RFC 3834 section 2).
                token_field("Precedence", "list"),
                token_field("Feedback-ID", feedback_id) if (feedback_id := settings.sending.feedback_id) else b"",
            ]
        )
        self._subject = self._read_subject(subject_prefix)
        self._date: tuple[dt.datetime, bytes] | None = None
        self._frames: dict[tuple[bool, ...], Frame] = {}
        self.pictures = composition.pictures if composition.embedded else ()
        self.builder = FrameBuilder(composition.digest, self.pictures, self._same_for_all, self._pages)

    def write(self, reader: Reader, now: dt.datetime) -> Message:
        """The message for one reader.

        Args:
            reader: Whom it is for.
            now: The time of sending, with its zone.

        Raises:
            MessageError: The address cannot be mailed, the subject is empty for this reader, the theme asks for an
                unknown link, or the first message of a variant did not read back as it was meant.
            ExpressionError: A slot cannot be worked out for this reader.
            CompileError: The variant of this reader cannot be compiled.
        """
        key = self.composition.key_for(reader.person)
        frame = self._frames.get(key)
        if frame is not None:
            return self._write(frame, reader, now)
        frame = self.builder.build(self.composition.variant(key))
        message = self._write(frame, reader, now)
        verify(
            message.content,
            recipient=message.recipient,
            subject=self.subject_for(reader),
            html=self.html_for(reader),
            text=self.text_for(reader),
        )
        self._frames[key] = frame
        return message

    def own_values(self, reader: Reader) -> dict[str, str]:
        """The reader's links and the list's title, by the names under which fills ask for them."""
        links = {purpose: page + self.token(purpose, reader) for purpose, page in self._pages.items()}
        return links | self._same_for_all

    def subject_for(self, reader: Reader) -> str:
        """The subject line as this reader sees it."""
        return self._subject_of(reader.person)

    def html_for(self, reader: Reader) -> str:
        """The HTML part as this reader sees it, before any encoding."""
        variant = self.composition.variant(self.composition.key_for(reader.person))
        return fill_pieces(variant.html, reader.person, self.own_values(reader))

    def text_for(self, reader: Reader) -> str:
        """The plain-text part as this reader sees it, before any encoding."""
        variant = self.composition.variant(self.composition.key_for(reader.person))
        return fill_pieces(variant.text, reader.person, self.own_values(reader))

    @property
    def subject_varies(self) -> bool:
        """Whether readers may get different subject lines."""
        return not all(isinstance(piece, str) for piece in self._subject)

    def recipient_for(self, reader: Reader) -> Mailbox:
        """The reader's name and address.

        Raises:
            MessageError: The address cannot be mailed.
        """
        return Mailbox(_name_of(reader.person), wire_address(reader.email))

    def message_id_for(self, reader: Reader) -> str:
        """The Message-ID, with its angle brackets; before the @ stands a token that tells mailing and delivery."""
        return f"<{self._signer.sign('message', self._mailing_id, reader.delivery_id)}@{self._domain}>"

    def needs_smtputf8(self, recipient: Mailbox) -> bool:
        """Whether only a server with SMTPUTF8 may be handed a message to this address."""
        return self._smtputf8 or recipient.smtputf8

    @property
    def mailing_token(self) -> str:
        """What tells the mailing in what a provider reports about its messages."""
        return self._signer.sign("events", self._mailing_id)

    def secret_word(self, number: int) -> str:
        """Ten hexadecimal digits, always the same for this mailing and number, that no reader can know."""
        token = self._signer.sign("substitution", self._mailing_id, number)
        return hashlib.sha256(token.encode("ascii")).hexdigest()[:10]

    def _write(self, frame: Frame, reader: Reader, now: dt.datetime) -> Message:
        recipient = self.recipient_for(reader)
        unsubscribe = self.token("unsubscribe", reader)
        message_id = self.message_id_for(reader)
        stretches = list(frame.stretches)
        for text, gaps in frame.values:
            _fill(stretches, gaps, clean(text(reader.person)))
        for purpose, places in frame.tokens.items():
            token = unsubscribe if purpose == "unsubscribe" else self.token(purpose, reader)
            encoded = encode_stretch(token)
            for place in places:
                stretches[place] = encoded
        content = b"".join(
            [
                self._top,
                mailbox_field("To", recipient),
                text_field("Subject", self._subject_of(reader.person)),
                self._date_field(now),
                # Made of what was checked before and of tokens, which are letters, digits, `-` and `_`.
                f"Message-ID: {message_id}\r\nList-Unsubscribe: <{self.unsubscribe_page}{unsubscribe}>\r\n".encode(
                    "ascii"
                ),
                self.list_fields,
                _MIME,
                *stretches,
            ]
        )
        sender = self.sender.address
        if self._return_path is not None:
            sender = self._return_path.address_for(reader.delivery_id)
        return Message(content, sender, recipient.address, message_id, self.needs_smtputf8(recipient))

    def _date_field(self, now: dt.datetime) -> bytes:
        """The Date field, written once for all messages of the same moment."""
        date = self._date
        if date is None or date[0] is not now:
            self._date = date = (now, date_field(now))
        return date[1]

    def token(self, purpose: str, reader: Reader) -> str:
        """What stands at the end of one of the reader's own links."""
        return self._signer.sign(purpose, reader.subscriber_id, self._list_id, self._mailing_id)

    def _read_subject(self, prefix: str) -> tuple[str | Callable[[Person], str], ...]:
        """The subject as static text, known to be fit for a header, and what works out the rest for a person."""
        pieces: list[str | Callable[[Person], str]] = [prefix]
        for piece in self.composition.subject:
            if isinstance(piece, str):
                pieces.append(piece)
            elif piece.link:
                pieces.append(self._same_for_all[piece.name])
            else:
                pieces.append(expression_of(piece.name).text)
        refuse_unsafe("Subject", "".join(piece for piece in pieces if isinstance(piece, str)))
        return tuple(pieces)

    def _subject_of(self, person: Person) -> str:
        return one_spaced(
            "".join([piece if isinstance(piece, str) else one_spaced(clean(piece(person))) for piece in self._subject])
        )


def _fill(stretches: list[bytes], gaps: tuple[Gap, ...], value: str) -> None:
    last, encoded = None, b""
    for gap in gaps:
        escaped = gap.escape(value)
        if escaped != last:  # most values are the same in all contexts
            last, encoded = escaped, encode_stretch(escaped)
        for place in gap.places:
            stretches[place] = encoded


def reply_mailbox(text: str | None, sender: Mailbox) -> Mailbox | None:
    """The mailbox for Reply-To, unless answers go to the sender anyway."""
    mailbox = parse_mailbox(text) if text else sender
    return None if mailbox.address == sender.address else mailbox


def _name_of(person: Person) -> str:
    return one_spaced(clean(f"{person.get('first_name') or ''} {person.get('last_name') or ''}"))
