"""The few statements of an import that must be quick on each database in its own way.

A million people are put in by SQLite's prepared statements, or by PostgreSQL's COPY; everything else an import says to
the database it says through SQLAlchemy, once for both.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import sqlalchemy as sa

_CACHE_KIB = 40_000
"""Memory for SQLite's pages while an import runs; indexes that do not fit are written to the disk again and again."""


class Store(Protocol):
    """What an import needs of a database."""

    def ids(self, count: int) -> list[int]:
        """That many new ids for subscribers, ascending, that nobody else gets."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Put rows in; values as the driver takes them."""
        ...

    def among(self, query: str, values: Sequence[object]) -> list[Any]:
        """The rows of a query that ends with the column which must have one of these values."""
        ...

    def close(self) -> None:
        """Leave the connection as it was."""
        ...


def open_store(connection: sa.Connection) -> Store:
    """The store for a connection's database."""
    return _Sqlite(connection) if connection.dialect.name == "sqlite" else _Postgres(connection)


class _Sqlite:
    """Prepared statements, and room for the pages of the indexes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._driver = cast("Any", connection.connection.driver_connection)
        self._before: int = self._driver.execute("PRAGMA cache_size").fetchone()[0]
        self._driver.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def ids(self, count: int) -> list[int]:
        given = self._driver.execute("SELECT seq FROM sqlite_sequence WHERE name = 'subscriber'").fetchone()
        first = (given[0] if given else 0) + 1
        return list(range(first, first + count))

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        places = ", ".join("?" * len(columns))
        self._driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)  # noqa: S608 - our own names

    def among(self, query: str, values: Sequence[object]) -> list[Any]:
        return cast("list[Any]", self._driver.execute(f"{query} IN ({','.join('?' * len(values))})", values).fetchall())

    def close(self) -> None:
        self._driver.execute(f"PRAGMA cache_size = {self._before}")


class _Postgres:
    """COPY, and arrays."""

    def __init__(self, connection: sa.Connection) -> None:
        # A table that fills up within one transaction has no statistics yet: believed empty, it would be read whole
        # for every batch, and for every foreign key.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        self._driver: Any = connection.connection.driver_connection

    def ids(self, count: int) -> list[int]:
        query = "SELECT nextval(pg_get_serial_sequence('subscriber', 'id')) FROM generate_series(1, %s)"
        return sorted(row[0] for row in self._driver.execute(query, [count]))

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def among(self, query: str, values: Sequence[object]) -> list[Any]:
        return cast("list[Any]", self._driver.execute(f"{query} = ANY(%s)", [list(values)]).fetchall())

    def close(self) -> None:
        pass
