"""Sends an edition: once, to everybody it was planned for, whatever happens in between.

1. **Hold.** `send` writes the mailing down, with the composition that it freezes (`orders.py`), and waits until it may
   leave. Whoever stops it now undoes it: nothing has left.
2. **Freeze.** One transaction plans one delivery for everybody whom the edition can reach; the mailing is `sending`.
3. **Settle.** For what was claimed and never answered the sender looks for evidence. Without evidence it stays
   `unknown`, and is not sent again.
4. **Send.** The lane (`lane.py`) goes round: reserve, write, claim, hand over, write the answers down.
5. **Retry.** What was told «not now» is planned again when its time has come.
6. **Finish.** With nothing left to send the mailing is `sent`; stopped before that it is `paused`, and the same command
   goes on.

`Steps` does of these what is due; the engine (`engine.py`) asks it to, over and over, in one process or in many. Killed
at any instant and started again, this reaches everybody, and nobody twice: the ledger says what may leave.
"""

import contextlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState
from newsletter.errors import DatabaseError, MailingBusyError, NewsletterError, SendError
from newsletter.sending import answers, engine, ledger, mailings
from newsletter.sending.lane import Lane
from newsletter.sending.mailings import Mailing
from newsletter.sending.orders import Order, count_chosen, parsed, place, refuse_other_sender
from newsletter.sending.presence import present
from newsletter.sending.run import Progress, Run
from newsletter.sending.senders.protocol import Origin, Unknown, Verdict
from newsletter.webhooks.announcing import announce

__all__ = ["Order", "Progress", "Report", "Run", "cancel", "count_chosen", "pause", "report", "resume", "send", "work"]

_OTHERS: Final = timedelta(seconds=1)
"""Time between two looks at what other workers have under way."""

_PATIENT: Final = timedelta(seconds=5)
"""Time between two looks at a mailing that waits for its next try: it may be paused or cancelled."""

_EVIDENCE: Final = timedelta(seconds=60)
"""Time between two searches for evidence while a mailing goes on."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a mailing stands.

    Attributes:
        mailing: Its row.
        counts: Its deliveries in each state; together, its audience.
        reasons: Why some did not arrive, with how many each, the most frequent first.
        next_try: When the next of what was deferred is due.
    """

    mailing: Mailing
    counts: dict[DeliveryState, int]
    reasons: list[tuple[DeliveryState, str, int]]
    next_try: datetime | None = None


def send(run: Run, order: Order) -> Report:
    """Send an edition to a list, or go on with a mailing of it that was stopped or killed.

    Raises:
        AlreadySentError: Everybody chosen has it already, or gets it by another mailing.
        AudienceError: Nobody is chosen.
        ListNotFoundError: There is no such list.
        ExpressionError: The choice cannot be understood.
        SendError: A mailing of it was stopped half-way, and something has changed since.
        SenderError: The sender does not work; the mailing is paused.
        DatabaseError: The ledger cannot be written.
    """
    return _see_through(run, place(run.database, order, sender=run.sender.kind, now=run.clock()))


def resume(run: Run, mailing_id: int) -> Report:
    """Go on with a mailing that was stopped or killed, as it was frozen.

    Raises:
        MailingNotFoundError: There is none with that id.
        SendError: It is sent or cancelled, or was begun through another sender.
        SenderError: The sender does not work; the mailing is paused again.
        DatabaseError: The ledger cannot be written.
    """
    with run.database.read() as connection:
        mailing = mailings.read_mailing(connection, mailing_id)
    if not mailings.TRANSITIONS[mailing.state]:
        raise SendError(f"Mailing {mailing_id} is {mailing.state}: nothing of it is left to send.")
    refuse_other_sender(mailing, run.sender.kind)
    return _see_through(run, mailing_id)


def work(run: Run, *, drain: bool) -> None:
    """Be a worker: send all mailings, now and later, together with other workers where the database can.

    A mailing whose sender does not work is paused with the reason, and the others go on.

    Args:
        run: What the worker brings.
        drain: Whether to end when nothing is left to send.

    Raises:
        MailingBusyError: Another process sends from this SQLite file.
        DatabaseError: The database cannot be used.
    """
    steps = Steps(run)
    step = engine.separately(run, steps.due, lambda mailing, why: _pause_because(run.database, mailing, why))
    engine.serve(run, step, drain=drain)


def pause(database: Database, mailing_id: int) -> Report:
    """Let nothing more of a mailing leave for now; what is in flight is finished by whoever sends it.

    Raises:
        MailingNotFoundError: There is none with that id.
        SendError: It is not being sent.
    """
    with database.write(shared=True) as connection:
        mailing = mailings.read_mailing(connection, mailing_id)
        paused = mailings.change_state(connection, mailing_id, MailingState.PAUSED, paused_because=None)
    if not paused and mailing.state is MailingState.HELD:
        raise SendError(
            f"Nothing of mailing {mailing_id} has left yet. To undo it:  newsletter mailings cancel {mailing_id}"
        )
    if not paused and mailing.state is not MailingState.PAUSED:
        raise SendError(f"Mailing {mailing_id} is {mailing.state}: there is nothing to pause.")
    return report(database, mailing_id)


def cancel(database: Database, mailing_id: int, *, now: datetime) -> Report:
    """Send nothing more of a mailing; who has not got it can be reached by another one.

    A process that is sending it finishes what is in flight, and stops.

    Raises:
        MailingNotFoundError: There is none with that id.
        SendError: It is sent already.
    """
    with database.write() as connection:
        mailing = mailings.read_mailing(connection, mailing_id)
        if mailing.state is MailingState.SENT:
            raise SendError(f"Mailing {mailing_id} is sent: there is nothing left to cancel.")
        mailings.change_state(connection, mailing_id, MailingState.CANCELLED, finished_at=now)
        ledger.leave_out_the_rest(connection, mailing_id)
    me = uuid.uuid4().hex
    with contextlib.suppress(MailingBusyError), present(database, me, lambda: now):
        pass  # this has put right what dead workers left; whoever is sending writes down its own answers
    return report(database, mailing_id)


def report(database: Database, mailing_id: int) -> Report:
    """How a mailing stands now.

    Raises:
        MailingNotFoundError: There is none with that id.
    """
    with database.read() as connection:
        return Report(
            mailings.read_mailing(connection, mailing_id),
            ledger.counts(connection, mailing_id),
            ledger.reasons(connection, mailing_id),
            answers.next_try(connection, mailing_id),
        )


def _see_through(run: Run, mailing_id: int) -> Report:
    """Go on with a mailing until it is over; stopped, it is undone or paused."""
    steps = Steps(run)
    with run.database.write(shared=True) as connection:
        if mailings.change_state(connection, mailing_id, MailingState.SENDING, only_from=MailingState.PAUSED):
            answers.retry_due(connection, mailing_id)  # somebody asked to go on now
    try:
        engine.see_through(run, mailing_id, steps.due, lambda: _watch(run, mailing_id))
    except (NewsletterError, KeyboardInterrupt) as error:
        why = str(error) if isinstance(error, SendError) else None
        with contextlib.suppress(DatabaseError):
            _pause_because(run.database, mailing_id, why)
        raise
    if run.stop():
        with run.database.write(shared=True) as connection:
            held = MailingState.HELD
            cancelled = MailingState.CANCELLED
            if not mailings.change_state(connection, mailing_id, cancelled, only_from=held, finished_at=run.clock()):
                mailings.change_state(connection, mailing_id, MailingState.PAUSED, paused_because=None)
    return report(run.database, mailing_id)


def _tell_others(connection: sa.Connection, mailing: Mailing, now: datetime) -> None:
    """Tell other programs that a mailing is sent, in the transaction that says so."""
    counts = {str(state): number for state, number in ledger.counts(connection, mailing.id).items()}
    data = {"mailing": mailing.id, "edition": mailing.edition, "title": mailing.title, "list": mailing.list_slug}
    announce(connection, "mailing.sent", {**data, "counts": counts}, now=now)


def _watch(run: Run, mailing_id: int) -> bool:
    """Tell how far the process is that sends a mailing; says whether it is still under way."""
    now = report(run.database, mailing_id)
    if now.mailing.state is MailingState.HELD:
        run.progress(Progress(mailing_id, 0, 0, max(now.mailing.holds_until - run.clock(), timedelta())))
        return True
    left = now.counts[DeliveryState.PLANNED] + now.counts[DeliveryState.DEFERRED] + now.counts[DeliveryState.CLAIMED]
    audience = now.mailing.audience or 0
    run.progress(Progress(mailing_id, audience, audience - left, waiting="Another process is sending it."))
    return now.mailing.state is MailingState.SENDING


def _pause_because(database: Database, mailing_id: int, why: str | None) -> bool:
    with database.write(shared=True) as connection:
        return mailings.change_state(connection, mailing_id, MailingState.PAUSED, paused_because=why)


class Steps:
    """The steps of mailings, from wherever they stand; asked for by the engine, in a process that may send.

    Args:
        run: Who does them.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lanes: dict[int, Lane] = {}
        self._searched: dict[int, datetime] = {}

    def due(self, mailing_id: int) -> datetime | None:
        """Do what is due of a mailing; says when to ask again, or None if there is nothing more to do here.

        Raises:
            SendError: It cannot go on like this.
            DatabaseError: The ledger cannot be written.
        """
        run = self._run
        with run.database.read() as connection:
            mailing = mailings.read_mailing(connection, mailing_id)
        if mailing.state is MailingState.HELD:
            left = mailing.holds_until - run.clock()
            if left > timedelta():
                run.progress(Progress(mailing_id, 0, 0, left))
                return min(mailing.holds_until, run.clock() + timedelta(seconds=1))
            refuse_other_sender(mailing, run.sender.kind)
            self._lane(mailing)  # before the freeze: a composition that cannot be read leaves nothing begun
            mailing = self._freeze(mailing)
            if mailing.state is MailingState.HELD:
                return run.clock()
        if mailing.state is not MailingState.SENDING:
            self._lanes.pop(mailing_id, None)
            return None
        refuse_other_sender(mailing, run.sender.kind)
        lane = self._lane(mailing)
        if self._search_is_due(mailing):
            self._settle_unknowns(mailing)
        with run.database.write(shared=True) as connection:
            answers.retry_due(connection, mailing_id, now=run.clock())
            planned = ledger.counts(connection, mailing_id)[DeliveryState.PLANNED]
        if planned:
            lane.drive()
        return None if run.stop() else self._finish(mailing)

    def _lane(self, mailing: Mailing) -> Lane:
        """The lane of a mailing; made once, since its writer takes a while to make."""
        if mailing.id not in self._lanes:
            with self._run.database.read() as connection:
                composition = mailings.read_composition(connection, mailing.digest)
            self._lanes[mailing.id] = Lane(self._run, mailing, self._run.writer_for(mailing, composition))
        return self._lanes[mailing.id]

    def _freeze(self, mailing: Mailing) -> Mailing:
        """Begin, and plan the deliveries, in one transaction, unless somebody else has begun or undone it."""
        run = self._run
        with run.database.write() as connection:
            now = mailings.read_mailing(connection, mailing.id)
            if now.digest != mailing.digest or now.holds_until > run.clock():
                self._lanes.pop(mailing.id, None)  # ordered anew while it was held
            elif mailings.change_state(
                connection, mailing.id, MailingState.SENDING, only_from=MailingState.HELD, started_at=run.clock()
            ):
                audience = ledger.plan(connection, mailing.id, parsed(mailing.where))
                mailings.set_audience(connection, mailing.id, audience)
            return mailings.read_mailing(connection, mailing.id)

    def _search_is_due(self, mailing: Mailing) -> bool:
        last = self._searched.get(mailing.id)
        return last is None or self._run.clock() - last >= _EVIDENCE

    def _settle_unknowns(self, mailing: Mailing) -> int:
        """Ask the sender what became of messages of which nobody knows; says how many provably never left."""
        run = self._run
        self._searched[mailing.id] = run.clock()
        if not run.sender.capabilities.settles:
            return 0
        origin = Origin(mailing.id, mailing.edition, mailing.created_at)
        last = unsent = 0
        while True:
            with run.database.read() as connection:
                page = ledger.unknowns(connection, mailing.id, after=last)
                traces = ledger.traces(connection, page)
            if not page:
                return unsent
            last = page[-1]
            outcomes = run.sender.settle([Unknown(row, origin, *traces[row]) for row in page])
            unsent += sum(outcome.verdict is Verdict.UNSENT for outcome in outcomes)
            with run.database.write(shared=True) as connection:
                answers.settle(connection, outcomes, now=run.clock())

    def _finish(self, mailing: Mailing) -> datetime | None:
        """Call the mailing sent if nothing of it is left to send; else say when there is something to do."""
        run = self._run
        with run.database.read() as connection:
            counts = ledger.counts(connection, mailing.id)
            next_try = answers.next_try(connection, mailing.id)
        under_way = counts[DeliveryState.PLANNED] + counts[DeliveryState.CLAIMED]
        if under_way:
            return run.clock() + _OTHERS
        if counts[DeliveryState.DEFERRED]:
            return self._wait_for_retry(mailing, counts, next_try or run.clock())
        if counts[DeliveryState.UNKNOWN] and self._settle_unknowns(mailing):
            return run.clock()
        with run.database.write(shared=True) as connection:
            if not ledger.is_anything_left(connection, mailing.id) and mailings.change_state(
                connection, mailing.id, MailingState.SENT, finished_at=run.clock()
            ):
                _tell_others(connection, mailing, run.clock())
                run.notice(f"Mailing {mailing.id}, «{mailing.title}»: sent.")
        return run.clock()

    def _wait_for_retry(
        self, mailing: Mailing, counts: dict[DeliveryState, int], next_try: datetime
    ) -> datetime | None:
        """Wait for what was told «not now», or pause if that is longer than this run stays."""
        run = self._run
        number = counts[DeliveryState.DEFERRED]
        who = "one reader's mail server" if number == 1 else f"{number:,} readers' mail servers"
        if run.waits is not None and next_try - run.clock() > run.waits:
            _pause_because(
                run.database, mailing.id, f"Not now, said {who}. Go on later, or let a worker do it:  newsletter worker"
            )
            return None
        audience = sum(counts.values())
        waiting = f"Not now, said {who}; next try at {next_try:%H:%M:%S} UTC."
        run.progress(Progress(mailing.id, audience, audience - number, waiting=waiting))
        return min(next_try, run.clock() + _PATIENT)
