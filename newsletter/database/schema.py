"""The tables, said once for SQLite and PostgreSQL, so that every query and every migration speaks of the same thing.

Who is mailed stands in `subscriber`, `subscription` and `suppression`; what was mailed in `composition` and `mailing`;
who got it in `delivery`, the ledger; who sends right now, and how fast, in `worker` and `pace`. What came back, and
what the public pages show and take, stands in the tables of `outside.py`. Migrations make the tables; a test proves
that they and these modules agree.
"""

from enum import StrEnum

import sqlalchemy as sa

from newsletter.database import outside  # noqa: F401 - so that the metadata is whole
from newsletter.database.columns import Id, UtcTime, metadata, one_of

__all__ = ["UtcTime", "metadata"]

VERSIONS = ("0001", "0002", "0003")
"""Every version a database can have, oldest first; the last is what this code works with."""


class SubscriptionStatus(StrEnum):
    """How a subscriber stands to one list; only `ACTIVE` is mailed."""

    PENDING = "pending"
    """Asked for, and not yet confirmed by the person."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class SuppressionReason(StrEnum):
    """Why an address must never be mailed."""

    COMPLAINED = "complained"
    BOUNCED = "bounced"
    ERASED = "erased"
    ASKED = "asked"


class ConsentMethod(StrEnum):
    """How somebody's agreement reached us."""

    FORM = "form"
    IMPORT = "import"
    COMMAND = "command"
    CONFIRM = "confirm"
    """They followed the link in the message that asked them."""
    WITHDRAW = "withdraw"
    """They, or somebody for them, took it back."""


class MailingState(StrEnum):
    """Where a mailing is: `held → sending ⇄ paused → sent`, and `cancelled` from any but `sent`."""

    HELD = "held"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """Where a delivery is; `sending/ledger.py` says how it moves."""

    PLANNED = "planned"
    """To be sent; with a worker, reserved by it."""
    CLAIMED = "claimed"
    """Its bytes may be leaving right now."""
    ACCEPTED = "accepted"
    """The world took the message."""
    REFUSED = "refused"
    """The world said no for good."""
    DEFERRED = "deferred"
    """The world said not now."""
    UNKNOWN = "unknown"
    """It may have left or not; never sent again without evidence."""
    SKIPPED = "skipped"
    """Left out on purpose; the reason says why."""


NEVER_GOT_IT = (DeliveryState.REFUSED, DeliveryState.SKIPPED)
"""States that leave a person free for another mailing of the same edition; all others may have the message, or will."""


