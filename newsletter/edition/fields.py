"""The kinds of text that fields of an edition hold, each with its rules, so that models only say which goes where."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from newsletter.edition.addresses import address_problem, mailbox_problem, picture_path_problem
from newsletter.edition.languages import canonical_language, language_problem
from newsletter.edition.problems import Problem, character_problems, slot_problems
from newsletter.edition.text import body_problems
from newsletter.errors import ExpressionError
from newsletter.expressions import lift, parse_expression, parse_text

_EDGE = re.compile(r"\A\s|\s\Z")
_RULE_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?) ?(Z|z|[+-]\d{2}:\d{2})?)?", re.ASCII)


def refuse(*problems: Problem) -> PydanticCustomError:
    """The error that a validator raises for these problems of one value."""
    message = " ".join(f"{problem.what} {problem.fix}".strip() for problem in problems)
    return PydanticCustomError("edition_text", "{message}", {"message": message, "problems": problems})


def _no_slots(text: str) -> tuple[Problem, ...]:
    at = text.find("{{")
    if at < 0:
        return ()
    return (Problem("slot", "A slot cannot stand here: this is the same for all readers.", "Write plain words.", at),)


@dataclass(frozen=True, slots=True)
class Text:
    """The rules of one kind of text, for use in `Annotated[str, Text(...)]`.

    Attributes:
        limit: Most characters.
        checks: What else is asked of a text; each is only asked of what the ones before it had nothing against.
        lines: Whether it may hold line breaks and tabs.
        empty: Whether it may be empty.
        written: Whether it is plain text, for which YAML's numbers and truth values are as good.
    """

    limit: int
    checks: tuple[Callable[[str], tuple[Problem, ...]], ...] = (slot_problems,)
    lines: bool = False
    empty: bool = False
    written: bool = True

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook: a string, then our rules."""
        return core_schema.no_info_after_validator_function(self.read, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Pydantic's hook for JSON Schema."""
        sort = ["string", "number", "boolean"] if self.written else "string"
        return {"type": sort, "maxLength": self.limit} | ({} if self.empty else {"minLength": 1})

    def read(self, text: str) -> str:
        """The text in Unicode's form NFC.

        Raises:
            PydanticCustomError: It breaks a rule; holds all problems.
        """
        text = unicodedata.normalize("NFC", text)
        if not text.strip():
            if self.empty and not text:
                return text
            fix = "Write something, or take the line out if the field is optional."
            raise refuse(Problem("empty", "There is nothing in this text.", fix))
        if len(text) > self.limit:
            what = f"This text has {len(text):,} characters; {self.limit:,} are the most."
            raise refuse(Problem("too-long", what, "Shorten it.", self.limit))
        problems = list(character_problems(text, lines=self.lines))
        if not self.lines and not problems and (edge := _EDGE.search(text)):
            what = f"A blank stands at the {'end' if edge.start() else 'beginning'} of this text."
            problems.append(Problem("blank", what, "Take it out.", edge.start()))
        for check in self.checks:
            problems = problems if problems and not self.lines else problems + list(check(text))
        if problems:
            raise refuse(*problems)
        return text


def _address(text: str) -> tuple[Problem, ...]:
    slots = [(piece.start, piece.end) for piece in parse_text(text) if not isinstance(piece, str)]
    lifted = lift(text, lambda slot: "x" * (slot.end - slot.start))
    problem = address_problem(lifted, slots)
    return (problem,) if problem else ()


def _single(find: Callable[[str], Problem | None]) -> Callable[[str], tuple[Problem, ...]]:
    """A check that finds one problem, as one that finds any number."""

    def check(text: str) -> tuple[Problem, ...]:
        problem = find(text)
        return (problem,) if problem else ()

    return check


def _condition(text: str) -> Problem | None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        return Problem("expression", error.what, error.fix, error.offset)
    return None


def _rule_name(text: str) -> Problem | None:
    if _RULE_NAME.fullmatch(text):
        return None
    return Problem("rule-name", f"«{text}» is not the name of a rule.", "Write it as checks show it, like image-alt.")


def _read_level(value: object) -> object:
    return int(value) if isinstance(value, str) and value in {"2", "3"} else value


def _read_date(value: object) -> object:
    """A day from its ISO text; what is a date already stays, anything else is refused."""
    if isinstance(value, dt.date):
        return value
    fix = "Write year, month and day, like 2026-03-31."
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise refuse(Problem("date", "This is not a date.", fix))
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise refuse(Problem("date", f"There is no day {value}.", fix)) from None


def _read_moment(value: object) -> object:
    """A day, or a moment with or without zone, from its ISO text."""
    if isinstance(value, dt.date):
        return value
    fix = (
        "Write a day like 2026-03-31, with a time like 2026-03-31 14:00, or with its zone like 2026-03-31 14:00+02:00."
    )
    if not isinstance(value, str) or not (match := _MOMENT.fullmatch(value)):
        raise refuse(Problem("date", "This is neither a day nor a day and time.", fix))
    day, time, zone = match.groups()
    try:
        if time is None:
            return dt.date.fromisoformat(day)
        return dt.datetime.fromisoformat(f"{day}T{time}{(zone or '').upper()}")
    except ValueError:
        raise refuse(Problem("date", f"There is no such moment as {value}.", fix)) from None


_SCHEMA_MOMENT: Final = r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2})? ?([Zz]|[+-]\d{2}:\d{2})?)?$"

Line = Annotated[str, Text(500)]
"""Plain text on one line; may hold slots."""
Label = Annotated[str, Text(200)]
"""A short plain text on one line; may hold slots."""
Alt = Annotated[str, Text(1_000, empty=True)]
"""What a picture shows, in words; empty where it only decorates."""
Lines = Annotated[str, Text(5_000, lines=True)]
"""Plain text on one or more lines; may hold slots."""
BodyText = Annotated[str, Text(20_000, (body_problems,), lines=True)]
"""Text in the Markdown dialect of `newsletter.edition.text`; may hold slots."""
Name = Annotated[str, Text(200, (_no_slots,))]
"""Plain text on one line that is the same for all readers."""
Address = Annotated[str, Text(2_000, (slot_problems, _address), written=False)]
"""A web, mail or telephone address; slots may stand in its path, query and fragment."""
PicturePath = Annotated[str, Text(255, (_no_slots, _single(picture_path_problem)), written=False)]
"""Where a picture lies inside the edition's folder."""
Mailbox = Annotated[str, Text(320, (_no_slots, _single(mailbox_problem)), written=False)]
"""One mailbox as `Name <address>`."""
Condition = Annotated[str, Text(1_000, (_single(_condition),), lines=True, written=False)]
"""An expression that is true or false for each reader."""
RuleName = Annotated[str, Text(60, (_single(_rule_name),), written=False)]
"""The name of a check's rule."""
LanguageTag = Annotated[str, Text(60, (_single(language_problem),), written=False), AfterValidator(canonical_language)]
"""The code of a language (BCP 47)."""
Level = Annotated[Literal[2, 3], BeforeValidator(_read_level)]
"""How deep a heading is."""
Day = Annotated[dt.date, Strict(), BeforeValidator(_read_date), WithJsonSchema({"type": "string", "format": "date"})]
"""A day."""
Moment = Annotated[
    Annotated[dt.datetime, Strict()] | Annotated[dt.date, Strict()],
    BeforeValidator(_read_moment),
    WithJsonSchema({"type": "string", "pattern": _SCHEMA_MOMENT}),
]
"""A day, or a moment with or without time zone."""
