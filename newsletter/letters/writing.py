"""The finished letter for one person: the body that all letters of its kind share, its link and answers in the gaps.

Letters have no fields of a list: there is nothing to leave. `Auto-Submitted` says that no person wrote this one, so
that no other program answers it (RFC 3834 section 5). The link is a whole URL of ours; answers, which strangers typed,
are cleaned and escaped line by line, and stay plain text whatever stands in them.
"""

import datetime as dt
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from newsletter.config import Settings
from newsletter.errors import MessageError
from newsletter.letters.wording import LINK_NAME
from newsletter.rendering.composition import Composition
from newsletter.rendering.escaping import ESCAPES, Escape, clean, expression_of, one_spaced
from newsletter.rendering.pieces import Context, Fill, Pieces
from newsletter.sending.addresses import Mailbox, parse_mailbox, wire_address
from newsletter.sending.frame import Frame, FrameBuilder
from newsletter.sending.headers import date_field, mailbox_field, refuse_unsafe, text_field, token_field
from newsletter.sending.message import Message, reply_mailbox
from newsletter.sending.quoted_printable import encode_stretch
from newsletter.sending.rereading import verify
from newsletter.sending.substitution import SubstitutedMessage, Template
from newsletter.tokens import Signer

MESSAGE_ID: Final = "letter"
"""The purpose of the token in a letter's Message-ID; its one id is the letter's row."""

_AUTOMATIC: Final = {"Auto-Submitted": "auto-generated"}
_MIME: Final = b"MIME-Version: 1.0\r\n"


@dataclass(frozen=True, slots=True)
class Addressed:
    """What one letter has of its own.

    Attributes:
        letter: Its row.
        email: To whom.
        token: The end of its link; empty if it has none.
        values: What fills its slots, by their expressions: the answers of an entry, on any number of lines.
        reply_to: Where answers go; None for where they go from all messages of the project.
    """

    letter: int
    email: str
    token: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    reply_to: Mailbox | None = None


