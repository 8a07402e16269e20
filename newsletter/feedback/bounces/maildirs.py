"""Reads messages from a Maildir, one at a time, and moves each on only when it was taken."""

import contextlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from newsletter.errors import MailboxError
from newsletter.feedback.bounces.parts import READ
from newsletter.feedback.bounces.waiting import Waiting

_SEEN: Final = ":2,S"
_FLAGGED: Final = ":2,FS"


def waiting_in(folder: Path) -> Iterator[Waiting]:
    """The messages that are new in a Maildir, in the order in which they came.

    Raises:
        MailboxError: It is no Maildir, or cannot be read.
    """
    new, read = folder / "new", folder / "cur"
    try:
        names = sorted(path.name for path in new.iterdir() if not path.name.startswith("."))
        read.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise MailboxError(
            f"The Maildir {folder} cannot be read: {error.strerror}. See that it holds a folder «new» and that it is "
            "yours, or correct [feedback] maildir in newsletter.toml."
        ) from error
    for name in names:
        content = _content(new / name)
        if content is not None:
            yield Waiting(content, partial(_move, new / name, read))


def _content(path: Path) -> bytes | None:
    """The first million bytes; None if somebody else was faster, or it is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 the very file that was looked at
        return file.read(READ)


def _move(path: Path, folder: Path, *, for_people: bool) -> None:
    """Move a file from `new` to `cur`, seen, and flagged where people are to look at it."""
    name = path.name.partition(":")[0]
    with contextlib.suppress(FileNotFoundError):  # somebody else was faster
        path.rename(folder / (name + (_FLAGGED if for_people else _SEEN)))
