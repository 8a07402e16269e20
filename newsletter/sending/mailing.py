"""Sends an edition: once, to everybody it was planned for, whatever happens in between.

1. **Hold.** `send` writes the mailing down, with the composition that it freezes, and waits. Whoever stops it now
   undoes it: nothing has left.
2. **Freeze.** One transaction plans one delivery for everybody whom the edition can reach; the mailing is `sending`.
3. **Settle.** What an earlier run left open is put right: reservations go back, and for what was claimed and never
   answered the sender looks for evidence. Without evidence it stays `unknown`, and is not sent again.
4. **Send.** The lane (`lane.py`) goes round: reserve some deliveries, write their messages, claim those that leave
   next, hand them over, and write the answers down together with the next claim.
5. **Finish.** With nothing left to send the mailing is `sent`; stopped before that it is `paused`, and the same
   command goes on.

Killed at any instant and started again, this reaches everybody, and nobody twice: the ledger says what may leave. One
process at a time sends from an SQLite file; an operating system's lock sees to that, and a kill frees it.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.audience.lists import count, count_people, find_list, walk
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState
from newsletter.errors import AlreadySentError, AudienceError, DatabaseError, MailingBusyError, SendError
from newsletter.expressions import Expression, parse_expression
from newsletter.sending import ledger, mailings
from newsletter.sending.lane import Lane
from newsletter.sending.mailings import Mailing
from newsletter.sending.run import Progress, Run, one_sender
from newsletter.sending.senders.protocol import Origin, Unknown, Verdict

__all__ = ["Order", "Progress", "Report", "Run", "cancel", "count_chosen", "report", "resume", "send"]

_ROUNDS: Final = 3
"""Times that a run goes through what is planned; more than once only for what the sender proved never left."""

_WAIT: Final = 0.2
"""Seconds between two looks at the clock while a mailing is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asked to be sent.

    Attributes:
        edition: The edition's slug.
        title: The edition's title.
        digest: Of the composition.
        composition: The composition itself, as it can be stored and read back.
        list_slug: To whom.
        where: An expression that chooses among the list; None for everybody.
        hold: How long it can be undone.
    """

    edition: str
    title: str
    digest: str
    composition: bytes
    list_slug: str
    where: str | None = None
    hold: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Report:
    """How a mailing stands.

    Attributes:
        mailing: Its row.
        counts: Its deliveries in each state; together, its audience.
        reasons: Why some did not arrive, with how many each, the most frequent first.
    """

    mailing: Mailing
    counts: dict[DeliveryState, int]
    reasons: list[tuple[DeliveryState, str, int]]


def send(run: Run, order: Order) -> Report:
    """Send an edition to a list, or go on with a mailing of it that was stopped or killed.

    Raises:
        AlreadySentError: Everybody chosen has it already, or gets it by another mailing.
        AudienceError: Nobody is chosen.
        ListNotFoundError: There is no such list.
        ExpressionError: The choice cannot be understood.
        MailingBusyError: Another process is sending from this database.
        SendError: A mailing of it was stopped half-way, and something has changed since.
        SenderError: The sender takes nothing more for now; the mailing is paused.
        DatabaseError: The ledger cannot be written.
    """
    where = _parsed(order.where)
    with one_sender(run.database):
        with run.database.write() as connection:
            begun = _begun(connection, run, order)
        if begun is not None:
            return _carry_out(run, begun)
        with run.database.read() as connection:
            _refuse_if_nobody(connection, order.edition, order.list_slug, where)
        now = run.clock()
        with run.database.write() as connection:
            fields = {
                "edition": order.edition,
                "title": order.title,
                "list_id": find_list(connection, order.list_slug),
                "where_source": order.where,
                "digest": order.digest,
                "sender": run.sender.kind,
                "created_at": now,
                "holds_until": now + order.hold,
            }
            held = mailings.create_mailing(connection, fields, order.composition)
        return _carry_out(run, held)


def count_chosen(database: Database, order: Order) -> tuple[int, int]:
    """How many people an order would send to, and how many of those chosen are left out, since they have it or will.

    Raises:
        ListNotFoundError: There is no such list.
        ExpressionError: The choice cannot be understood, or told for somebody.
    """
    where = _parsed(order.where)
    with database.read() as connection:
        chosen = count_people(connection, order.list_slug, where)
        left = ledger.reachable(order.edition, find_list(connection, order.list_slug))
        people = count(connection, left, where)
        for mailing in mailings.unfinished(connection, order.edition):
            if _is_of(order, mailing):
                counts = ledger.counts(connection, mailing.id)
                people += counts[DeliveryState.PLANNED] + counts[DeliveryState.DEFERRED]
    return people, max(0, chosen - people)


def resume(run: Run, mailing_id: int) -> Report:
    """Go on with a mailing that was stopped or killed, as it was frozen.

    Raises:
        MailingNotFoundError: There is none with that id.
        MailingBusyError: Another process is sending from this database.
        SendError: It is sent or cancelled, or was begun through another sender.
        SenderError: The sender takes nothing more for now; the mailing is paused again.
        DatabaseError: The ledger cannot be written.
    """
    with one_sender(run.database):
        with run.database.read() as connection:
            mailing = mailings.read_mailing(connection, mailing_id)
        if not mailings.TRANSITIONS[mailing.state]:
            raise SendError(f"Mailing {mailing_id} is {mailing.state}: nothing of it is left to send.")
        _refuse_other_sender(run, mailing)
        return _carry_out(run, mailing_id)


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
    with contextlib.suppress(MailingBusyError), one_sender(database), database.write() as connection:
        ledger.abandon(connection, mailing_id, now=now)
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
        )


def _parsed(where: str | None) -> Expression | None:
    return None if where is None else parse_expression(where)


def _is_of(order: Order, mailing: Mailing) -> bool:
    """Whether a mailing of the order's edition goes to the same people."""
    return (mailing.list_slug, mailing.where) == (order.list_slug, order.where)


