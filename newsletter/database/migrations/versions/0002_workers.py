"""What several workers need to share the sending: who is alive, the pace, retries, and why a mailing is paused."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add tables and columns; what is there stays as it is."""
    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "pace",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("free_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pace")),
    )
    op.add_column("mailing", sa.Column("recipients_of", ID))
    op.add_column("mailing", sa.Column("recipients_state", sa.Text()))
    op.add_column("mailing", sa.Column("paused_because", sa.Text()))
    op.add_column("delivery", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("delivery", sa.Column("next_try", sa.DateTime(timezone=True)))
    op.add_column("delivery", sa.Column("address_hash", sa.LargeBinary(length=32)))
