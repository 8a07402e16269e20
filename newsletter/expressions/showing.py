"""How values are shown: names in title case, dates in the reader's language, and any value as text."""

import re
from datetime import date
from functools import lru_cache
from typing import Literal, cast

from newsletter.expressions.tree import Value

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_WORD_START = re.compile(
    r"""
    (?<! [^\W_] ) (?<! [’'\u0300-\u036f] ) [^\W\d_]             # a letter behind no letter, digit, apostrophe or accent
    | (?<= \b [^\W\d_] [’'] ) [^\W\d_] (?= [^\W\d_] )  # the N of O'Neil, not the s of it's
    """,
    re.VERBOSE,
)


def title(text: str) -> str:
    """A name in title case: «mary o'neil-smith» and «MARY O'NEIL-SMITH» both become «Mary O'Neil-Smith».

    Each word's first letter is raised, also behind a hyphen, and behind one letter with an apostrophe (O'Neil).
    The other letters stay as they are, so that McDonald and UNICEF survive; a text wholly in capitals is lowered first.
    """
    raised = _raised(text)
    return _raised(raised.lower()) if raised.isupper() else raised


def _raised(text: str) -> str:
    return _WORD_START.sub(lambda found: found[0].title(), text)


def as_text(value: Value) -> str:
    """A value as a reader sees it.

    Nothing is empty; tags have commas between them; true and false are those words, as in the language itself; whole
    numbers have no `.0`; a date that no filter has formatted is ISO 8601 (2026-01-31).
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value + 0).removesuffix(".0")  # + 0 makes -0.0 a plain nought


def format_date(day: date, style: str, language: object) -> str:
    """A date in words of the reader's language, by the Unicode CLDR; ISO 8601 where the language is not known.

    Args:
        day: The date.
        style: `short`, `medium`, `long` or `full`.
        language: A language tag such as `sw` or `pt-BR`; anything else counts as not known.
    """
    known = isinstance(language, str) and _LANGUAGE.fullmatch(language) is not None
    return _formatted(day, style, str(language) if known else "")


@lru_cache(maxsize=4096)
def _formatted(day: date, style: str, language: str) -> str:
    if not language:
        return day.isoformat()
    from babel import Locale, UnknownLocaleError, dates  # noqa: PLC0415 - slow to import, and few expressions show dates

    for tag in (language, re.split("[-_]", language)[0]):
        try:
            locale = Locale.parse(tag.replace("-", "_"))
        except (UnknownLocaleError, ValueError):
            continue
        return dates.format_date(day, cast("Literal['short', 'medium', 'long', 'full']", style), locale=locale)
    return day.isoformat()
