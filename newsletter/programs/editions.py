"""The editions of a project in a few words each, read from their files and not composed, so that asking stays cheap."""

from dataclasses import dataclass

from newsletter.edition.files import read_edition
from newsletter.errors import EditionError
from newsletter.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """An edition in a few words.

    Attributes:
        slug: Its name in addresses.
        title: Its title; None if its file cannot be used.
        series: The series that it belongs to.
        language: Its language; the project's if it says none.
        date: The day that readers see on it, as 2026-03-31.
        public: Whether everybody may read it on the web.
        findings: How many problems reading its file finds; `newsletter check` may find more.
    """

    slug: str
    title: str | None
    series: str | None
    language: str | None
    date: str | None
    public: bool
    findings: int


def summarise(project: Project, *, after: str, limit: int) -> list[Summary]:
    """Editions in the order of their slugs, those that come after one."""
    slugs = [slug for slug in project.edition_slugs() if slug > after]
    return [_summary(project, slug) for slug in slugs[:limit]]


def _summary(project: Project, slug: str) -> Summary:
    try:
        file = read_edition(project.edition_file(slug), project.root)
    except EditionError as error:
        count = max(1, len(error.findings))
        return Summary(slug=slug, title=None, series=None, language=None, date=None, public=False, findings=count)
    edition = file.edition
    return Summary(
        slug=slug,
        title=edition.title,
        series=edition.series,
        language=edition.language or project.settings.newsletter.language,
        date=None if edition.date is None else edition.date.isoformat(),
        public=edition.public,
        findings=len(file.findings),
    )
