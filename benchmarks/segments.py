"""How long it takes to choose people: a segment of a million against SQL by hand, and the first page of a list.

By hand is the query that somebody who knows the tables would type into the database. The first page is what
`subscribers list` shows, in a list of a million over that in a list of a thousand; what opening the project takes is
not in it. PostgreSQL is measured where its server can be started, after ANALYZE, as its autovacuum does by itself.
"""

import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.row import Row
from newsletter.audience.lists import count_people, ensure_lists, find_list
from newsletter.audience.searching import Search, find_people
from newsletter.database.connection import Database, open_database
from newsletter.expressions import parse_expression
from tests.database.opened import Server, create, postgresql_programs

PEOPLE = int(os.environ.get("NEWSLETTER_BENCHMARK_PEOPLE", "1000000"))
RUNS = 3
DAY = "2026-11-22 00:00:00"

WHO = """
SELECT count(*) FROM subscription JOIN subscriber ON subscriber.id = subscription.subscriber_id
WHERE subscription.list_id = :list AND subscription.status = 'active'
AND NOT EXISTS (SELECT 1 FROM suppression WHERE suppression.address_hash = subscriber.address_hash) AND
"""
TAGGED = "EXISTS (SELECT 1 FROM subscriber_tag t WHERE t.subscriber_id = subscriber.id AND t.tag = 'researcher')"
SEGMENTS = {
    'country == "KE"': "subscriber.country = 'KE'",
    'country == "KE" and "researcher" in tags': f"subscriber.country = 'KE' AND {TAGGED}",
    'joined >= "2026-01-01" and country != "KE"': (
        "subscriber.joined >= '2026-01-01' AND (subscriber.country <> 'KE' OR subscriber.country IS NULL)"
    ),
    'attributes.role == "lead"': "subscriber.attributes ->> 'role' = 'lead'",
}


def rows() -> Iterator[Row]:
    """One row for each segment, and one for the first page; for each kind of database."""
    with tempfile.TemporaryDirectory() as folder:
        yield from measured("SQLite", f"sqlite:///{folder}/small.db", f"sqlite:///{folder}/large.db")
    programs = postgresql_programs()
    if programs is None:
        return
    server = Server(Path("/tmp") / f"newsletter-{uuid.uuid4().hex[:12]}", programs)
    try:
        create(server, "small")
        create(server, "large")
        yield from measured("PostgreSQL", server.url("small"), server.url("large"))
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def measured(name: str, small_url: str, large_url: str) -> Iterator[Row]:
    """The rows of one kind of database."""
    with open_database(small_url) as small, open_database(large_url) as large:
        fill(small, 1000)
        fill(large, PEOPLE)
        for source, by_hand in SEGMENTS.items():
            yield segment(name, large, source, by_hand)
        yield first_page(name, small, large)


def segment(name: str, database: Database, source: str, by_hand: str) -> Row:
    """Count a segment by ourselves and by hand."""
    expression = parse_expression(source)
    with database.read() as connection:
        typed = sa.text(WHO + by_hand).bindparams(list=find_list(connection, "community"))
        ours, counted = best(lambda: count_people(connection, "community", expression))
        theirs, expected = best(lambda: connection.execute(typed).scalar_one())
    if counted != expected:
        raise SystemExit(f"{source}: {counted} people, and {expected} by hand.")
    return Row(
        name=f"segment of {PEOPLE:,}, {name}: {source}",
        ours=f"{ours * 1000:.0f} ms, {counted:,} people",
        theirs=f"SQL by hand: {theirs * 1000:.0f} ms",
        ratio=ours / theirs,
        goal=2,
        better="lower",
    )


def first_page(name: str, small: Database, large: Database) -> Row:
    """The first page of a long list over that of a short one."""

    def page(database: Database) -> float:
        with database.read() as connection:
            return best(lambda: find_people(connection, Search(list_slug="community")), runs=30)[0]

    ours, theirs = page(large), page(small)
    return Row(
        name=f"subscribers list, first page of {PEOPLE:,}, {name}",
        ours=f"{ours * 1000:.2f} ms",
        theirs=f"of 1,000: {theirs * 1000:.2f} ms",
        ratio=ours / theirs,
        goal=1.5,
        better="lower",
    )


def best(ask: Callable[[], Any], runs: int = RUNS) -> tuple[float, Any]:
    """The shortest time of several, in seconds, and the answer."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        answer = ask()
        times.append(time.perf_counter() - start)
    return min(times), answer


def fill(database: Database, people: int) -> None:
    """Put made-up people on a list."""
    countries = ["KE", "UG", "DE", "IN", None]
    with database.write() as connection:
        ensure_lists(connection, ["community"])
        to_list = find_list(connection, "community")
        insert(
            connection,
            "subscriber (id, email, email_key, address_hash, first_name, country, joined, attributes)",
            (
                (
                    number,
                    f"reader{number}@example.com",
                    f"reader{number}@example.com",
                    number.to_bytes(32, "big"),
                    f"Reader {number}",
                    countries[number % 5],
                    (date(2025, 1, 1) + timedelta(days=number % 700)).isoformat(),
                    json.dumps({"role": "lead" if number % 10 == 0 else "member", "city": "Nairobi"}),
                )
                for number in range(1, people + 1)
            ),
        )
        insert(
            connection,
            "subscription (subscriber_id, list_id, status, created_at, changed_at)",
            ((number, to_list, "active", DAY, DAY) for number in range(1, people + 1)),
        )
        insert(
            connection,
            "subscriber_tag (subscriber_id, tag)",
            ((number, "researcher") for number in range(3, people + 1, 3)),
        )
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")


def insert(connection: sa.Connection, table: str, values: Iterator[tuple[object, ...]]) -> None:
    """Put rows in, as each database takes them quickest."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
        return
    driver.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * (table.count(',') + 1))})", values)
