"""A database of the first version is brought up to date with everything that is in it, on both kinds of database."""

import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from newsletter.database.connection import copies, open_database
from newsletter.database.migrations import configuration
from newsletter.database.schema import VERSIONS, MailingState, metadata
from newsletter.sending import answers, ledger, mailings
from newsletter.sending.mailing import report
from tests.database.opened import NOW, Server, create

MOMENT = "2026-11-22 09:30:00.000000"
ROWS = f"""
INSERT INTO list (id, slug) VALUES (1, 'community');
INSERT INTO subscriber (id, email, email_key, address_hash, first_name, joined, attributes) VALUES
  (7, 'ada@example.com', 'ada@example.com', HASH, 'Ada Żółć', '2026-01-02', '{{}}'),
  (9, 'ben@example.com', 'ben@example.com', HASH, NULL, '2026-01-02', '{{}}');
INSERT INTO subscription (subscriber_id, list_id, status, created_at, changed_at) VALUES
  (7, 1, 'active', '{MOMENT}', '{MOMENT}'),
  (9, 1, 'active', '{MOMENT}', '{MOMENT}');
INSERT INTO composition (digest, data) VALUES ('dddd', HASH);
INSERT INTO mailing (id, edition, title, list_id, digest, sender, state, audience, created_at, holds_until)
  VALUES (3, 'welcome', 'Welcome', 1, 'dddd', 'outbox', 'paused', 2, '{MOMENT}', '{MOMENT}');
INSERT INTO delivery (id, mailing_id, edition, subscriber_id, state, reason, worker, message_id, claimed_at) VALUES
  (5, 3, 'welcome', 7, 'accepted', NULL, 'w', '<5@example.org>', '{MOMENT}'),
  (6, 3, 'welcome', 9, 'deferred', 'Not now.', NULL, NULL, NULL)
"""


def everything(connection: sa.Connection) -> dict[str, list[dict[str, object]]]:
    """All rows of all tables, by the names of their columns."""
    found = {}
    for table in set(sa.inspect(connection).get_table_names()) - {"alembic_version"}:
        rows = connection.exec_driver_sql(f'SELECT * FROM "{table}" ORDER BY 1')
        found[table] = [dict(row) for row in rows.mappings()]
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def first_version(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that the first migration made, with rows in most tables."""
    if request.param == "sqlite":
        url, literal = f"sqlite:///{tmp_path}/newsletter.db", f"X'{'ab' * 32}'"
    else:
        server: Server = request.getfixturevalue("server")
        name = f"test_{uuid.uuid4().hex}"
        create(server, name)
        url, literal = server.url(name), f"decode('{'ab' * 32}', 'hex')"
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        command.upgrade(configuration(connection), VERSIONS[0])
        for statement in ROWS.replace("HASH", literal).split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return url


def test_nothing_is_lost_and_the_new_columns_are_there(first_version: str) -> None:
    engine = sa.create_engine(first_version.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        before = everything(connection)
    engine.dispose()
    assert before["delivery"], "there is something to lose"
    with open_database(first_version) as database:
        with database.read() as connection:
            after = everything(connection)
            context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
            assert compare_metadata(context, metadata) == []
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == VERSIONS[-1]
        for table, rows in before.items():
            kept = [{name: row[name] for name in old} for old, row in zip(rows, after[table], strict=True)]
            assert kept == rows, table
        assert [row["tries"] for row in after["delivery"]] == [0, 0]
        now = report(database, 3)
        assert (now.mailing.paused_because, now.mailing.recipients_of, now.next_try) == (None, None, None)
        assert database.path is None or len(copies(database.path)) == 1


def test_a_mailing_of_the_first_version_is_gone_on_with(first_version: str) -> None:
    """What was deferred then has no time for its next try: it is tried when somebody goes on."""
    with open_database(first_version) as database, database.write() as connection:
        assert mailings.change_state(connection, 3, MailingState.SENDING)
        assert answers.retry_due(connection, 3, now=NOW) == 1
        (row,) = ledger.reserve(connection, 3, "w", 10)
        assert ledger.claim(connection, 3, "w", [row.delivery], now=NOW) == {6}
