"""Knows the slips people make in an expression's grammar, and answers each with what to write instead."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from jinja2.lexer import Token

from newsletter.errors import ExpressionError

CLOSING = {"(": ")", "[": "]", "{": "}"}
WORDS = ("and", "or", "not", "in")
"""The words that join and compare."""

_CONDITION = 'a condition such as country == "KE" and "researcher" in tags.'
_TYPOGRAPHIC_QUOTES = "“”„‟«»‹›‘’‚‛`´″′＂＇"
_STRANGE = {
    "&": "Write the word and.",
    "!": 'Write != for "is not", or the word not.',
    "≠": "Write !=.",
    "≤": "Write <=.",
    "≥": "Write >=.",
    "–": "Write the minus of the keyboard: -.",
    "—": "Write the minus of the keyboard: -.",
    "−": "Write the minus of the keyboard: -.",
    "\\": 'A \\ only stands inside quotes, before a quote or another \\: "say \\"hello\\"".',
}
_LIKE_IN = frozenset(
    {"contains", "contain", "has", "have", "includes", "include", "like", "matches", "startswith", "endswith"}
)
_LIKE_EQUALS = frozenset({"equals", "equal", "eq"})
_COMPARING = frozenset({"eq", "ne", "lt", "lteq", "gt", "gteq"})
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "floordiv", "mod", "pow", "tilde"})
_VALUES = frozenset({"name", "string", "integer", "float"})
_IN_STRING = re.compile(r"\\(.)|([\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff])", re.DOTALL)


def quoted(text: str) -> str:
    """Some of the writer's own words, shortened, to be shown in a sentence."""
    clean = "".join(character if character.isprintable() else " " for character in text[:60])
    return f"«{clean if len(text) <= 40 else clean[:39] + '…'}»"


def refuse_wrapping(source: str) -> None:
    """Refuse what is empty or still wrapped in template signs.

    Raises:
        ExpressionError: It is.
    """
    start = len(source) - len(source.lstrip())
    bare = source[start:]
    if not bare:
        raise ExpressionError("There is no expression here.", fix=f"Write {_CONDITION}", source=source)
    if bare.startswith("{%"):
        what, fix = "Template statements {% … %} are no part of this language.", f"Write {_CONDITION}"
        raise ExpressionError(what, fix=fix, source=source, offset=start)
    if bare.startswith("{"):
        what, fix = "An expression stands here without curly brackets.", f"Take them out: write {_CONDITION}"
        raise ExpressionError(what, fix=fix, source=source, offset=start)


def refuse_odd_string(source: str, start: int, end: int) -> None:
    """Refuse a text in quotes that could not be stored in every database or shown in a header.

    Raises:
        ExpressionError: It holds a line break, a control character, or an escape other than of a quote or backslash.
    """
    for found in _IN_STRING.finditer(source, start + 1, end - 1):
        if found[1] is None:
            is_break = found[2] in "\r\n"
            what = (
                "A text in quotes cannot hold a line break." if is_break else "An invisible character is in this text."
            )
            fix = "Write the closing quote on the same line." if is_break else "Delete it and type the text anew."
        elif found[1] not in "\\\"'":
            what = f"{quoted(found[0])} means nothing here."
            fix = 'Write \\\\ for a backslash; else only quotes take a backslash: "say \\"hello\\"".'
        else:
            continue
        raise ExpressionError(what, fix=fix, source=source, offset=found.start())


def refuse_pair(source: str, tokens: tuple[Token, ...], before: Token, token: Token) -> None:
    """Refuse what Jinja would accept although two neighbours show that something else was meant.

    Raises:
        ExpressionError: Two texts without a comma, or a conditional expression.
    """
    if before.type == token.type == "string":
        if missing := _missing_quote(source, tokens, token.lineno):
            raise missing
        what, fix = "Two texts stand next to each other.", "Write a comma between the values of a list."
        raise ExpressionError(what, fix=fix, source=source, offset=token.lineno)
    if token.test_any("name:if", "name:else") and before.type != "dot":
        fix = 'Write the condition alone; in a slot, write what else to show as first_name | default("friend").'
        raise ExpressionError(
            f"«{token.value}» is no part of this language.", fix=fix, source=source, offset=token.lineno
        )


def explain_character(source: str, offset: int) -> ExpressionError:
    """Why the lexer stopped at `offset`, as an error to be raised."""
    rest = source[offset:]
    character = rest[:1]
    if character in {'"', "'"}:
        what, fix = "The quote that opens here is never closed.", f"Write the closing {character} after the text."
        if any(sign in rest for sign in _TYPOGRAPHIC_QUOTES):
            fix = 'Both quotes must be straight ones: "friend".'
    elif character in _TYPOGRAPHIC_QUOTES:
        what, fix = f"{character} is a typographic quote.", 'Write straight quotes: "friend".'
    elif character in {")", "]", "}"}:
        braces = "}}" if rest.startswith("}}") else character
        what, fix = f"The closing {braces} has no partner.", "Take it out, or write the opening one."
    elif entity := re.match(r"&(?:quot|amp|lt|gt|apos|nbsp|#\w+);", rest):
        what, fix = f"{quoted(entity[0])} is HTML.", "Write the sign itself."
    elif character in _STRANGE:
        what = f"{'&&' if rest.startswith('&&') else character} means nothing here."
        fix = _STRANGE[character]
    elif not character.isprintable():
        name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
        what, fix = f"There is an invisible character here ({name}).", "Delete it and type the spaces anew."
    else:
        word = re.match(r"\w+", rest)
        what, fix = f"{quoted(word[0] if word else character)} means nothing here.", 'A text stands in quotes: "…".'
    return ExpressionError(what, fix=fix, source=source, offset=offset)


