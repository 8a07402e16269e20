"""Whatever is done to people, in whatever order, the database agrees with a model of a few dictionaries."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from newsletter.audience.changing import find_both, merge, move, tag, untag
from newsletter.audience.lists import people, subscribe, unsubscribe
from newsletter.audience.segments import condition
from newsletter.audience.subscribers import Details, find_subscriber, save_subscriber, suppress
from newsletter.database.connection import Database
from newsletter.database.schema import (
    SubscriptionStatus,
    SuppressionReason,
    consent_record,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, UsageError
from newsletter.expressions import parse_expression
from newsletter.sending import ledger
from newsletter.sending.merging import merge_deliveries
from newsletter.sending.reasons import INCLUDED, count_reasons
from tests.database.opened import AGREED, NOW, SECRET
from tests.ledger.books import new_mailing

ADDRESSES = st.sampled_from(["-n@example.org", "ann@example.org", "bob@example.org", "zoé@example.org"])
LISTS = st.sampled_from(["community", "donors"])
TAGS = st.sampled_from(["x", "y"])
STATUSES = ["complained", "bounced", "unsubscribed", "pending", "active"]


@dataclass
class Somebody:
    tags: set[str] = field(default_factory=set)
    lists: dict[str, str] = field(default_factory=dict)


class Audience(RuleBasedStateMachine):
    """The model: who is known, with which tags and statuses; who must never be mailed; how many records there are."""

    database: Database

    @initialize()
    def begin(self) -> None:
        with self.database.write() as connection:
            connection.execute(sa.delete(subscriber))
            connection.execute(sa.delete(suppression))
            count = sa.select(sa.func.count()).select_from(consent_record)
            self.records = connection.execute(count).scalar_one()
        self.known: dict[str, Somebody] = {}
        self.never: set[str] = set()

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
            person, _ = save_subscriber(connection, Details(email=email), secret=SECRET, now=NOW)
            subscribe(connection, person, to_list, AGREED, status)

        there = self.known.get(email, Somebody()).lists.get(to_list)
        allowed = email not in self.never and there in {None, "active", "pending"}
        assert self.attempt(step) is allowed
        if allowed:
            somebody = self.known.setdefault(email, Somebody())
            if there is None:
                somebody.lists[to_list] = str(status)
                self.records += 1

    @rule(email=ADDRESSES, from_list=LISTS)
    def unsubscribe(self, email: str, from_list: str) -> None:
        known = self.known.get(email)
        assert self.attempt(
            lambda connection: unsubscribe(connection, find_subscriber(connection, email).id, from_list, now=NOW)
        ) is (known is not None)
        if known and known.lists.get(from_list) in {"active", "pending"}:
            known.lists[from_list] = "unsubscribed"
            self.records += 1

    @rule(email=ADDRESSES)
    def suppress(self, email: str) -> None:
        assert self.attempt(lambda c: suppress(c, email, SuppressionReason.ASKED, secret=SECRET, now=NOW))
        self.never.add(email)

    @rule(email=ADDRESSES, word=TAGS, remove=st.booleans())
    def tag(self, email: str, word: str, remove: bool) -> None:
        known = self.known.get(email)
        assert self.attempt(lambda c: (untag if remove else tag)(c, email, [word])) is (known is not None)
        if known:
            (known.tags.discard if remove else known.tags.add)(word)

    @rule(email=ADDRESSES, new=ADDRESSES)
    def move(self, email: str, new: str) -> None:
        allowed = email in self.known and not {email, new} & self.never and (new == email or new not in self.known)
        assert self.attempt(lambda c: move(c, email, new, secret=SECRET)) is allowed
        if allowed:
            self.known[new] = self.known.pop(email)

    @rule(gone=ADDRESSES, kept=ADDRESSES)
    def merge(self, gone: str, kept: str) -> None:
        allowed = gone != kept and {gone, kept} <= self.known.keys()
        copied = 0

        def step(connection: sa.Connection) -> None:
            nonlocal copied
            one, other = find_both(connection, gone, kept)
            mine = sa.select(sa.func.count()).where(consent_record.c.subscriber_id == one.id)
            copied = connection.execute(mine).scalar_one()
            merge_deliveries(connection, one.id, other.id)
            merge(connection, one, other)

        assert self.attempt(step) is allowed
        if allowed:
            lost, left = self.known.pop(gone), self.known[kept]
            left.tags |= lost.tags
            for slug, status in lost.lists.items():
                left.lists[slug] = min(status, left.lists.get(slug, "active"), key=STATUSES.index)
            self.never |= {kept} if gone in self.never else set()
            self.records += copied

    @rule(email=ADDRESSES)
    def delete(self, email: str) -> None:
        """A person's row goes; their records stay, and belong to nobody."""
        assert self.attempt(
            lambda c: c.execute(sa.delete(subscriber).where(subscriber.c.id == find_subscriber(c, email).id))
        ) is (email in self.known)
        self.known.pop(email, None)

    @invariant()
    def the_database_agrees(self) -> None:
        with self.database.read() as connection:
            found = {}
            for email in self.known:
                person = find_subscriber(connection, email)
                of_them = subscription.c.subscriber_id == person.id
                places = connection.execute(sa.select(subscription.c.list_id, subscription.c.status).where(of_them))
                found[email] = (set(person.tags), sorted(status for _, status in places))
            assert found == {email: (one.tags, sorted(one.lists.values())) for email, one in self.known.items()}
            number = sa.select(sa.func.count())
            assert connection.execute(number.select_from(subscriber)).scalar_one() == len(self.known)
            assert connection.execute(number.select_from(suppression)).scalar_one() == len(self.never)
            assert connection.execute(number.select_from(consent_record)).scalar_one() == self.records
            for slug in ("community", "donors"):
                mailed = {
                    email
                    for email, one in self.known.items()
                    if one.lists.get(slug) == "active" and email not in self.never
                }
                assert {one.email for one in people(connection, slug)} == mailed
                reasons = count_reasons(connection, slug, parse_expression('"x" in tags'), None)
                assert sum(reasons.values()) == sum(slug in one.lists for one in self.known.values())
                assert reasons[INCLUDED] == sum("x" in self.known[email].tags for email in mailed)

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


def test_the_audience_stays_as_the_model_says(database: Database) -> None:
    class Opened(Audience):
        pass

    Opened.database = database
    run_state_machine_as_test(Opened, settings=settings(max_examples=12, stateful_step_count=15, deadline=None))
