"""Messages for senders that take one text for many: a tag stands where readers differ, and each brings its values.

A tag is plain text that the sender replaces, so every context (HTML, attribute, link, plain text) has tags of its own,
for values that are escaped as the context needs it. Slots, escaping, links and header fields are those of `message.py`:
what a reader sees is the same, whoever carries it, and the first message of each variant is compared before any leaves.
"""

import datetime as dt
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from newsletter.errors import MisreadMessageError
from newsletter.rendering.composition import Person, Picture, Variant
from newsletter.rendering.escaping import Escape, clean
from newsletter.rendering.pieces import Fill
from newsletter.sending.addresses import Mailbox
from newsletter.sending.frame import frame_of
from newsletter.sending.headers import text_field
from newsletter.sending.message import Message, MessageWriter, Reader
from newsletter.sending.rereading import lines_of

LIMIT: Final = 10_000
"""Bytes of tags and values for one reader, written as ASCII JSON; more is rendered whole."""

_LONGEST_CHARACTER: Final = 12  # bytes, as JSON writes it in ASCII: two escapes for one beyond U+FFFF
_FIELD: Final = re.compile(r"([A-Za-z-]+): (.*)")


@dataclass(frozen=True, slots=True)
class Template:
    """What many readers share.

    Attributes:
        sender: From.
        reply_to: Reply-To; None where answers go to the sender.
        subject: The subject line; tags stand where readers differ, in this and in the other texts.
        html: The HTML part.
        text: The plain-text part.
        pictures: Those that travel inside the message.
        headers: Header fields that are the same for all, in ASCII on one line each.
        single: Whether it is the rendered message of one reader, without any tag.
        key: Two templates with the same key are the same.
    """

    sender: Mailbox
    reply_to: Mailbox | None
    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    pictures: tuple[Picture, ...] = field(repr=False)
    headers: Mapping[str, str]
    single: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Work the key out once."""
        content = repr((self.sender, self.reply_to, self.subject, self.html, self.text, self.headers, self.single))
        names = repr([picture.name for picture in self.pictures])  # made of their content's digest
        object.__setattr__(self, "key", hashlib.sha256(f"{content}{names}".encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class SubstitutedMessage:
    """One reader's message: a template, and what takes the place of its tags.

    Attributes:
        template: Shared with other readers, unless it is `single`.
        values: What each tag becomes.
        headers: Header fields of this reader alone.
        to: The reader's name and address.
        mailing: A token that tells the mailing to us alone.
        smtputf8: Whether only a server with SMTPUTF8 can carry it.
        whole: Writes the same message as finished bytes.
    """

    template: Template
    values: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    to: Mailbox
    mailing: str
    smtputf8: bool
    whole: Callable[[], Message] = field(repr=False)

    @property
    def content(self) -> bytes:
        """The same message as finished bytes, written only when somebody asks."""
        return self.whole().content

    @property
    def sender(self) -> str:
        """The sender's address."""
        return self.template.sender.address

    @property
    def recipient(self) -> str:
        """The reader's address."""
        return self.to.address

    @property
    def message_id(self) -> str:
        """The Message-ID of the finished bytes; a provider gives the message one of its own."""
        return self.whole().message_id


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a template is filled.

    Attributes:
        template: What is filled.
        values: What works a value out, and the tag in each context that needs it.
        tokens: The reader's own links, and the tag of each.
        subject: The tag of the subject line, if readers get different ones.
        word: What is in all tags, and nowhere else.
        short: Characters of values that are few enough, whatever they are.
    """

    template: Template
    values: tuple[tuple[Callable[[Person], str], tuple[tuple[Escape, str], ...]], ...]
    tokens: tuple[tuple[str, str], ...]
    subject: str | None
    word: str
    short: int


class SubstitutionWriter:
    """Writes the messages of one mailing for a sender with `form="substitutions"`.

    Args:
        whole: Writes the same messages as finished bytes.
        limit: Bytes of tags and values that the sender takes for one reader.
    """

    def __init__(self, whole: MessageWriter, *, limit: int = LIMIT) -> None:
        self._whole = whole
        self._limit = limit
        self._headers = _unfolded(whole.list_fields)
        self._mailing = whole.mailing_token
        self._plans: dict[tuple[bool, ...], _Plan] = {}

    def write(self, reader: Reader, now: dt.datetime) -> SubstitutedMessage:
        """The message for one reader.

        Who has a value that is too long, or that holds one of the tags, gets a template of their own.

        Args:
            reader: Whom it is for.
            now: The time of sending, with its zone.

        Raises:
            MessageError: As by `MessageWriter.write`.
            ExpressionError: A slot cannot be worked out for this reader.
            CompileError: The variant of this reader cannot be compiled.
        """
        key = self._whole.composition.key_for(reader.person)
        plan = self._plans.get(key)
        if plan is not None:
            return self._write(plan, reader, now)
        plan = self._plan(self._whole.composition.variant(key), reader)
        message = self._write(plan, reader, now)
        self._compare(message, reader)
        self._plans[key] = plan
        return message

    def _write(self, plan: _Plan, reader: Reader, now: dt.datetime) -> SubstitutedMessage:
        whole, person = self._whole, reader.person
        to = whole.recipient_for(reader)
        unsubscribe = whole.token("unsubscribe", reader)
        values: dict[str, str] = {}
        for text, tags in plan.values:
            value = clean(text(person))
            for escape, tag in tags:
                values[tag] = escape(value)
        if plan.subject is not None:
            values[plan.subject] = subject = whole.subject_for(reader)
            if not subject or subject.isspace():  # all else that no header may hold was cleaned out of the values
                text_field("Subject", subject)
        everything = "".join(values.values())
        for purpose, tag in plan.tokens:
            values[tag] = unsubscribe if purpose == "unsubscribe" else whole.token(purpose, reader)
        template = plan.template
        long = len(everything) > plan.short and len(json.dumps(values)) > self._limit
        if long or plan.word in everything:
            template, values = self._single(template, reader), {}
        return SubstitutedMessage(
            template=template,
            values=values,
            headers={"List-Unsubscribe": f"<{whole.unsubscribe_page}{unsubscribe}>"},
            to=to,
            mailing=self._mailing,
            smtputf8=whole.needs_smtputf8(to),
            whole=partial(whole.write, reader, now),
        )

    def _single(self, template: Template, reader: Reader) -> Template:
        """The template of one reader alone, who then needs no tags."""
        return replace(
            template,
            subject=self._whole.subject_for(reader),
            html=self._whole.html_for(reader),
            text=self._whole.text_for(reader),
            single=True,
        )

    def _plan(self, variant: Variant, reader: Reader) -> _Plan:
        """The template of a variant, with tags that occur nowhere else in it; the reader is one who sees it."""
        whole = self._whole
        html, text = list(whole.builder.settled(variant.html)), list(whole.builder.settled(variant.text))
        static = "\n".join(piece for piece in (*html, *text) if isinstance(piece, str))
        word = next(word for word in map(whole.secret_word, itertools.count()) if word not in static)
        frame = frame_of([piece if isinstance(piece, Fill) else b"" for piece in (*html, *text)])
        numbers = itertools.count(1)
        stretches = [piece if isinstance(piece, str) else "" for piece in (*html, *text)]

        def tag_at(places: Sequence[int]) -> str:
            # The hyphen at its end keeps a tag from being the beginning of another.
            tag = f"-{word}.{next(numbers)}-"
            for place in places:
                stretches[place] = tag
            return tag

        values = tuple((value, tuple((gap.escape, tag_at(gap.places)) for gap in gaps)) for value, gaps in frame.values)
        tokens = tuple((purpose, tag_at(places)) for purpose, places in frame.tokens.items())
        page = "".join(stretches[: len(html)])
        # Blanks are joined over the whole line, so it is one value; without slots it is the same for everybody.
        own_subject = tag_at(()) if whole.subject_varies else None
        subject = own_subject or whole.subject_for(reader)
        text_field("Subject", subject)
        return _Plan(
            template=Template(
                sender=whole.sender,
                reply_to=whole.reply_to,
                subject=subject,
                html=page,
                text="".join(stretches[len(html) :]),
                pictures=tuple(picture for picture in whole.pictures if f"cid:{picture.content_id}" in page),
                headers=self._headers,
            ),
            values=values,
            tokens=tokens,
            subject=own_subject,
            word=word,
            # For each tag: itself, a token, quotes and commas.
            short=(self._limit - 100 * next(numbers)) // _LONGEST_CHARACTER,
        )

    def _compare(self, message: SubstitutedMessage, reader: Reader) -> None:
        """See that replacing the tags gives what the reader is meant to see.

        Raises:
            MisreadMessageError: It does not.
        """
        template = message.template
        for what, text, meant in (
            ("subject", template.subject, self._whole.subject_for(reader)),
            ("text/html part", template.html, self._whole.html_for(reader)),
            ("text/plain part", template.text, self._whole.text_for(reader)),
        ):
            if lines_of(substituted(text, message.values)) != lines_of(meant):
                raise MisreadMessageError(
                    f"A message does not become what it was meant to be: the {what} is another one. Nothing was sent. "
                    "Please report this, with the edition: it is a mistake of this program."
                )


def substituted(text: str, values: Mapping[str, str]) -> str:
    """The text with each tag replaced by its value."""
    for tag, value in values.items():
        text = text.replace(tag, value)
    return text


def _unfolded(fields: bytes) -> dict[str, str]:
    """Header fields as names and values, each on one line (RFC 5322 section 2.2.3)."""
    lines = fields.decode("ascii").replace("\r\n ", " ").split("\r\n")
    return {match[1]: match[2] for line in lines if (match := _FIELD.fullmatch(line))}
