"""The tables: migrations and schema agree, and the database itself refuses what must never be."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from newsletter.database.connection import Database, open_database
from newsletter.database.migrations import configuration, migrate
from newsletter.database.schema import (
    VERSIONS,
    UtcTime,
    composition,
    delivery,
    mailing,
    metadata,
    subscriber,
    subscription,
)
from tests.database.opened import NOW, add_people


def test_alembic_finds_nothing_to_change(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_what_the_schema_says_checks_included(sqlite_database: Database, tmp_path: Path) -> None:
    """Alembic compares no CHECK constraints and no index conditions; SQLite keeps the whole statement."""

    def statements(connection: sa.Connection) -> dict[str, list[str]]:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND type != 'trigger'"
        )
        return {name: parts(sql) for name, sql in rows if sql}

    def parts(statement: str) -> list[str]:
        """What stands between its commas, in any order: later migrations add columns at the end."""
        found, depth = [""], 0
        for letter in statement:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if (depth == 1 and letter in "(,") or (depth == 0 and letter == ")"):
                found.append("")
            else:
                found[-1] += letter
        return sorted(" ".join(part.split()) for part in found)

    engine = sa.create_engine(f"sqlite:///{tmp_path}/straight.db")
    with engine.begin() as connection:
        metadata.create_all(connection)
        straight = statements(connection)
    engine.dispose()
    with sqlite_database.read() as connection:
        assert statements(connection) == straight


def test_the_versions_in_the_code_are_those_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(configuration())
    assert tuple(revision.revision for revision in reversed(list(script.walk_revisions()))) == VERSIONS
    assert script.get_heads() == [VERSIONS[-1]]


def test_a_migration_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def break_off() -> None:
        with engine.begin() as connection:
            migrate(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()
    open_database(f"sqlite:///{path}").close()


def test_moments_come_back_as_they_went_in_in_utc(database: Database) -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    moment = datetime(2026, 3, 1, 0, 15, 30, 123456, tzinfo=kathmandu)
    with database.write() as connection:
        (person,) = add_people(connection, 1)
        connection.execute(sa.update(subscription).values(changed_at=moment))
        back = connection.scalar(sa.select(subscription.c.changed_at).where(subscription.c.subscriber_id == person))
    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        UtcTime().process_bind_param(naive, sa.create_engine("sqlite://").dialect)


def test_an_unknown_state_cannot_be_written(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 1)
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        connection.execute(sa.update(subscription).values(status="maybe"))


def make_mailing(connection: sa.Connection, number: int = 1) -> int:
    if number == 1:
        connection.execute(sa.insert(composition).values(digest="d" * 64, data=b"{}"))
    row = {"id": number, "edition": "data-sharing", "title": "Data Sharing", "list_id": 1, "digest": "d" * 64}
    row |= {"sender": "outbox", "state": "sending", "created_at": NOW, "holds_until": NOW}
    connection.execute(sa.insert(mailing).values(row))
    return number


@pytest.mark.parametrize("state", ["planned", "claimed", "accepted", "unknown", "deferred"])
def test_one_edition_cannot_be_planned_twice_for_one_person(database: Database, state: str) -> None:
    with database.write() as connection:
        (person,) = add_people(connection, 1)
        row = {"edition": "data-sharing", "subscriber_id": person}
        connection.execute(sa.insert(delivery).values(mailing_id=make_mailing(connection), state=state, **row))
        second = make_mailing(connection, 2)
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        connection.execute(sa.insert(delivery).values(mailing_id=second, state="planned", **row))


@pytest.mark.parametrize("state", ["skipped", "refused"])
def test_who_never_got_it_can_be_planned_again(database: Database, state: str) -> None:
    with database.write() as connection:
        (person,) = add_people(connection, 1)
        row = {"edition": "data-sharing", "subscriber_id": person}
        connection.execute(sa.insert(delivery).values(mailing_id=make_mailing(connection), state=state, **row))
        second = make_mailing(connection, 2)
        connection.execute(sa.insert(delivery).values(mailing_id=second, state="planned", **row))


def test_the_ledger_outlives_a_person_and_their_id_is_never_given_again(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        row = {"edition": "data-sharing", "subscriber_id": 2, "mailing_id": make_mailing(connection)}
        connection.execute(sa.insert(delivery).values(state="accepted", **row))
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == 2))
        assert connection.execute(sa.select(delivery.c.subscriber_id, delivery.c.state)).one() == (None, "accepted")
        new = {"email": "x@example.com", "email_key": "x@example.com", "address_hash": b"x", "attributes": {}}
        added = connection.execute(sa.insert(subscriber).values(joined=NOW.date(), **new))
        assert added.inserted_primary_key == (3,)
