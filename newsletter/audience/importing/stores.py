"""The few statements of an import that must be quick on each database in its own way.

A million people are put in by statements of many rows on SQLite, or by COPY on PostgreSQL; everything else an import
says to the database it says through SQLAlchemy, once for both.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Protocol, cast

import sqlalchemy as sa

from newsletter.database.schema import subscriber

_CACHE_KIB = 60_000
"""Memory for SQLite's pages while an import runs; indexes that do not fit are written to the disk again and again."""

_TOGETHER = 1_000
"""Rows in one statement on SQLite: enough that the thread that reads the file works on while the statement runs."""


class Store(Protocol):
    """What an import needs of a database.

    Attributes:
        subscribed_at_once: After how many new people they are best put on the list.
        subscribed_in_order: In what order consent records are best written: that of people reads them in one go, that
            of hashes writes the index on these in one go.
    """

    subscribed_at_once: int
    subscribed_in_order: sa.ColumnElement[Any]

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
    """Statements with many rows, and room for the pages of the indexes."""

    # A statement keeps a copy of every page that was there before it and that it changes; so there is only one.
    subscribed_at_once = sys.maxsize
    subscribed_in_order: sa.ColumnElement[Any] = subscriber.c.id

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
        rows = list(rows)
        place = f"({', '.join('?' * len(columns))})"
        # FAIL gives an error as usual, but keeps no copies of pages to take half a statement back.
        start = f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - our own names
        whole = len(rows) // _TOGETHER * _TOGETHER
        many = start + ", ".join([place] * _TOGETHER)
        for first in range(0, whole, _TOGETHER):
            self._driver.execute(many, list(chain.from_iterable(rows[first : first + _TOGETHER])))
        self._driver.executemany(start + place, rows[whole:])

    def among(self, query: str, values: Sequence[object]) -> list[Any]:
        return cast("list[Any]", self._driver.execute(f"{query} IN ({','.join('?' * len(values))})", values).fetchall())

    def close(self) -> None:
        self._driver.execute(f"PRAGMA cache_size = {self._before}")


class _Postgres:
    """COPY, and arrays."""

    # Soon enough that the people are still in the server's memory, which every foreign key asks for them.
    subscribed_at_once = 50_000
    subscribed_in_order: sa.ColumnElement[Any] = subscriber.c.address_hash

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
