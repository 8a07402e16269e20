"""The lane: one loop of a worker over one mailing, which brings planned deliveries out.

Round and round: reserve some deliveries, write their messages, claim as many as the sender has room for (on the disk
before the first byte leaves), hand them over to the couriers. The answers that have come back are written down together
with the next claim, so that a round costs one transaction however many messages it moves.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa

from newsletter.database.schema import DeliveryState
from newsletter.errors import (
    CompileError,
    DatabaseUnavailableError,
    MisreadMessageError,
    NewsletterError,
    SenderError,
    SenderUnavailableError,
    UnsupportedFeatureError,
)
from newsletter.sending import answers, ledger, mailings
from newsletter.sending.couriers import Couriers, Return
from newsletter.sending.ledger import Reserved
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.pacing import Pace
from newsletter.sending.resting import Resting
from newsletter.sending.run import Progress, Run, Writer
from newsletter.sending.senders.protocol import Handover, Message, Origin, Outcome, Verdict

_Result = TypeVar("_Result")

_GLANCE: Final = 0.2
"""Seconds between two looks at whether to stop."""

_PARTING: Final = timedelta(seconds=10)
"""How long a run that was asked to stop waits for a database that is away, to write its last answers down."""

_TRY_AGAIN: Final = {Verdict.DEFERRED, Verdict.UNSENT}


class Lane:
    """One loop over one mailing.

    Args:
        run: Whose loop.
        mailing: It must be `sending`.
        writer: Writes its messages.
    """

    def __init__(self, run: Run, mailing: Mailing, writer: Writer) -> None:
        self._run = run
        self._mailing = mailing
        self._writer = writer
        self._origin = Origin(mailing.id, mailing.edition, mailing.created_at)
        self._couriers = Couriers(run.sender)
        able = run.sender.capabilities
        self._capacity = able.batch * able.parallel
        self._chunk = max(run.chunk, able.batch)
        self._worthwhile = max(1, self._capacity // 2) if able.batch == 1 else 1
        self._pace = Pace(run.database, run.rate or 0)
        self._places, self._places_from = 0, run.clock()
        self._resting = Resting(run)
        self._reserved: deque[Reserved] = deque()
        self._ready: dict[int, Message] = {}
        self._unwritten: dict[int, str] = {}
        self._answers: list[Outcome] = []
        """What the sender said, and the ledger does not know yet."""
        self._back: list[int] = []
        """What was claimed and not handed over."""
        self._nothing_planned = False
        self._fenced = False
        """Whether the mailing is not sending any more."""
        self._trouble: Exception | None = None
        """Why the lane comes to an end early; raised when all that is under way has been answered."""
        self._audience = self._done = 0

    def drive(self) -> None:
        """Bring out what is planned, until nothing is, the run is stopped, or the mailing is not sending any more.

        Raises:
            SenderError: The sender failed, or has not worked for as long as the run is patient.
            DatabaseError: The ledger cannot be written.
        """
        self._reserved.clear()
        self._ready.clear()
        self._nothing_planned = self._fenced = False
        self._trouble = None
        self._resting = Resting(self._run)  # what was in the way the last time may be put right
        with self._run.database.read() as connection:
            counts = ledger.counts(connection, self._mailing.id)
        self._audience = sum(counts.values())
        self._done = self._audience - counts[DeliveryState.PLANNED] - counts[DeliveryState.DEFERRED]
        try:
            while self._go_round():
                pass
        finally:
            self._couriers.close()
            self._written(lambda connection, _: self._let_go(connection))
        if self._trouble is not None:
            raise self._trouble

    def _go_round(self) -> bool:
        """One round; says whether there is anything left to do."""
        halting = self._trouble is not None or self._fenced or self._run.stop()
        room = 0
        if not halting:
            self._write_ahead()
            room = min(self._capacity - self._couriers.under_way, len(self._ready))
            room = room and min(room, self._leaving_now())
        short = not halting and not self._nothing_planned and self._is_short()
        if room or short or self._answers or self._back or self._unwritten:
            chosen = list(self._ready)[:room]
            written = self._written(lambda connection, again: self._round(connection, chosen, short, again))
            self._dispatch(chosen, *written)
        self._take_in(self._couriers.collect(_GLANCE if self._idle(halting) else 0, least=self._worthwhile))
        if self._couriers.under_way or self._answers or self._back:
            return True
        if halting:
            return False
        if self._ready or self._reserved or not self._nothing_planned:
            if self._leaving_now() == 0:
                self._run.sleep(min(_GLANCE, self._until_leaving()))
            return True
        return bool(self._unwritten)

    def _is_short(self) -> bool:
        """Whether more should be reserved, so that the next claim can be a full one."""
        return len(self._reserved) + len(self._ready) < 2 * self._capacity

    def _idle(self, halting: bool) -> bool:  # noqa: FBT001 - of this class only
        """Whether nothing can be done before something comes back."""
        full = self._couriers.under_way >= self._capacity
        return halting or full or not (self._ready or self._reserved) or self._leaving_now() == 0

    def _leaving_now(self) -> int:
        """How many messages may leave at this moment, by the pace, and by whether the sender works."""
        now = self._run.clock()
        if self._resting.until > now:
            return 0
        if self._run.rate is None:
            return self._capacity
        if not self._places:
            wanted = min(self._capacity, len(self._ready) + len(self._reserved))
            self._places, wait = self._patiently(lambda _: self._pace.book(wanted))
            self._places_from = now + timedelta(seconds=wait)
        return self._places if self._places_from <= now else 0

    def _until_leaving(self) -> float:
        """Seconds until the next message may leave."""
        return max(0.001, (max(self._resting.until, self._places_from) - self._run.clock()).total_seconds())

    def _round(
        self,
        connection: sa.Connection,
        chosen: Sequence[int],
        short: bool,  # noqa: FBT001
        again: bool,  # noqa: FBT001
    ) -> tuple[frozenset[int], list[Reserved] | None, bool]:
        """What one round changes in the ledger: answers, those without a message, claims, new reservations."""
        run, mailing_id = self._run, self._mailing.id
        self._write_down(connection)
        claimed = frozenset[int]()
        if chosen:
            claimed = ledger.claim(connection, mailing_id, run.worker, chosen, now=run.clock(), again=again)
        more = ledger.reserve(connection, mailing_id, run.worker, self._chunk) if short else None
        return claimed, more, bool(claimed) or mailings.is_sending(connection, mailing_id)

    def _write_down(self, connection: sa.Connection) -> None:
        """Bring what the lane knows into the ledger."""
        if self._answers:
            answers.record(connection, self._run.worker, self._answers, now=self._run.clock())
        answers.put_back(connection, self._run.worker, self._back)
        ledger.skip(connection, self._run.worker, self._unwritten)

    def _let_go(self, connection: sa.Connection) -> None:
        """Leave nothing behind that is this lane's; answers still to come are the next one's to find out."""
        self._write_down(connection)
        ledger.release(connection, self._mailing.id, self._run.worker)

    def _written(self, work: Callable[[sa.Connection, bool], _Result]) -> _Result:
        """Do work in a transaction, which writes down all that the lane knows."""

        def transact(again: bool) -> _Result:  # noqa: FBT001
            with self._run.database.write(shared=True) as connection:
                return work(connection, again)

        done = self._patiently(transact)
        self._answers, self._back, self._unwritten = [], [], {}  # not before it is on the disk
        return done

    def _patiently(self, work: Callable[[bool], _Result]) -> _Result:
        """Do work with the database again and again while it is busy, full or away; the work is told if it is again.

        Raises:
            DatabaseError: It was so for too long.
        """
        since: datetime | None = None
        while True:
            try:
                return work(since is not None)
            except DatabaseUnavailableError:
                now = self._run.clock()
                since = since or now
                parting = self._run.stop() and now - since >= _PARTING
                if parting or now - since >= self._run.patience:
                    raise
                self._tell("The database does not answer.")
                self._run.sleep(_GLANCE)

    def _dispatch(
        self,
        chosen: Sequence[int],
        claimed: frozenset[int],
        more: list[Reserved] | None,
        sending: bool,  # noqa: FBT001
    ) -> None:
        """Hand over what was claimed, batch by batch."""
        handovers = [Handover(row, self._origin, self._ready.pop(row)) for row in chosen if row in claimed]
        for row in chosen:
            if self._ready.pop(row, None) is not None:
                self._done += 1  # left out by the claim
        size = self._run.sender.capabilities.batch
        for start in range(0, len(handovers), size):
            self._couriers.dispatch(handovers[start : start + size])
        self._places -= min(self._places, len(handovers))
        self._fenced = not sending
        if more is not None:
            self._reserved.extend(more)
            self._nothing_planned = not more

    def _write_ahead(self) -> None:
        """Write messages for as many of the reserved as the sender can be under way with."""
        now = self._run.clock()
        while self._reserved and len(self._ready) < self._capacity:
            row = self._reserved.popleft()
            person = row.subscriber
            try:
                message = self._writer.write(Reader(person.id, row.delivery, person.email, person.person), now)
            except (CompileError, MisreadMessageError) as error:
                # Ours, and the same for every reader: better to stop than to leave all of them out.
                self._trouble = error
                return
            except NewsletterError as error:
                self._leave_out(row, f"The message could not be written: {error}")
            except Exception as error:  # noqa: BLE001 - one reader's data must not keep the others from their message
                self._leave_out(row, f"The message could not be written ({type(error).__name__}).")
            else:
                if message.smtputf8 and not self._run.sender.capabilities.smtputf8:
                    self._leave_out(row, f"The sender «{self._run.sender.kind}» cannot reach such an address.")
                else:
                    self._ready[row.delivery] = message

    def _leave_out(self, row: Reserved, reason: str) -> None:
        self._unwritten[row.delivery] = reason
        self._done += 1

    def _take_in(self, returns: Sequence[Return]) -> None:
        """Learn from what came back."""
        for each in returns:
            if each.error is None:
                said = {outcome.delivery: outcome for outcome in each.outcomes}
                outcomes = [said.get(handover.delivery, _unanswered(handover)) for handover in each.batch]
                self._answers += outcomes
                self._done += sum(outcome.verdict not in _TRY_AGAIN for outcome in outcomes)
                self._nothing_planned &= all(outcome.verdict is not Verdict.UNSENT for outcome in outcomes)
                self._resting.learn(outcomes)
            else:
                self._take_in_failure(each.batch, each.error)
        self._trouble = self._trouble or self._resting.trouble
        if returns:
            self._tell(self._resting.why)

    def _take_in_failure(self, batch: Sequence[Handover], error: BaseException) -> None:
        """Learn from a call of `deliver` that raised."""
        kind = self._run.sender.kind
        if isinstance(error, SenderUnavailableError | UnsupportedFeatureError):
            self._back += [handover.delivery for handover in batch]
            self._nothing_planned = False
            if isinstance(error, SenderUnavailableError):
                self._resting.fail(error)
            else:
                self._trouble = self._trouble or error
            return
        self._answers += [_unanswered(handover) for handover in batch]
        if self._trouble is None:
            number = f"{len(batch):,} messages" if len(batch) > 1 else "one message"
            self._trouble = SenderError(
                f"The sender «{kind}» failed: {error}. The mailing is paused; of {number} nobody knows whether they "
                "left. Run the same command again to go on with the others."
            )
            self._trouble.__cause__ = error

    def _tell(self, waiting: str) -> None:
        self._run.progress(Progress(self._mailing.id, self._audience, self._done, waiting=waiting))


def _unanswered(handover: Handover) -> Outcome:
    return Outcome(handover.delivery, Verdict.UNKNOWN, "The sender gave no answer.")
