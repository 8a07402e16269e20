"""Reads the rows of an Excel workbook, after making sure that unpacking it cannot fill the memory.

A workbook is a zip: a few kilobytes can unpack to gigabytes, and one cell in the last corner makes a sheet of 17
billion. So its parts are unpacked once without being kept, counted and measured; only then does calamine read it.
"""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from newsletter.audience.importing.rows import Row
from newsletter.errors import AudienceError

_MOST_BYTES = 150_000_000
"""Of a workbook, unpacked."""

_MOST_CELLS = 3_000_000
"""Of one sheet, the empty ones in its rectangle too; each takes 32 bytes of memory."""

_PLACE = re.compile(rb"""<(?:\w+:)?c\b|\br\s*=\s*["']([A-Za-z]{0,9})([0-9]{1,19})["']""")
_OVERLAP = 64
_CHUNK = 1 << 20
_ADVICE = "Save the sheet as CSV UTF-8, which may be of any size, and import that."


def sheet_rows(path: Path) -> tuple[Iterator[Row], tuple[str, ...]]:
    """The rows of the first sheet that has any, and what people should know about it.

    Raises:
        AudienceError: The workbook is damaged, too large, or empty.
    """
    _measure(path)
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415 - few files need it

    try:
        with CalamineWorkbook.from_path(path) as workbook:
            names = [one.name for one in workbook.sheets_metadata if one.visible is SheetVisibleEnum.Visible]
            for name in names:
                sheet = workbook.get_sheet_by_name(name)
                if sheet.height:
                    others = [other for other in names if other != name]
                    told = f"Only the sheet «{name}» is read, not: {', '.join(others)}." if others else ""
                    return _rows(sheet.iter_rows()), (told,) if told else ()
    except (CalamineError, ValueError, OSError) as error:
        raise _damaged(path) from error
    raise AudienceError(f"«{path.name}» has no visible sheet with anything in it. Its first row must name the columns.")


def _rows(rows: Iterator[list[Any]]) -> Iterator[Row]:
    """Rows with the numbers that Excel shows."""
    for number, cells in enumerate(rows, 1):
        texts = [_text(cell) for cell in cells]
        if any(text.strip() for text in texts):
            yield number, texts


def _text(cell: object) -> str:
    """A cell as a person reads it: whole numbers without a point, days without a time."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ", "seconds")
    return str(cell)


def _measure(path: Path) -> None:
    """Unpack everything once without keeping it.

    Raises:
        AudienceError: It is too much, damaged, or no workbook.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if "[Content_Types].xml" not in archive.namelist():
                raise AudienceError(f"«{path.name}» is a zip and no workbook. Unpack it, and import the file in it.")
            left = _MOST_BYTES
            for part in archive.infolist():
                with archive.open(part) as file:
                    left = _measure_part(path, file, part.filename, left)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path) from error


def _measure_part(path: Path, file: "zipfile.ZipExtFile", name: str, left: int) -> int:
    """How many bytes may still come after one part."""
    is_sheet = "worksheets/" in name.casefold()
    rows = columns = cells = 0
    tail = b""
    while chunk := file.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise AudienceError(f"«{path.name}» unpacks to more than {_MOST_BYTES // 1_000_000} MB. {_ADVICE}")
        if not is_sheet:
            continue
        if chunk[:2] in {b"\xff\xfe", b"\xfe\xff"} and not tail:
            raise _damaged(path)  # no program writes sheets in UTF-16
        for found in _PLACE.finditer(tail + chunk):
            letters, digits = found.groups()
            if digits is None:
                cells += 1
                continue
            rows = max(rows, int(digits))
            column = 0
            for letter in letters.upper():
                column = column * 26 + letter - 64
            columns = max(columns, column)
        tail = chunk[-_OVERLAP:]
        if max(rows * columns, cells) > _MOST_CELLS:
            raise AudienceError(
                f"«{path.name}» has a sheet of more than {_MOST_CELLS:,} cells, or a cell far away from the others. "
                f"{_ADVICE}"
            )
    return left


def _damaged(path: Path) -> AudienceError:
    return AudienceError(f"«{path.name}» is no workbook that can be read, or is damaged. {_ADVICE}")
