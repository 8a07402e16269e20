"""Reads what a visitor filled in by the questions of a form: all that is wrong at once, or answers as they were given.

The model is made from the form's table in newsletter.toml. An answer is kept as it was typed but for blanks around it,
line ends, and Unicode normal form C; what cannot be kept so is refused, never mended in silence.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from newsletter.audience.subscribers import read_address
from newsletter.config.pages import FormField, FormTable
from newsletter.config.values import UNSEEN
from newsletter.errors import AddressError

Answers = Mapping[str, str | bool]
"""What was answered, by the names of the questions and in their order; questions left open are not in it."""

_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
"""Line ends of other machines and programs (UAX #14: BK, CR, NL); word processors paste them."""
_TICKED: Final = frozenset({"yes", "on", "true", "1"})
_PHONE: Final = re.compile(r"[+(]?\d[\d ()./\u00a0\u2010-\u2013-]*(?:(?:x|ext\.?) ?\d{1,6})?", re.IGNORECASE)
_FEWEST_DIGITS, _MOST_DIGITS = 4, 24
"""ITU-T E.164 has 15 at most; prefixes and extensions come on top."""
_LONGEST_ADDRESS: Final = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one answer.

    Attributes:
        name: The question's name.
        what: Which of the words for it: `missing`, `unticked`, `unchosen`, `too_long`, `lines`, `unseen`, `email`,
            `url`, `phone`.
        gaps: What these words need, such as `most`.
    """

    name: str
    what: str
    gaps: Mapping[str, str] = field(default_factory=dict)


class EntryModel(BaseModel):
    """One entry; each form makes a model of its own from this, with a field for each question."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@cache
def entry_model(form: FormTable) -> type[EntryModel]:
    """The model of a form's entries: texts come in, answers come out."""
    questions: dict[str, Any] = {
        # Python's names are ours, since a question may be called `copy` or `json`, as methods of the model are.
        f"answer_{number}": (_type(question), Field(alias=question.name))
        for number, question in enumerate(form.fields)
    }
    return create_model("Entry", __base__=EntryModel, **questions)


def read_answers(form: FormTable, given: Mapping[str, object]) -> tuple[Answers, tuple[Problem, ...]]:
    """What a visitor answered, or everything that is wrong with it.

    Args:
        form: The form.
        given: The texts of the fields, by the questions' names; others are left alone.

    Returns:
        The answers, none if there is a problem; and the problems in the order of the questions.
    """
    try:
        entry = entry_model(form).model_validate({ask.name: given.get(ask.name, "") for ask in form.fields})
    except ValidationError as error:
        return {}, tuple(_problem(details) for details in error.errors(include_url=False, include_input=False))
    told = entry.model_dump(by_alias=True)
    return {name: answer for name, answer in told.items() if answer != ""}, ()


def address_in(form: FormTable, answers: Answers) -> str | None:
    """The address that a visitor gave for themselves: the answer to the first question of the kind `email`."""
    return next((str(answers[ask.name]) for ask in form.fields if ask.kind == "email" and ask.name in answers), None)


def _problem(details: Any) -> Problem:
    context = dict(details.get("ctx", {}))
    what = context.pop("what", "unseen")  # no text at all: a file in place of a text, say
    return Problem(str(details["loc"][0]), str(what), context if details["type"] == "answer" else {})


def _refuse(what: str, **gaps: str) -> PydanticCustomError:
    return PydanticCustomError("answer", "{what}", {"what": what, **gaps})


def _type(question: FormField) -> Any:
    """What Pydantic is told of one question."""
    if question.kind == "checkbox":
        return Annotated[bool, BeforeValidator(partial(_ticked, question))]
    return Annotated[str, AfterValidator(partial(_answer, question)), Field(strict=True)]


def _ticked(question: FormField, given: object) -> bool:
    """Whether a box was ticked; browsers send nothing for one that was not."""
    ticked = isinstance(given, str) and given.strip().lower() in _TICKED
    if question.required and not ticked:
        raise _refuse("unticked")
    return ticked


def _answer(question: FormField, given: str) -> str:
    """The answer to one question; an empty text for none."""
    text = unicodedata.normalize("NFC", _LINE_ENDS.sub("\n", given)).strip()
    if not any(character.isprintable() and not character.isspace() for character in text):
        if question.required:
            raise _refuse("unchosen" if question.kind == "choice" else "missing")
        return ""
    if question.kind == "choice":
        if text not in question.options:
            raise _refuse("unchosen")
        return text
    _check(question, text)
    return text


def _check(question: FormField, text: str) -> None:
    """See that a text is one that this question takes."""
    if match := UNSEEN.search(text):
        raise _refuse("unseen", code=f"U+{ord(match[0]):04X}")
    if len(text) > question.longest:
        raise _refuse("too_long", most=f"{question.longest:,}", has=f"{len(text):,}")
    if question.kind != "paragraph" and ("\n" in text or "\t" in text):
        raise _refuse("lines")
    _CHECKS[question.kind](text)


def _text(_: str) -> None:
    """Any words will do."""


def _email(text: str) -> None:
    try:
        if len(text) > _LONGEST_ADDRESS:
            raise _refuse("email")
        read_address(text)
    except AddressError:
        raise _refuse("email") from None


def _url(text: str) -> None:
    """A whole web address; nothing that a browser would run."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and "." in (parts.hostname or "") and "@" not in parts.netloc
        _ = parts.port  # raises where it is no number
    except ValueError:
        good = False
    if not good or re.search(r'[\s<>"\\^`{|}]', text):
        raise _refuse("url")


def _phone(text: str) -> None:
    digits = sum(character.isdigit() for character in text)
    if not _PHONE.fullmatch(text) or not _FEWEST_DIGITS <= digits <= _MOST_DIGITS:
        raise _refuse("phone")


_CHECKS: Final = {"text": _text, "paragraph": _text, "email": _email, "url": _url, "phone": _phone}
