"""Backups: everything comes back on either kind of database; what was touched is refused and changes nothing."""

import contextlib
import gzip
import os
import shutil
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import ensure_lists, subscribe
from newsletter.audience.privacy import erase
from newsletter.audience.subscribers import Details, save_subscriber
from newsletter.database.backup import Backup, is_empty, read_backup, restore_backup, write_backup
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import VERSIONS, composition, delivery, mailing, metadata, subscriber
from newsletter.database.sealing import MAGIC
from newsletter.errors import AudienceError, DatabaseError
from tests.database.opened import AGREED, NOW, SECRET, add_people, create

PASSPHRASE = "correct horse battery staple"
ADA = Details(email="ada@example.com", first_name="Ada Żółć 💌", tags=("x", "ÿ"), attributes={"employer": "Babbage"})


@pytest.fixture
def other(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of the other kind."""
    if database.engine.dialect.name == "sqlite":
        server, name = request.getfixturevalue("server"), f"test_{uuid.uuid4().hex}"
        create(server, name, request.getfixturevalue("template"))
        url = server.url(name)
    else:
        shutil.copyfile(request.getfixturevalue("empty_file"), tmp_path / "other.db")
        url = f"sqlite:///{tmp_path}/other.db"
    with open_database(url) as opened:
        with opened.write() as connection:
            ensure_lists(connection, ["donors", "staff", "community"])  # other ids than in the backup
        yield opened


def fill(database: Database) -> None:
    with database.write() as connection:
        person, _ = save_subscriber(connection, ADA, secret=SECRET, now=NOW)
        subscribe(connection, person, "community", AGREED)
        add_people(connection, 450)
        connection.execute(sa.insert(composition).values(digest="d" * 64, data=bytes(range(256))))
        about = {"edition": "data-sharing", "title": "Data Sharing", "list_id": 1, "digest": "d" * 64, "state": "sent"}
        connection.execute(
            sa.insert(mailing).values(sender="outbox", created_at=NOW, holds_until=NOW, audience=1, **about)
        )
        row = {"mailing_id": 1, "edition": "data-sharing", "subscriber_id": person, "state": "accepted"}
        connection.execute(sa.insert(delivery).values(claimed_at=NOW, **row))
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == 451))  # the highest id is gone for ever


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.read() as connection:
        return {
            table.name: [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


def write(database: Database, path: Path, passphrase: str | None = None) -> Backup:
    return write_backup(database, path, secret=SECRET, passphrase=passphrase, now=NOW)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_everything_comes_back_on_the_other_kind_of_database(
    database: Database, other: Database, tmp_path: Path, passphrase: str | None
) -> None:
    fill(database)
    made = write(database, tmp_path / "all.backup", passphrase)
    assert made.people == 450
    assert is_empty(other)
    restored = restore_backup(other, tmp_path / "all.backup", passphrase=passphrase, same_key=True)
    assert restored == made
    assert everything(other) == everything(database)
    with other.write() as connection:  # ids go on after the highest ever given
        new, _ = save_subscriber(connection, Details(email="new@example.com"), secret=SECRET, now=NOW)
        assert new == 452
        ensure_lists(connection, ["press"])
    assert not is_empty(other)


def test_a_backup_takes_the_place_of_what_is_there_and_nobody_erased_since_comes_back(
    database: Database, tmp_path: Path
) -> None:
    fill(database)
    write(database, tmp_path / "all.backup")
    with database.write() as connection:
        save_subscriber(connection, Details(email="late@example.com"), secret=SECRET, now=NOW)
    erase(database, ADA.email, secret=SECRET, now=NOW)
    restore_backup(database, tmp_path / "all.backup", passphrase=None, same_key=True)
    with database.read() as connection:
        people = set(connection.scalars(sa.select(subscriber.c.email)))
        assert connection.scalars(sa.select(delivery.c.state)).all() == ["accepted"]
    assert len(people) == 449
    assert not people & {"ada@example.com", "late@example.com"}
    with pytest.raises(AudienceError, match="erased"), database.write() as connection:
        save_subscriber(connection, ADA, secret=SECRET, now=NOW)


def test_only_an_encrypted_backup_has_the_key_and_its_owner_alone_reads_either(
    sqlite_database: Database, tmp_path: Path
) -> None:
    fill(sqlite_database)
    assert write(sqlite_database, tmp_path / "plain").secret is None
    assert write(sqlite_database, tmp_path / "sealed", PASSPHRASE).secret == SECRET
    assert SECRET not in gzip.decompress((tmp_path / "plain").read_bytes())
    assert b"Babbage" in gzip.decompress((tmp_path / "plain").read_bytes())
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


def test_a_file_that_is_there_is_not_written_over(sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(DatabaseError, match="already"):
        write(sqlite_database, tmp_path / "thesis.doc")
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


def test_another_passphrase_or_none_is_told(sqlite_database: Database, tmp_path: Path) -> None:
    write(sqlite_database, tmp_path / "sealed", PASSPHRASE)
    with pytest.raises(DatabaseError, match="passphrase in NEWSLETTER_BACKUP_PASSPHRASE is another one"):
        read_backup(tmp_path / "sealed", passphrase="wrong")
    with pytest.raises(DatabaseError, match="is encrypted"):
        read_backup(tmp_path / "sealed", passphrase=None)
    with pytest.raises(DatabaseError, match="There is no file"):
        read_backup(tmp_path / "missing", passphrase=None)
    (tmp_path / "letter").write_text("Dear friends")
    with pytest.raises(DatabaseError, match="is not a backup"):
        read_backup(tmp_path / "letter", passphrase=None)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_backup_that_was_touched_anywhere_is_refused_and_changes_nothing(
    sqlite_database: Database, tmp_path: Path, passphrase: str | None
) -> None:
    fill(sqlite_database)
    with sqlite_database.write() as connection:  # more than two pieces, which compress badly
        connection.execute(sa.insert(composition).values(digest="e" * 64, data=os.urandom(200_000)))
    good = tmp_path / "good"
    write(sqlite_database, good, passphrase)
    data = good.read_bytes()
    piece, start = (1 << 16) + 16, len(MAGIC) + 17
    bad = {
        "cut off at a piece": data[: start + 2 * piece],
        "cut off anywhere": data[:-20],
        "nearly empty": data[:30],
        "one bit": data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        "pieces changed round": data[:start]
        + data[start + piece : start + 2 * piece]
        + data[start : start + piece]
        + data[start + 2 * piece :],
        "more at the end": data + b"more",
        "twice": data + data,
    }
    before = everything(sqlite_database)
    for content in bad.values():
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(DatabaseError, match=r"damaged|does not open"):
            restore_backup(sqlite_database, tmp_path / "bad", passphrase=passphrase, same_key=True)
    assert everything(sqlite_database) == before


def test_a_plain_backup_whose_lines_were_changed_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    fill(sqlite_database)
    write(sqlite_database, tmp_path / "good")
    text = gzip.decompress((tmp_path / "good").read_bytes())
    for changed in (text.replace(b"Babbage", b"Baggage"), text[: text.rindex(b'{"end"')], b"[]\n" + text, text + text):
        (tmp_path / "bad").write_bytes(gzip.compress(changed))
        with pytest.raises(DatabaseError, match="damaged"):
            read_backup(tmp_path / "bad", passphrase=None)


def test_a_backup_of_a_newer_program_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    write(sqlite_database, tmp_path / "good")
    text = gzip.decompress((tmp_path / "good").read_bytes())
    text = text.replace(f'"version":"{VERSIONS[-1]}"'.encode(), b'"version":"9999"')
    (tmp_path / "newer").write_bytes(gzip.compress(text))
    with pytest.raises(DatabaseError, match="newer version"):
        read_backup(tmp_path / "newer", passphrase=None)


def test_killed_at_any_moment_a_backup_is_whole_or_not_there(sqlite_database: Database, tmp_path: Path) -> None:
    fill(sqlite_database)
    folder = tmp_path / "kept"
    folder.mkdir()
    program = (
        "import itertools\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from newsletter.database.backup import write_backup\n"
        "from newsletter.database.connection import open_database\n"
        f"with open_database('sqlite:///{sqlite_database.path}') as database:\n"
        "    for number in itertools.count():\n"
        "        print(number, flush=True)\n"
        f"        write_backup(database, Path({str(folder)!r}) / f'{{number}}.backup', secret={SECRET!r},\n"
        f"                     passphrase={PASSPHRASE!r}, now=datetime.now(UTC))\n"
    )
    for moment in (0.0, 0.05, 0.13):
        run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        run.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        for path in folder.glob("*.backup"):
            assert read_backup(path, passphrase=PASSPHRASE).people == 450
            path.unlink()
