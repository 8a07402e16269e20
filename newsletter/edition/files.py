"""Editions as files: read safely whoever wrote them, checked whole, every mistake told at its place at once."""

import codecs
import contextlib
import itertools
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from newsletter.config.nearest import nearest
from newsletter.edition.blocks import KINDS, AnyBlock, ImageRef, Link, LinkItem, Part, Stat
from newsletter.edition.fields import PicturePath
from newsletter.edition.model import Edition, Loc
from newsletter.edition.problems import AT_MOST, Problem, unusable
from newsletter.edition.reading import read_document
from newsletter.edition.tree import Document, plain
from newsletter.edition.wording import Place, block_in_words, tell
from newsletter.errors import EditionInvalidError, EditionNotFoundError, Finding, Severity

LARGEST: Final = 128 * 1024
"""Bytes of an edition's file; the longest real ones have a tenth of it."""
MOST_FINDINGS: Final = 100
_MODELS: Final[tuple[type[Part], ...]] = (Edition, Link, ImageRef, LinkItem, Stat, *KINDS.values())
FIELD_NAMES: Final = frozenset(info.alias or name for model in _MODELS for name, info in model.model_fields.items())

_COSTLY: Final = {"{{": 1_000, "[": 2_000, "* _ ~ ` < &": 10_000}
"""Signs that take long to judge, and how many of them a file may hold."""
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SAVE: Final = "Save it as UTF-8: most editors offer that under “Save as” or “Encoding”."
_PICTURE_FIELDS: Final = frozenset({"src", "thumbnail"})
_PICTURE_PATH: Final = TypeAdapter[str](PicturePath)
_FOREIGN_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class EditionFile:
    """An edition that was read from its file and found right.

    Attributes:
        edition: What it says.
        slug: Its name in addresses, which is its folder's.
        path: Its file.
        folder: Where its pictures are.
        findings: What is worth knowing about the file though it can be used.
    """

    edition: Edition
    slug: str
    path: Path
    folder: Path
    findings: tuple[Finding, ...] = ()
    place: Place = field(repr=False, compare=False, kw_only=True)

    def finding(  # noqa: PLR0913 the place and the words
        self,
        loc: Loc,
        rule: str,
        what: str,
        fix: str = "",
        severity: Severity = Severity.MUST_FIX,
        *,
        offset: int | None = None,
    ) -> Finding:
        """A finding about the part that `loc` leads to, with file, line, column and block in words.

        Args:
            loc: For example `("blocks", 2, "image", "src")`; where it leads to nothing, what should hold it is meant.
            rule: The rule's name.
            what: What is wrong.
            fix: What to do.
            severity: How much it matters.
            offset: Which character of the part's text is meant.
        """
        return self.place.finding(loc, rule, what, fix, severity, offset=offset)


def read_edition(path: Path, root: Path) -> EditionFile:
    """Read and check an edition.

    Args:
        path: Its file.
        root: The project's folder; findings name files from there, and nothing outside of it is read.

    Raises:
        EditionNotFoundError: There is no such file.
        EditionInvalidError: It cannot be used; holds all findings.
    """
    name = _name(path, root)
    text, findings = _read_text(path, root, name)
    edition, document, more = check_text(text, name)
    findings += more
    folder = path.parent
    place = Place(name, document)
    findings += _picture_findings(plain(document.root), folder, place)
    findings.sort(key=lambda finding: (finding.line or 0, finding.column or 0))
    if edition is None or any(finding.severity is Severity.MUST_FIX for finding in findings):
        raise EditionInvalidError(findings=_capped(findings, name))
    return EditionFile(edition, folder.name, path, folder, tuple(findings), place=place)


def read_text(path: Path, root: Path) -> str:
    """The text of an edition's file with lines ended by line feeds, whether or not it is a right edition.

    Raises:
        EditionNotFoundError: There is no such file.
        EditionInvalidError: It is no text that an edition could be.
    """
    name = _name(path, root)
    text, findings = _read_text(path, root, name)
    text, more = _cleaned(text, name)
    if findings or more:
        raise EditionInvalidError(findings=findings + more)
    return text


