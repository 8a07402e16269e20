"""Problems inside one text: what they are, and the two that any text can have (odd characters, bad slots)."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from newsletter.errors import ExpressionError
from newsletter.expressions import text_errors

AT_MOST: Final = 5
"""Problems of one sort that are told about one text; more would only hide the others."""

_TEXT_DIRECTION: Final = "\u202a-\u202e\u2066-\u2069"
_UNUSABLE = re.compile(
    f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff{_TEXT_DIRECTION}\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
_LINE_BREAK = re.compile(r"\n+")
_BRACES = re.compile(r"\{\{|\{%|\{#|\}\}")
_SLOT_END = re.compile(r"\}\}|(?=\n)|\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong inside one text.

    Attributes:
        rule: The rule's stable name in kebab case.
        what: What is wrong, one sentence.
        fix: What to do about it; may be empty.
        offset: Where in the text, in characters from 0.
    """

    rule: str
    what: str
    fix: str = ""
    offset: int = 0

    def moved(self, by: int) -> "Problem":
        """The same problem, seen from a longer text in which this one begins at `by`."""
        return replace(self, offset=self.offset + by)


def unusable(text: str) -> Iterator[Problem]:
    """Every character that no text and no file of ours may hold."""
    for match in _UNUSABLE.finditer(text):
        code, fix = ord(match[0]), "Delete it; you may have to type the words around it anew."
        sort = "an invisible control character"
        if match[0] in "\u2028\u2029":
            sort, fix = "an invisible line break", "Press the Enter key instead, or leave a blank."
        elif re.match(f"[{_TEXT_DIRECTION}]", match[0]):
            sort = "an invisible sign that turns the direction of writing"
            fix = "Delete it: mail programs find the direction by themselves, and such signs can hide what a text says."
        elif code == 0xFEFF:
            sort, fix = (
                "an invisible byte order mark",
                "Delete it; it only means something at the very start of a file.",
            )
        elif unicodedata.category(match[0]) in {"Cs", "Cn"}:
            sort = "half of a character, or none"
        yield Problem("character", f"There is {sort} here (U+{code:04X}).", fix, match.start())


def character_problems(text: str, *, lines: bool) -> tuple[Problem, ...]:
    """The characters of a text that it may not hold.

    Args:
        text: The text.
        lines: Whether it may hold line breaks and tabs.
    """
    problems = list(unusable(text))[:AT_MOST]
    if not lines:
        if match := _LINE_BREAK.search(text):
            what = "This text must stand on one line, but a line ends here."
            problems.append(Problem("line-break", what, "Join the lines, with a blank between them.", match.start()))
        if (tab := text.find("\t")) >= 0:
            problems.append(Problem("character", "There is a tab here.", "Write a blank instead.", tab))
    return tuple(problems)


def slot_problems(text: str) -> tuple[Problem, ...]:
    """What is wrong with the slots of a text, and signs of other template languages."""
    return _told(text_errors(text))


def judge_slots(text: str) -> tuple[tuple[Problem, ...], str]:
    """What is wrong with the slots of a text, and the text with a word of the same length for each bad one."""
    errors = text_errors(text)
    problems = _told(errors)
    for _ in range(3):
        for error in reversed(errors):
            start = text.rfind("{{", 0, error.offset + 1)
            if start < 0 or text.find("}}", start, error.offset) >= 0:
                start = error.offset
            end = _SLOT_END.search(text, start + 2)
            text = blank_out(text, start, end.end() if end and text.startswith("{{", start) else start + 2)
        errors = text_errors(text) if errors else ()
        if not errors:
            return problems, text
    return problems, _BRACES.sub("xx", text)


def _told(errors: tuple[ExpressionError, ...]) -> tuple[Problem, ...]:
    return tuple(Problem("expression", error.what, error.fix, error.offset) for error in errors[:AT_MOST])


def blank_out(text: str, start: int, end: int) -> str:
    """The text with a part made into one harmless word, so that all offsets stay true."""
    return text[:start] + "x" * (min(end, len(text)) - start) + text[end:]
