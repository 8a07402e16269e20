"""Opening: private from the first byte, brought up to date by itself, and refused with a sentence where it must be."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.database.connection import Database, open_database
from newsletter.database.schema import VERSIONS, list_
from newsletter.errors import DatabaseError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_database_and_its_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with (
            open_database(f"sqlite:///{tmp_path}/subscribers/newsletter.db") as database,
            database.write() as connection,
        ):
            connection.execute(sa.insert(list_).values(slug="community"))
            files = {path.name: mode(path) for path in (tmp_path / "subscribers").iterdir()}
    finally:
        os.umask(before)
    assert mode(tmp_path / "subscribers") == 0o700
    assert files == {"newsletter.db": 0o600, "newsletter.db-wal": 0o600, "newsletter.db-shm": 0o600}


def test_a_database_that_others_could_read_is_closed_to_them(sqlite_database: Database) -> None:
    path = sqlite_database.path
    assert path is not None
    sqlite_database.close()
    path.chmod(0o644)
    open_database(f"sqlite:///{path}").close()
    assert mode(path) == 0o600


def test_what_sqlite_forgets_is_set_on_every_connection(sqlite_database: Database) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    with sqlite_database.read() as one, sqlite_database.read() as other:
        for connection in (one, other):
            assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted


def test_a_transaction_happens_as_a_whole_or_not(sqlite_database: Database) -> None:
    def break_off() -> None:
        with sqlite_database.write() as connection:
            connection.execute(sa.insert(list_).values(slug="half"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with sqlite_database.read() as connection:
        assert "half" not in connection.scalars(sa.select(list_.c.slug)).all()


def test_readers_do_not_wait_for_a_writer_and_see_one_moment(sqlite_database: Database) -> None:
    with sqlite_database.read() as reading:
        seen = reading.scalars(sa.select(list_.c.slug)).all()
        with sqlite_database.write() as writing:
            writing.execute(sa.insert(list_).values(slug="new"))
            assert reading.scalars(sa.select(list_.c.slug)).all() == seen
        assert reading.scalars(sa.select(list_.c.slug)).all() == seen
    with sqlite_database.read() as reading:
        assert "new" in reading.scalars(sa.select(list_.c.slug)).all()


def test_two_writers_take_turns_and_lose_nothing(sqlite_database: Database) -> None:
    """Each reads, then writes: a transaction that began as a reader would fail here."""

    def work(name: str) -> None:
        for number in range(20):
            with sqlite_database.write() as connection:
                count = connection.execute(sa.select(sa.func.count()).select_from(list_)).scalar_one()
                connection.execute(sa.insert(list_).values(slug=f"{name}-{number}-{count}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite_database.read() as connection:
        counts = [int(slug.rpartition("-")[2]) for slug in connection.scalars(sa.select(list_.c.slug)) if "-" in slug]
    assert sorted(counts) == list(range(2, 62))


def test_a_writer_that_never_ends_is_told_in_a_sentence(sqlite_database: Database) -> None:
    def hurry(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 1")

    sqlite_database.engine.dispose()
    sa.event.listen(sqlite_database.engine, "connect", hurry)
    holder = sqlite3.connect(str(sqlite_database.path), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="being written by another process"), sqlite_database.write():
        pass
    holder.close()


def test_opening_a_database_that_is_up_to_date_does_not_load_alembic(sqlite_database: Database) -> None:
    program = (
        "import sys\n"
        "from newsletter.database.connection import open_database\n"
        f"open_database('sqlite:///{sqlite_database.path}').close()\n"
        "print('alembic' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_two_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    program = (
        "from newsletter.database.connection import open_database\n"
        f"with open_database('sqlite:///{tmp_path}/new.db') as database, database.read() as connection:\n"
        "    print(connection.exec_driver_sql('SELECT version_num FROM alembic_version').scalar_one())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate() for run in runs] == [(f"{VERSIONS[-1]}\n", "")] * 2


def test_a_database_of_a_newer_program_is_refused_and_left_alone(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    sqlite_database.close()
    with pytest.raises(DatabaseError, match=r"newer version of this program.*pip install --upgrade"):
        open_database(f"sqlite:///{sqlite_database.path}")
    with sqlite3.connect(str(sqlite_database.path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    raw.close()


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE photos (id INTEGER)")
    raw.close()
    with pytest.raises(DatabaseError, match="belongs to something else"):
        open_database(f"sqlite:///{path}")
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    raw.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    path.write_bytes(b"Dear friends, this is a letter and no database at all. " * 50)
    with pytest.raises(DatabaseError, match="is damaged or is not a database"):
        open_database(f"sqlite:///{path}")


def test_a_database_that_was_damaged_later_is_told_in_a_sentence(sqlite_database: Database) -> None:
    sqlite_database.close()
    assert sqlite_database.path is not None
    content = bytearray(sqlite_database.path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    sqlite_database.path.write_bytes(content)
    with pytest.raises(DatabaseError, match="is damaged"), sqlite_database.read() as connection:
        connection.execute(sa.select(list_)).all()


def test_a_python_with_an_old_sqlite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(DatabaseError, match=r"3\.35 or newer is needed\. Use a newer Python"):
        open_database(f"sqlite:///{tmp_path}/newsletter.db")


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path}")


def test_a_place_where_no_folder_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseError, match="cannot be made"):
        open_database(f"sqlite:///{tmp_path}/file/newsletter.db")


@pytest.mark.parametrize("url", ["", "newsletter.db", "oracle:///x", "nothing+known://ada:hunter2@db.example.com/x"])
def test_an_address_that_is_none_is_refused_and_its_password_not_told(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"Write it as sqlite:///subscribers/newsletter\.db") as raised:
        open_database(url)
    assert "hunter2" not in str(raised.value)