def check_text(text: str, name: str) -> tuple[Edition | None, Document, list[Finding]]:
    """Check the text of an edition's file, apart from its pictures.

    Args:
        text: What the file holds, lines ended by line feeds.
        name: What findings call the file.

    Returns:
        The edition if it is right, what was read, and the findings, which must not be empty if there is no edition.
    """
    text, findings = _cleaned(text, name)
    for signs, most in _COSTLY.items():
        if sum(text.count(sign) for sign in signs.split()) > most:
            what = f"This file holds more than {most:,} of the signs {signs}, far more than an edition needs."
            findings.append(Finding(rule="too-large", what=what, fix="Check that it is the right file.", file=name))
            return None, Document("", None, ""), findings
    document, flaws = read_document(text, FIELD_NAMES)
    findings += [
        Finding(
            rule=flaw.rule,
            what=flaw.what,
            fix=flaw.fix,
            severity=flaw.severity,
            file=name,
            line=flaw.line,
            column=flaw.column,
            block=block_in_words(document, document.way_to(flaw.line)),
        )
        for flaw in flaws
    ]
    edition: Edition | None = None
    broken = any(flaw.severity is Severity.MUST_FIX for flaw in flaws)
    if document.root is not None or not broken:
        place = Place(name, document)
        try:
            edition = Edition.model_validate(plain(document.root))
        except ValidationError as error:
            findings += tell(error.errors(include_url=False, include_input=False), place)
    if edition is None and not any(finding.severity is Severity.MUST_FIX for finding in findings):
        findings.append(
            Finding(rule="value", what="This file is no edition.", fix="Compare it with another one.", file=name)
        )
    return edition, document, findings


def _name(path: Path, root: Path) -> str:
    """What the writer calls the file: its path from the project's folder, where it lies inside."""
    try:
        return path.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        return path.name


