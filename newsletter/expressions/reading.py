"""Reads the grammar of an expression with Jinja's own lexer and parser, bounded, with exact places for complaints.

Jinja's tokens carry a line number and nothing finer. Here they carry the character's offset in its stead, so that
the `lineno` of every Jinja node and syntax error is an offset into the source. Nothing is ever compiled or run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TOKEN_EOF, Token, TokenStream
from jinja2.parser import Parser

from newsletter.errors import ExpressionError
from newsletter.expressions import slips

MAX_LENGTH = 1_000
"""Characters in one expression."""
MAX_DEPTH = 20
"""Brackets and `not`s inside one another."""

_JINJA = Environment(autoescape=True)
_BREAKS = str.maketrans("\r\n", "  ")
_OPENING = {"lparen": "(", "lbracket": "[", "lbrace": "{"}
_CLOSING = frozenset({"rparen", "rbracket", "rbrace"})


@dataclass(frozen=True, slots=True)
class Reading:
    """An expression whose grammar is right; whether it makes sense is not known yet.

    Attributes:
        source: As written.
        tokens: Jinja's tokens, the offset in `lineno`, ended by one of type `eof`.
        root: Jinja's tree, every `lineno` an offset.
    """

    source: str
    tokens: tuple[Token, ...]
    root: nodes.Expr

    def error(self, what: str, fix: str, offset: int) -> ExpressionError:
        """An error at `offset`, to be raised."""
        return ExpressionError(what, fix=fix, source=self.source, offset=offset)

    def token_after(self, offset: int) -> Token:
        """The first token that starts behind `offset`."""
        return next((token for token in self.tokens if token.lineno > offset), self.tokens[-1])

    def last_before(self, offset: int, *types: str) -> int:
        """The offset of the last token before `offset` that has one of these types or is one of these words."""
        found = (t for t in reversed(self.tokens) if t.lineno < offset)
        return next((t.lineno for t in found if t.type in types or (t.type == "name" and t.value in types)), offset)


def read(source: str) -> Reading:
    """Read the grammar of `source`.

    Raises:
        ExpressionError: It is too long, too deep, or no expression in Jinja's grammar; the offset points at the word.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"This expression has {len(source):,} characters; {MAX_LENGTH:,} are the most.",
            fix="Shorten it, or give people a tag and ask for the tag.",
            source=source,
            offset=MAX_LENGTH,
        )
    slips.refuse_wrapping(source)
    tokens = _tokens(source)
    _bound(source, tokens)
    parser = Parser(_JINJA, "", state="variable")
    parser.stream = TokenStream(iter(tokens), None, None)
    try:
        root = parser.parse_expression()
        parser.stream.expect(TOKEN_EOF)
    except TemplateSyntaxError as problem:
        raise slips.explain_grammar(source, tokens, problem.lineno) from None
    return Reading(source, tokens, root)


def _tokens(source: str) -> tuple[Token, ...]:
    try:
        return *_JINJA.lexer.wrap(_pieces(source)), Token(len(source), TOKEN_EOF, "")
    except TemplateSyntaxError as problem:
        # Only raised for a word that is no identifier: everything else that `wrap` can refuse, `_pieces` has refused.
        raise slips.explain_character(source, problem.lineno) from None


def _pieces(source: str) -> Iterator[tuple[int, str, str]]:
    """Jinja's raw tokens with offsets: its lexer skips nothing, so lengths add up."""
    offset = 0
    # Line breaks between words are spaces (a `when:` may be folded); same length, so that offsets stay true.
    stream = _JINJA.lexer.tokeniter(source.translate(_BREAKS), None, None, "variable")
    while True:
        try:
            _, kind, text = next(stream)
        except StopIteration:
            return
        except TemplateSyntaxError:
            raise slips.explain_character(source, offset) from None
        if kind == "variable_end":
            raise slips.explain_character(source, offset)
        if kind == "string":
            slips.refuse_odd_string(source, offset, offset + len(text))
        yield offset, kind, text
        offset += len(text)


def _bound(source: str, tokens: tuple[Token, ...]) -> None:
    """Refuse what would make Jinja's parser recurse deeply, or would quietly mean something else than it seems to."""
    open_brackets: list[Token] = []
    prefixes = 0
    before = Token(0, "initial", "")
    for token in tokens:
        if token.type in _OPENING:
            open_brackets.append(token)
        elif token.type in _CLOSING:
            open_brackets.pop()  # the lexer has seen to the balance
        prefixes = prefixes + 1 if token.type in {"sub", "add"} or token.test("name:not") else 0
        if len(open_brackets) + prefixes > MAX_DEPTH:
            raise ExpressionError(
                f"This expression is nested more than {MAX_DEPTH} deep.",
                fix="Take out brackets or repeated “not”.",
                source=source,
                offset=token.lineno,
            )
        slips.refuse_pair(source, tokens, before, token)
        before = token
    if open_brackets:
        bracket = open_brackets[-1]
        sign = _OPENING[bracket.type]
        raise ExpressionError(
            f"The bracket {sign} that opens here is never closed.",
            fix=f"Write the closing {slips.CLOSING[sign]}.",
            source=source,
            offset=bracket.lineno,
        )
