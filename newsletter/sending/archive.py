"""The editions that everybody may read, as web pages and feeds tell of them: by date, by series, one by one."""

import functools
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from newsletter.rendering.article import Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An edition that everybody may read.

    Attributes:
        article: What they read.
        first_at: When it came out.
        changed_at: When it became what it is; the same moment if it never changed.
        corrected: Whether something else could be read at its address before.
    """

    article: Article
    first_at: datetime
    changed_at: datetime
    corrected: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Editions that belong together.

    Attributes:
        slug: The series' name in addresses.
        title: As its newest edition writes it.
        publications: The newest first.
    """

    slug: str
    title: str
    publications: tuple[Publication, ...]


@dataclass(frozen=True)
class Archive:
    """All editions that everybody may read.

    Attributes:
        publications: The newest first.
        changed_at: When anything here last came, changed or went; None if nothing ever did.
    """

    publications: tuple[Publication, ...]
    changed_at: datetime | None

    def find(self, slug: str) -> Publication | None:
        """The edition of just that name."""
        return self._by_slug.get(slug)

    @functools.cached_property
    def series(self) -> dict[str, Series]:
        """All series by their slugs, the one with the newest edition first."""
        found: dict[str, list[Publication]] = {}
        for each in self.publications:
            if each.article.series is not None:
                found.setdefault(series_slug(each.article.series), []).append(each)
        return {slug: Series(slug, str(those[0].article.series), tuple(those)) for slug, those in found.items()}

    def series_of(self, publication: Publication) -> Series | None:
        """The series that an edition belongs to."""
        title = publication.article.series
        return None if title is None else self.series[series_slug(title)]

    def neighbours(self, publication: Publication) -> tuple[Publication | None, Publication | None]:
        """The edition before this one and the one after it, in its series, or among all if it has none."""
        series = self.series_of(publication)
        row = self.publications if series is None else series.publications
        at = row.index(publication)
        return row[at + 1] if at + 1 < len(row) else None, row[at - 1] if at else None

    @functools.cached_property
    def _by_slug(self) -> dict[str, Publication]:
        return {each.article.slug: each for each in self.publications}


def series_slug(title: str) -> str:
    """A series' name in addresses; two titles never share one only because of letters that cannot stand there."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", title).lower() if not unicodedata.combining(c))
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:80].strip("-")
    if slug and all(c.isascii() or not c.isalnum() for c in plain):
        return slug
    return f"{slug or 'series'}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
