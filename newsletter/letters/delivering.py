"""Delivers the letters that are due through the project's sender, as many at once as it takes, and notes the answers.

Letters do not wait behind a mailing, and do not count against `[sending] rate`: somebody sits before an empty inbox.
Nothing is handed over inside a transaction, and the answers are written down as they come.
"""

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from newsletter.database.connection import Database
from newsletter.database.outside import LetterState
from newsletter.errors import MessageError, NewsletterError, SenderUnavailableError, UnsupportedFeatureError
from newsletter.letters.stationery import Stationery
from newsletter.letters.taking import Ending, Taken, any_due, judge, record, take
from newsletter.sending.addresses import wire_address
from newsletter.sending.couriers import Couriers, Return
from newsletter.sending.senders.protocol import Handover, Message, Origin, Outcome, Sender, Verdict
from newsletter.tokens import Signer

_AT_ONCE: Final = 50
"""Letters that are taken at a time: as many at most have to wait, or arrive twice, if the machine fails."""

_MOMENT: Final = 0.5
"""Seconds after which it looks whether it should stop."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of delivering what was due.

    Attributes:
        sent: Letters that left.
        failed: Letters that are given up.
        waiting: Letters that are tried again later.
        problem: Why the sender does not work at all now; nothing more was handed to it.
    """

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    problem: str | None = None


class Delivery:
    """One round of delivering.

    Args:
        database: Where the letters are.
        stationery: Writes them.
        signer: Signs their links.
        open_sender: Opens the sender; asked once there is a letter.
        clock: Tells the time.
        stop: Whether to stop; what is in flight is finished first.
    """

    def __init__(  # noqa: PLR0913 what delivering takes
        self,
        database: Database,
        stationery: Stationery,
        signer: Signer,
        open_sender: Callable[[], Sender],
        *,
        clock: Callable[[], datetime],
        stop: Callable[[], bool],
    ) -> None:
        self._database = database
        self._stationery = stationery
        self._signer = signer
        self._open_sender = open_sender
        self._clock = clock
        self._stop = stop
        self._worker = f"letters {uuid.uuid4().hex}"
        self._counts = dict.fromkeys((LetterState.SENT, LetterState.FAILED, LetterState.QUEUED), 0)
        self._problem: SenderUnavailableError | None = None

    def run(self) -> Delivered:
        """Deliver until nothing is due, the sender does not work, or it is to stop.

        Raises:
            ConfigError: The settings name no sender, or its settings are wrong.
            SenderError: The sender of another package does not work.
            DatabaseError: The database cannot be used; what was under way is taken up again later.
        """
        if self._any_due():
            self._stationery.refresh()
            with contextlib.closing(self._open_sender()) as sender, contextlib.closing(Couriers(sender)) as couriers:
                while self._problem is None and not self._stop() and self._any_due():
                    self._leave(self._take(), sender, couriers)
        return Delivered(
            sent=self._counts[LetterState.SENT],
            failed=self._counts[LetterState.FAILED],
            waiting=self._counts[LetterState.QUEUED],
            problem=None if self._problem is None else str(self._problem),
        )

    def _any_due(self) -> bool:
        with self._database.read() as connection:
            return any_due(connection, now=self._clock())

    def _take(self) -> list[Taken]:
        with self._database.write() as connection:
            return take(connection, now=self._clock(), worker=self._worker, signer=self._signer, most=_AT_ONCE)

    def _leave(self, letters: Sequence[Taken], sender: Sender, couriers: Couriers) -> None:
        """Hand letters over, and write down what became of each."""
        taken = {letter.id: letter for letter in letters}
        batches = deque(_batches(list(self._written(letters, sender)), sender.capabilities.batch))
        out = 0
        while batches or out:
            while batches and out < sender.capabilities.parallel and not self._halting():
                couriers.dispatch(batches.popleft())
                out += 1
            returns = couriers.collect(_MOMENT)
            out -= len(returns)
            self._record([ending for back in returns for ending in self._judged(back, taken)])
            if self._halting() and not out:
                break
        self._record([self._put_back(taken[handover.delivery]) for batch in batches for handover in batch])

    def _halting(self) -> bool:
        return self._problem is not None or self._stop()

    def _written(self, letters: Sequence[Taken], sender: Sender) -> Iterator[Handover]:
        """Those letters that could be written; what became of the others is written down."""
        endings = []
        for letter in letters:
            message, outcome = self._message(letter, sender)
            if message is not None:
                yield Handover(letter.id, Origin(0, str(letter.kind), letter.created_at, letter=True), message)
            else:
                endings.append(judge(letter, outcome, now=self._clock()))
        self._record(endings)

    def _message(self, letter: Taken, sender: Sender) -> tuple[Message | None, Outcome]:
        """The letter as it leaves, or why it cannot."""
        able = sender.capabilities
        try:
            wire_address(letter.email)
        except MessageError as error:
            return None, Outcome(letter.id, Verdict.REFUSED, str(error))
        try:
            message = self._stationery.write(letter, able, self._clock())
        except NewsletterError as error:  # somebody can put it right, and does perhaps
            return None, Outcome(letter.id, Verdict.DEFERRED, f"The letter could not be written. {error}")
        except Exception as error:  # noqa: BLE001 - one letter must not keep the others from leaving
            why = f"The letter could not be written ({type(error).__name__}). Please report this."
            return None, Outcome(letter.id, Verdict.DEFERRED, why)
        if message.smtputf8 and not able.smtputf8:
            why = f"The sender «{sender.kind}» cannot reach such an address."
            return None, Outcome(letter.id, Verdict.REFUSED, why)
        return message, Outcome(letter.id, Verdict.UNKNOWN)

    def _judged(self, back: Return, taken: dict[int, Taken]) -> Iterator[Ending]:
        """What one call of the sender means for each letter in it."""
        verdict, reason = Verdict.UNKNOWN, "The sender gave no answer."
        if isinstance(back.error, SenderUnavailableError):
            self._problem = back.error
            verdict, reason = Verdict.DEFERRED, str(back.error)
        elif isinstance(back.error, UnsupportedFeatureError):
            verdict, reason = Verdict.DEFERRED, str(back.error)
        elif back.error is not None:
            reason = f"The sender failed ({type(back.error).__name__}): nobody knows whether it left."
        answers = {outcome.delivery: outcome for outcome in back.outcomes}
        for handover in back.batch:
            outcome = answers.get(handover.delivery) or Outcome(handover.delivery, verdict, reason)
            yield judge(taken[handover.delivery], outcome, now=self._clock())

    def _put_back(self, letter: Taken) -> Ending:
        """What becomes of a letter that was taken and never handed over."""
        if self._problem is None:
            return Ending(letter, LetterState.QUEUED, "It was stopped before it could leave.", self._clock())
        return judge(letter, Outcome(letter.id, Verdict.DEFERRED, str(self._problem)), now=self._clock())

    def _record(self, endings: Sequence[Ending]) -> None:
        if endings:
            with self._database.write() as connection:
                record(connection, endings, worker=self._worker, now=self._clock())
            for ending in endings:
                self._counts[ending.state] += 1


def _batches(handovers: Sequence[Handover], most: int) -> Iterator[Sequence[Handover]]:
    for start in range(0, len(handovers), most):
        yield handovers[start : start + most]
