"""Language tags (BCP 47): whether one is well formed, and what its writer meant if it is not."""

import re

from babel import Locale
from babel.core import get_global

from newsletter.edition.problems import Problem

# RFC 5646, section 2.1, without grandfathered tags: language, extlang, script, region, variants, extensions, private
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-[a-z]{3}){0,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)


def language_problem(tag: str) -> Problem | None:
    """What is wrong with a language tag."""
    rule = "language"
    match = _TAG.fullmatch(tag)
    if match is None:
        return Problem(rule, f"«{tag[:40]}» is not the code of a language.", _advice(tag))
    code = match["language"].lower()
    if shorter := _shorter(code):
        return Problem(rule, f"«{code}» is not how this language is written here.", f"Write {shorter}.")
    if code not in _names() and len(code) == 2:
        return Problem(rule, f"There is no language with the code «{code}».", _advice(tag))
    return None


def canonical_language(tag: str) -> str:
    """The tag as RFC 5646, section 2.1.1 recommends to write it: `en`, `pt-BR`, `sr-Latn`."""
    parts = tag.lower().split("-")
    for number, part in enumerate(parts[1:], 1):
        if len(parts[number - 1]) == 1:
            break  # what follows a single letter stays small
        if len(part) == 2:
            parts[number] = part.upper()
        elif len(part) == 4 and part.isalpha():
            parts[number] = part.title()
    return "-".join(parts)


def _advice(tag: str) -> str:
    """What to write instead: with hyphens, or the code of a language given by its name, or some examples."""
    hyphens = tag.replace("_", "-")
    if hyphens != tag and _TAG.fullmatch(hyphens):
        return f"Write {canonical_language(hyphens)}."
    code = next((code for code, name in _names().items() if name.casefold() == tag.casefold()), None)
    if code:
        return f"Write {code}."
    return "Write a code such as en, fr, pt-BR or ar."


def _shorter(code: str) -> str | None:
    """The two-letter code that must be used instead of a three-letter one, if there is one."""
    alias = get_global("language_aliases").get(code)
    return alias if len(code) == 3 and isinstance(alias, str) and len(alias) == 2 else None


def _names() -> dict[str, str]:
    """The languages that Unicode's CLDR knows, by code, with their English names."""
    return {code: name for code, name in Locale("en").languages.items() if len(code) in {2, 3}}
