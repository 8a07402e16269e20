"""Makes the requests that SendGrid is sent: one body for up to 1,000 people, checked against all that it would refuse.

SendGrid refuses a whole request for one mistake in it, and neither its package nor its test servers find them all.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final

from newsletter.sending.addresses import Mailbox
from newsletter.sending.senders.protocol import Handover
from newsletter.sending.substitution import LIMIT, SubstitutedMessage, Template

MOST_PEOPLE: Final = 1000
"""Personalizations, and recipients, in one request."""
MOST_BYTES: Final = 20_000_000
"""Of a request that holds several people; SendGrid recommends it."""
MOST_BYTES_EVER: Final = 29_000_000
"""Of any request; from 30 MB on SendGrid refuses it."""

_RESERVED: Final = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")
_TAG: Final = re.compile(r"[^<>&\s]+")
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_LONGEST_ADDRESS: Final = 320
_UNTRACKED: Final = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}
"""Nobody is followed; what is not said here would be as the account has it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of a batch, with what it was handed over as.

    Attributes:
        handover: Which delivery, of which mailing.
        message: What it says.
    """

    handover: Handover
    message: SubstitutedMessage


@dataclass(frozen=True, slots=True)
class Request:
    """Messages that leave together, all with the same template and each to another address."""

    letters: tuple[Letter, ...]

    @property
    def template(self) -> Template:
        """What they share."""
        return self.letters[0].message.template

    def halves(self) -> "tuple[Request, Request]":
        """The same messages in two requests."""
        middle = len(self.letters) // 2
        return Request(self.letters[:middle]), Request(self.letters[middle:])

    def without(self, positions: Iterable[int]) -> "Request | None":
        """The request without some of its messages; None if nothing is left."""
        gone = set(positions)
        left = tuple(letter for position, letter in enumerate(self.letters) if position not in gone)
        return Request(left) if left else None

    def body(self, shared: str, attempt: str) -> bytes:
        """What is sent, as JSON.

        Args:
            shared: The template as `shared_part` writes it.
            attempt: An id of this request, in plain letters; comes back with every event about its messages.
        """
        fields = _ENCODE(dict(self.template.headers))[1:-1]
        people = ",".join([_personalization(letter, fields, attempt) for letter in self.letters])
        return f'{{"personalizations":[{people}],{shared[1:]}'.encode("ascii")


def split(letters: Sequence[Letter], sizes: Mapping[str, int]) -> list[Request]:
    """Share messages out over as few requests as SendGrid takes, in order.

    Args:
        letters: Messages of one batch.
        sizes: The bytes of each template's shared part, by its key.
    """
    open_requests: dict[str, list[tuple[list[Letter], set[str]]]] = {}
    most: dict[str, int] = {}
    requests: list[list[Letter]] = []
    for letter in letters:
        template = letter.message.template
        address = letter.message.recipient.casefold()
        if template.key not in most:
            room = (MOST_BYTES - sizes[template.key]) // _most_bytes_each(template)
            most[template.key] = min(MOST_PEOPLE, max(1, room))
        mine = open_requests.setdefault(template.key, [])
        for inside, addresses in mine:
            if len(inside) < most[template.key] and address not in addresses:
                inside.append(letter)
                addresses.add(address)
                break
        else:
            inside = [letter]
            mine.append((inside, {address}))
            requests.append(inside)
    return [Request(tuple(inside)) for inside in requests]


def shared_part(template: Template, *, sandbox: bool) -> str:
    """What is the same for all people of a request, as a JSON object."""
    part: dict[str, object] = {
        "from": _mailbox(template.sender),
        "subject": template.subject,
        "content": [  # plain text first: SendGrid refuses it in any other order
            {"type": "text/plain", "value": template.text},
            {"type": "text/html", "value": template.html},
        ],
        "tracking_settings": _UNTRACKED,
    }
    if template.reply_to is not None:
        part["reply_to"] = _mailbox(template.reply_to)
    if template.pictures:
        part["attachments"] = [
            {
                "content": base64.b64encode(picture.content).decode("ascii"),
                "type": picture.media_type,
                "filename": picture.name,
                "disposition": "inline",
                "content_id": picture.content_id,
            }
            for picture in template.pictures
        ]
    if sandbox:
        part["mail_settings"] = {"sandbox_mode": {"enable": True}}
    return _ENCODE(part)


def problem_of_template(template: Template, size: int) -> str | None:
    """Why SendGrid would refuse everything made of a template; None if it would not.

    Args:
        template: The template.
        size: The bytes of its shared part.
    """
    if not (template.subject and template.text and template.html):
        return "Its subject, its text or its HTML is empty."
    if len(template.sender.address) > _LONGEST_ADDRESS or not template.sender.address.isascii():
        return "SendGrid sends from plain ASCII addresses only."
    for name, value in template.headers.items():
        if problem := _problem_of_header(name, value):
            return problem
    names = [name.lower() for name in template.headers]
    if len(set(names)) < len(names):
        return "A header field stands in it twice."
    if size + _most_bytes_each(template) > MOST_BYTES_EVER:
        megabytes = f"It has {size / 1e6:.0f} MB, and SendGrid takes less than 30."
        return f"{megabytes} Link the pictures instead of embedding them: [sending] images."
    return None


def problem_of(message: SubstitutedMessage) -> str | None:
    """Why SendGrid would refuse one reader's message; None if it would not."""
    if len(message.recipient) > _LONGEST_ADDRESS or not message.recipient.isascii():
        return "SendGrid does not reach this address."
    headers, values = message.headers, message.values
    shown = "".join(headers.values())
    if not (shown.isascii() and shown.isprintable()):
        return "A header field holds more than plain ASCII on one line."
    if len("".join(values.values())) > LIMIT // 16 and len(json.dumps(values)) > LIMIT:
        return f"What differs from reader to reader has more than {LIMIT:,} bytes."
    return _problem_of_names(tuple(headers), tuple(values))


