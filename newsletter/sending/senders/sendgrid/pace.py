"""When SendGrid may be asked again: after a 429 as it says, after silence later and later, with one message first."""

import threading
from collections.abc import Callable

from newsletter.errors import SenderUnavailableError

_LONGEST = 300.0  # seconds


class Pace:
    """Keeps the threads of a sender back while SendGrid is busy or silent.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._silences = 0
        self._not_before = 0.0
        self._why = ""

    @property
    def careful(self) -> bool:
        """Whether the last request was not answered, so that the next should not risk many messages."""
        return self._silences > 0

    def check(self) -> None:
        """Go on only if SendGrid may be asked now.

        Raises:
            SenderUnavailableError: It may not.
        """
        with self._lock:
            left = self._not_before - self._clock()
            if left > 0:
                raise SenderUnavailableError(f"{self._why} It is asked again in {left:.0f} s.")

    def answered(self) -> None:
        """SendGrid works."""
        with self._lock:
            self._silences = 0

    def silent(self, why: str) -> None:
        """A request got no answer: wait twice as long as the last time."""
        with self._lock:
            self._silences += 1
            self._wait(min(2.0**self._silences, _LONGEST), why)

    def busy(self, seconds: float, why: str) -> None:
        """SendGrid asks to be left alone for a while."""
        with self._lock:
            self._wait(min(max(seconds, 1.0), _LONGEST), why)

    def _wait(self, seconds: float, why: str) -> None:
        self._not_before = max(self._not_before, self._clock() + seconds)
        self._why = why
