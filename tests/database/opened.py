"""Real databases for tests, quickly: the migrations run once, every test gets a copy, on SQLite and on PostgreSQL."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.consent import Consent
from newsletter.audience.lists import ensure_lists, find_list
from newsletter.audience.subscribers import read_address
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import ConsentMethod, SubscriptionStatus, subscriber, subscription
from tests.parts import missing

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SECRET = b"a key for tests"
AGREED = Consent("Send me the newsletter.", ConsentMethod.FORM, NOW)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables and no rows."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    open_database(f"sqlite:///{path}").close()
    return path


class Server:
    """A PostgreSQL server of the tests' own, reached by a socket in its folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "data"
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        options = ("--encoding=UTF8", "--no-locale", "--no-sync", "--auth=trust", "--username=news")
        self._run("initdb", "--pgdata", str(self._data), *options)
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--pgdata", str(self._data), "--wait", "--log", log, "--options", options)

    def stop(self) -> None:
        """Stop at once."""
        self._run("pg_ctl", "stop", "--pgdata", str(self._data), "--mode", "immediate")

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://news@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


def postgresql_programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them off the path."""
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running PostgreSQL server; in CI it must be there."""
    programs = postgresql_programs()
    if programs is None:
        missing("PostgreSQL is not installed here.")
    # A socket's path may have 107 characters only, which pytest's own folders can exceed.
    folder = Path("/tmp") / f"newsletter-{uuid.uuid4().hex[:12]}"
    started = Server(folder, programs)
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The name of a database on the server with all tables and no rows."""
    create(server, "template_of_tests")
    open_database(server.url("template_of_tests")).close()
    return "template_of_tests"


def create(server: Server, name: str, template: str = "template0") -> None:
    """Make a database."""
    address = server.url("postgres").replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE {template}')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of one test's own with all tables, on each kind of database."""
    if request.param == "sqlite":
        path = tmp_path / "newsletter.db"
        shutil.copyfile(request.getfixturevalue("empty_file"), path)
        return f"sqlite:///{path}"
    server = request.getfixturevalue("server")
    name = f"test_{uuid.uuid4().hex}"
    create(server, name, request.getfixturevalue("template"))
    return str(server.url(name))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database of one test's own, with the lists `community` and `donors`, on each kind of database."""
    with open_database(database_url) as opened:
        with opened.write() as connection:
            ensure_lists(connection, ["community", "donors"])
        yield opened


@pytest.fixture
def sqlite_database(empty_file: Path, tmp_path: Path) -> Iterator[Database]:
    """The same on SQLite alone, for what only a file has."""
    path = tmp_path / "newsletter.db"
    shutil.copyfile(empty_file, path)
    with open_database(f"sqlite:///{path}") as opened:
        with opened.write() as connection:
            ensure_lists(connection, ["community", "donors"])
        yield opened


def add_people(connection: sa.Connection, count: int, to_list: str = "community") -> list[int]:
    """Put many made-up people on a list at once; their ids in order."""
    before = connection.execute(sa.select(sa.func.coalesce(sa.func.max(subscriber.c.id), 0))).scalar_one()
    list_id = find_list(connection, to_list)
    rows, places = [], []
    for number in range(before + 1, before + count + 1):
        email = f"reader{number}@example.com"
        rows.append(
            {
                "id": number,
                "email": email,
                "email_key": email,
                "address_hash": read_address(email).hashed(SECRET) if count < 100 else number.to_bytes(32, "big"),
                "first_name": f"Reader {number}",
                "joined": NOW.date(),
                "attributes": {},
            }
        )
        places.append(
            {
                "subscriber_id": number,
                "list_id": list_id,
                "status": SubscriptionStatus.ACTIVE,
                "created_at": NOW,
                "changed_at": NOW,
            }
        )
    if rows:
        connection.execute(sa.insert(subscriber), rows)
        connection.execute(sa.insert(subscription), places)
        if connection.dialect.name == "postgresql":  # it counts only the ids that it gave itself
            sequence = "pg_get_serial_sequence('subscriber', 'id')"
            connection.exec_driver_sql(f"SELECT setval({sequence}, max(id)) FROM subscriber")
    return [row["id"] for row in rows]
