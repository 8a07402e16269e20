"""What letters are written on: for each kind, list or form, and language a writer, made once and kept."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.lists import format_list

from newsletter.config.pages import FormField
from newsletter.letters.composing import compose_letter
from newsletter.letters.queue import LetterKind
from newsletter.letters.taking import PAGES, FormEntry, Taken
from newsletter.letters.wording import FOLDER, Matter, answer_slot, choose_language, question_name
from newsletter.letters.writing import Addressed, LetterWriter, visitors_mailbox
from newsletter.project import Project
from newsletter.rendering.theme import Theme, open_theme
from newsletter.rendering.view import locale_of
from newsletter.sending.addresses import Mailbox
from newsletter.sending.senders.protocol import Capabilities, Message
from newsletter.tokens import Signer

_MOST: Final = 200
"""Writers that are kept: kinds times lists times languages are far fewer."""


class Stationery:
    """Writes any letter of a project.

    Args:
        project: The project.
        signer: Signs the Message-IDs.
    """

    def __init__(self, project: Project, signer: Signer) -> None:
        self._project = project
        self._signer = signer
        self._theme: Theme | None = None
        self._writers: dict[tuple[Matter, tuple[tuple[str, str], ...]], LetterWriter] = {}

    def refresh(self) -> Theme:
        """The theme as it is now; where a template has changed since, letters are composed anew."""
        theme = open_theme(self._project.templates)
        if theme is not self._theme:
            self._theme, self._writers = theme, {}
        return theme

    def write(self, letter: Taken, able: Capabilities, now: datetime) -> Message:
        """A letter in the form that the sender takes.

        Raises:
            MessageError: The address cannot be mailed, or a header cannot hold what the settings say.
            TemplateError: Templates, or words, of the project are wrong.
            EditionInvalidError: The logo cannot be used.
            ConfigError: A brand colour cannot be read against its background.
            CompileError: What the templates made cannot become HTML.
        """
        theme = self._theme or self.refresh()
        if letter.entry is not None:
            writer, addressed = self._of_entry(letter, letter.entry, theme)
        else:
            writer, addressed = self._with_link(letter, theme)
        writes: Callable[[Addressed, datetime], Message] = writer.write
        if able.form == "substitutions":
            writes = writer.substituted
        return writes(addressed, now)

    def _with_link(self, letter: Taken, theme: Theme) -> tuple[LetterWriter, Addressed]:
        settings = self._project.settings
        language = choose_language(theme, letter.language, settings.newsletter.language)
        titles = [settings.lists[slug].title if slug in settings.lists else slug for slug in letter.lists]
        lists = format_list(titles, locale=locale_of(language)) if titles else ""
        writer = self._writer(Matter(letter.kind, language), {"list_title": lists})
        return writer, Addressed(letter.id, letter.email, letter.token)

    def _of_entry(self, letter: Taken, entry: FormEntry, theme: Theme) -> tuple[LetterWriter, Addressed]:
        """The letter that tells the team what somebody filled in, all questions with their answers."""
        settings = self._project.settings
        language = choose_language(theme, settings.newsletter.language)
        words = theme.words(language, FOLDER)
        form = settings.forms.get(entry.form)
        fields = form.fields if form else ()
        asked = {field.name: field.label for field in fields}
        questions = asked | {name: name for name in entry.answers if name not in asked}  # of a form that has changed
        reply_to = _visitor(fields, entry.answers)
        titles = {"form_title": form.title if form else entry.form}
        titles |= {question_name(number): label for number, label in enumerate(questions.values())}
        values = {answer_slot(number): _shown(entry.answers.get(name), words) for number, name in enumerate(questions)}
        values["attributes.moment"] = self._moment(entry.at, language)
        writer = self._writer(Matter(LetterKind.ENTRY, language, len(questions), reply_to is not None), titles)
        return writer, Addressed(letter.id, letter.email, values=values, reply_to=reply_to)

    def _moment(self, at: datetime, language: str) -> str:
        """Date and time where the project is, as they are written in a language."""
        local = at.astimezone(ZoneInfo(self._project.settings.newsletter.timezone))
        locale = locale_of(language)
        return (
            f"{format_date(local.date(), 'long', locale=locale)}, {format_time(local.time(), 'short', locale=locale)}"
        )

    def _writer(self, matter: Matter, titles: Mapping[str, str]) -> LetterWriter:
        key = (matter, tuple(titles.items()))
        if key not in self._writers:
            if len(self._writers) >= _MOST:
                self._writers.clear()
            page = PAGES.get(matter.kind)
            base = self._project.settings.newsletter.base_url
            self._writers[key] = LetterWriter(
                compose_letter(self._project, matter),
                self._project.settings,
                signer=self._signer,
                page=None if page is None else f"{base}/{page}/",
                same_for_all=titles,
            )
        return self._writers[key]


def _visitor(fields: tuple[FormField, ...], answers: Mapping[str, object]) -> Mailbox | None:
    """The address that somebody gave in a form, if it asks for one."""
    given = (answers.get(field.name) for field in fields if field.kind == "email")
    return next((mailbox for typed in given if typed and (mailbox := visitors_mailbox(str(typed)))), None)


def _shown(answer: object, words: Mapping[str, str]) -> str:
    """An answer as the team reads it."""
    if isinstance(answer, bool):
        return words["entry.yes" if answer else "entry.no"]
    if isinstance(answer, list):
        answer = ", ".join(str(each) for each in answer)
    text = "" if answer is None else str(answer)
    return text.strip("\r\n") if text.strip() else words["entry.none"]
