"""How long an import takes: a million people, checked, against the database's own bulk load of the same file.

The bare load puts the same columns into one table with a unique index on the address, and checks nothing; ours reads
the addresses as email-validator does, keeps people, subscriptions, consent and a receipt that can be undone. Memory is
the most that the importing process held. PostgreSQL is measured where its server can be started.
"""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.row import Row
from newsletter.audience.importing import Import, ImportOrder, import_file
from newsletter.audience.lists import ensure_lists
from newsletter.database.connection import open_database
from tests.database.opened import Server, create, postgresql_programs

PEOPLE = int(os.environ.get("NEWSLETTER_BENCHMARK_PEOPLE", "1000000"))
ROOT = Path(__file__).parents[1]
COLUMNS = "email TEXT, first_name TEXT, last_name TEXT, language TEXT, country TEXT, joined TEXT"
DOMAINS = [f"{name}.{end}" for name in ("example", "mail.example", "post.example") for end in ("com", "org", "net")]


def rows() -> Iterator[Row]:
    """The rows for SQLite, and for PostgreSQL where it is."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = place / "people.csv"
        write_people(file)
        if shutil.which("sqlite3") is None:
            raise SystemExit("This benchmark compares with the command sqlite3, which is missing: install it.")
        theirs = bare_sqlite(place, file)
        yield from told("SQLite", measure(f"sqlite:///{place / 'ours.db'}", file), theirs, "sqlite3 .import")
        programs = postgresql_programs()
        if programs is None:
            return
        server = Server(Path("/tmp") / f"newsletter-{uuid.uuid4().hex[:12]}", programs)
        try:
            create(server, "bare")
            create(server, "ours")
            theirs = bare_postgresql(server.url("bare"), file)
            yield from told("PostgreSQL", measure(server.url("ours"), file), theirs, "COPY")
        finally:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)


def told(database: str, ours: dict[str, float], theirs: float, how: str) -> Iterator[Row]:
    """The rows of one database."""
    yield Row(
        name=f"import of {PEOPLE:,} people, {database}",
        ours=f"{ours['seconds']:.1f} s",
        theirs=f"{how} into a bare table: {theirs:.1f} s",
        ratio=ours["seconds"] / theirs,
        goal=3,
        better="lower",
    )
    yield Row(
        name=f"memory of that import, {database}",
        ours=f"{ours['megabytes']:.0f} MB",
        theirs="what is allowed: 200 MB",
        ratio=ours["megabytes"] / 200,
        goal=1,
        better="lower",
    )


def write_people(file: Path) -> None:
    """Made-up people, in an order as that of a real list: none."""
    chance = random.Random(1)
    order = list(range(PEOPLE))
    chance.shuffle(order)
    with file.open("w", encoding="utf-8") as out:
        out.write("email,first_name,last_name,language,country,joined\n")
        for number in order:
            out.write(
                f"reader{number}@{DOMAINS[number % len(DOMAINS)]},First{number % 977},Last {number % 5003},en,KE,"
                f"2026-01-{number % 28 + 1:02d}\n"
            )


def bare_sqlite(folder: Path, file: Path) -> float:
    """Seconds of `sqlite3 .import`."""
    script = f"CREATE TABLE people ({COLUMNS});\nCREATE UNIQUE INDEX address ON people (email);\n.mode csv\n"
    start = time.perf_counter()
    subprocess.run(
        ["sqlite3", str(folder / "bare.db")], input=f"{script}.import --skip 1 {file} people\n", text=True, check=True
    )
    return time.perf_counter() - start


def bare_postgresql(url: str, file: Path) -> float:
    """Seconds of COPY."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE people ({COLUMNS})")
        connection.exec_driver_sql("CREATE UNIQUE INDEX address ON people (email)")
        start = time.perf_counter()
        driver = connection.connection.driver_connection
        assert driver is not None
        with file.open("rb") as source, driver.cursor().copy("COPY people FROM STDIN CSV HEADER") as copy:
            while chunk := source.read(1 << 20):
                copy.write(chunk)
    return time.perf_counter() - start


def measure(url: str, file: Path) -> dict[str, float]:
    """Import in a fresh process: seconds, and the most memory held."""
    command = [sys.executable, "-m", "benchmarks.imports", url, str(file)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def run(url: str, file: Path) -> dict[str, float]:
    """The import itself."""
    with open_database(url) as database:
        with database.write() as connection:
            ensure_lists(connection, ["community"])
        job = Import(
            path=file, order=ImportOrder(to_list="community"), secret=b"k" * 32, clock=lambda: datetime.now(UTC)
        )
        start = time.perf_counter()
        done = import_file(database, job)
        seconds = time.perf_counter() - start
    if done.counts.new != PEOPLE:
        raise SystemExit(f"Not all came in: {done.counts}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes, but bytes on macOS
    return {"seconds": seconds, "megabytes": peak / (1024 * 1024 if sys.platform == "darwin" else 1024)}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]))))
