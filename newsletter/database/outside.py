"""The tables of what passes between us and the world outside of mailings: letters, pages, forms, events, programs.

Single messages stand in `letter`; what came back about mailings in `event`; what the public pages show and take in
`article`, `picture`, `form_entry` and `allowance`; other programs come by `access_token` and are told by `webhook`.
"""

from enum import StrEnum

import sqlalchemy as sa

from newsletter.database.columns import Id, UtcTime, metadata, one_of


class LetterState(StrEnum):
    """Where a letter is: `queued → leaving → sent | failed`, and back to `queued` where it may be tried again."""

    QUEUED = "queued"
    LEAVING = "leaving"
    """Its bytes may be leaving right now."""
    SENT = "sent"
    FAILED = "failed"


class EventKind(StrEnum):
    """What came back about a message, or from its reader, whoever told it."""

    PROCESSED = "processed"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    """The message came back, or was refused after it was taken; `hard` says whether the address is at fault."""
    DROPPED = "dropped"
    """The provider took it, and did not try to deliver it."""
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    RETURNED = "returned"
    """They took their leaving back."""
    REPLIED = "replied"
    """An automatic answer, such as out of office."""
    OTHER = "other"
    """Something that this version does not know; kept as it came."""


class CallState(StrEnum):
    """Where a call of a webhook is: `waiting → done`, or `given up` after many tries."""

    WAITING = "waiting"
    DONE = "done"
    GIVEN_UP = "given up"


# One message to one person outside any mailing: a link to confirm, to see one's data; what a form took, to the team.
letter = sa.Table(
    "letter",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("email", sa.Text),  # personal: gone once the letter is sent or given up
    sa.Column("address_hash", sa.LargeBinary(32), nullable=False),  # for limits: how many went to one address lately
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True),
    sa.Column("list_id", Id, sa.ForeignKey("list.id")),
    sa.Column("language", sa.Text),
    sa.Column("details", sa.JSON, nullable=False),  # what its text needs: ids and slugs, nothing that anybody typed
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("worker", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_try", UtcTime, nullable=False),  # when it is due; while it leaves, when it is taken to be lost
    sa.Column("answered_at", UtcTime),
    sa.Column("reason", sa.Text),
    sa.Column("used_at", UtcTime),  # when its link was followed, for links that work once
    one_of("state", LetterState),
    sa.Index(None, "state", "next_try"),
    sa.Index(None, "address_hash", "created_at"),
    sqlite_autoincrement=True,  # links and Message-IDs carry the id
)

# What came back. Told twice, it is one row: `provider` and `key` name it.
event = sa.Table(
    "event",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="SET NULL"), index=True),
    sa.Column("address_hash", sa.LargeBinary(32)),
    sa.Column("mailing_id", Id, sa.ForeignKey("mailing.id")),
    sa.Column("delivery_id", Id, sa.ForeignKey("delivery.id"), index=True),
    sa.Column("domain", sa.Text),  # of the address, for reports
    sa.Column("status", sa.Text),  # enhanced status code (RFC 3463)
    sa.Column("hard", sa.Boolean),  # of a bounce: whether the address will not work again
    sa.Column("reason", sa.Text),  # personal: what a mail server said
    sa.Column("raw", sa.Text),  # personal: as it came, for as long as the settings say
    one_of("kind", EventKind),
    sa.UniqueConstraint("provider", "key"),
    sa.Index(None, "mailing_id", "kind"),
    sa.Index(None, "address_hash", "kind"),
    sqlite_autoincrement=True,
)

# How often somebody did something in a stretch of time. The name is a keyed hash of what and who.
allowance = sa.Table(
    "allowance",
    metadata,
    sa.Column("name", sa.LargeBinary(32), primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("until", UtcTime, nullable=False, index=True),
)

form_entry = sa.Table(
    "form_entry",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("answers", sa.JSON, nullable=False),  # personal
    sa.Column("address_hash", sa.LargeBinary(32)),  # of the address that they gave, so that it can be found and erased
    sa.Column("origin", sa.LargeBinary(32)),  # keyed hash of where the request came from
    sa.Column("expires_at", UtcTime, nullable=False, index=True),
    sa.Index(None, "form", "id"),
    sa.Index(None, "address_hash"),
    sqlite_autoincrement=True,
)

# An edition as a web page. One that a mailing brings is shown once that mailing has left.
article = sa.Table(
    "article",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("edition", sa.Text, nullable=False, index=True),
    sa.Column("digest", sa.Text, sa.ForeignKey("composition.digest"), unique=True),  # none if published by hand
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("published_at", UtcTime),  # by hand
    sa.Column("withdrawn_at", UtcTime),
    sqlite_autoincrement=True,
)

picture = sa.Table(
    "picture",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # made of its content's digest
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

access_token = sa.Table(
    "access_token",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("used_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
    sqlite_autoincrement=True,
)

webhook = sa.Table(
    "webhook",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("kinds", sa.JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("disabled_at", UtcTime),
    sqlite_autoincrement=True,  # the secret that signs its calls is made of the id
)

webhook_call = sa.Table(
    "webhook_call",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("subscriber_id", Id),  # whom it is about, so that it can be erased
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_try", UtcTime, nullable=False),
    sa.Column("status", sa.Integer),  # of the newest answer (HTTP)
    sa.Column("answer", sa.Text),
    sa.Column("answered_at", UtcTime),
    one_of("state", CallState),
    sa.Index(None, "state", "next_try"),
    sa.Index(None, "subscriber_id"),
    sqlite_autoincrement=True,
)
