"""What newsletter.toml may say, table by table, as frozen models: here each setting and its default stand."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from newsletter.config.addresses import (
    BouncesAddress,
    DatabaseUrl,
    Domain,
    HostName,
    LinkUrl,
    MailboxText,
    Origin,
    ServiceUrl,
    is_loopback,
)
from newsletter.config.pages import FeedbackTable, FormTable, WebTable
from newsletter.config.places import Places
from newsletter.config.table import Table
from newsletter.config.values import (
    FONT_STACKS,
    AsTuple,
    Colour,
    FeedbackId,
    FontStack,
    Hold,
    Language,
    Line,
    Lines,
    OptionalLine,
    Paragraph,
    PathInside,
    PostalAddress,
    Rate,
    RuleName,
    Segment,
    Selector,
    SenderKind,
    Slug,
    TimeZone,
    refuse,
)
from newsletter.errors import Finding, Severity


def _same_as_name(validated: dict[str, Any]) -> str:
    return str(validated.get("name", ""))


class NewsletterTable(Table):
    """Who publishes, and where its pages are."""

    name: Line
    """Of the newsletter, as readers know it."""
    organisation: Annotated[Line, Field(default_factory=_same_as_name)]
    """Who is responsible; the newsletter's name if not given."""
    base_url: ServiceUrl
    """Where the newsletter's own pages answer: https, no slash at the end."""
    language: Language = "en"
    """Of editions that do not say theirs."""
    timezone: TimeZone = "UTC"
    """For times without a zone, in editions and in `--at`."""


class Identity(Table):
    """Whom readers see as the author, and where to write to."""

    from_: Annotated[MailboxText, Field(alias="from")]
    """`Name <address>`."""
    reply_to: MailboxText | None = None
    """Where answers go, if not to `from`."""
    postal_address: PostalAddress
    """Asked for by law; one line for each line on the envelope."""


class Tones(Table):
    """Colours that somebody chose; what is not given is derived (`newsletter.rendering.palette`)."""

    primary: Colour | None = None
    """Bands and buttons."""
    on_primary: Colour | None = None
    """Text on them."""
    accent: Colour | None = None
    """Links and labels."""
    background: Colour | None = None
    """Around the letter."""
    surface: Colour | None = None
    """Of the letter."""
    text: Colour | None = None
    muted: Colour | None = None
    """Text that steps back."""


class Fonts(Table):
    """A name such as `sans` or `serif`, or names of fonts with commas between."""

    heading: FontStack = FONT_STACKS["sans"]
    body: FontStack = FONT_STACKS["sans"]


class Brand(Tones):
    """The look."""

    dark: Tones = Tones()
    """The same colours for readers whose mail program is dark."""
    fonts: Fonts = Fonts()
    logo: PathInside | None = None
    """A picture inside the project."""
    logo_alt: OptionalLine = ""
    """The logo in words; the newsletter's name if not given."""
    logo_width: Annotated[int, Field(ge=16, le=600)] = 160
    """As shown at most, in CSS pixels."""


class FooterLink(Table):
    """A link of the footer."""

    label: Line
    url: LinkUrl


class Footer(Table):
    """What every edition ends with."""

    heading: Line = "Stay in the loop"
    text: Lines = ""
    """The invitation, for those who got the letter forwarded."""
    links: Annotated[tuple[FooterLink, ...], AsTuple] = ()
    purpose_title: OptionalLine = "Our purpose"
    purpose: Annotated[tuple[Paragraph, ...], AsTuple] = ()
    """Paragraphs."""
    social: Annotated[tuple[FooterLink, ...], AsTuple] = ()


class MailingList(Table):
    """A list that people subscribe to."""

    title: Line
    """As readers know it."""
    description: Lines = ""
    """What one gets, and how often."""
    opt_in: Literal["double", "single"] = "double"
    """Whether an address counts only once its owner has confirmed it."""
    sign_up: bool = False
    """Whether anybody may sign up on the public pages."""
    embed_on: Annotated[tuple[Origin, ...], AsTuple] = ()
    """Other web sites whose pages may hold the sign-up form."""


class DatabaseTable(Table):
    """Where people and mailings are kept."""

    url: Annotated[DatabaseUrl | None, Field(repr=False)] = None
    """If not given: SQLite, in subscribers/newsletter.db."""


class Sending(Table):
    """How a mailing leaves."""

    hold: Hold = dt.timedelta(seconds=60)
    """How long it waits, so that it can be undone."""
    rate: Rate | None = None
    """Messages per second, over all workers; as fast as the sender takes them if not given."""
    chunk: Annotated[int, Field(ge=1, le=1000)] = 500
    """Deliveries planned for a worker at a time."""
    images: Literal["link", "embed"] = "link"
    """Whether pictures are fetched from the web or travel inside the message."""
    feedback_id: FeedbackId | None = None
    """For Google's Feedback-ID header."""
    bounces: BouncesAddress | None = None
    """Where messages that cannot be delivered come back to, bounces@news.example.org; `from` if not given."""