class LetterWriter:
    """Writes letters of one kind.

    The same letter at the same time always becomes the same bytes, and has the same Message-ID at any time.

    Args:
        composition: What they say.
        settings: The project's.
        signer: Signs the Message-ID.
        page: The page that the link leads to, up to its token; None if there is no link.
        same_for_all: The titles of the list or the form, and the form's questions.

    Raises:
        MessageError: A name or an address cannot stand in a header, or the theme asks for what no letter has.
    """

    def __init__(
        self,
        composition: Composition,
        settings: Settings,
        *,
        signer: Signer,
        page: str | None,
        same_for_all: Mapping[str, str],
    ) -> None:
        self._signer = signer
        self._sender = parse_mailbox(settings.identity.from_)
        self._reply_to = reply_mailbox(settings.identity.reply_to, self._sender)
        self._return_to = settings.sending.bounces or self._sender.address
        self._subject = one_spaced(
            "".join(piece if isinstance(piece, str) else same_for_all[piece.name] for piece in composition.subject)
        )
        refuse_unsafe("Subject", self._subject)
        variant = composition.variant(())
        self._pictures = composition.pictures
        builder = FrameBuilder(
            composition.digest, self._pictures, same_for_all, {} if page is None else {LINK_NAME: page}
        )
        self._frame: Frame = builder.build(variant)
        self._html: Pieces = tuple(builder.settled(variant.html))
        self._text: Pieces = tuple(builder.settled(variant.text))
        self._template: tuple[Template, str] | None = None
        self._seen = False

    def write(self, letter: Addressed, now: dt.datetime) -> Message:
        """The letter as finished bytes.

        Args:
            letter: What it has of its own.
            now: The time of sending, with its zone.

        Raises:
            MessageError: The address cannot be mailed, or the letter does not read back as it was meant.
        """
        to = Mailbox("", wire_address(letter.email))
        reply_to = letter.reply_to or self._reply_to
        message_id = self._message_id(letter)
        content = b"".join(
            [
                mailbox_field("From", self._sender),
                b"" if reply_to is None else mailbox_field("Reply-To", reply_to),
                mailbox_field("To", to),
                text_field("Subject", self._subject),
                date_field(now),
                token_field("Message-ID", message_id),
                *(token_field(name, value) for name, value in _AUTOMATIC.items()),
                _MIME,
                *self._body(letter),
            ]
        )
        if letter.values or not self._seen:
            html, text = _filled(self._html, letter), _filled(self._text, letter)
            verify(content, recipient=to.address, subject=self._subject, html=html, text=text, letter=True)
            self._seen = True
        return Message(content, self._return_to, to.address, message_id, self._beyond_ascii(to))

    def substituted(self, letter: Addressed, now: dt.datetime) -> SubstitutedMessage:
        """The same letter for a sender with `form="substitutions"`.

        Raises:
            MessageError: As by `write`.
        """
        if not self._seen:  # what other senders would find out, this one should too
            self.write(letter, now)
        to = Mailbox("", wire_address(letter.email))
        if letter.values:
            template, values = self._own_template(letter), {}
        else:
            template, tag = self._shared_template()
            values = {tag: letter.token} if letter.token else {}
        return SubstitutedMessage(
            template=template,
            values=values,
            headers={},
            to=to,
            mailing="",
            smtputf8=self._beyond_ascii(to),
            whole=partial(self.write, letter, now),
        )

    def _beyond_ascii(self, to: Mailbox) -> bool:
        """Whether only a server with SMTPUTF8 may be handed a letter to this address; a visitor's never asks for it."""
        return any(mailbox is not None and mailbox.smtputf8 for mailbox in (self._sender, self._reply_to, to))

    def _body(self, letter: Addressed) -> list[bytes]:
        """The body with its gaps filled."""
        frame, person = self._frame, _person(letter)
        stretches = list(frame.stretches)
        for value, gaps in frame.values:
            for gap in gaps:
                encoded = encode_stretch(_escaped(value(person), gap.escape))
                for place in gap.places:
                    stretches[place] = encoded
        for places in frame.tokens.values():
            for place in places:
                stretches[place] = encode_stretch(letter.token)
        return stretches

    def _message_id(self, letter: Addressed) -> str:
        return f"<{self._signer.sign(MESSAGE_ID, letter.letter)}@{self._sender.domain}>"

    def _shared_template(self) -> tuple[Template, str]:
        """What all letters of this kind share, with a tag in the place of the link's token."""
        if self._template is None:
            static = "\n".join(piece for piece in (*self._html, *self._text) if isinstance(piece, str))
            words = (self._secret_word(number) for number in itertools.count())
            tag = next(f"-{word}-" for word in words if word not in static)
            stand_in = Addressed(0, "", tag)
            self._template = self._made(_filled(self._html, stand_in), _filled(self._text, stand_in)), tag
        return self._template

    def _own_template(self, letter: Addressed) -> Template:
        """What one letter says, which is no other's."""
        html, text = _filled(self._html, letter), _filled(self._text, letter)
        return self._made(html, text, letter.reply_to, single=True)

    def _made(self, html: str, text: str, reply_to: Mailbox | None = None, *, single: bool = False) -> Template:
        return Template(
            sender=self._sender,
            reply_to=reply_to or self._reply_to,
            subject=self._subject,
            html=html,
            text=text,
            pictures=tuple(picture for picture in self._pictures if f"cid:{picture.content_id}" in html),
            headers=_AUTOMATIC,
            single=single,
        )

    def _secret_word(self, number: int) -> str:
        """Ten hexadecimal digits that nobody can know."""
        return hashlib.sha256(self._signer.sign("substitution", 0, number).encode("ascii")).hexdigest()[:10]


def visitors_mailbox(typed: str) -> Mailbox | None:
    """What somebody typed into a form as a mailbox for Reply-To; None if a header should not hold it."""
    try:
        address = wire_address(typed.strip())
    except MessageError:
        return None
    # An address beyond ASCII would ask for SMTPUTF8 on the whole way to the team, who can copy it as well.
    return Mailbox("", address) if address.isascii() else None


def _person(letter: Addressed) -> dict[str, object]:
    """The letter's values as expressions see them."""
    return {"attributes": {name.removeprefix("attributes."): value for name, value in letter.values.items()}}


def _filled(pieces: Pieces, letter: Addressed) -> str:
    """The content of a letter; what leads to its link stands there up to the token."""
    person = _person(letter)
    return "".join(piece if isinstance(piece, str) else _value(piece, letter, person) for piece in pieces)


def _value(fill: Fill, letter: Addressed, person: Mapping[str, object]) -> str:
    if fill.link:
        return letter.token
    return _escaped(expression_of(fill.name).text(person), ESCAPES[fill.context])


def _escaped(value: str, escape: Escape) -> str:
    """A value of any number of lines, made ready for its place; where lines cannot be, on one.

    In plain text several lines are quoted, so that nobody can write what looks like another answer.
    """
    lines = [escape(clean(line)) for line in value.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if escape is ESCAPES[Context.PLAIN] and len(lines) > 1:
        return "\n".join(f"> {line}".rstrip() for line in lines)
    return ("<br>\n" if escape is ESCAPES[Context.HTML] else " ").join(lines)
