"""Whatever is done to people, in whatever order, the database agrees with a model of a few dictionaries."""

import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from newsletter.audience.changing import find_both, merge, move, set_details, tag, untag
from newsletter.audience.consent import Consent
from newsletter.audience.exporting import write_json
from newsletter.audience.lists import people, subscribe, unsubscribe
from newsletter.audience.privacy import erase
from newsletter.audience.receipts import list_receipts
from newsletter.audience.searching import Search, walk_people
from newsletter.audience.segments import condition
from newsletter.audience.subscribers import Details, find_subscriber, save_subscriber, suppress
from newsletter.audience.undoing import undo_import
from newsletter.database.connection import Database
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    SuppressionReason,
    consent_record,
    import_arrival,
    import_change,
    import_receipt,
    import_row,
    list_,
    metadata,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, UsageError
from newsletter.expressions import parse_expression
from newsletter.sending import ledger
from newsletter.sending.merging import merge_deliveries
from newsletter.sending.reasons import INCLUDED, count_reasons
from tests.audience.imports import run_import
from tests.audience.model import Model, Row
from tests.database.opened import NOW, SECRET
from tests.ledger.books import new_mailing

ADDRESSES = st.sampled_from([f"{name}@example.org" for name in ("-n", "ann", "bob", "eve", "joe", "zoé")])
LISTS = st.sampled_from(["community", "donors"])
TAGS = st.sampled_from(["x", "y"])
NAMES = st.sampled_from(["", "N", "Ü"])
TEAMS = st.sampled_from(["", "A", "B"])
ROWS = st.lists(st.tuples(ADDRESSES, NAMES, TEAMS, st.frozensets(TAGS)), min_size=1, max_size=6)


