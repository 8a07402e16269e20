"""The words of the public pages in the reader's language: one folder for each language, one file for each part."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from newsletter.rendering.view import direction

_WORDS: Final = Path(__file__).parent / "words"
FALLBACK: Final = "en"
"""The language that has all words; what another lacks comes from it."""

_MOST: Final = 20
"""Preferences of a browser that are looked at."""


class Words:
    """The words of one language: `t("leaving.button")`, with `t("leaving.who", name=…)` for those with gaps.

    Attributes:
        language: Its tag.
    """

    def __init__(self, language: str, words: Mapping[str, str]) -> None:
        self.language = language
        self._words = words

    def __call__(self, key: str, **gaps: object) -> str:
        """The words for a key, as plain text: templates escape them, gaps and all.

        Raises:
            KeyError: There are none: a mistake of ours.
        """
        text = self._words[key]
        for name, value in gaps.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text


@cache
def languages() -> frozenset[str]:
    """The languages that there are words for."""
    return frozenset(path.name for path in _WORDS.iterdir() if path.is_dir())


@cache
def words_of(language: str) -> Words:
    """The words of a language that there is."""
    return Words(language, _read(FALLBACK) | _read(language))


def choose_language(wanted: str | None, accepted: str, otherwise: str) -> Words:
    """The words of the first language that there are words for.

    Args:
        wanted: What the visitor, or what we know of the reader, asks for.
        accepted: The header Accept-Language (RFC 9110 section 12.5.4).
        otherwise: The project's own.
    """
    for tag in (wanted or "", *_preferred(accepted), otherwise, FALLBACK):
        for known in (tag.lower(), tag.lower().partition("-")[0]):
            if known in languages():
                return words_of(known)
    return words_of(FALLBACK)


def direction_of(language: str) -> str:
    """Which way a language is written: `ltr` or `rtl`."""
    return direction(language)


def _preferred(accepted: str) -> list[str]:
    """The languages of the header, the dearest first."""
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:1_000].split(",")[:_MOST]):
        tag, _, weight = part.partition(";q=")
        try:
            ranked.append((-float(weight or 1), place, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, _, tag in sorted(ranked) if weight < 0]


@cache
def _read(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((_WORDS / language).glob("*.toml")):
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        found |= {f"{path.stem}.{key}": text for key, text in said.items()}
    return found
