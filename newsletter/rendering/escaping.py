"""Escaping: what a reader's value must become so that, wherever it is put, it stays that value and nothing else.

A mailing must not stop at one bad name, so nothing here refuses: what cannot be shown is dropped, and what would end a
line becomes a space. Everything that fills slots (messages, `newsletter build`, every sender) uses these functions, so
that all of them show a reader the same.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from newsletter.expressions import Expression, Person, parse_expression
from newsletter.rendering.pieces import Context, Fill, Pieces

BREAKING: Final = "\\x00-\\x1f\\x7f-\\x9f\u2028\u2029"
"""C0 and C1 controls, line and paragraph separator, for a character class: all that can end a line or a header."""

# Bidi embeddings, overrides and isolates turn the text around them too; surrogates, byte order marks, replacement
# characters and noncharacters are what is left of a broken encoding. (A regular expression slows down with each
# character beyond U+FFFF, and the noncharacters there do no harm.)
INVISIBLE: Final = "\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffd\ufdd0-\ufdef\\ud800-\\udfff\ufffe\uffff"
"""Characters that no honest value holds, for a character class."""

_UNCLEAN: Final = re.compile(f"[{BREAKING}{INVISIBLE}]")
_BREAKING: Final = re.compile(f"[{BREAKING}]+")
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")
_SPACES: Final = re.compile(" {2,}")


def clean(value: str) -> str:
    """The value on one line, in Unicode's composed form (NFC), without characters that nobody can see.

    Joiners stay, because emoji and many scripts need them.
    """
    if value.isascii() and value.isprintable():
        return value
    if _UNCLEAN.search(value):
        value = _INVISIBLE.sub("", _BREAKING.sub(" ", value))
    return unicodedata.normalize("NFC", value)


def escape(value: str, context: Context) -> str:
    """A reader's value, made ready for the place where it goes.

    Args:
        value: Any text at all.
        context: HTML escapes `& < >`; ATTRIBUTE also quotes, backtick and backslash; URL percent-encodes everything
            but the unreserved characters of RFC 3986 section 2.3; PLAIN and HEADER only clean; HEADER also joins runs
            of spaces, which folding could not keep.
    """
    return ESCAPES[context](clean(value))


def escape_own(value: str, context: Context) -> str:
    """A value of our own (a link to the reader's pages, the list's title), made ready for the place where it goes.

    Like `escape`, but a URL stays a whole URL: in HTML its `&` becomes `&amp;`, elsewhere it is left as it is.
    """
    return OWN_ESCAPES[context](value)


def _in_html(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _in_attribute(value: str) -> str:
    value = _in_html(value).replace('"', "&quot;").replace("'", "&#39;")
    return value.replace("`", "&#96;").replace("\\", "&#92;")


def _in_url(value: str) -> str:
    if value.isascii() and value.isalnum():
        return value
    # Browsers resolve dot segments even when they are percent-encoded, so such a value would change the path.
    return "" if value in {".", ".."} else quote(value, safe="")


def _as_it_is(value: str) -> str:
    return value


def one_spaced(text: str) -> str:
    """The text without blanks at its ends, and with single spaces inside."""
    return (_SPACES.sub(" ", text) if "  " in text else text).strip()


Escape = Callable[[str], str]
ESCAPES: Final[Mapping[Context, Escape]] = {
    Context.HTML: _in_html,
    Context.ATTRIBUTE: _in_attribute,
    Context.URL: _in_url,
    Context.PLAIN: _as_it_is,
    Context.HEADER: one_spaced,
}
"""What `escape` does in each context to a value that is clean already."""

OWN_ESCAPES: Final[Mapping[Context, Escape]] = {**ESCAPES, Context.URL: _in_attribute}
"""What `escape_own` does in each context."""


@lru_cache(maxsize=1024)
def expression_of(name: str) -> Expression:
    """The expression of a fill, read once however many readers there are."""
    return parse_expression(name)


def fill_pieces(pieces: Pieces, person: Person, own: Mapping[str, str]) -> str:
    """The content as this reader sees it.

    Args:
        pieces: Static text and fills.
        person: The reader.
        own: Values for the fills marked `link`, by name: the reader's links and the list's title.

    Raises:
        ExpressionError: A fill's expression is not of the small language, or cannot be worked out for this person.
        KeyError: A fill asks for something that `own` does not have.
    """
    return "".join(piece if isinstance(piece, str) else _filled(piece, person, own) for piece in pieces)


def _filled(fill: Fill, person: Person, own: Mapping[str, str]) -> str:
    if fill.link:
        return escape_own(own[fill.name], fill.context)
    return escape(expression_of(fill.name).text(person), fill.context)
