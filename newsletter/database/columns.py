"""What the tables are made of: moments in UTC, ids, and columns that hold one word of an enumeration."""

from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment, in UTC whatever the database: `timestamptz` on PostgreSQL, sortable text on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Take an aware moment to the database; a naive one is a mistake in the program."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Bring a moment back, always aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows up by itself only in a column of type INTEGER; PostgreSQL must not run out at 2^31.
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def one_of(column: str, states: type[StrEnum]) -> sa.CheckConstraint:
    """Keep a column to the members of an enumeration."""
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(str(state)) for state in states)})", name=column)
