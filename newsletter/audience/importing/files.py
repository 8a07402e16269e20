"""Opens a file of people, whatever wrote it: finds out its form, its encoding and what separates its cells.

The file is read twice: once to find out, with its digest and bounded memory; once row by row.
"""

import codecs
import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.importing.columns import looks_like_email
from newsletter.audience.importing.rows import Row, csv_rows, split_line
from newsletter.errors import AudienceError

_CHUNK = 1 << 20
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_BROKEN = re.compile("[\udc80-\udcff]")
_FOREIGN = re.compile("[^\x00-\x7f\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file, opened for its rows.

    Attributes:
        digest: SHA-256 over its bytes, as hex.
        form: What it is, in words.
        rows: Its rows, the header first.
        notes: What people should know about how it is read.
        progress: How much of the file is read by now, from 0 to 1.
    """

    digest: str
    form: str
    rows: Iterator[Row]
    notes: tuple[str, ...]
    progress: Callable[[], float]


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[TableFile]:
    """Open a file of people.

    Raises:
        AudienceError: It cannot be read, is empty, or is no table.
    """
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            head = file.read(8)
            if head.startswith(_OLD_EXCEL):
                raise AudienceError(
                    f"«{path.name}» is an old or an encrypted Excel file. Save it as .xlsx without a password, "
                    "or as CSV UTF-8, and import that."
                )
            file.seek(0)
            yield _spreadsheet(path, file) if head.startswith(_ZIP) else _csv(path, file, stack)
    except OSError as error:
        raise AudienceError(f"«{path}» cannot be read: {error.strerror}. Check the name of the file.") from error


def _spreadsheet(path: Path, file: io.BufferedReader) -> TableFile:
    from newsletter.audience.importing.spreadsheets import sheet_rows  # noqa: PLC0415 - few files need it

    digest = hashlib.file_digest(file, "sha256").hexdigest()
    rows, notes = sheet_rows(path)
    return TableFile(digest, "an Excel workbook", rows, notes, lambda: 0.0)


def _csv(path: Path, file: io.BufferedReader, stack: contextlib.ExitStack) -> TableFile:
    digest, encoding, called = _scan(path.name, file)
    size = file.tell()
    file.seek(0)
    errors = "surrogateescape" if encoding in {"utf-8", "utf-8-sig"} else "replace"
    text = stack.enter_context(io.TextIOWrapper(file, encoding=encoding, errors=errors))
    first = ""
    while not first.strip():
        first = text.readline(_CHUNK)
        if not first:
            raise AudienceError(f"«{path.name}» is empty. Its first row must name the columns.")
    declared = re.fullmatch(r'"?sep=(.)"?', first.strip("\r\n"))  # Excel's own way to say it
    delimiter = declared[1] if declared else _delimiter(first)
    text.seek(0)
    rows = csv_rows(text, delimiter)
    if declared:
        next(rows, None)
    separated = _DELIMITERS.get(delimiter, f"«{delimiter}»")
    form = f"CSV, {called}, separated by {separated}"
    notes: tuple[str, ...] = (
        () if (called, delimiter) == ("UTF-8", ",") else (f"The file is read as {called}, separated by {separated}.",)
    )
    if encoding == "cp1252":
        notes += ("Windows-1252 is a guess: look at the names with accents before you import for good.",)
    return TableFile(digest, form, rows, notes, lambda: file.tell() / size if not file.closed else 1.0)


def _scan(name: str, file: io.BufferedReader) -> tuple[str, str, str]:
    """A file's digest, its encoding as Python knows it and as people do.

    Raises:
        AudienceError: It holds no text.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    head = b""
    broken = foreign = False
    while chunk := file.read(_CHUNK):
        head = head or chunk[:4096]
        digest.update(chunk)
        if not (chunk.isascii() and decoder.getstate()[0] == b""):
            text = decoder.decode(chunk)
            broken = broken or _BROKEN.search(text) is not None
            foreign = foreign or _FOREIGN.search(text) is not None
    broken = broken or _BROKEN.search(decoder.decode(b"", final=True)) is not None
    for mark, encoding, called in _MARKS:
        if head.startswith(mark):
            return digest.hexdigest(), encoding, called
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) > 3 and max(even, odd) > len(head) // 5 and min(even, odd) < max(even, odd) // 4:
        return digest.hexdigest(), "utf-16-be" if even > odd else "utf-16-le", "UTF-16"
    if head.count(0) > len(head) // 10:
        raise AudienceError(f"«{name}» is not text. Save the list as CSV UTF-8 or as .xlsx, and import that.")
    if broken and not foreign:
        return digest.hexdigest(), "cp1252", "Windows-1252"
    return digest.hexdigest(), "utf-8", "UTF-8"


def _delimiter(first: str) -> str:
    """What separates the cells of the first row: what makes most of it, and a column of addresses."""

    def merit(delimiter: str) -> tuple[bool, int]:
        cells = split_line(first.strip("\r\n"), delimiter)
        return any(looks_like_email(cell) for cell in cells), len(cells)

    return max(_DELIMITERS, key=merit)