subscriber = sa.Table(
    "subscriber",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),
    sa.Column("address_hash", sa.LargeBinary(32), nullable=False),  # made from email_key, so unique with it
    sa.Column("first_name", sa.Text),
    sa.Column("last_name", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("joined", sa.Date, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("paused_until", UtcTime),  # they asked for no mail until then
    sqlite_autoincrement=True,  # the id of somebody erased is never given to somebody else
)

subscriber_tag = sa.Table(
    "subscriber_tag",
    metadata,
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Index(None, "tag", "subscriber_id"),
)

# People who were made one: the links of the one that is gone lead to the one that stays.
merged = sa.Table(
    "merged",
    metadata,
    sa.Column("gone", Id, primary_key=True, autoincrement=False),
    sa.Column("kept", Id, sa.ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False, index=True),
)

list_ = sa.Table(
    "list",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
)

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("list_id", Id, sa.ForeignKey("list.id"), primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    one_of("status", SubscriptionStatus),
    sa.Index(None, "list_id", "status", "subscriber_id"),
)

suppression = sa.Table(
    "suppression",
    metadata,
    sa.Column("address_hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    one_of("reason", SuppressionReason),
)

# Rows are only ever added; triggers of the first migration see to it. Whose they are is said twice: by id while the
# person is here, by keyed hash for ever.
consent_record = sa.Table(
    "consent_record",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="SET NULL"), index=True),
    sa.Column("address_hash", sa.LargeBinary(32), nullable=False, index=True),
    sa.Column("list_id", Id, sa.ForeignKey("list.id"), nullable=False),
    sa.Column("wording", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("origin", sa.LargeBinary(32)),  # keyed hash of where the request came from
    sa.Column("at", UtcTime, nullable=False),
    one_of("method", ConsentMethod),
    sqlite_autoincrement=True,
)

# What an import did, so that it can be told and undone; `audience/receipts.py` reads and cleans these tables.
import_receipt = sa.Table(
    "import_receipt",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 over the file
    sa.Column("options", sa.JSON, nullable=False),  # what was asked for, and how the file was read
    sa.Column("list_id", Id, sa.ForeignKey("list.id")),
    sa.Column("new", sa.Integer, nullable=False),
    sa.Column("updated", sa.Integer, nullable=False),
    sa.Column("unchanged", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("undone_at", UtcTime),
    sqlite_autoincrement=True,
)

# Rows on following lines that came to the same end are one row here. The reason repeats nothing that stood in the file.
import_row = sa.Table(
    "import_row",
    metadata,
    sa.Column("receipt_id", Id, sa.ForeignKey("import_receipt.id"), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

# People who came with an import: those with the ids from `first_id` on. A mark tells whether somebody was changed
# since.
import_arrival = sa.Table(
    "import_arrival",
    metadata,
    sa.Column("receipt_id", Id, sa.ForeignKey("import_receipt.id"), primary_key=True),
    sa.Column("first_id", Id, primary_key=True),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("marks", sa.LargeBinary, nullable=False),  # personal: a CRC-32 of each person's details, zero when erased
)

# People whom an import changed: of each change what was there before, and what it put there.
import_change = sa.Table(
    "import_change",
    metadata,
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("receipt_id", Id, sa.ForeignKey("import_receipt.id"), primary_key=True),
    sa.Column("changes", sa.JSON, nullable=False),  # personal: names, tags, attributes
)

composition = sa.Table(
    "composition",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

mailing = sa.Table(
    "mailing",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("edition", sa.Text, nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("list_id", Id, sa.ForeignKey("list.id"), nullable=False),
    sa.Column("where_source", sa.Text),
    sa.Column("digest", sa.Text, sa.ForeignKey("composition.digest"), nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("audience", sa.Integer),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("holds_until", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    one_of("state", MailingState),
    sa.Column("recipients_of", Id),  # a correction: only to those who had this mailing
    sa.Column("recipients_state", sa.Text),  # and in which state their delivery was
    sa.Column("paused_because", sa.Text),
    sqlite_autoincrement=True,  # files, links and Message-IDs carry the id: it never names two mailings
)

_HELD_FOR_EDITION = f"state NOT IN ({', '.join(repr(str(state)) for state in NEVER_GOT_IT)})"

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("mailing_id", Id, sa.ForeignKey("mailing.id"), nullable=False),
    sa.Column("edition", sa.Text, nullable=False),
    sa.Column("subscriber_id", Id, sa.ForeignKey("subscriber.id", ondelete="SET NULL"), index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("worker", sa.Text),
    sa.Column("message_id", sa.Text),
    sa.Column("claimed_at", UtcTime),
    sa.Column("answered_at", UtcTime),
    one_of("state", DeliveryState),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),  # that ended without an answer for good
    sa.Column("next_try", UtcTime),
    sa.Column("address_hash", sa.LargeBinary(32)),  # of the address when it was claimed; people move, merge and leave
    sa.Index(None, "mailing_id", "state", "id"),
    # One edition, one person, one message. Who was skipped or refused has none, and may be planned by another mailing.
    sa.Index(
        "uq_delivery_subscriber_id_edition",
        "subscriber_id",
        "edition",
        unique=True,
        sqlite_where=sa.text(_HELD_FOR_EDITION),
        postgresql_where=sa.text(_HELD_FOR_EDITION),
    ),
    sqlite_autoincrement=True,
)

# The moments of these two are seconds since 1970 by the clock of the database, which all workers share.
worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seen", sa.Float, nullable=False),
)

pace = sa.Table(
    "pace",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", sa.Float, nullable=False),  # when the next message may leave
)
