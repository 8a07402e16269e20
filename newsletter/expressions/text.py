"""Finds the `{{ slots }}` in a text that a writer wrote, and nothing else that looks like a template."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from newsletter.errors import ExpressionError
from newsletter.expressions.expression import Expression, parse_expression
from newsletter.expressions.reading import MAX_LENGTH
from newsletter.expressions.slips import explain_character
from newsletter.expressions.tree import Kind

MAX_SLOTS = 1_000
"""Slots in one text."""

_SIGN = re.compile(r"\{\{|\{%|\{#|\}\}")
_LINE_END = re.compile(r"[\r\n]|\Z")
_SLOT_END = re.compile(r"\}\}|(?=\{[{%#])|\Z")
_STRING = re.compile(r"""  "(?:[^"\\\r\n]|\\.)*+"  |  '(?:[^'\\\r\n]|\\.)*+'  """, re.VERBOSE)
_INSIDE = re.compile(rf"""(?:  [^"'}}\r\n]  |  {_STRING.pattern}  |  \}}(?!\}})  )*+""", re.VERBOSE)
_FOREIGN = {
    "{%": (
        "Template statements {% … %} are no part of a text.",
        "Conditions go in the block's `when:`, for example when: '\"researcher\" in tags'.",
    ),
    "{#": (
        "Template comments {# … #} are no part of a text.",
        "Write a comment in the file, as a line of its own: # ….",
    ),
    "}}": ("These closing braces }} have no opening ones.", "Write {{ before the name, or take them out."),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a text that is filled for each reader.

    Attributes:
        expression: What fills it.
        source: The expression as written, without the braces and the spaces around it.
        start: Where the opening braces stand in the text, in characters from 0.
        end: Where the closing braces have ended.
    """

    expression: Expression
    source: str
    start: int
    end: int


def parse_text(text: str) -> tuple[str | Slot, ...]:
    """A text in reading order: literal text, never empty, and slots.

    Raises:
        ExpressionError: The first problem of a slot, or a sign of another template language; `offset` is one in `text`.
            `text_errors` tells all of them.
    """
    pieces: list[str | Slot] = []
    for piece in _scan(text):
        if isinstance(piece, ExpressionError):
            raise piece
        pieces.append(piece)
    return tuple(pieces)


def text_errors(text: str) -> tuple[ExpressionError, ...]:
    """Every problem that `parse_text` would find, at most one for each slot."""
    return tuple(piece for piece in _scan(text) if isinstance(piece, ExpressionError))


def lift(text: str, mark: Callable[[Slot], str]) -> str:
    """The text with each slot replaced by what `mark` makes of it.

    Raises:
        ExpressionError: As `parse_text`.
    """
    return "".join(piece if isinstance(piece, str) else mark(piece) for piece in parse_text(text))


def _scan(text: str) -> Iterator[str | Slot | ExpressionError]:
    """The pieces of a text in order; a problem stands where its slot would."""
    done = slots = 0
    while sign := _SIGN.search(text, done):
        if sign.start() > done:
            yield text[done : sign.start()]
        if sign[0] != "{{":
            yield _foreign(text, sign)
            done = sign.end()
            continue
        slots += 1
        if slots > MAX_SLOTS:
            fix = "Split the text into several blocks."
            yield ExpressionError(
                f"This text has more than {MAX_SLOTS:,} slots.", fix=fix, source=text, offset=sign.start()
            )
            return
        try:
            slot = _slot(text, sign.start())
        except ExpressionError as error:
            yield error
            # Go on behind the braces that a reader would take for the end of this slot, or at the next slot.
            end = _SLOT_END.search(text, sign.end())
            done = end.end() if end else len(text)
        else:
            yield slot
            done = slot.end
    if done < len(text):
        yield text[done:]


def _foreign(text: str, sign: re.Match[str]) -> ExpressionError:
    what, fix = _FOREIGN[sign[0]]
    fix = f'{fix} To show the sign itself write it as a text in a slot: {{{{ "{sign[0]}" }}}}.'
    return ExpressionError(what, fix=fix, source=text, offset=sign.start())


def _slot(text: str, start: int) -> Slot:
    """The slot whose opening braces stand at `start`.

    Raises:
        ExpressionError: It is not closed, or what it holds is no value.
    """
    inner_start = start + 2
    found = _INSIDE.match(text, inner_start, inner_start + MAX_LENGTH + 200)
    inner_end = found.end() if found else inner_start
    if not text.startswith("}}", inner_end):
        raise _unclosed(text, start, inner_end)
    inner = text[inner_start:inner_end]
    source = inner.strip()
    offset = inner_start + len(inner) - len(inner.lstrip())

    def error(what: str, fix: str, place: int) -> ExpressionError:
        return ExpressionError(what, fix=fix, source=text, offset=place)

    if not source:
        raise error("This slot is empty.", 'Write what it shows: {{ first_name | default("friend") }}.', start)
    if inner.startswith("{"):
        raise error("A slot has two braces on each side, not three.", "Take out one on each side.", start)
    if inner[0] in "-+" or inner[-1] in "-+":
        place = inner_start if inner[0] in "-+" else inner_end - 1
        raise error(
            "Signs next to the braces, as in {{- or -}}, are no part of this language.", "Take out the sign.", place
        )
    try:
        expression = parse_expression(source)
    except ExpressionError as problem:
        raise error(problem.what, problem.fix, offset + problem.offset) from None
    if expression.kind is Kind.TRUTH:
        raise error("A slot shows a value, and this is a condition.", "Conditions go in the block's `when:`.", offset)
    return Slot(expression, source, start, inner_end + 2)


def _unclosed(text: str, start: int, stop: int) -> ExpressionError:
    """Why a slot that opens at `start` was not closed when reading stopped at `stop`."""
    for string in _STRING.finditer(text, start, stop):
        if "}}" in string[0]:  # it ran over what was meant to be the end of the slot
            what = "The quote that opens here is not closed before the slot ends."
            return ExpressionError(what, fix='Write the closing quote: "friend".', source=text, offset=string.start())
    stopped_by, offset = text[stop : stop + 1], start
    if stopped_by in {'"', "'"}:
        line_end = _LINE_END.search(text, stop)
        problem = explain_character(text[: line_end.start() if line_end else None], stop)
        what, fix, offset = problem.what, problem.fix, stop
    elif stopped_by in {"\r", "\n"}:
        what, fix = "A slot stays on one line, and this line ends first.", "Write }} after the name, on the same line."
    elif stop - start > MAX_LENGTH:
        what, fix = f"A slot holds {MAX_LENGTH:,} characters at most.", "Write }} after the name."
    else:
        what, fix = "This slot is never closed.", "Write }} after the name."
    return ExpressionError(what, fix=fix, source=text, offset=offset)