def _begun(connection: sa.Connection, run: Run, order: Order) -> int | None:
    """The mailing that this order began before, if it is not finished.

    One that was only held when its process ended has sent nothing: it is cancelled, and a new one takes its place.

    Raises:
        SendError: Going on would send something else than was begun.
    """
    for mailing in mailings.unfinished(connection, order.edition):
        if not _is_of(order, mailing):
            continue
        if mailing.state is MailingState.HELD:
            mailings.change_state(connection, mailing.id, MailingState.CANCELLED, finished_at=run.clock())
            continue
        _refuse_other_sender(run, mailing)
        if mailing.digest != order.digest:
            raise SendError(
                f"Mailing {mailing.id} of this edition stopped half-way, and the edition has changed since. "
                f"Send the rest as it was:  newsletter mailings resume {mailing.id}\n"
                f"Or send the changed one to those who have none yet:  newsletter mailings cancel {mailing.id}  "
                "and the same command again."
            )
        return mailing.id
    return None


def _refuse_other_sender(run: Run, mailing: Mailing) -> None:
    """Half of the readers must not get a mailing by one way and half by another.

    Raises:
        SendError: It was begun through another sender.
    """
    if mailing.sender != run.sender.kind:
        raise SendError(
            f"Mailing {mailing.id} of this edition stopped half-way, and was begun through «{mailing.sender}», not "
            f"«{run.sender.kind}». Set [sender] kind back to finish it, or end it:  "
            f"newsletter mailings cancel {mailing.id}"
        )


def _refuse_if_nobody(connection: sa.Connection, edition: str, list_slug: str, where: Expression | None) -> None:
    """See that somebody is left to reach.

    Raises:
        AlreadySentError: Somebody is chosen, and all have it already or are about to get it.
        AudienceError: Nobody is chosen.
        ListNotFoundError: There is no such list.
    """
    left = ledger.reachable(edition, find_list(connection, list_slug))
    if next(walk(connection, left, where), None) is not None:
        return
    chosen = count_people(connection, list_slug, where)
    if not chosen:
        among = " for whom the condition holds" if where is not None else ""
        raise AudienceError(
            f"There is nobody on the list «{list_slug}»{among} who may be mailed. "
            f"Bring people in:  newsletter subscribers import FILE --list {list_slug}"
        )
    others = [mailing.id for mailing in mailings.unfinished(connection, edition)]
    unless = f", or gets it by mailing {others[0]}, which is not finished" if others else ""
    raise AlreadySentError(
        f"Everybody chosen ({chosen:,}) has this edition already{unless}. "
        "Nothing was sent, so that nobody gets it twice."
    )


def _carry_out(run: Run, mailing_id: int) -> Report:
    """The steps of a mailing, from wherever it stands; the process has the lock."""
    with run.database.read() as connection:
        mailing = mailings.read_mailing(connection, mailing_id)
        composition = mailings.read_composition(connection, mailing.digest)
    lane = Lane(run, mailing, run.writer_for(mailing, composition))
    if mailing.state is MailingState.HELD and not _hold(run, mailing):
        return report(run.database, mailing_id)
    _freeze(run, mailing)
    try:
        _settle_leftovers(run, mailing)
        for _ in range(_ROUNDS):
            lane.drive()
            if run.stop() or not _settle_unknowns(run, mailing):
                break
    except BaseException:
        with contextlib.suppress(DatabaseError), run.database.write() as connection:
            mailings.change_state(connection, mailing_id, MailingState.PAUSED)
        raise
    _finish(run, mailing)
    return report(run.database, mailing_id)


def _hold(run: Run, mailing: Mailing) -> bool:
    """Wait until the mailing may leave; says whether it still shall."""
    while (left := mailing.holds_until - run.clock()) > timedelta():
        if run.stop():
            with run.database.write() as connection:
                mailings.change_state(connection, mailing.id, MailingState.CANCELLED, finished_at=run.clock())
            return False
        run.progress(Progress(mailing.id, 0, 0, left))
        run.sleep(min(left.total_seconds(), _WAIT))
    return True


def _freeze(run: Run, mailing: Mailing) -> None:
    """Begin, and plan the deliveries, in one transaction; what was frozen before only goes on."""
    with run.database.write() as connection:
        begins = mailings.change_state(
            connection, mailing.id, MailingState.SENDING, started_at=mailing.started_at or run.clock()
        )
        if begins and mailing.state is MailingState.HELD:
            audience = ledger.plan(connection, mailing.id, _parsed(mailing.where))
            mailings.set_audience(connection, mailing.id, audience)


def _settle_leftovers(run: Run, mailing: Mailing) -> None:
    """Put right what an earlier run left open; it is gone, since this one has the lock."""
    with run.database.write() as connection:
        ledger.release(connection, mailing.id)
        ledger.abandon(connection, mailing.id, now=run.clock())
        ledger.retry_deferred(connection, mailing.id)
    _settle_unknowns(run, mailing)


def _settle_unknowns(run: Run, mailing: Mailing) -> int:
    """Ask the sender what became of the messages of which nobody knows; says how many provably never left."""
    if not run.sender.capabilities.settles:
        return 0
    origin = Origin(mailing.id, mailing.edition, mailing.created_at)
    last = unsent = 0
    while True:
        with run.database.read() as connection:
            page = ledger.unknowns(connection, mailing.id, after=last)
        if not page:
            return unsent
        last = page[-1]
        outcomes = run.sender.settle([Unknown(row, origin) for row in page])
        unsent += sum(outcome.verdict is Verdict.UNSENT for outcome in outcomes)
        with run.database.write() as connection:
            ledger.settle(connection, outcomes, now=run.clock())


def _finish(run: Run, mailing: Mailing) -> None:
    """Call the mailing sent if nothing of it is left to send, else paused."""
    with run.database.write() as connection:
        counts = ledger.counts(connection, mailing.id)
        if counts[DeliveryState.PLANNED] + counts[DeliveryState.CLAIMED] + counts[DeliveryState.DEFERRED]:
            mailings.change_state(connection, mailing.id, MailingState.PAUSED)
        else:
            mailings.change_state(connection, mailing.id, MailingState.SENT, finished_at=run.clock())
