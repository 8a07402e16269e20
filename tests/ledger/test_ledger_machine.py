"""Whatever workers, readers, crashes and operators do, in whatever order: the sums hold and nobody gets it twice."""

import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from newsletter.audience.lists import ensure_lists, unsubscribe
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import DeliveryState, MailingState, delivery, subscriber
from newsletter.sending import ledger, mailings
from newsletter.sending.ledger import TRANSITIONS
from newsletter.sending.senders.protocol import Outcome, Verdict
from tests.database.opened import NOW, add_people
from tests.ledger.books import planned_mailing, take

WORKERS = st.sampled_from(["one", "other", "ghost"])
MAILINGS = st.integers(0, 1)
PEOPLE = 5


class Ledger(RuleBasedStateMachine):
    """Two mailings of one edition; the model is what the world got, and every state a delivery was ever seen in."""

    database: Database

    @initialize()
    def begin(self) -> None:
        with self.database.write() as connection:
            self.people = add_people(connection, PEOPLE)
            # Everybody of the examples before has left, so that each example has its own people.
            connection.execute(sa.delete(subscriber).where(subscriber.c.id < self.people[0]))
            self.edition = f"edition-{self.people[0]}"
            self.mailings = [planned_mailing(connection, edition=self.edition)]
        self.in_hand: dict[str, list[int]] = {"one": [], "other": [], "ghost": []}
        self.may_have_left: dict[int, int] = {}
        self.seen: dict[int, str] = {}
        self.whose: dict[int, int] = {}

    def mailing(self, number: int) -> int:
        return self.mailings[number % len(self.mailings)]

    @rule()
    def send_again(self) -> None:
        if len(self.mailings) < 2:
            with self.database.write() as connection:
                self.mailings.append(planned_mailing(connection, edition=self.edition))

    @rule(worker=WORKERS, number=MAILINGS, limit=st.integers(1, PEOPLE))
    def reserve(self, worker: str, number: int, limit: int) -> None:
        with self.database.write() as connection:
            ledger.reserve(connection, self.mailing(number), worker, limit)

    @rule(worker=WORKERS, number=MAILINGS, limit=st.integers(1, PEOPLE))
    def reserve_and_claim(self, worker: str, number: int, limit: int) -> None:
        with self.database.write() as connection:
            self._leaves(worker, take(connection, self.mailing(number), worker, limit))

    @rule(worker=WORKERS, number=MAILINGS, data=st.data())
    def claim_anything(self, worker: str, number: int, data: st.DataObject) -> None:
        """A worker that has everything wrong still gets only what is its own."""
        rows = data.draw(st.lists(st.sampled_from(sorted(self.seen)), unique=True)) if self.seen else []
        with self.database.write() as connection:
            self._leaves(worker, ledger.claim(connection, self.mailing(number), worker, rows, now=NOW))

    def _leaves(self, worker: str, rows: frozenset[int] | list[int]) -> None:
        for row in rows:
            self.may_have_left[self.whose[row]] = self.may_have_left.get(self.whose[row], 0) + 1
            assert self.may_have_left[self.whose[row]] == 1, "two messages to one person"
            self.in_hand[worker].append(row)

    @rule(worker=WORKERS, verdicts=st.lists(st.sampled_from(Verdict), min_size=1, max_size=PEOPLE))
    def answer(self, worker: str, verdicts: list[Verdict]) -> None:
        answered, self.in_hand[worker] = self.in_hand[worker][: len(verdicts)], self.in_hand[worker][len(verdicts) :]
        outcomes = [Outcome(row, verdict) for row, verdict in zip(answered, verdicts, strict=False)]
        with self.database.write() as connection:
            before = self._states(connection)
            ledger.record(connection, worker, outcomes, now=NOW)
            after = self._states(connection)
        self._nothing_left(before, after)

    @rule(number=MAILINGS, data=st.data())
    def settle(self, number: int, data: st.DataObject) -> None:
        with self.database.write() as connection:
            before = self._states(connection)
            outcomes = [
                Outcome(row, data.draw(st.sampled_from(Verdict)))
                for row in ledger.unknowns(connection, self.mailing(number))
            ]
            ledger.settle(connection, outcomes, now=NOW)
            after = self._states(connection)
        self._nothing_left(before, after)

    def _nothing_left(self, before: dict[int, str], after: dict[int, str]) -> None:
        """Deliveries that the sender proved undelivered may be sent again, to the same person."""
        for row, state in after.items():
            if before[row] != state and state in {"planned", "deferred", "refused"}:
                self.may_have_left[self.whose[row]] -= 1
                for rows in self.in_hand.values():
                    if row in rows:
                        rows.remove(row)

    @rule(number=MAILINGS)
    def all_workers_die(self, number: int) -> None:
        """Their answers may still come late."""
        with self.database.write() as connection:
            ledger.release(connection, self.mailing(number))
            ledger.abandon(connection, self.mailing(number), now=NOW)

    @rule(number=MAILINGS)
    def retry(self, number: int) -> None:
        with self.database.write() as connection:
            ledger.retry_deferred(connection, self.mailing(number))

    @rule(number=MAILINGS, to=st.sampled_from([MailingState.PAUSED, MailingState.SENDING, MailingState.CANCELLED]))
    def change_state(self, number: int, to: MailingState) -> None:
        with self.database.write() as connection:
            mailings.change_state(connection, self.mailing(number), to)
            if mailings.read_mailing(connection, self.mailing(number)).state is MailingState.CANCELLED:
                ledger.leave_out_the_rest(connection, self.mailing(number))

    @rule(worker=WORKERS, number=MAILINGS)
    def skip_unwritable(self, worker: str, number: int) -> None:
        with self.database.write() as connection:
            reserved = ledger.reserve(connection, self.mailing(number), worker, 1)
            ledger.skip(connection, worker, {row.delivery: "no message" for row in reserved})

    @rule(who=st.integers(0, PEOPLE - 1))
    def leave(self, who: int) -> None:
        with self.database.write() as connection:
            unsubscribe(connection, self.people[who], "community", now=NOW)

    def _states(self, connection: sa.Connection) -> dict[int, str]:
        query = sa.select(delivery.c.id, delivery.c.state).where(delivery.c.mailing_id.in_(self.mailings))
        return dict(connection.execute(query).all())

    @invariant()
    def sums_hold(self) -> None:
        with self.database.read() as connection:
            for number in self.mailings:
                counts = ledger.counts(connection, number)
                assert sum(counts.values()) == mailings.read_mailing(connection, number).audience

    @invariant()
    def states_move_by_the_arrows_only(self) -> None:
        with self.database.read() as connection:
            now = self._states(connection)
            who = sa.select(delivery.c.id, delivery.c.subscriber_id).where(delivery.c.mailing_id.in_(self.mailings))
            self.whose = dict(connection.execute(who).all())
        for row, state in now.items():
            before = self.seen.get(row, state)
            one = {str(way) for way in TRANSITIONS[DeliveryState(before)]}
            two = {str(way) for step in one for way in TRANSITIONS[DeliveryState(step)]}
            assert state == before or state in one | two, (before, state)
            if before in {"accepted", "refused", "skipped"}:
                assert state == before
        self.seen = now

    @invariant()
    def nobody_has_two(self) -> None:
        with self.database.read() as connection:
            accepted = connection.scalars(
                sa.select(delivery.c.subscriber_id).where(
                    delivery.c.mailing_id.in_(self.mailings), delivery.c.state == DeliveryState.ACCEPTED
                )
            ).all()
        assert len(accepted) == len(set(accepted))


def test_the_ledger_keeps_its_promises(empty_file: Path) -> None:
    """Many short lives of a ledger, in one file, so that each costs little."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.db"
        shutil.copyfile(empty_file, path)
        with open_database(f"sqlite:///{path}") as database:
            with database.write() as connection:
                ensure_lists(connection, ["community"])
            machine = type("OpenLedger", (Ledger,), {"database": database})
            machine.TestCase.settings = settings(
                max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
            )
            machine.TestCase("runTest").runTest()
