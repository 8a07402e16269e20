"""The clock that all workers share, whatever their own say: the database's."""

import sqlalchemy as sa


def database_time(connection: sa.Connection) -> sa.ColumnElement[float]:
    """The time by the database's clock, in seconds since 1970, as an expression."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    return (sa.func.julianday("now") - 2440587.5) * 86400.0
