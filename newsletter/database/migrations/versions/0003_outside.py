"""What passes between us and the world outside of mailings: letters, pages, forms, events, other programs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add tables, and a column; what is there stays as it is."""
    op.create_table(
        "access_token",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
        sa.UniqueConstraint("name", name=op.f("uq_access_token_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_access_token_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "allowance",
        sa.Column("name", sa.LargeBinary(length=32), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_allowance")),
    )
    op.create_index(op.f("ix_allowance_until"), "allowance", ["until"], unique=False)
    op.create_table(
        "form_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(length=32)),
        sa.Column("origin", sa.LargeBinary(length=32)),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_entry")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_form_entry_address_hash"), "form_entry", ["address_hash"], unique=False)
    op.create_index(op.f("ix_form_entry_expires_at"), "form_entry", ["expires_at"], unique=False)
    op.create_index(op.f("ix_form_entry_form_id"), "form_entry", ["form", "id"], unique=False)
    op.create_table(
        "picture",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_picture")),
    )
    op.create_table(
        "webhook",
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "article",
        sa.Column("id", ID, nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("published_at", MOMENT),
        sa.Column("withdrawn_at", MOMENT),
        sa.ForeignKeyConstraint(["digest"], ["composition.digest"], name=op.f("fk_article_digest_composition")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article")),
        sa.UniqueConstraint("digest", name=op.f("uq_article_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_article_edition"), "article", ["edition"], unique=False)
    op.create_table(
        "letter",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subscriber_id", ID),
        sa.Column("list_id", ID),
        sa.Column("language", sa.Text()),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.Column("reason", sa.Text()),
        sa.Column("used_at", MOMENT),
        sa.CheckConstraint("state IN ('queued', 'leaving', 'sent', 'failed')", name=op.f("ck_letter_state")),
        sa.ForeignKeyConstraint(["list_id"], ["list.id"], name=op.f("fk_letter_list_id_list")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_letter_subscriber_id_subscriber"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_letter_address_hash_created_at"), "letter", ["address_hash", "created_at"], unique=False)
    op.create_index(op.f("ix_letter_state_next_try"), "letter", ["state", "next_try"], unique=False)
    op.create_index(op.f("ix_letter_subscriber_id"), "letter", ["subscriber_id"], unique=False)
    op.create_table(
        "webhook_call",
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("subscriber_id", ID),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try", MOMENT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("answer", sa.Text()),
        sa.Column("answered_at", MOMENT),
        sa.CheckConstraint("state IN ('waiting', 'done', 'given up')", name=op.f("ck_webhook_call_state")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_call_webhook_id_webhook"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_call")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhook_call_state_next_try"), "webhook_call", ["state", "next_try"], unique=False)
    op.create_index(op.f("ix_webhook_call_subscriber_id"), "webhook_call", ["subscriber_id"], unique=False)
    op.create_index(op.f("ix_webhook_call_webhook_id"), "webhook_call", ["webhook_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("subscriber_id", ID),
        sa.Column("address_hash", sa.LargeBinary(length=32)),
        sa.Column("mailing_id", ID),
        sa.Column("delivery_id", ID),
        sa.Column("domain", sa.Text()),
        sa.Column("status", sa.Text()),
        sa.Column("hard", sa.Boolean()),
        sa.Column("reason", sa.Text()),
        sa.Column("raw", sa.Text()),
        sa.CheckConstraint(
            "kind IN ('processed', 'delivered', 'deferred', 'bounced', 'dropped', 'complained', 'unsubscribed', "
            "'returned', 'replied', 'other')",
            name=op.f("ck_event_kind"),
        ),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_event_delivery_id_delivery")),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_event_mailing_id_mailing")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_event_subscriber_id_subscriber"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("provider", "key", name=op.f("uq_event_provider_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_address_hash_kind"), "event", ["address_hash", "kind"], unique=False)
    op.create_index(op.f("ix_event_delivery_id"), "event", ["delivery_id"], unique=False)
    op.create_index(op.f("ix_event_mailing_id_kind"), "event", ["mailing_id", "kind"], unique=False)
    op.create_index(op.f("ix_event_subscriber_id"), "event", ["subscriber_id"], unique=False)
    op.create_table(
        "merged",
        sa.Column("gone", ID, autoincrement=False, nullable=False),
        sa.Column("kept", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["kept"], ["subscriber.id"], name=op.f("fk_merged_kept_subscriber"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gone", name=op.f("pk_merged")),
    )
    op.create_index(op.f("ix_merged_kept"), "merged", ["kept"], unique=False)
    op.add_column("subscriber", sa.Column("paused_until", MOMENT))
