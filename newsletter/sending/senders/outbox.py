"""Delivers into files: one `.eml` for each message, in a folder that only its owner can read.

A delivery's file has always the same name, so there can be no second copy, and after a crash the file itself tells
whether the message was delivered. A file appears whole or not at all: it is written under another name, brought to the
disk, and only then linked to its own. The names hold no address; `index.html` says who got which.
"""

import contextlib
import errno
import heapq
import html
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from email import policy
from email.headerregistry import AddressHeader
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Self

from newsletter.errors import UnsupportedFeatureError
from newsletter.sending.senders.protocol import Capabilities, Handover, Origin, Outcome, Unknown, Verdict

if TYPE_CHECKING:
    from newsletter.project import Project

_LETTERS = "letters"
"""The folder of letters, which belong to no mailing."""

_LISTED = 1000
"""Messages on the index page; a page of a million rows would help nobody."""

_STYLE = "<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem}td,th{text-align:start;padding:0 1rem 0 0}</style>"

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What file systems without hard links answer (FAT, some network shares)."""


class OutboxSender:
    """Writes every message to a folder for its mailing, inside one directory.

    Args:
        directory: Made when the first message is written.
    """

    kind = "outbox"
    capabilities = Capabilities(batch=100, settles=True, smtputf8=True)

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._touched: set[Path] = set()

    @classmethod
    def open(cls, project: "Project") -> Self:
        """The outbox of a project."""
        return cls(project.outbox)

    def folder(self, origin: Origin) -> Path:
        """Where the messages of a mailing are; the time keeps it apart from a mailing of an earlier database."""
        if origin.letter:
            return self.directory / _LETTERS
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", origin.edition)[:80]
        kind = "test-" if origin.test else ""
        return self.directory / f"{origin.created_at:%Y%m%d-%H%M%S}-{kind}{slug}-{origin.mailing}"

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        """Write messages; one whose file is there already is accepted, and the file stays as it is.

        Raises:
            UnsupportedFeatureError: The batch is too large.
        """
        if len(batch) > self.capabilities.batch:
            raise UnsupportedFeatureError(f"The outbox takes at most {self.capabilities.batch} messages at a time.")
        outcomes = [self._write(handover) for handover in batch]
        try:
            for folder in {self.folder(handover.origin) for handover in batch}:
                _bring_names_to_disk(folder)
        except OSError as error:
            return [
                Outcome(
                    outcome.delivery, Verdict.UNKNOWN, f"The folder could not be brought to the disk: {error.strerror}."
                )
                if outcome.verdict is Verdict.ACCEPTED
                else outcome
                for outcome in outcomes
            ]
        return outcomes

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        """Look for the files: what has one was delivered, and what has none was not.

        The workers that claimed these deliveries must be gone.
        """
        outcomes = []
        for unknown in unknowns:
            folder = self.folder(unknown.origin)
            if (folder / _name(unknown.origin, unknown.delivery)).exists():
                self._touched.add(folder)
                outcomes.append(Outcome(unknown.delivery, Verdict.ACCEPTED))
            else:
                outcomes.append(Outcome(unknown.delivery, Verdict.UNSENT, "There is no file of it in the outbox."))
        for folder in {self.folder(unknown.origin) for unknown in unknowns}:
            _remove_unfinished(folder)
        return outcomes

    def forget(self, origin: Origin, delivery: int) -> Path | None:
        """Delete the file of a delivery, if there is one; says which."""
        folder = self.folder(origin)
        path = folder / _name(origin, delivery)
        if not path.exists():
            return None
        path.unlink()
        _write_index(folder)
        return path

    def forget_letters(self, address: str) -> list[Path]:
        """Delete the letters that went to an address, or whose answers go there; says which.

        Args:
            address: As addresses are compared: in small letters, the domain in ASCII.
        """
        folder = self.directory / _LETTERS
        names = list(_messages(folder)) if folder.is_dir() else []
        gone = [folder / name for name, header in _headers(folder, names) if address in _addresses(header)]
        for path in gone:
            path.unlink(missing_ok=True)
        if gone:
            _write_index(folder)
        return sorted(gone)

    def close(self) -> None:
        """Write the index page of every folder that got messages."""
        for folder in self._touched:
            with contextlib.suppress(OSError):  # the messages are there; the page is a convenience
                _write_index(folder)
        self._touched.clear()

    def _write(self, handover: Handover) -> Outcome:
        folder = self.folder(handover.origin)
        path = folder / _name(handover.origin, handover.delivery)
        try:
            if not path.exists():
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                _publish(path, handover.message.content)
        except OSError as error:
            reason = f"The file could not be written: {error.strerror or error}."
            return Outcome(handover.delivery, Verdict.DEFERRED, reason)
        self._touched.add(folder)
        return Outcome(handover.delivery, Verdict.ACCEPTED, message_id=handover.message.message_id)


def _name(origin: Origin, delivery: int) -> str:
    """The file name of a delivery; sorts as the deliveries do. All letters share a folder, so theirs has the time."""
    return f"{origin.created_at:%Y%m%d-%H%M%S}-{delivery:08}.eml" if origin.letter else f"{delivery:08}.eml"


def _publish(path: Path, content: bytes) -> None:
    """Make a file appear at once with all its content on the disk; one that is there already stays."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - names, not descriptors
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            part.replace(path)  # the same delivery's file at worst: still one copy
    finally:
        part.unlink(missing_ok=True)


def _bring_names_to_disk(folder: Path) -> None:
    """After this, a power cut cannot take the files' names away."""
    if os.name == "nt" or not folder.is_dir():  # Windows has no handle for a folder, and does it by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed worker was writing; none of it ever was a message."""
    if folder.is_dir():
        for part in folder.glob(".*.part"):
            part.unlink(missing_ok=True)


def _write_index(folder: Path) -> None:
    """A page that lists the messages of a folder with who gets them."""
    count = sum(1 for _ in _messages(folder))
    listed = heapq.nsmallest(_LISTED, _messages(folder))
    title = html.escape(folder.name)
    rows = "".join(
        f'<tr><td><a href="{name}">{name}</a><td>{html.escape(recipient)}<td>{html.escape(subject)}\n'
        for name, recipient, subject in _lines(folder, listed)
    )
    more = f"<p>and {count - len(listed):,} more.</p>\n" if count > len(listed) else ""
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n{_STYLE}\n'
        f"<h1>{title}</h1>\n<p>Messages written to files, and sent to nobody: {count:,}</p>\n"
        f"<table>\n<tr><th>File<th>To<th>Subject\n{rows}</table>\n{more}"
    )
    handle, name = tempfile.mkstemp(prefix=".index.", suffix=".part", dir=folder)
    with open(handle, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - names, not descriptors
        file.write(page)
    Path(name).replace(folder / "index.html")


def _messages(folder: Path) -> Iterator[str]:
    """The names of the messages in a folder, in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".eml"):
                yield entry.name


def _lines(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Name, recipient and subject of each message."""
    for name, header in _headers(folder, names):
        yield name, str(header["To"] or ""), str(header["Subject"] or "")


def _addresses(header: Message) -> set[str]:
    """The addresses that a message goes to, and to which it is answered, in small letters."""
    fields = [field for name in ("To", "Reply-To") if isinstance(field := header[name], AddressHeader)]
    return {address.addr_spec.casefold() for field in fields for address in field.addresses}


def _headers(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, Message]]:
    """Name and header of each message."""
    parser = BytesHeaderParser(policy=policy.default)
    for name in names:
        with (folder / name).open("rb") as file:
            start = file.read(16_384)  # the header is first, and never that long
        yield name, parser.parsebytes(start.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
