"""Writes all that the database holds into one file, and brings it back, also into the other kind of database.

The file is JSON, one line after another, compressed: a line about the backup; for each table a line with its name and
columns, and lines of rows; the highest ids ever given; a last line with the counts and a digest over all before it.
`sealing.py` encrypts it where there is a passphrase. The secret key, which signs links and hashes addresses, is in an
encrypted file only.
"""

import base64
import contextlib
import gzip
import hashlib
import hmac
import io
import json
import os
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import VERSIONS, UtcTime, metadata, subscriber, suppression
from newsletter.database.sealing import MAGIC, Opening, Sealing
from newsletter.errors import DatabaseError

_FORMAT: Final = 1
_ROWS: Final = 200
_LARGE: Final = frozenset({"composition", "article", "picture"})  # each row is as large as a page with its pictures
_DAMAGED: Final = "The backup is damaged or incomplete, and nothing was changed. Use another copy of it."

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        made_at: When it was made.
        encrypted: Whether it is.
        secret: The project's secret key; only an encrypted backup has it.
        fingerprint: Tells one secret key from another without telling it.
        rows: How many rows of each table.
    """

    made_at: datetime
    encrypted: bool
    secret: bytes | None
    fingerprint: str
    rows: dict[str, int]

    @property
    def people(self) -> int:
        """How many subscribers."""
        return self.rows.get("subscriber", 0)


def fingerprint(secret: bytes) -> str:
    """Tells one secret key from another; the key cannot be found from it."""
    return hmac.digest(secret, b"backup\0fingerprint", "sha256")[:8].hex()


def write_backup(database: Database, path: Path, *, secret: bytes, passphrase: str | None, now: datetime) -> Backup:
    """Write a backup and read it again; the file is there whole and proven to open, or not at all.

    Args:
        database: Open.
        path: The file to make, for its owner only.
        secret: The project's secret key.
        passphrase: Encrypts the file; None leaves it readable.
        now: When.

    Raises:
        DatabaseError: There is such a file already, or it cannot be written.
    """
    if path.exists():
        raise DatabaseError(f"There is a file «{path}» already, and it was left alone. Choose another name.")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 a descriptor
            with contextlib.ExitStack() as stack:
                below: Any = file if passphrase is None else stack.enter_context(Sealing(file, passphrase))
                packed = stack.enter_context(gzip.GzipFile(fileobj=below, mode="wb", compresslevel=6, mtime=0))
                written = _write(database, cast("BinaryIO", packed), secret, passphrase, now)
            file.flush()
            os.fsync(file.fileno())
        if read_backup(part, passphrase=passphrase).rows != written:
            raise DatabaseError("The backup does not hold what was written, and was thrown away. Check the disk.")
        part.replace(path)
    except OSError as error:
        raise DatabaseError(
            f"The backup «{path}» cannot be written: {error.strerror}. Choose another place."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return read_backup(path, passphrase=passphrase)


def _write(database: Database, file: BinaryIO, secret: bytes, passphrase: str | None, now: datetime) -> dict[str, int]:
    digest = hashlib.sha256()

    def line(value: object) -> None:
        text = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        digest.update(text)
        file.write(text)

    head: dict[str, object] = {"backup": _FORMAT, "version": VERSIONS[-1], "made_at": now.isoformat()}
    head["fingerprint"] = fingerprint(secret)
    if passphrase is not None:
        head["secret"] = base64.b64encode(secret).decode()
    line(head)
    counts: dict[str, int] = {}
    with database.read() as connection:  # one moment of all tables
        for table in metadata.sorted_tables:
            counts[table.name] = 0
            line({"table": table.name, "columns": [column.name for column in table.c]})
            change = _converters(table, _to_json)
            size = 1 if table.name in _LARGE else _ROWS
            found = connection.execution_options(yield_per=size).execute(
                sa.select(table).order_by(*table.primary_key.columns)
            )
            for rows in found.partitions(size):
                line([_converted(row, change) for row in rows])
                counts[table.name] += len(rows)
        line({"highest": {table.name: _highest(connection, table) for table in _counted()}})
    line({"end": counts, "sha256": digest.hexdigest()})
    return counts


def read_backup(path: Path, *, passphrase: str | None) -> Backup:
    """Read a backup from beginning to end, and see that nothing of it is missing or changed.

    Raises:
        DatabaseError: It is damaged, no backup, of a newer program, or opens with another passphrase.
    """
    head: dict[str, Any] = {}
    rows: dict[str, int] = {}
    table = ""
    for line in _lines(path, passphrase):
        if isinstance(line, list):
            rows[table] += len(line)
        elif "table" in line:
            table = line["table"]
            rows[table] = 0
        elif "backup" in line:
            head = line
        elif "end" in line and line["end"] != rows:
            raise DatabaseError(_DAMAGED)
    secret = base64.b64decode(head["secret"]) if "secret" in head else None
    return Backup(datetime.fromisoformat(head["made_at"]), secret is not None, secret, head["fingerprint"], rows)


def restore_backup(database: Database, path: Path, *, passphrase: str | None, same_key: bool) -> Backup:
    """Put what a backup holds in the place of everything in the database, all of it or nothing.

    Who asked since never to be mailed, or was erased, stays so.

    Args:
        database: Open; no mailing may be running.
        path: The backup.
        passphrase: Opens it, if it is encrypted.
        same_key: Whether the database's addresses were hashed with the same key as the backup's.

    Returns:
        What is in the database now.

    Raises:
        DatabaseError: The backup cannot be used; nothing was changed.
    """
    backup = read_backup(path, passphrase=passphrase)  # all of it, before anything is touched
    with database.write() as connection:
        kept = [dict(row) for row in connection.execute(sa.select(suppression)).mappings()] if same_key else []
        _start_again(connection)
        table: sa.Table | None = None
        change: list[tuple[int, Convert]] = []
        for line in _lines(path, passphrase):
            if isinstance(line, list):
                if table is not None and line:
                    names = [column.name for column in table.c]
                    values = [dict(zip(names, _converted(row, change), strict=True)) for row in line]
                    connection.execute(sa.insert(table), values)
            elif "table" in line:
                table = _table(line)
                change = _converters(table, _from_json)
            elif "highest" in line:
                for counted in _counted():
                    _set_highest(connection, counted, line["highest"].get(counted.name, 0))
        _keep_out(connection, kept)
        here = {each.name: _count(connection, each) for each in metadata.sorted_tables}
        if not kept and here != backup.rows:
            raise DatabaseError("The database does not hold what the backup has, and was left as it was before.")
    return replace(backup, rows=here)


def is_empty(database: Database) -> bool:
    """Whether nobody and nothing is lost when a backup takes the database's place."""
    with database.read() as connection:
        return not any(_count(connection, table) for table in metadata.sorted_tables if table.name != "list")


