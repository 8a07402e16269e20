"""Starts the catcher (`catcher.py`) for a rehearsal, and reads what it caught."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from newsletter.errors import SendError
from newsletter.sending import catcher

HOST: Final = "127.0.0.1"
"""This machine itself, and nothing else."""

_PATIENCE: Final = 30
"""Seconds in which the catcher must end once it is told to."""


@dataclass(frozen=True, slots=True)
class Large:
    """A large message.

    Attributes:
        to: Whom it was for.
        size: Bytes of the whole message.
        html: Bytes of its HTML.
        file: Where it is.
    """

    to: str
    size: int
    html: int
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What arrived at the catcher.

    Attributes:
        messages: How many.
        bytes: Of all of them.
        smallest: Bytes of the smallest message.
        median: Bytes of the one in the middle.
        largest: Bytes of the largest.
        seconds: From the first to the last.
        clipped: How many Gmail would cut off.
        clipped_for: Whom the longest of these are for, with the bytes of HTML.
        worst: The largest messages, the largest first.
    """

    messages: int
    bytes: int
    smallest: int
    median: int
    largest: int
    seconds: float
    clipped: int
    clipped_for: tuple[tuple[str, int], ...]
    worst: tuple[Large, ...]


class Catcher:
    """A running catcher.

    Attributes:
        port: Where it listens, at `HOST`.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.port = int(_pipe(process.stdout).readline() or 0)
        if not self.port:
            raise SendError("The catcher for the rehearsal did not start. Nothing was sent.")

    def finish(self) -> Caught:
        """End it, and say what it caught.

        Raises:
            SendError: It does not say.
        """
        try:
            said, _ = self._process.communicate(timeout=_PATIENCE)
            about = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise SendError("The catcher for the rehearsal ended without saying what it caught.") from error
        clipped_for = tuple((str(each["to"]), int(each["html"])) for each in about.pop("clipped_for"))
        worst = tuple(Large(**each | {"file": self._folder / each["file"]}) for each in about.pop("worst"))
        return Caught(**about, clipped_for=clipped_for, worst=worst)


@contextlib.contextmanager
def catching(folder: Path) -> Iterator[Catcher]:
    """A catcher, until the block ends; it keeps the largest messages in a folder.

    Raises:
        SendError: It cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - this Python, and a file of ours
        [sys.executable, "-I", str(Path(catcher.__file__)), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the rehearsal, which then ends the catcher
    )
    with process:
        try:
            yield Catcher(process, folder)
        finally:
            if process.poll() is None and not _pipe(process.stdin).closed:
                process.kill()


def _pipe(pipe: "IO[bytes] | None") -> "IO[bytes]":
    assert pipe is not None  # noqa: S101 - asked for above
    return pipe