class SmtpTable(Table):
    """A mail server; the password comes from NEWSLETTER_SMTP_PASSWORD."""

    host: HostName = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """If not given: 587 for starttls, 465 for tls, 25 for none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: OptionalLine = ""
    """For the login, which needs NEWSLETTER_SMTP_PASSWORD too; empty if the server wants none."""
    auth: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    """How to log in; `auto` takes what the server offers, `xoauth2` an access token instead of the password."""
    connections: Annotated[int, Field(ge=1, le=100)] = 4

    @property
    def port_number(self) -> int:
        """The port given, or the usual one for this kind of security."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]

    @field_validator("security")
    @classmethod
    def _only_here_without_encryption(cls, security: str, info: ValidationInfo) -> str:
        host = info.data.get("host", "localhost")
        if security == "none" and not is_loopback(host):
            what = f": «none» would send all letters unencrypted over the network to {host}."
            raise refuse(what, "Write starttls or tls; none is for this machine (localhost) only.")
        return security


class SendgridTable(Table):
    """Twilio SendGrid; the key comes from SENDGRID_API_KEY."""

    region: Literal["global", "eu"] = "global"
    sandbox: bool = False
    """Check requests only, send nothing."""
    api_url: ServiceUrl | None = None
    """For tests against a stand-in."""


class OutboxTable(Table):
    """Files instead of mail."""

    dir: PathInside = "outbox"


class SenderTable(Table):
    """Who hands the messages over."""

    kind: SenderKind = "outbox"
    """`outbox`, `smtp`, `sendgrid`, or the name of an entry point in the group `newsletter.senders`."""
    smtp: SmtpTable = SmtpTable()
    sendgrid: SendgridTable = SendgridTable()
    outbox: OutboxTable = OutboxTable()


class Dkim(Table):
    """The signature by which mailbox providers know the sender."""

    domain: Domain
    selector: Selector
    key_file: Line
    """The private key (RSA), readable by its owner only; a path, relative to the project or absolute."""
    ed25519_selector: Selector | None = None
    """Of a second, shorter signature beside the first, for providers that know it; needs `ed25519_key_file`."""
    ed25519_key_file: Annotated[Line | None, Field(validate_default=True)] = None
    """The private key (Ed25519) of the second signature."""

    @field_validator("ed25519_key_file")
    @classmethod
    def _both_or_none(cls, key_file: str | None, info: ValidationInfo) -> str | None:
        selector = info.data.get("ed25519_selector")
        if "ed25519_selector" in info.data and (key_file is None) != (selector is None):
            what = (
                "is missing; ed25519_selector is there." if key_file is None else "has no ed25519_selector beside it."
            )
            raise refuse(what, "Write both, or none of them.")
        if selector is not None and selector == info.data.get("selector"):
            raise refuse(": both keys have the same selector.", "Give the Ed25519 key a selector of its own.")
        return key_file


class Settings(Table):
    """Everything newsletter.toml and the environment say."""

    newsletter: NewsletterTable
    identity: Identity
    brand: Brand = Brand()
    footer: Footer = Footer()
    lists: Annotated[dict[Slug, MailingList], Field(min_length=1)]
    database: DatabaseTable = DatabaseTable()
    sending: Sending = Sending()
    sender: SenderTable = SenderTable()
    dkim: Dkim | None = None
    web: WebTable = WebTable()
    feedback: FeedbackTable = FeedbackTable()
    forms: dict[Slug, FormTable] = Field(default_factory=dict)
    """Forms on the public pages."""
    checks: dict[RuleName, Literal["must fix", "should fix", "good to know", "off"]] = Field(default_factory=dict)
    """For a rule, how much it matters here."""
    glossary: dict[Line, Lines] = Field(default_factory=dict)
    """Words of the field, and what they mean."""
    segments: dict[Slug, Segment] = Field(default_factory=dict)
    """Named expressions over subscribers."""

    _places: Places = PrivateAttr(default_factory=Places)

    @field_validator("lists")
    @classmethod
    def _not_too_many(cls, lists: dict[str, MailingList]) -> dict[str, MailingList]:
        if len(lists) > 100:
            raise refuse(f"has {len(lists)} lists; 100 are the most.", "Use segments for parts of a list.")
        return lists

    @classmethod
    def placed(cls, data: Mapping[str, Any], places: Places) -> "Settings":
        """Settings that know where each of them was written.

        Raises:
            pydantic.ValidationError: The data breaks a rule.
        """
        settings = cls.model_validate(data)
        settings._places = places  # noqa: SLF001 its own; a frozen model takes it no other way
        return settings

    def place(self, key: str) -> tuple[int, int] | None:
        """Line and column of a setting, for example `brand.primary`; None if newsletter.toml leaves it out."""
        return self._places.find(key.split("."))

    def finding(
        self, key: str, *, rule: str, what: str, fix: str = "", severity: Severity = Severity.MUST_FIX
    ) -> Finding:
        """A problem with a setting, at its place in newsletter.toml or at its variable in the environment."""
        return self._places.finding(key.split("."), rule=rule, what=what, fix=fix, severity=severity)
