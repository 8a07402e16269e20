"""What newsletter.toml may say about the public pages, their forms, and what comes back after sending."""

import datetime as dt
import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from newsletter.config.addresses import HostName, LinkUrl, MailboxText, Origin, is_loopback
from newsletter.config.table import Table
from newsletter.config.values import (
    AsTuple,
    FieldName,
    Line,
    Lines,
    OptionalLine,
    Paragraph,
    PathInside,
    PublicKey,
    Span,
    refuse,
    shown,
)


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise refuse(
            f": {shown(value)} is not the address of a machine or a network.", "Write it like 10.0.0.7 or 10.0.0.0/8."
        ) from None


class WebTable(Table):
    """The public pages: `newsletter serve --public`."""

    host: HostName = "127.0.0.1"
    """Where the server listens; a proxy on the same machine passes requests on to it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8600
    hosts: Annotated[tuple[HostName, ...], AsTuple] = ()
    """Other names under which the pages may be asked for, beside that of `base_url`."""
    trusted_proxies: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], AsTuple] = (
        "127.0.0.0/8",
        "::1/128",
    )
    """Machines or networks whose word counts for who a visitor is (X-Forwarded-For)."""
    privacy_url: LinkUrl | None = None
    """Your privacy notice, linked wherever somebody gives us data."""
    sign_ups: Annotated[int, Field(ge=1, le=10_000)] = 20
    """How many forms one network may send in an hour."""
    all_sign_ups: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """How many forms may be sent in an hour in all."""
    patience: Annotated[int, Field(ge=0, le=60)] = 3
    """Seconds that a person takes at least to fill in a form; robots are faster."""
    work: Annotated[int, Field(ge=0, le=24)] = 16
    """How much the visitor's machine must calculate before it may send a form: each step more doubles it."""


class FormField(Table):
    """One question of a form."""

    name: FieldName
    """Under which the answer is stored."""
    label: Line
    """The question, as visitors read it."""
    kind: Literal["text", "email", "paragraph", "choice", "checkbox", "url", "phone"] = "text"
    required: bool = True
    """Whether it must be answered."""
    options: Annotated[tuple[Line, ...], AsTuple, Field(max_length=100, validate_default=True)] = ()
    """What one can choose from; for `choice` only."""
    longest: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    """Characters of an answer at most."""
    help: OptionalLine = ""
    """A sentence under the question."""

    @field_validator("options")
    @classmethod
    def _choices_have_options(cls, options: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("kind") == "choice" and len(options) < 2:
            raise refuse("has nothing to choose from.", 'Write at least two: options = ["Yes", "No"].')
        if info.data.get("kind") != "choice" and options:
            raise refuse("are for questions of the kind «choice» only.", 'Write kind = "choice", or take them out.')
        if twice := next((option for option in options if options.count(option) > 1), None):
            raise refuse(f": {shown(twice)} is there twice.", "Take one of them out.")
        return options


class FormTable(Table):
    """A form on the public pages, whose entries are stored and mailed to the team."""

    title: Line
    text: Lines = ""
    """What stands above the questions."""
    button: Line = "Send"
    thanks: Paragraph = "Thank you. We have your message, and will get back to you."
    """What visitors read afterwards."""
    to: MailboxText | None = None
    """Who gets the entries; `reply_to` or `from` of [identity] if not given."""
    keep: Span = dt.timedelta(days=180)
    """How long entries are kept."""
    fields: Annotated[tuple[FormField, ...], AsTuple, Field(min_length=1, max_length=50)]
    """The questions, in order."""
    embed_on: Annotated[tuple[Origin, ...], AsTuple] = ()
    """Other web sites whose pages may hold this form."""

    @field_validator("fields")
    @classmethod
    def _names_once(cls, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        names = [field.name for field in fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise refuse(f": two questions have the name {shown(twice)}.", "Give each a name of its own.")
        return fields


class MailboxTable(Table):
    """Where messages come back to, read by IMAP; the password comes from NEWSLETTER_IMAP_PASSWORD."""

    host: HostName | None = None
    """The mail server; bounces are not read by IMAP if it is not given."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """If not given: 993 for tls, 143 for the others."""
    security: Literal["tls", "starttls", "none"] = "tls"
    username: OptionalLine = ""
    folder: Line = "INBOX"
    done: OptionalLine = ""
    """Where messages are moved to that were read; they are deleted if it is not given."""

    @property
    def port_number(self) -> int:
        """The port given, or the usual one for this kind of security."""
        return self.port or (993 if self.security == "tls" else 143)

    @field_validator("security")
    @classmethod
    def _only_here_without_encryption(cls, security: str, info: ValidationInfo) -> str:
        host = info.data.get("host")
        if security == "none" and host is not None and not is_loopback(host):
            what = f": «none» would send the password unencrypted over the network to {host}."
            raise refuse(what, "Write tls or starttls; none is for this machine (localhost) only.")
        return security


class FeedbackTable(Table):
    """What comes back after sending: bounces, complaints, reports of a provider."""

    sendgrid_public_key: PublicKey | None = None
    """The verification key of SendGrid's signed event webhook; it is no secret."""
    keep: Span = dt.timedelta(days=30)
    """How long the words of mail servers and providers are kept as they came; counts stay."""
    soft_limit: Annotated[int, Field(ge=1, le=100)] = 5
    """Soft bounces after which an address is mailed no more …"""
    soft_editions: Annotated[int, Field(ge=1, le=100)] = 3
    """… if they came from so many editions at least …"""
    soft_span: Span = dt.timedelta(days=30)
    """… over so long a time at least, with no delivery between."""
    maildir: PathInside | None = None
    """A Maildir inside the project that holds returned messages."""
    mailbox: MailboxTable = MailboxTable()
