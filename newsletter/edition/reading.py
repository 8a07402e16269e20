"""Reads a YAML file as far as it can be read, gathering on the way everything that is wrong with its form."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from newsletter.edition.lines import Lines
from newsletter.edition.problems import Problem
from newsletter.edition.slips import RULE, explain, explain_sign
from newsletter.edition.tree import SIGN, BrokenError, Builder, Document, Mapping, Node, Scalar, Sequence
from newsletter.errors import Severity

MOST_REPAIRS: Final = 20
MOST_TOLD: Final = 50
PATIENCE: Final = 300_000
"""Characters that are read at most, all attempts together; what a file of ordinary size never needs."""

_SWALLOWED = re.compile(r"[ \t]+(#\w[^\n]*)")
_WHOLLY_SWALLOWED = re.compile(r"[\w-]+:[ \t]+(#\w[^\n]*)")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with the form of the file, at a line and column from 1."""

    rule: str
    what: str
    fix: str
    line: int
    column: int
    severity: Severity = Severity.MUST_FIX


def read_document(text: str, names: AbstractSet[str]) -> tuple[Document, tuple[Flaw, ...]]:
    """Read a file.

    Args:
        text: The file, lines ended by line feeds.
        names: The names of all fields that a file may have.

    Returns:
        What could be read, with no root if nothing could; and what is wrong with its form.
    """
    flaws: list[Flaw] = []
    original = text
    read = 0
    touched: set[tuple[int, str]] = set()
    while True:
        builder, document = Builder(text), Document(text, None, original)
        read += len(text)
        try:
            document = Document(text, builder.build(), original)
        except BrokenError as error:
            slip = explain(text, error, names)
            line, column = document.position(slip.at)
            again = (line, slip.what) in touched
            if not again:
                flaws.append(Flaw(RULE, slip.what, slip.fix, line, column))
            touched.add((line, slip.what))
            if slip.mended is not None and not again and len(touched) < MOST_REPAIRS and read + len(text) <= PATIENCE:
                text = slip.mended
                continue
        flaws += _read_past(document, builder.problems)
        if document.root is not None:
            flaws += _swallowed(document, document.root)
        return document, tuple(flaws)


def _read_past(document: Document, problems: list[Problem]) -> list[Flaw]:
    """What was wrong without stopping the reading."""
    lines = Lines(document.text)
    flaws: list[Flaw] = []
    for problem in problems[:MOST_TOLD]:
        line, column = document.position(problem.offset)
        if problem.rule == SIGN:
            slip = explain_sign(lines, problem.offset)
            flaws.append(Flaw(RULE, slip.what, slip.fix, line, column))
        else:
            flaws.append(Flaw(problem.rule, problem.what, problem.fix, line, column))
    return flaws


def _swallowed(document: Document, node: Node, name_at: int | None = None) -> list[Flaw]:
    """Texts without quotes in which a # right before a word made the rest a comment."""
    if isinstance(node, Mapping):
        return [flaw for entry in node.entries.values() for flaw in _swallowed(document, entry.value, entry.start)]
    if isinstance(node, Sequence):
        return [flaw for item in node.items for flaw in _swallowed(document, item)]
    if not isinstance(node, Scalar) or node.style is not None:
        return []
    # The parser places a text that is wholly swallowed behind what swallowed it.
    match = _SWALLOWED.match(document.text, node.end) if node.text or name_at is None else None
    match = match or (
        _WHOLLY_SWALLOWED.match(document.text, name_at) if name_at is not None and not node.text else None
    )
    if match is None:
        return []
    what = f"«{match[1][:40].strip()}» is left out: without quotes, a blank and # begin a note that readers do not see."
    fix = "Put the whole text in quotes if readers shall see it; write a blank after # if not."
    return [Flaw("comment", what, fix, *document.position(match.start(1)), Severity.SHOULD_FIX)]
