"""The first tables: subscribers, lists, consent, suppressions, compositions, mailings and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table of the first version."""
    op.create_table(
        "composition",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_composition")),
    )
    op.create_table(
        "list",
        sa.Column("id", ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list")),
        sa.UniqueConstraint("slug", name=op.f("uq_list_slug")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("first_name", sa.Text()),
        sa.Column("last_name", sa.Text()),
        sa.Column("language", sa.Text()),
        sa.Column("country", sa.Text()),
        sa.Column("joined", sa.Date(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscriber_email_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "suppression",
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "reason IN ('complained', 'bounced', 'erased', 'asked')", name=op.f("ck_suppression_reason")
        ),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppression")),
    )
    op.create_table(
        "consent_record",
        sa.Column("id", ID, nullable=False),
        sa.Column("subscriber_id", ID),
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("list_id", ID, nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("origin", sa.LargeBinary(length=32)),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "method IN ('form', 'import', 'command', 'confirm', 'withdraw')", name=op.f("ck_consent_record_method")
        ),
        sa.ForeignKeyConstraint(["list_id"], ["list.id"], name=op.f("fk_consent_record_list_id_list")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_consent_record_subscriber_id_subscriber"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_record")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_consent_record_address_hash"), "consent_record", ["address_hash"], unique=False)
    op.create_index(op.f("ix_consent_record_subscriber_id"), "consent_record", ["subscriber_id"], unique=False)
    op.create_table(
        "import_receipt",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("list_id", ID),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.ForeignKeyConstraint(["list_id"], ["list.id"], name=op.f("fk_import_receipt_list_id_list")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_receipt")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "import_row",
        sa.Column("receipt_id", ID, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["import_receipt.id"], name=op.f("fk_import_row_receipt_id_import_receipt")
        ),
        sa.PrimaryKeyConstraint("receipt_id", "line", name=op.f("pk_import_row")),
    )
    op.create_table(
        "import_arrival",
        sa.Column("receipt_id", ID, nullable=False),
        sa.Column("first_id", ID, nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["import_receipt.id"], name=op.f("fk_import_arrival_receipt_id_import_receipt")
        ),
        sa.PrimaryKeyConstraint("receipt_id", "first_id", name=op.f("pk_import_arrival")),
    )
    op.create_table(
        "import_change",
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("receipt_id", ID, nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["import_receipt.id"], name=op.f("fk_import_change_receipt_id_import_receipt")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_import_change_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "receipt_id", name=op.f("pk_import_change")),
    )
    op.create_table(
        "mailing",
        sa.Column("id", ID, nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("list_id", ID, nullable=False),
        sa.Column("where_source", sa.Text()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("audience", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("holds_until", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.CheckConstraint(
            "state IN ('held', 'sending', 'paused', 'sent', 'cancelled')", name=op.f("ck_mailing_state")
        ),
        sa.ForeignKeyConstraint(["digest"], ["composition.digest"], name=op.f("fk_mailing_digest_composition")),
        sa.ForeignKeyConstraint(["list_id"], ["list.id"], name=op.f("fk_mailing_list_id_list")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailing_edition"), "mailing", ["edition"], unique=False)
    op.create_table(
        "subscriber_tag",
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_subscriber_tag_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "tag", name=op.f("pk_subscriber_tag")),
    )
    op.create_index(
        op.f("ix_subscriber_tag_tag_subscriber_id"), "subscriber_tag", ["tag", "subscriber_id"], unique=False
    )
    op.create_table(
        "subscription",
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("list_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'unsubscribed', 'bounced', 'complained')",
            name=op.f("ck_subscription_status"),
        ),
        sa.ForeignKeyConstraint(["list_id"], ["list.id"], name=op.f("fk_subscription_list_id_list")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_subscription_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "list_id", name=op.f("pk_subscription")),
    )
    op.create_index(
        op.f("ix_subscription_list_id_status_subscriber_id"),
        "subscription",
        ["list_id", "status", "subscriber_id"],
        unique=False,
    )
    op.create_table(
        "delivery",
        sa.Column("id", ID, nullable=False),
        sa.Column("mailing_id", ID, nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("subscriber_id", ID),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("worker", sa.Text()),
        sa.Column("message_id", sa.Text()),
        sa.Column("claimed_at", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'accepted', 'refused', 'deferred', 'unknown', 'skipped')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_delivery_mailing_id_mailing")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_subscriber_id_subscriber"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_delivery_mailing_id_state_id"), "delivery", ["mailing_id", "state", "id"], unique=False)
    op.create_index(op.f("ix_delivery_subscriber_id"), "delivery", ["subscriber_id"], unique=False)
    op.create_index(
        "uq_delivery_subscriber_id_edition",
        "delivery",
        ["subscriber_id", "edition"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('refused', 'skipped')"),
        postgresql_where=sa.text("state NOT IN ('refused', 'skipped')"),
    )
    _keep_consent()


def _keep_consent() -> None:
    """Let nobody change or take away a consent record; only whose it is may be forgotten."""
    columns = ("id", "address_hash", "list_id", "wording", "method", "origin", "at")
    if op.get_bind().dialect.name == "sqlite":
        same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in columns)
        said = "SELECT RAISE(ABORT, 'consent records are never changed');"
        op.execute(
            "CREATE TRIGGER consent_record_unchanged BEFORE UPDATE ON consent_record "
            f"WHEN NOT (NEW.subscriber_id IS NULL AND {same}) BEGIN {said} END"
        )
        op.execute(f"CREATE TRIGGER consent_record_kept BEFORE DELETE ON consent_record BEGIN {said} END")
        return
    same = " AND ".join(f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in columns)
    op.execute(
        "CREATE FUNCTION consent_record_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF NEW.subscriber_id IS NULL AND {same} THEN RETURN NEW; END IF; END IF; "
        "RAISE EXCEPTION 'consent records are never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_record_unchanged BEFORE UPDATE OR DELETE ON consent_record "
        "FOR EACH ROW EXECUTE FUNCTION consent_record_unchanged()"
    )
    op.execute(
        "CREATE TRIGGER consent_record_kept BEFORE TRUNCATE ON consent_record "
        "FOR EACH STATEMENT EXECUTE FUNCTION consent_record_unchanged()"
    )
