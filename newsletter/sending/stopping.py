"""Turns Ctrl-C, and the polite kill of an operating system, into a clean stop: what is in flight is finished first."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

_Handler = Callable[[int, FrameType | None], object] | int


class StopOnSignal:
    """While it is entered, the first SIGINT or SIGTERM only asks to stop; a second one interrupts at once.

    Call it to know whether to stop, as `Run.stop` does. Works in the main thread only, as Python's signals do.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, _Handler] = {}

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask) or signal.SIG_DFL
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
