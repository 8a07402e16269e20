"""What a letter says: the theme's words for its kind, in the reader's language, put into blocks like an edition's.

Nothing that anybody typed into a form stands here. The titles of lists and forms, and the answers of an entry, are
signs and slots in these blocks, filled when the letter is written, so that they never meet Markdown or a template.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from newsletter.edition.languages import language_problem
from newsletter.edition.model import Edition
from newsletter.errors import Finding, TemplateError
from newsletter.letters.queue import LetterKind
from newsletter.rendering.theme import Theme

FOLDER: Final = "letters"
"""Where the words of letters are, inside `templates/`."""

LINK: Final = "https://link.example.org/"
"""Stands in a block for the letter's own link."""

LINK_NAME: Final = "link"
"""The name of the fill that is the letter's own link."""

OWN: Final[Mapping[str, str]] = {LINK: LINK_NAME, "{list}": "list_title", "{form}": "form_title"}
"""What stands in the words for what is filled in later."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a letter is about, as far as it decides its words; letters with the same matter are composed once.

    Attributes:
        kind: Its kind.
        language: A language that the theme has words in.
        questions: How many questions it shows, each with its answer.
        answerable: Whether an answer to it reaches whoever filled in the form.
    """

    kind: LetterKind
    language: str
    questions: int = 0
    answerable: bool = False


def choose_language(theme: Theme, *wanted: str | None) -> str:
    """The first of these languages in which the theme has words for letters, else English."""
    for language in wanted:
        if language and theme.speaks(language, FOLDER):
            # What somebody imported as a language may be none after its first part.
            return language if language_problem(language) is None else re.split("[_-]", language.lower())[0]
    return "en"


def edition_of(theme: Theme, matter: Matter) -> Edition:
    """The blocks of a letter, its title and its subject.

    Raises:
        TemplateError: The project's own words cannot be used.
    """
    words = theme.words(matter.language, FOLDER)
    say = {name: words[f"{matter.kind}.{name}"].strip() for name in ("subject", "text")}
    title = "{form}" if matter.kind is LetterKind.ENTRY else words[f"{matter.kind}.title"].strip()
    blocks = _of_entry(words, matter) if matter.kind is LetterKind.ENTRY else _with_link(words, matter.kind)
    try:
        return Edition.model_validate(
            {
                "title": title,
                "subject": say["subject"],
                "language": matter.language,
                "public": False,
                "blocks": [{"kind": "text", "body": say["text"].replace("{when}", "{{ attributes.moment }}")}, *blocks],
            }
        )
    except ValidationError as error:
        said = str(error.errors()[0]["msg"])
        what = f"The words of the letter «{matter.kind}» in {matter.language} cannot be used. {said}"
        file = theme.label(f"{FOLDER}/{matter.language.split('-')[0].lower()}.toml")
        raise TemplateError(findings=[Finding(rule="letter", what=what, file=file)]) from None


def why(theme: Theme, matter: Matter) -> str:
    """Why somebody gets such a letter, for its end."""
    return theme.words(matter.language, FOLDER)[f"{matter.kind}.why"].strip()


def _with_link(words: Mapping[str, str], kind: LetterKind) -> Iterator[dict[str, object]]:
    yield {"kind": "button", "label": words[f"{kind}.button"].strip(), "url": LINK}
    yield {"kind": "text", "body": words[f"{kind}.note"].strip()}


def _of_entry(words: Mapping[str, str], matter: Matter) -> Iterator[dict[str, object]]:
    for number in range(matter.questions):
        yield {"kind": "text", "body": f"**{question_sign(number)}**  \n{{{{ {answer_slot(number)} }}}}"}
    if matter.answerable:
        yield {"kind": "divider"}
        yield {"kind": "text", "body": words["entry.reply"].strip()}


def question_sign(number: int) -> str:
    """What stands for a question, counted from 0."""
    return f"{{question_{number}}}"


def question_name(number: int) -> str:
    """The name of the fill that is a question."""
    return f"question_{number}"


def answer_slot(number: int) -> str:
    """The expression that is an answer."""
    return f"attributes.answer_{number}"