def _capped(findings: list[Finding], name: str) -> list[Finding]:
    """The findings, as many as anybody reads."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    rest = Finding(
        rule="more",
        what=f"There are {len(findings) - MOST_FINDINGS:,} more problems.",
        fix="Mend these first.",
        file=name,
    )
    return [*findings[:MOST_FINDINGS], rest]


# From bytes to text


def _read_text(path: Path, root: Path, name: str) -> tuple[str, list[Finding]]:
    """The file's text with lines ended by line feeds, and what is wrong with its encoding."""
    data = _read_bytes(path, root, name)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            raise _unusable(
                name, "encoding", f"This file is saved as {encoding}, which cannot be read here.", _SAVE, line=1
            )
    if data[:2].count(0) == 1 or (len(data) > 20 and data.count(0) > len(data) // 4):
        raise _unusable(name, "encoding", "This file looks as if it was saved as UTF-16.", _SAVE, line=1)
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    foreign = [match.start() for match in _FOREIGN_BYTE.finditer(text)]
    if not foreign:
        return text, []
    more = f", nor can {len(foreign) - 1} more in this file" if len(foreign) > 1 else ""
    guess = bytes([ord(text[foreign[0]]) - 0xDC00]).decode("cp1252", "replace")
    what = f"A letter here cannot be read as UTF-8{more}."
    if guess.isprintable() and guess != "\ufffd":
        what += f" In the older encoding of Windows it would be «{guess}»."
    return _FOREIGN_BYTE.sub("\ufffd", text), [_at(text, foreign[0], name, Problem("encoding", what, _SAVE))]


def _cleaned(text: str, name: str) -> tuple[str, list[Finding]]:
    """The text in Unicode's form NFC, without the characters that no file may hold; and findings about these."""
    odd = list(unusable(text))
    if not odd:
        return unicodedata.normalize("NFC", text), []
    characters = list(text)
    for problem in odd:
        characters[problem.offset] = " "
    findings = [_at(text, problem.offset, name, problem) for problem in odd[: 2 * AT_MOST]]
    return unicodedata.normalize("NFC", "".join(characters)), findings


def _at(text: str, at: int, name: str, problem: Problem) -> Finding:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return Finding(rule=problem.rule, what=problem.what, fix=problem.fix, file=name, line=line, column=column)


def _read_bytes(path: Path, root: Path, name: str) -> bytes:
    """The file's bytes, if it is a file, inside the project, of a size that an edition can have."""
    try:
        path.stat()
        inside = path.resolve().is_relative_to(root.resolve())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise _not_found(path) from None
    except OSError as error:
        raise _unreadable(name, error) from None
    if not inside:
        what = "This file lies outside of the project, reached through a link in the file system."
        raise _unusable(name, "outside-project", what, "Copy it into the project's folder.")
    try:
        # A pipe or device would block or never end: O_NONBLOCK opens it, and what it is is asked of what was opened.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _unreadable(name, error) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            what = f"This is {'a folder' if stat.S_ISDIR(status.st_mode) else 'not a file that holds text'}."
            raise _unusable(name, "not-a-file", what, "Write the edition in a plain text file of this name.")
        size = status.st_size
        if size <= LARGEST:
            with open(handle, "rb", closefd=False) as file:
                data = file.read(LARGEST + 1)
            size = max(size, len(data))
    except OSError as error:
        raise _unreadable(name, error) from None
    finally:
        os.close(handle)
    if size > LARGEST:
        what = f"This file has {size:,} bytes; an edition has {LARGEST:,} at most."
        raise _unusable(name, "too-large", what, "Check that it is the right file; pictures are files of their own.")
    return data


def _unreadable(name: str, error: OSError) -> EditionInvalidError:
    what = f"This file cannot be read: {(error.strerror or 'unknown reason').lower()}."
    return _unusable(name, "not-a-file", what, "Check its name, and that you may read it.")


def _unusable(name: str, rule: str, what: str, fix: str, line: int | None = None) -> EditionInvalidError:
    return EditionInvalidError(findings=[Finding(rule=rule, what=what, fix=fix, file=name, line=line)])


def _not_found(path: Path) -> EditionNotFoundError:
    slug = path.parent.name
    try:
        known = sorted(entry.name for entry in path.parent.parent.iterdir() if (entry / path.name).is_file())
    except OSError:
        known = []
    near = nearest(slug, known)
    if near:
        return EditionNotFoundError(f"There is no edition «{slug}». Did you mean {near}?")
    if known:
        shown = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
        return EditionNotFoundError(f"There is no edition «{slug}». There are: {shown}.")
    return EditionNotFoundError(
        f'There is no edition «{slug}», nor any other yet. Begin one with: newsletter new "Title"'
    )


# Pictures


def pictures(edition: Edition) -> Iterator[tuple[Loc, str]]:
    """Every picture that an edition shows: the way to its path, and the path."""
    return _pictures(edition.model_dump())


def _pictures(data: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Every picture that a file names in a way that could be right, though other things in it may be wrong."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name in _PICTURE_FIELDS and isinstance(value, str):
                with contextlib.suppress(ValidationError):
                    yield (*loc, name), _PICTURE_PATH.validate_python(value)
            else:
                yield from _pictures(value, (*loc, name))
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            yield from _pictures(value, (*loc, number))


def _picture_findings(data: Any, folder: Path, place: Place) -> Iterator[Finding]:
    """Pictures that are not there, or lie elsewhere; whether they can be shown is for who opens them."""
    home = folder.resolve()
    for loc, src in _pictures(data):
        path = folder / src
        if not path.resolve().is_relative_to(home):
            fix = "Copy the picture itself into the edition's folder."
            yield place.finding(loc, "picture-path", f"The picture «{src}» lies outside of the edition's folder.", fix)
        elif not os.path.isfile(path):  # noqa: PTH113 answers False, too, for a name that no file can have
            near = nearest(src, _files_in(path.parent, folder))
            fix = f"Write {near}." if near else "Put the picture into the edition's folder images/."
            yield place.finding(loc, "missing-picture", f"There is no picture «{src}».", fix)


def _files_in(directory: Path, folder: Path) -> list[str]:
    """The files of a folder, as an edition names them."""
    try:
        there = sorted(itertools.islice(directory.iterdir(), 1_000))
        return [file.relative_to(folder).as_posix() for file in there if file.is_file()]
    except (OSError, ValueError):
        return []


# The schema


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of edition.yaml, by which editors complete and check it."""
    schema = Edition.model_json_schema(by_alias=True)
    _tidy(schema)
    for part in schema["$defs"].values():  # editors offer fields in this order
        fields = part["properties"]
        part["properties"] = dict(
            sorted(fields.items(), key=lambda field: (field[0] in AnyBlock.model_fields, field[0] != "kind"))
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Edition of a newsletter",
        **schema,
    }


def _tidy(part: Any) -> None:
    """Take out what only Pydantic needs: titles made of names, and OpenAPI's discriminators."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        part.pop("discriminator", None)
        for inner in part.values():
            _tidy(inner)
    elif isinstance(part, list):
        for inner in part:
            _tidy(inner)
