"""Knows the export files of other services by their columns, and how each says who has left.

Columns: listmonk, `cmd/subscribers.go` (handleExportSubscribers); Mailchimp, the audience export, one file each for
those subscribed, unsubscribed and cleaned; Buttondown, API reference, Subscriber and SubscriberType; SendGrid, the CSV
of Marketing Campaigns contacts. What a service found out by watching people (ratings, IP addresses) is left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from newsletter.errors import AudienceError

Rule = Callable[[str], str | None]
"""Says of a cell, in lower case, as what its person stays out; None for somebody who may come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Another service's export file.

    Attributes:
        name: As people know it.
        needs: Columns by which it is recognised; of each group, one must be there.
        targets: What its columns mean.
        ignored: Columns left out.
        rules: Columns that say who stays out.
        note: What people should know of this file.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    targets: Mapping[str, str | None]
    ignored: frozenset[str]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    note: str


def _filled(what: str) -> Rule:
    return lambda cell: what if cell else None


def _only(*welcome: str) -> Rule:
    return lambda cell: None if cell in welcome else cell[:30] or "without a status"


_MAILCHIMP = Service(
    name="Mailchimp",
    needs=(frozenset({"email_address", "email"}), frozenset({"leid"}), frozenset({"euid"})),
    targets={"email_address": "email", "confirm_time": "joined", "optin_time": "joined", "tags": "tags"},
    ignored=frozenset(
        [
            "member_rating",
            "optin_ip",
            "confirm_ip",
            "latitude",
            "longitude",
            "gmtoff",
            "dstoff",
            "timezone",
            "cc",
            "region",
            "last_changed",
            "leid",
            "euid",
            "unsub_time",
            "unsub_campaign_title",
            "unsub_campaign_id",
            "unsub_reason",
            "unsub_reason_other",
            "clean_time",
            "clean_campaign_title",
            "clean_campaign_id",
            "status",
        ]
    ),
    rules={
        "unsub_time": _filled("unsubscribed"),
        "clean_time": _filled("cleaned (mail bounced)"),
        "status": _only("", "subscribed"),
    },
    note="This is an audience export of Mailchimp; what Mailchimp found out about people (ratings, IP addresses, "
    "places) is left out.",
)
_LISTMONK = Service(
    name="listmonk",
    needs=tuple(frozenset({name}) for name in ("uuid", "email", "name", "attributes", "status")),
    targets={"created_at": "joined", "attributes": "attributes"},
    ignored=frozenset({"uuid", "status", "updated_at"}),
    rules={"status": _only("enabled")},
    note="This is a subscriber export of listmonk; it does not say who left a single list there, so export one list "
    "at a time, with only its confirmed people.",
)
_BUTTONDOWN = Service(
    name="Buttondown",
    needs=(
        frozenset({"email", "email_address"}),
        frozenset({"type", "subscriber_type"}),
        frozenset({"creation_date"}),
    ),
    targets={"email_address": "email", "creation_date": "joined", "metadata": "attributes", "tags": "tags"},
    ignored=frozenset(
        [
            "id",
            "type",
            "subscriber_type",
            "secondary_id",
            "ip_address",
            "avatar_url",
            "last_open_date",
            "last_click_date",
            "risk_score",
            "delivered_count",
            "opened_count",
            "clicked_count",
            "open_rate",
            "click_rate",
            "stripe_customer_id",
            "transitions",
            "firewall",
            "unsubscription_date",
            "unsubscription_reason",
            "utm_campaign",
            "utm_medium",
            "utm_source",
            "referrer_url",
            "source",
        ]
    ),
    rules={
        kind: _only("regular", "premium", "trialed", "unpaid", "gifted", "churning", "paused", "past_due")
        for kind in ("type", "subscriber_type")
    }
    | {"unsubscription_date": _filled("unsubscribed")},
    note="This is a subscriber export of Buttondown; what Buttondown found out about people (opens, clicks, IP "
    "addresses) is left out.",
)
_SENDGRID = Service(
    name="SendGrid",
    needs=(frozenset({"email"}), frozenset({"contact_id"}), frozenset({"alternate_emails"})),
    targets={"created_at": "joined", "country": "attributes.country"},
    ignored=frozenset({"contact_id", "updated_at"}),
    note="This is a contacts export of SendGrid; it does not say who unsubscribed there. Export the suppressions too, "
    "and suppress those addresses first: newsletter subscribers suppress.",
)
_ALL = (_MAILCHIMP, _LISTMONK, _BUTTONDOWN, _SENDGRID)


def find_service(file: str, columns: frozenset[str]) -> Service | None:
    """The service that a file comes from.

    Args:
        file: Its name.
        columns: The names of its columns as they are compared.

    Raises:
        AudienceError: It is Mailchimp's file of those who left, or never subscribed.
    """
    for service in _ALL:
        if all(group & columns for group in service.needs):
            if service is _MAILCHIMP and file.casefold().startswith(("unsubscribed", "cleaned", "nonsubscribed")):
                raise AudienceError(
                    f"«{file}» is Mailchimp's file of people who left, bounced or never subscribed. "
                    "Nobody was imported. Import the file whose name begins with «subscribed»."
                )
            if service is _BUTTONDOWN and "email" in columns and "email_address" in columns:
                return replace(service, targets={**service.targets, "email_address": None})
            return service
    return None
