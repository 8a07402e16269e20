"""Keeps what the server writes down free of people: no address, no token of a link, no words of an error."""

import logging
import re
import traceback
from types import TracebackType
from typing import Final

_ADDRESS: Final = re.compile(r"[^\s<>\"'«»()]{0,320}@[^\s<>\"'«»()]+")
_TOKEN: Final = re.compile(r"(?<![\w-])/(u|p|me|erase|confirm|access|undo)/[^\s\"'«»]+")
"""Paths that end in what lets somebody act for a reader."""
_LONG: Final = re.compile(r"[A-Za-z0-9_-]{32,}")
"""What is so long and of these signs alone may be a token or a key, wherever it stands."""


def discreet(text: str) -> str:
    """A text without addresses and tokens."""
    return _LONG.sub("…", _TOKEN.sub(r"/\1/…", _ADDRESS.sub("…@…", text)))


class DiscreetFormatter(logging.Formatter):
    """One line for each message; of an error its kind and where it came from, since its words may name somebody."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is Python's
        """The line of a message."""
        record.message = discreet(record.message)
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - the name is Python's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """The kind of an error, of those that led to it, and the lines of code that it came by."""
        told: list[str] = []
        error = ei[1]
        while error is not None and len(told) < 200:
            told.append(f"  {type(error).__module__}.{type(error).__name__}, at")
            told += [f"    {frame.filename}:{frame.lineno} {frame.name}" for frame in _frames(error)]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(told)

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the name is Python's
        """A stack without its words."""
        return discreet(stack_info)


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))[-40:]
