"""The front door to the editions on the web: pages, series, pictures; published, corrected, withdrawn."""

import datetime as dt
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from newsletter.door import Door
from newsletter.errors import CompileError, EditionError, EditionInvalidError, Severity
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database
    from newsletter.rendering.article import Article
    from newsletter.rendering.composition import Picture
    from newsletter.sending.archive import Archive
    from newsletter.sending.publishing import Page

_LOG: Final = logging.getLogger(__name__)


class Publications(Door):
    """The public editions of one project.

    A server keeps one of these: what it has read once stays in memory, and only what has changed is read again.

    Args:
        project: Whose editions.
        database: Opens its database.
        clock: Tells the time.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        super().__init__(project, database, clock)
        self._articles: dict[tuple[int, dt.datetime], Article] = {}
        self._older: dict[str, Picture] | None = None
        self._looking = threading.Lock()

    def archive(self) -> "Archive":
        """All editions that everybody may read."""
        from newsletter.rendering.article import Article
        from newsletter.sending.archive import Archive, Publication
        from newsletter.sending.publishing import Showing, pages, read_article

        known, kept = self._articles, {}
        found = []
        with self._database() as database, database.read() as connection:
            there, changed = pages(connection)
            for page in there:
                if page.showing is not Showing.SHOWN:
                    continue
                name = (page.id, page.changed_at)
                try:
                    kept[name] = known.get(name) or Article.load(read_article(connection, page.id))
                except CompileError:  # all others are still there to be read
                    _LOG.warning(
                        "A web page cannot be read. Make it anew:  newsletter archive publish %s", page.edition
                    )
                    continue
                published = Publication(
                    article=kept[name],
                    first_at=page.first_at or page.changed_at,
                    changed_at=page.changed_at,
                    corrected=page.corrected,
                )
                found.append(published)
        self._articles = kept
        return Archive(tuple(found), changed)

    def picture(self, name: str) -> tuple[str, bytes] | None:
        """A picture of a message or page: its media type and its bytes."""
        from newsletter.sending.publishing import older_pictures, read_picture

        with self._database() as database, database.read() as connection:
            if (kept := read_picture(connection, name)) is not None:
                return kept
            with self._looking:
                if self._older is None:  # none is ever added: what is sent from now on keeps its pictures
                    self._older = older_pictures(connection)
        older = self._older.get(name)
        return None if older is None else (older.media_type, older.content)

    def pages(self) -> "list[Page]":
        """The pages of all editions, also those that are not shown; the newest edition first."""
        from newsletter.sending.publishing import pages

        with self._database() as database, database.read() as connection:
            return pages(connection)[0]

    def publish(self, slug: str) -> bool:
        """Show the page of an edition as its file is now; says whether readers see something else than before.

        Raises:
            EditionNotFoundError: There is no such edition.
            EditionInvalidError: Something must be fixed first.
            EditionError: It is not public, or was never sent.
            TemplateError: A template of the project is wrong.
        """
        from newsletter.edition.files import read_edition
        from newsletter.rendering.article import web_page
        from newsletter.rendering.checking import check_composed
        from newsletter.rendering.compose import compose
        from newsletter.sending.publishing import has_left, publish

        file = read_edition(self._project.edition_file(slug), self._project.root)
        composition = compose(file, self._project)
        findings = check_composed(file, self._project, composition)
        if must := [finding for finding in findings if finding.severity is Severity.MUST_FIX]:
            raise EditionInvalidError(findings=must)
        article, pictures = web_page(composition, self._project)
        if article is None:
            raise EditionError(
                f"«{slug}» says public: false, so that nobody can read it on the web. To show it to everybody, take "
                "that line out."
            )
        with self._database() as database, database.write() as connection:
            if not has_left(connection, slug):
                raise EditionError(
                    f"«{slug}» has not been sent, and drafts are never shown. Its page comes with its mailing:  "
                    f"newsletter send {slug} --list LIST"
                )
            return publish(
                connection, slug, composition.digest, data=article.dump(), pictures=pictures, now=self._clock()
            )

    def withdraw(self, slug: str) -> None:
        """Show the page of an edition no more.

        Raises:
            EditionNotFoundError: It has none.
        """
        from newsletter.sending.publishing import withdraw

        with self._database() as database, database.write() as connection:
            withdraw(connection, slug, now=self._clock())
