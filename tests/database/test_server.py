"""A server that is away, closed or not ours is told in a sentence; both kinds of database promise the same."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.database.connection import COPIES, Database, copies, open_database
from newsletter.database.schema import VERSIONS, list_
from newsletter.errors import DatabaseError
from tests.database.opened import Server, create


def test_two_processes_may_open_a_new_database_on_a_server_at_once(server: Server) -> None:
    name = f"test_{uuid.uuid4().hex}"
    create(server, name)
    program = (
        "from newsletter.database.connection import open_database\n"
        f"with open_database({server.url(name)!r}) as database, database.read() as connection:\n"
        "    print(connection.exec_driver_sql('SELECT version_num FROM alembic_version').scalar_one())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate() for run in runs] == [(f"{VERSIONS[-1]}\n", "")] * 2


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    with pytest.raises(DatabaseError, match="cannot be reached") as raised:
        open_database("postgresql://ada:hunter2@127.0.0.1:1/news")
    assert "hunter2" not in str(raised.value)


def test_a_database_that_is_missing_on_the_server_is_told(server: Server) -> None:
    with pytest.raises(DatabaseError, match=r"has no database «nowhere».*createdb nowhere"):
        open_database(server.url("nowhere"))


def test_a_user_whom_the_server_does_not_know_is_told_without_the_password(server: Server) -> None:
    with pytest.raises(DatabaseError, match="does not let «ada» in") as raised:
        open_database(server.url("postgres").replace("news@", "ada:hunter2@"))
    assert "hunter2" not in str(raised.value)


def test_a_database_of_something_else_on_the_server_is_left_alone(server: Server) -> None:
    name = f"test_{uuid.uuid4().hex}"
    create(server, name)
    engine = sa.create_engine(server.url(name).replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE photos (id INTEGER)")
    with pytest.raises(DatabaseError, match="belongs to something else"):
        open_database(server.url(name))
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == ["photos"]


def test_a_database_of_a_newer_program_is_refused_on_either_kind(database: Database, database_url: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer version of this program"):
        open_database(database_url)


def test_who_only_reads_cannot_write_on_either_kind(database: Database) -> None:
    with pytest.raises((sa.exc.DBAPIError, DatabaseError)), database.read() as connection:
        connection.execute(sa.insert(list_).values(slug="sneaked"))
    with database.write() as connection:
        assert "sneaked" not in connection.scalars(sa.select(list_.c.slug)).all()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_ends_is_told_and_the_next_one_works(database: Database) -> None:

    def lose() -> None:
        with database.write() as connection, database.engine.connect() as other:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
            connection.execute(sa.insert(list_).values(slug="lost"))

    with pytest.raises(DatabaseError, match="went away"):
        lose()
    with database.read() as connection:
        assert "lost" not in connection.scalars(sa.select(list_.c.slug)).all()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_text_that_the_server_cannot_keep_is_told(database: Database) -> None:
    with pytest.raises(DatabaseError, match="character that the database cannot keep"), database.write() as connection:
        connection.execute(sa.insert(list_).values(slug="a\0b"))


def test_before_a_migration_a_copy_is_kept_beside_the_file(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_database.path
    assert path is not None
    sqlite_database.close()

    versions = list(VERSIONS)

    def pretend(connection: sa.Connection) -> None:
        connection.execute(sa.insert(list_).values(slug=f"of {versions[-1]}"))
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{versions[-1]}'")

    monkeypatch.setattr("newsletter.database.migrations.migrate", pretend)
    first = len(VERSIONS) + 1
    for number in range(first, first + 5):
        versions.append(f"{number:04}")
        monkeypatch.setattr("newsletter.database.connection.VERSIONS", tuple(versions))
        open_database(f"sqlite:///{path}").close()
        newest = copies(path)[-1]
        assert newest.name == f"newsletter.db.version-{number - 1:04}"
        assert newest.stat().st_mode & 0o777 == 0o600
        engine = sa.create_engine(f"sqlite:///{newest}")
        with engine.begin() as connection:  # as it was before
            slugs = connection.scalars(sa.select(list_.c.slug).order_by(list_.c.id)).all()
        engine.dispose()
        assert slugs == ["community", "donors", *(f"of {earlier:04}" for earlier in range(first, number))]
    assert [int(copy.name[-4:]) for copy in copies(path)] == [first + 1, first + 2, first + 3]
    assert len(copies(path)) == COPIES
    assert sorted(each.name for each in path.parent.glob(".*.copying*")) == []


def test_where_no_copy_can_be_made_the_database_is_left_as_it_is(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_database.path
    assert path is not None
    sqlite_database.close()
    monkeypatch.setattr("newsletter.database.connection.VERSIONS", (*VERSIONS, "9998"))
    (path.parent / f".{path.name}.copying").mkdir()
    with pytest.raises(DatabaseError, match="No copy of the database"):
        open_database(f"sqlite:///{path}")
    monkeypatch.undo()
    open_database(f"sqlite:///{path}").close()


def test_a_database_with_its_password_is_never_shown(tmp_path: Path) -> None:
    program = "from newsletter.cli import run\nimport sys\nsys.exit(run(['lists', '--project', sys.argv[1]]))"
    (tmp_path / "newsletter.toml").write_text(Path("newsletter.toml").read_text())
    env = {**os.environ, "NEWSLETTER_DATABASE__URL": "postgresql://ada:hunter2@127.0.0.1:1/news"}
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "cannot be reached" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr
