"""Threads that hand batches to the sender while the lane writes the next messages and keeps the ledger."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.sending.senders.protocol import Handover, Outcome, Sender

_MOMENT: Final = 0.003
"""Seconds; about what writing answers into the ledger takes, whether they are few or many."""


@dataclass(frozen=True, slots=True)
class Return:
    """What came of one call of `deliver`.

    Attributes:
        batch: What was handed over.
        outcomes: What the sender said; nothing if it raised.
        error: What it raised.
    """

    batch: Sequence[Handover]
    outcomes: Sequence[Outcome] = ()
    error: BaseException | None = None


class Couriers:
    """As many threads as the sender takes calls at once.

    They do not keep the program from ending: a second Ctrl-C must not wait for a server that hangs.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._batches: queue.SimpleQueue[Sequence[Handover] | None] = queue.SimpleQueue()
        self._returns: queue.SimpleQueue[Return] = queue.SimpleQueue()
        self._threads = 0
        self.under_way = 0
        """Messages handed over whose answer has not been collected."""

    def dispatch(self, batch: Sequence[Handover]) -> None:
        """Hand a batch over; returns at once."""
        self.under_way += len(batch)
        self._batches.put(batch)
        if self._threads < self._sender.capabilities.parallel:
            self._threads += 1
            threading.Thread(target=self._carry, daemon=True).start()

    def collect(self, wait: float, *, least: int = 1) -> list[Return]:
        """All that has come back.

        Args:
            wait: Seconds to wait for the first, if anything is under way.
            least: Messages worth coming back with; the rest of them is waited for only a moment.
        """
        found: list[Return] = []
        try:
            if self.under_way and wait > 0:
                found.append(self._returns.get(timeout=wait))
            while True:
                few = bool(found) and sum(len(each.batch) for each in found) < min(least, self.under_way)
                found.append(self._returns.get(timeout=_MOMENT) if few else self._returns.get_nowait())
        except queue.Empty:
            self.under_way -= sum(len(each.batch) for each in found)
            return found

    def close(self) -> None:
        """Let the threads end when they have done what they were given."""
        for _ in range(self._threads):
            self._batches.put(None)
        self._threads = 0

    def _carry(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._returns.put(Return(batch, self._sender.deliver(batch)))
            except BaseException as error:  # noqa: BLE001 - whatever a sender raises, the lane has to know it
                self._returns.put(Return(batch, error=error))
