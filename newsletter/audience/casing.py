"""Capital and small letters in SQL, exactly as Python writes them, so that a condition means the same in a database.

SQLite calls Python (`newsletter_cased`, given to every connection). PostgreSQL has mappings of
its own, which differ between its versions, its locales and Python; so it is told Python's, letter by letter, and the
rule for the Greek sigma at the end of a word as a pattern. Texts in ASCII, nearly all of them, take a short way.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from newsletter.database.schema import subscriber

Case = Literal["upper", "lower"]

SIGMA: Final = "Σ"
"""The one letter whose small form depends on its place: ς at the end of a word (Unicode 3.13, Final_Sigma)."""


def in_cases(cases: Sequence[Case], text: sa.ColumnElement[str], dialect: str) -> sa.ColumnElement[str]:
    """The text in capital or small letters; nothing stays nothing.

    Args:
        cases: Which of them, one after the other.
        text: An expression of SQL.
        dialect: `sqlite` or `postgresql`.
    """
    if not cases:
        return text
    if dialect == "sqlite":  # in one call: its parser takes few brackets inside one another
        return sa.Function("newsletter_cased", text, sa.literal(" ".join(cases), sa.Text), type_=sa.Text)
    for case in cases:
        text = _in_case(case, text)
    return text


def _in_case(case: Case, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    # The text stands here once, under a name: it may be long, and filters can follow one another. Without OFFSET
    # PostgreSQL would put it back into each of its places.
    given = sa.select(text.label("text")).correlate(subscriber).offset(0).subquery("given").c.text
    plain = sa.Function(case, sa.collate(given, "C"), type_=sa.Text)
    is_ascii = sa.func.octet_length(given) == sa.func.char_length(given)
    changed = sa.case((is_ascii, plain), else_=_spelt_out(case, given))
    return sa.select(changed).correlate(subscriber).scalar_subquery()


def _spelt_out(case: Case, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Python's mapping in the words of PostgreSQL: letter by letter, each looked up."""
    given = text
    if case == "lower":
        before, after = _around_sigma()
        at_the_end = sa.func.regexp_replace(text, f"(?<={before}){SIGMA}(?!{after})", "ς", "g", type_=sa.Text)
        given = sa.case((sa.func.strpos(text, SIGMA) == 0, text), else_=at_the_end)
    each = sa.func.string_to_array(given, sa.null(), type_=sa.ARRAY(sa.Text))
    named = sa.func.unnest(each).table_valued(sa.column("letter", sa.Text), with_ordinality="place", name="letters")
    letters = named.render_derived()
    mapping = sa.cast(sa.literal(_mapping(case), sa.Text), JSONB)
    changed = sa.func.coalesce(mapping.op("->>")(letters.c.letter), letters.c.letter)
    joined = sa.func.string_agg(changed, aggregate_order_by(sa.literal("", sa.Text), letters.c.place))
    return sa.select(joined).select_from(letters).correlate_except(letters).scalar_subquery()


@cache
def _mapping(case: Case) -> str:
    """What becomes of the characters that change, as JSON."""
    changed = {letter: getattr(letter, case)() for letter in _characters()}
    return json.dumps({letter: others for letter, others in changed.items() if others != letter}, ensure_ascii=False)


@cache
def _around_sigma() -> tuple[str, str]:
    """Patterns for what stands before and after a sigma within a word: a letter with case, and marks between.

    Python does not tell which characters these are; what it makes of a sigma next to each of them does.
    """
    cased = [letter for letter in _characters() if (letter + SIGMA).lower()[-1] == "ς"]
    with_case = set(cased)
    marks = [c for c in _characters() if c not in with_case and ("a" + c + SIGMA).lower()[-1] == "ς"]
    return f"[{_ranges(cased)}][{_ranges(marks)}]*", f"[{_ranges(marks)}]*[{_ranges(cased)}]"


def _characters() -> Iterator[str]:
    """Everything that a text in a database can hold: all but NUL and half characters."""
    for code in range(1, 0x110000):
        if not 0xD800 <= code <= 0xDFFF:
            yield chr(code)


def _ranges(letters: list[str]) -> str:
    """The inside of a character class for these letters, which are sorted."""
    runs: list[list[str]] = []
    for letter in letters:
        if runs and ord(letter) == ord(runs[-1][1]) + 1:
            runs[-1][1] = letter
        else:
            runs.append([letter, letter])
    return "".join(f"{_escaped(first)}-{_escaped(last)}" for first, last in runs)


def _escaped(letter: str) -> str:
    return f"\\{letter}" if re.match(r"[!-/:-@\[-`{-~]", letter) else letter