def explain_grammar(source: str, tokens: tuple[Token, ...], offset: int) -> ExpressionError:
    """Why Jinja's parser stopped at the token at `offset`, as an error to be raised."""
    if missing := _missing_quote(source, tokens, offset):
        return missing
    spot = _Spot(source, tokens, next(i for i, token in enumerate(tokens) if token.lineno == offset))
    what, fix, place = next(complaint for rule in _RULES if (complaint := rule(spot)) is not None)
    return ExpressionError(what, fix=fix, source=source, offset=place)


def _missing_quote(source: str, tokens: tuple[Token, ...], offset: int) -> ExpressionError | None:
    """The error that a text before `offset` swallowed a slot's end, as happens when its closing quote is missing."""
    for token in tokens:
        if token.type == "string" and token.lineno <= offset and ("}}" in token.value or "{{" in token.value):
            what = "The quote that opens here is not closed before the slot ends."
            fix = 'Write the closing quote after the text: "friend".'
            return ExpressionError(what, fix=fix, source=source, offset=token.lineno)
    return None


@dataclass(frozen=True, slots=True)
class _Spot:
    """The token that does not fit, and its neighbours."""

    source: str
    tokens: tuple[Token, ...]
    at: int

    def near(self, distance: int) -> Token:
        """The token so many places further on; one of type `none` outside."""
        at = self.at + distance
        return self.tokens[at] if 0 <= at < len(self.tokens) else Token(len(self.source), "none", "")

    def written(self, distance: int) -> str:
        """That token as it was written."""
        return self.source[self.near(distance).lineno : self.near(distance + 1).lineno].strip()


_Complaint = tuple[str, str, int]
"""What is wrong, what to write instead, and where."""


def _end(spot: _Spot) -> _Complaint | None:
    if spot.near(0).type != "eof":
        return None
    if spot.near(-1).type == "pipe":
        return _pipe(spot)
    return (
        "The expression stops in the middle.",
        f"Write a value after {quoted(spot.written(-1))}.",
        spot.near(-1).lineno,
    )


def _capitals(spot: _Spot) -> _Complaint | None:
    for token in (spot.near(0), spot.near(-1)):
        word = token.value.lower() if token.type == "name" else ""
        if word in WORDS and token.value not in WORDS:
            return f"{quoted(token.value)} means nothing here.", f"Write it in small letters: {word}.", token.lineno
    return None


def _comparing(spot: _Spot) -> _Complaint | None:
    before, token, after = spot.near(-1), spot.near(0), spot.near(1)
    if token.type == "assign" and after.type not in _COMPARING and before.type not in _COMPARING:
        return "A single = does not compare.", "Write == to compare.", token.lineno
    if token.type not in _COMPARING | {"assign"}:
        return None
    first = before if before.type in _COMPARING else token
    fix = "Write !=." if spot.source.startswith("<>", first.lineno) else "Write ==, !=, <, <=, > or >=."
    return "There is no such comparison.", fix, first.lineno


def _pipe(spot: _Spot) -> _Complaint | None:
    example = 'For example first_name | default("friend").'
    if spot.near(0).type == spot.near(-1).type == "pipe":
        return "|| means nothing here.", "Write the word or.", spot.near(-1).lineno
    if spot.near(0).type == "pipe":
        return "A filter needs a value before it.", example, spot.near(0).lineno
    if spot.near(-1).type == "pipe":
        return "After | stands the name of a filter.", example, spot.near(-1).lineno
    return None


def _foreign_word(spot: _Spot) -> _Complaint | None:
    token = spot.near(0)
    word = token.value.lower() if token.type == "name" else ""
    if word in _LIKE_IN:
        wanted = spot.written(1)[:40] if spot.near(1).type in {"string", "name"} else '"researcher"'
        container = spot.near(-1).value if spot.near(-1).type == "name" else "tags"
        fix = f"Write it the other way round: {wanted} in {container}."
    elif word in _LIKE_EQUALS:
        fix = "Write ==."
    else:
        return None
    return f"{quoted(token.value)} is no part of this language.", fix, token.lineno


def _filter_argument(spot: _Spot) -> _Complaint | None:
    token = spot.near(0)
    if token.type not in {"colon", "string"} or spot.near(-2).type != "pipe":
        return None
    value = spot.written(1 if token.type == "colon" else 0)
    return "What a filter gets stands in brackets.", f"Write {spot.near(-1).value}({value[:40]}).", token.lineno


def _sign(spot: _Spot) -> _Complaint | None:
    token = spot.near(0)
    if token.type in {"lbrace", "rbrace"}:
        return "Curly brackets are no part of an expression.", "Take them out.", token.lineno
    if token.type == "comma":
        fix = 'Write the values in square brackets: country in ["KE", "UG"].'
        return "A comma only stands in a list.", fix, token.lineno
    if token.type in _ARITHMETIC:
        return f"{spot.written(0)} means nothing here.", "Values can be compared, not computed.", token.lineno
    return None


def _missing_word(spot: _Spot) -> _Complaint | None:
    token = spot.near(0)
    if token.type not in _VALUES or spot.near(-1).type not in _VALUES | {"rparen", "rbracket"}:
        return None
    fix = "Write ==, in, and, or a comma between the two."
    return f"Something is missing before {quoted(spot.written(0))}.", fix, token.lineno


def _anything(spot: _Spot) -> _Complaint:
    return f"{quoted(spot.written(0))} is not expected here.", f"Write {_CONDITION}", spot.near(0).lineno


_RULES: tuple[Callable[[_Spot], _Complaint | None], ...] = (
    _end,
    _capitals,
    _comparing,
    _pipe,
    _foreign_word,
    _filter_argument,
    _sign,
    _missing_word,
    _anything,
)