class Audience(RuleBasedStateMachine):
    """Does each step to the database and to the model, and compares."""

    database: Database
    folder: Path

    @initialize()
    def begin(self) -> None:
        with self.database.write() as connection:
            for table in (import_row, import_arrival, import_change, import_receipt, subscriber, suppression):
                connection.execute(sa.delete(table))
            count = sa.select(sa.func.count()).select_from(consent_record)
            self.model = Model(connection.execute(count).scalar_one())
        self.ids: list[int] = []

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.model.now)

    def attempt(self, step: Any) -> bool:
        """Do a step as a transaction of its own; whether it was allowed."""
        try:
            with self.database.write() as connection:
                step(connection)
        except (AudienceError, UsageError):
            return False
        return True

    @rule(email=ADDRESSES, to_list=LISTS, pending=st.booleans())
    def add(self, email: str, to_list: str, pending: bool) -> None:
        status = SubscriptionStatus.PENDING if pending else SubscriptionStatus.ACTIVE

        def step(connection: sa.Connection) -> None:
            person, _ = save_subscriber(connection, Details(email=email), secret=SECRET, now=self.now)
            agreed = Consent("Send me the newsletter.", ConsentMethod.FORM, self.now)
            subscribe(connection, person, to_list, agreed, status)

        assert self.attempt(step) is self.model.add(email, to_list, str(status))

    @rule(email=ADDRESSES, from_list=LISTS)
    def unsubscribe(self, email: str, from_list: str) -> None:
        assert self.attempt(
            lambda connection: unsubscribe(connection, find_subscriber(connection, email).id, from_list, now=self.now)
        ) is self.model.unsubscribe(email, from_list)

    @rule(email=ADDRESSES)
    def suppress(self, email: str) -> None:
        assert self.attempt(lambda c: suppress(c, email, SuppressionReason.ASKED, secret=SECRET, now=self.now))
        self.model.never.add(email)

    @rule(email=ADDRESSES, word=TAGS, remove=st.booleans())
    def tag(self, email: str, word: str, remove: bool) -> None:
        one = self.model.known.get(email)
        assert self.attempt(lambda c: (untag if remove else tag)(c, email, [word])) is (one is not None)
        if one:
            (one.tags.discard if remove else one.tags.add)(word)

    @rule(email=ADDRESSES, named=st.one_of(st.tuples(st.just("first_name"), NAMES), st.tuples(st.just("team"), TEAMS)))
    def set(self, email: str, named: tuple[str, str]) -> None:
        name, value = named
        said = {name if name == "first_name" else f"attributes.{name}": value}
        assert self.attempt(lambda c: set_details(c, email, said)) is self.model.set(email, name, value)

    @rule(email=ADDRESSES, new=ADDRESSES)
    def move(self, email: str, new: str) -> None:
        assert self.attempt(lambda c: move(c, email, new, secret=SECRET)) is self.model.move(email, new)

    @rule(gone=ADDRESSES, kept=ADDRESSES)
    def merge(self, gone: str, kept: str) -> None:
        def step(connection: sa.Connection) -> None:
            one, other = find_both(connection, gone, kept)
            merge_deliveries(connection, one.id, other.id)
            merge(connection, one, other)

        assert self.attempt(step) is self.model.merge(gone, kept)

    @rule(email=ADDRESSES)
    def erase(self, email: str) -> None:
        done = erase(self.database, email.upper(), secret=SECRET, now=self.now)
        assert done.known is self.model.erase(email)

    @rule(rows=ROWS, to_list=st.one_of(LISTS, LISTS, st.none()))
    def bring(self, rows: list[Row], to_list: str | None) -> None:
        """An import of a real file; whom it refuses, left or must never be mailed."""
        path = self.folder / "people.csv"
        lines = [f"{email}|{name}|{team}|{';'.join(sorted(tags))}\n" for email, name, team, tags in rows]
        path.write_text("email|first_name|attributes.team|tags\n" + "".join(lines), encoding="utf-8")
        done, _ = run_import(self.database, path, at=self.now, to_list=to_list)
        assert done.receipt is not None
        self.ids.append(done.receipt)
        expected = self.model.bring(rows, to_list)
        assert {name: getattr(done.counts, name) for name in expected.counts} == expected.counts

    @precondition(lambda self: self.ids)
    @rule(which=st.integers(0, 9), newest=st.booleans())
    def undo(self, which: int, newest: bool) -> None:
        place = len(self.ids) - 1 if newest else which % len(self.ids)
        expected = self.model.undo(self.model.receipts[place])
        found: list[tuple[int, int, int]] = []

        def step(connection: sa.Connection) -> None:
            done = undo_import(connection, self.ids[place], now=self.now)
            found.append((done.removed, done.restored, len(done.left_alone)))

        assert self.attempt(step) is (expected is not None)
        assert found == ([] if expected is None else [expected])

    @rule()
    def plan(self) -> None:
        """A mailing reaches those whom the reasons include, and nobody twice."""
        chosen = parse_expression('"x" not in tags')
        with self.database.write() as connection, connection.begin_nested() as attempt:
            told = count_reasons(connection, "community", chosen, "data-sharing")[INCLUDED]
            assert ledger.plan(connection, new_mailing(connection), chosen) == told
            assert ledger.plan(connection, new_mailing(connection), chosen) == 0
            held = sa.select(sa.func.count()).select_from(subscriber)
            held = held.where(condition(chosen, connection.dialect.name), ledger.holding("data-sharing").is_not(None))
            assert connection.execute(held).scalar_one() == told
            attempt.rollback()

    @invariant()
    def the_database_agrees(self) -> None:
        model = self.model
        with self.database.read() as connection:
            assert exported(connection) == {email: one.details for email, one in model.known.items()}
            assert statuses(connection) == {email: one.statuses for email, one in model.known.items() if one.lists}
            number = sa.select(sa.func.count())
            assert connection.execute(number.select_from(suppression)).scalar_one() == len(model.never)
            assert connection.execute(number.select_from(consent_record)).scalar_one() == model.records
            for slug in ("community", "donors"):
                self.whom_a_mailing_would_reach(connection, slug)
            receipts = [(each.counts.rows, each.undone_at is not None) for each in list_receipts(connection)]
            assert receipts == [(sum(each.counts.values()), each.undone) for each in reversed(model.receipts)]
            everything = repr([connection.execute(sa.select(table)).all() for table in metadata.sorted_tables])
            assert not [email for email in model.erased if email in everything]
        model.now += 1

    def whom_a_mailing_would_reach(self, connection: sa.Connection, slug: str) -> None:
        known = self.model.known
        mailed = {email for email, one in known.items() if one.statuses.get(slug) == "active"} - self.model.never
        assert {one.email for one in people(connection, slug)} == mailed
        reasons = count_reasons(connection, slug, parse_expression('"x" in tags'), None)
        assert sum(reasons.values()) == sum(slug in one.lists for one in known.values())
        assert reasons[INCLUDED] == sum("x" in known[email].tags for email in mailed)


def exported(connection: sa.Connection) -> dict[str, tuple[str, dict[str, str], frozenset[str]]]:
    """What `subscribers export` writes, as the model has it."""
    file = io.StringIO()
    write_json(walk_people(connection, Search()), file)
    found = {}
    for one in json.loads(file.getvalue()):
        told = {"first_name": one["first_name"], "team": one["attributes"].get("team")}
        said = {name: value for name, value in told.items() if value}
        found[one["email"]] = (one["email"], said, frozenset(one["tags"]))
    return found


def statuses(connection: sa.Connection) -> dict[str, dict[str, str]]:
    """How everybody stands to each list."""
    rows = sa.select(subscriber.c.email, list_.c.slug, subscription.c.status).select_from(subscription)
    found: dict[str, dict[str, str]] = {}
    for email, slug, status in connection.execute(rows.join(subscriber).join(list_)):
        found.setdefault(email, {})[slug] = status
    return found


@pytest.mark.slow
def test_the_audience_stays_as_the_model_says(database: Database, tmp_path: Path) -> None:
    class Opened(Audience):
        pass

    Opened.database, Opened.folder = database, tmp_path
    examples = 25 if database.path else 10  # a server takes longer for each step
    run_state_machine_as_test(Opened, settings=settings(max_examples=examples, stateful_step_count=20, deadline=None))
