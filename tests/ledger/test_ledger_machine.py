"""Whatever workers, readers, crashes and operators do, in whatever order: the sums hold and nobody gets it twice."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from newsletter.audience.lists import ensure_lists, unsubscribe
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import DeliveryState, MailingState, delivery, mailing, subscriber
from newsletter.sending import answers, ledger, mailings
from newsletter.sending.ledger import TRANSITIONS
from newsletter.sending.senders.protocol import Outcome, Verdict
from tests.database.opened import NOW, add_people
from tests.ledger.books import planned_mailing, take

WORKERS = st.sampled_from(["one", "other"])
MAILINGS = st.integers(0, 1)
PEOPLE = 4


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
        self.in_hand: dict[str, list[int]] = {"one": [], "other": []}
        self.may_have_left: dict[int, int] = {}
        self.seen: dict[int, str] = {}
        self.whose: dict[int, int] = {}

    def mailing(self, number: int) -> int:
        return self.mailings[min(number, len(self.mailings) - 1)]

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
            answers.record(connection, worker, outcomes, now=NOW)
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
            answers.settle(connection, outcomes, now=NOW)
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
            answers.bury(connection, answers.workers_named(connection), now=NOW)

    @rule(number=MAILINGS)
    def retry(self, number: int) -> None:
        with self.database.write() as connection:
            answers.retry_due(connection, self.mailing(number))

    @rule(number=MAILINGS, cancel=st.integers(0, 5).map(lambda dice: dice == 5))
    def change_state(self, number: int, cancel: bool) -> None:
        """Mostly pause and go on: after a cancel not much can happen."""
        with self.database.write() as connection:
            state = mailings.read_mailing(connection, self.mailing(number)).state
            pause = MailingState.PAUSED if state is MailingState.SENDING else MailingState.SENDING
            mailings.change_state(connection, self.mailing(number), MailingState.CANCELLED if cancel else pause)
            if cancel:
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
    def promises_are_kept(self) -> None:
        columns = (delivery.c.id, delivery.c.mailing_id, delivery.c.subscriber_id, delivery.c.state)
        with self.database.read() as connection:
            rows = connection.execute(sa.select(*columns).where(delivery.c.mailing_id.in_(self.mailings))).all()
            query = sa.select(mailing.c.id, mailing.c.audience).where(mailing.c.id.in_(self.mailings))
            audiences = dict(connection.execute(query).all())
        found = dict.fromkeys(self.mailings, 0) | Counter(row.mailing_id for row in rows)
        assert found == audiences, "everybody is somewhere"
        accepted = [row.subscriber_id for row in rows if row.state == DeliveryState.ACCEPTED]
        assert len(accepted) == len(set(accepted)), "nobody has two"
        for row in rows:
            before = self.seen.get(row.id, row.state)
            one = TRANSITIONS[DeliveryState(before)]
            two = {way for step in one for way in TRANSITIONS[step]}
            assert row.state == before or row.state in one | two, "by the arrows, at most two in one step"
            assert row.state == before or before not in {"accepted", "refused", "skipped"}, "no way back"
        self.seen = {row.id: row.state for row in rows}
        self.whose = {row.id: row.subscriber_id for row in rows}


def test_the_ledger_keeps_its_promises(empty_file: Path) -> None:
    """Many short lives of a ledger, in one file, so that each costs little."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.db"
        shutil.copyfile(empty_file, path)
        with open_database(f"sqlite:///{path}") as database:
            with database.write() as connection:
                ensure_lists(connection, ["community"])
            # What a power cut would lose is not asked here, and waiting for the disk takes most of the time.
            sa.event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
            database.engine.dispose()
            machine = type("OpenLedger", (Ledger,), {"database": database})
            machine.TestCase.settings = settings(
                max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            )
            machine.TestCase("runTest").runTest()