def _start_again(connection: sa.Connection) -> None:
    """Make all tables anew; rows of consent records cannot be deleted, and should not be."""
    from newsletter.database.migrations import migrate  # noqa: PLC0415 - Alembic takes long to load

    metadata.drop_all(connection)
    connection.exec_driver_sql("DROP TABLE alembic_version")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS consent_record_unchanged()")
    migrate(connection)


def _keep_out(connection: sa.Connection, kept: list[dict[str, Any]]) -> None:
    """Let nobody come back who has asked to be left alone since the backup."""
    known = {bytes(hashed) for hashed in connection.scalars(sa.select(suppression.c.address_hash))}
    if missing := [row for row in kept if bytes(row["address_hash"]) not in known]:
        connection.execute(sa.insert(suppression), missing)
        for row in missing:
            if row["reason"] == "erased":
                connection.execute(sa.delete(subscriber).where(subscriber.c.address_hash == row["address_hash"]))


def _lines(path: Path, passphrase: str | None) -> Iterator[Any]:
    """The lines of a backup, checked as far as they are read; the last one is checked against all before it."""
    digest = hashlib.sha256()
    ended = False
    try:
        with _opened(path, passphrase) as file:
            for number, text in enumerate(file):
                line = json.loads(text)
                if number == 0:
                    _check_head(line)
                if ended:
                    raise DatabaseError(_DAMAGED)
                if isinstance(line, dict) and "end" in line:
                    ended = True
                    if line["sha256"] != digest.hexdigest():
                        raise DatabaseError(_DAMAGED)
                digest.update(text)
                yield line
    except FileNotFoundError as error:
        raise DatabaseError(f"There is no file «{path}». Check its name.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DatabaseError(_DAMAGED) from error
    except OSError as error:
        raise DatabaseError(f"The backup «{path}» cannot be read: {error.strerror}.") from error
    if not ended:
        raise DatabaseError(_DAMAGED)


@contextlib.contextmanager
def _opened(path: Path, passphrase: str | None) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        start = file.peek(len(MAGIC))[: len(MAGIC)]
        below: Any = file
        if start == MAGIC:
            if passphrase is None:
                raise DatabaseError("The backup is encrypted. Put its passphrase in NEWSLETTER_BACKUP_PASSPHRASE.")
            below = io.BufferedReader(Opening(file, passphrase))
        elif not start.startswith(b"\x1f\x8b"):
            raise DatabaseError(f"«{path}» is not a backup, or its beginning is damaged. Choose another file.")
        with gzip.GzipFile(fileobj=below) as unpacked:
            yield cast("BinaryIO", unpacked)


def _check_head(line: Any) -> None:
    if not isinstance(line, dict) or "backup" not in line:
        raise DatabaseError(_DAMAGED)
    if line["backup"] != _FORMAT or line["version"] not in VERSIONS:
        raise DatabaseError(
            "The backup was made by a newer version of this program. "
            "Install the newest version: pip install --upgrade stayintheloop."
        )
    if line["version"] != VERSIONS[-1]:
        raise DatabaseError(
            "The backup was made by an older version of this program. "
            "Restore it with that version, then open the project with this one."
        )


def _table(line: dict[str, Any]) -> sa.Table:
    table = metadata.tables.get(line["table"])
    if table is None or [column.name for column in table.c] != line["columns"]:
        raise DatabaseError(_DAMAGED)
    return table


def _converters(table: sa.Table, of: Callable[[sa.types.TypeEngine[Any]], Convert | None]) -> list[tuple[int, Convert]]:
    """The columns whose values JSON cannot hold as they are, and what to do about each."""
    found = ((place, of(column.type)) for place, column in enumerate(table.c))
    return [(place, convert) for place, convert in found if convert is not None]


def _to_json(kind: sa.types.TypeEngine[Any]) -> Convert | None:
    if isinstance(kind, sa.LargeBinary):
        return lambda value: base64.b64encode(value).decode()
    return (lambda value: value.isoformat()) if isinstance(kind, UtcTime | sa.Date) else None


def _from_json(kind: sa.types.TypeEngine[Any]) -> Convert | None:
    if isinstance(kind, sa.LargeBinary):
        return base64.b64decode
    if isinstance(kind, UtcTime):
        return datetime.fromisoformat
    return date.fromisoformat if isinstance(kind, sa.Date) else None


def _converted(row: Any, change: list[tuple[int, Convert]]) -> list[Any]:
    values = list(row)
    for place, convert in change:
        if values[place] is not None:
            values[place] = convert(values[place])
    return values


def _counted() -> list[sa.Table]:
    """The tables whose rows get their ids from the database."""
    return [table for table in metadata.sorted_tables if table.autoincrement_column is not None]


def _highest(connection: sa.Connection, table: sa.Table) -> int:
    """The highest id that a table ever gave: that of somebody erased is never given to somebody else."""
    present = connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
    if connection.dialect.name == "postgresql":
        sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, "id")))
        given = connection.exec_driver_sql(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        return int(max(present, given.scalar_one()))
    given = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    return int(max(present, given.scalar() or 0))


def _set_highest(connection: sa.Connection, table: sa.Table, highest: int) -> None:
    if not highest:
        return
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        connection.execute(sa.select(sa.func.setval(sequence, highest)))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        about = {"name": table.name, "seq": highest}
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), about)
        connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), about)


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
