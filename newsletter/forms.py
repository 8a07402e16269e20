"""The front door to the forms of a project: take an entry, tell the team, list, export, let go."""

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from newsletter.door import Door
from newsletter.errors import EntryNotFoundError, FormNotFoundError

if TYPE_CHECKING:
    from newsletter.config.pages import FormTable
    from newsletter.entries.answering import Problem
    from newsletter.entries.keeping import Entry


@dataclass(frozen=True, slots=True)
class FormStanding:
    """A form, and what came by it.

    Attributes:
        slug: Its name in newsletter.toml.
        title: Its name for people; empty if newsletter.toml does not have it any more.
        entries: How many are kept.
        newest: When the newest came.
        to: Who gets them; empty as the title.
    """

    slug: str
    title: str
    entries: int
    newest: dt.datetime | None
    to: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of what a visitor sent.

    Attributes:
        entry: Its number; None if it was not taken.
        problems: Why not, in the order of the questions.
    """

    entry: int | None
    problems: "tuple[Problem, ...]" = ()


class Forms(Door):
    """The forms of one project."""

    def form(self, slug: str) -> "FormTable":
        """A form's table in newsletter.toml.

        Raises:
            FormNotFoundError: There is none.
        """
        forms = self._project.settings.forms
        if slug not in forms:
            raise FormNotFoundError(f"There is no form «{slug}» in newsletter.toml. {_meant(slug, list(forms))}")
        return forms[slug]

    def recipient(self, slug: str) -> str:
        """The mailbox that gets a form's entries, as newsletter.toml has it.

        Raises:
            FormNotFoundError: There is no such form.
        """
        identity = self._project.settings.identity
        return self.form(slug).to or identity.reply_to or identity.from_

    def check(self, slug: str, given: Mapping[str, object]) -> "tuple[Problem, ...]":
        """What is wrong with what a visitor filled in.

        Raises:
            FormNotFoundError: There is no such form.
        """
        from newsletter.entries.answering import read_answers

        return read_answers(self.form(slug), given)[1]

    def take(self, slug: str, given: Mapping[str, object], *, network: str | None = None) -> Taken:
        """Keep what a visitor filled in, and promise a letter to the team; or say what is wrong with it.

        Args:
            slug: The form.
            given: The texts of the fields by the questions' names.
            network: Where it came from; only a keyed hash is kept.

        Raises:
            FormNotFoundError: There is no such form.
            DatabaseUnavailableError: It could not be written down, and nothing was.
        """
        from newsletter.audience.consent import hashed_origin
        from newsletter.entries.answering import read_answers
        from newsletter.entries.keeping import keep_entry
        from newsletter.letters.queue import LetterKind, write_letter
        from newsletter.sending.addresses import parse_mailbox
        from newsletter.webhooks.announcing import announce

        form, now, secret = self.form(slug), self._clock(), self._project.secret_key()
        answers, problems = read_answers(form, given)
        if problems:
            return Taken(None, problems)
        origin = None if network is None else hashed_origin(network, secret)
        team = parse_mailbox(self.recipient(slug)).address
        with self._database() as database, database.write() as connection:
            entry, new = keep_entry(connection, slug, form, answers, secret=secret, now=now, origin=origin)
            if new:
                told: dict[str, int | str] = {"form": slug, "entry": entry}
                write_letter(connection, LetterKind.ENTRY, team, secret=secret, now=now, details=told)
                announce(connection, "form.received", told, now=now)
        return Taken(entry)

    def standings(self) -> list[FormStanding]:
        """The forms of newsletter.toml, then those that are gone from it and still have entries."""
        from newsletter.entries.keeping import count_entries

        with self._database() as database, database.read() as connection:
            counted = count_entries(connection)
        forms = self._project.settings.forms
        standings = []
        for slug in [*forms, *sorted(slug for slug in counted if slug not in forms)]:
            number, newest = counted.get(slug, (0, None))
            title, to = (forms[slug].title, self.recipient(slug)) if slug in forms else ("", "")
            standings.append(FormStanding(slug, title, number, newest, to))
        return standings

    def entries(self, slug: str) -> "list[Entry]":
        """The entries of a form, oldest first.

        Raises:
            FormNotFoundError: There is no such form, and there are no entries of one.
        """
        from newsletter.entries.keeping import read_entries

        with self._database() as database, database.read() as connection:
            found = [*read_entries(connection, slug)]
        if not found:
            self.form(slug)
        return found

    def show(self, slug: str, number: int) -> "Entry":
        """One entry.

        Raises:
            EntryNotFoundError: There is none with that number.
            FormNotFoundError: There is no such form, and there are no entries of one.
        """
        from newsletter.entries.keeping import find_entry

        try:
            with self._database() as database, database.read() as connection:
                return find_entry(connection, slug, number)
        except EntryNotFoundError:
            self.entries(slug)  # which says so if there is no such form
            raise

    def export(self, slug: str, form: Literal["csv", "json"], file: TextIO) -> int:
        """Write the entries of a form to an open file; says how many.

        Raises:
            FormNotFoundError: There is no such form, and there are no entries of one.
        """
        from newsletter.entries.exporting import answer_names, write_csv, write_json

        found = self.entries(slug)
        if form == "json":
            return write_json(found, file)
        return write_csv(found, answer_names(self._project.settings.forms.get(slug), found), file)

    def delete(self, slug: str, number: int) -> None:
        """Delete one entry for good.

        Raises:
            EntryNotFoundError: There is none with that number.
        """
        from newsletter.entries.keeping import delete_entry

        with self._database() as database:
            with database.write() as connection:
                delete_entry(connection, slug, number)
            database.forget_deleted()

    def expire(self) -> None:
        """Let go what was kept long enough."""
        from newsletter.entries.keeping import expire_entries, have_expired

        now = self._clock()
        with self._database() as database:
            with database.read() as connection:
                if not have_expired(connection, now=now):
                    return
            with database.write() as connection:
                expire_entries(connection, now=now)


def _meant(slug: str, known: list[str]) -> str:
    """Which form was probably meant."""
    if near := difflib.get_close_matches(slug, known, n=1):
        return f"Did you mean {near[0]}?"
    return f"It has: {', '.join(known)}." if known else "Add a table [forms.…] with its questions."
