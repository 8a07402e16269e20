"""Real databases for tests, quickly: the migrations run once, every test gets a copy of the file."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import Consent, ensure_lists, find_list
from newsletter.audience.subscribers import read_address
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import ConsentMethod, SubscriptionStatus, subscriber, subscription

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SECRET = b"a key for tests"
AGREED = Consent("Send me the newsletter.", ConsentMethod.FORM, NOW)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables and no rows."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def database(empty_file: Path, tmp_path: Path) -> Iterator[Database]:
    """An open database of one test's own, with the lists `community` and `donors`."""
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
    return [row["id"] for row in rows]