@lru_cache(maxsize=64)
def _problem_of_names(headers: tuple[str, ...], tags: tuple[str, ...]) -> str | None:
    """Why SendGrid would refuse these header fields and tags, which are the same for many readers."""
    if sum(map(len, tags)) > LIMIT // 4:  # with values of a sixteenth, each character of which may become twelve
        return "There are too many tags."
    if not all(map(_TAG.fullmatch, tags)):
        return "A tag holds what SendGrid does not replace."
    problems = (_problem_of_header(name, "x") for name in headers)
    return next(filter(None, problems), None)


def _problem_of_header(name: str, value: str) -> str | None:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED:
        return f"SendGrid does not let anybody set the header field {name}."
    if not (value and value.isascii() and value.isprintable()):
        return f"The header field {name} is empty or holds more than plain ASCII."
    return None


def _personalization(letter: Letter, fields: str, attempt: str) -> str:
    """One reader's part of a request, as JSON; put together by hand, because most of it is the same for all.

    All header fields stand here, because SendGrid does not say whether those of the request are kept beside these.
    """
    message = letter.message
    headers = ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in message.headers.items()])
    both = f"{headers},{fields}" if headers and fields else headers or fields
    # Letters, and the messages of a test send, are in no ledger, so nothing tells them apart.
    row = f"{message.mailing}.{letter.handover.delivery}"
    delivery = f'"nl_delivery":{_quoted(row)},' if letter.handover.origin.in_ledger else ""
    values = ",".join([f"{_quoted(tag)}:{_quoted(value)}" for tag, value in message.values.items()])
    name = f',"name":{_quoted(name)}' if (name := _name(message.to)) else ""
    return (
        f'{{"to":[{{"email":{_quoted(message.recipient)}{name}}}],"headers":{{{both}}},'
        f'"custom_args":{{{delivery}"nl_attempt":"{attempt}"}}'
        + (f',"substitutions":{{{values}}}}}' if values else "}")
    )


def _mailbox(mailbox: Mailbox) -> dict[str, str]:
    name = _name(mailbox)
    return {"email": mailbox.address, "name": name} if name else {"email": mailbox.address}


def _name(mailbox: Mailbox) -> str:
    """The name that SendGrid may be told; at a comma or semicolon it has split addresses, so then there is none."""
    name = mailbox.name
    return "" if "," in name or ";" in name or len(name) > _LONGEST_ADDRESS else name


def _most_bytes_each(template: Template) -> int:
    """The most that one reader adds to a request: values, header fields, a name, ids."""
    return LIMIT + len(json.dumps(dict(template.headers))) + 4_000
