"""What the tests of the SendGrid sender share: small messages with substitutions, and a sender to the tests' server."""

import dataclasses
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from newsletter.sending.addresses import Mailbox
from newsletter.sending.senders.protocol import Handover, Origin, Outcome, Verdict
from newsletter.sending.senders.sendgrid import SendgridSender
from newsletter.sending.senders.sendgrid.client import Client
from newsletter.sending.substitution import SubstitutedMessage, Template
from newsletter.tokens import Signer
from tests.senders.contract import ORIGIN
from tests.senders.sendgrid_server import KEY, Accepted, SendgridServer

SIGNER = Signer(b"k" * 32)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TEMPLATE = Template(
    sender=Mailbox("Data; Change", "news@example.org"),
    reply_to=None,
    subject="-t.1-",
    html="<p>Dear -t.2-</p>",
    text="Dear -t.3-,\n",
    pictures=(),
    headers={"List-Id": "<community.example.org>", "Precedence": "list"},
)


def another(**changes: Any) -> Template:
    """The template with something else in it."""
    return dataclasses.replace(TEMPLATE, **changes)


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Whole:
    """What the message would be as finished bytes, in the form that the contract compares."""

    def __init__(self, address: str, shown: dict[str, str]) -> None:
        html, text = f"<p>Dear {shown['-t.2-']}</p>", f"Dear {shown['-t.3-']},\n"
        self.content = as_bytes(address, shown["-t.1-"], html, text)


def message(delivery: int, address: str, template: Template = TEMPLATE, **values: str) -> SubstitutedMessage:
    shown = {"-t.1-": "Data Sharing", "-t.2-": "&lt;b&gt;", "-t.3-": "<b>"} | {
        f"-{name.replace('_', '.')}-": value for name, value in values.items()
    }
    return SubstitutedMessage(
        template=template,
        values=shown,
        headers={"List-Unsubscribe": f"<https://news.example.org/u/{delivery}>"},
        to=Mailbox("", address),
        mailing=SIGNER.sign("events", ORIGIN.mailing),
        smtputf8=False,
        whole=partial(Whole, address, shown),  # type: ignore[arg-type]
    )


def handover(delivery: int, address: str = "", origin: Origin = ORIGIN, **more: Any) -> Handover:
    return Handover(delivery, origin, message(delivery, address or f"reader{delivery}@example.com", **more))


def as_bytes(address: str, subject: str, html: str, text: str) -> bytes:
    """What a reader sees, as the contract compares it."""
    return json.dumps([address, subject, html, text]).encode()


def seen(accepted: Accepted) -> bytes:
    return as_bytes(accepted.to, accepted.subject, accepted.html, accepted.text)


def make(server: SendgridServer, **more: Any) -> SendgridSender:
    client = Client(more.pop("key", KEY), api_url=server.url, timeout=more.pop("timeout", 5.0))
    return SendgridSender(client, SIGNER, **{"clock": Clock(), "now": lambda: NOW} | more)


def verdicts(outcomes: list[Outcome]) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes]
