"""Lets a lane rest while the sender takes nothing, a little longer each time, and gives up when that lasts too long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from newsletter.errors import SenderError, SenderUnavailableError
from newsletter.sending.run import Run
from newsletter.sending.senders.protocol import Outcome, Verdict

_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=60)

_MANY: Final = 20
"""So many «not now» without anything else in between are not about the recipients."""


class Resting:
    """What a lane knows about whether the sender works.

    Attributes:
        until: Nothing is handed over before this moment.
        why: What the sender said, while it does not work.
        trouble: Why the lane should end, if it should.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.until = run.clock()
        self.why = ""
        self.trouble: SenderError | None = None
        self._since: datetime | None = None
        self._pause = _SHORTEST
        self._deferred = 0

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Draw conclusions from what the sender said about messages."""
        if any(outcome.verdict is not Verdict.DEFERRED for outcome in outcomes):
            self._deferred, self._since, self._pause, self.why = 0, None, _SHORTEST, ""
            return
        self._deferred += len(outcomes)
        if self._deferred >= _MANY:
            self.fail(SenderUnavailableError(outcomes[-1].reason or "It gave no reason."))

    def fail(self, error: SenderUnavailableError) -> None:
        """Take notice that the sender does not work."""
        now = self._run.clock()
        self._since = self._since or now
        self.why = str(error)
        if error.lasting or now - self._since >= self._run.patience:
            self.trouble = SenderError(
                f"The sender «{self._run.sender.kind}» takes no messages: {error} "
                "The mailing is paused, and nobody is lost. Run the same command again when that is put right."
            )
        elif self.until <= now:  # several calls may fail at once, for the same reason
            self.until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST)
