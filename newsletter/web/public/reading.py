"""Makes the pages that everybody may read, for the server and for static files alike: the same HTML for both."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from markupsafe import Markup

from newsletter.rendering.view import locale_of
from newsletter.sending.archive import Archive, Publication, Series
from newsletter.web.public.site import Site
from newsletter.web.public.words import Words, choose_language

LATEST: Final = 5
"""Editions on the start page."""
ON_PAGE: Final = 20
"""Editions on one page of the archive."""


@dataclass(frozen=True, slots=True)
class Days:
    """Days and moments as pages write them.

    Attributes:
        zone: The newsletter's time zone.
    """

    zone: dt.tzinfo

    def local(self, moment: dt.datetime) -> dt.date:
        """The day of a moment, here."""
        return moment.astimezone(self.zone).date()

    def day(self, publication: Publication) -> dt.date:
        """The day of an edition: the one that its writer put on it, or when it came out."""
        return publication.article.date or self.local(publication.first_at)

    def written(self, publication: Publication, language: str) -> str:
        """The day of an edition in words."""
        return self.written_date(self.day(publication), language)

    def written_date(self, day: dt.date, language: str) -> str:
        """A day in words."""
        return format_date(day, "long", locale=locale_of(language))

    def stamp(self, moment: dt.datetime) -> str:
        """A moment as machines read it (RFC 3339)."""
        return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Reading:
    """The pages of one site's archive.

    Args:
        site: The site.
        live: Where the pages are that need a server, such as signing up; the site's own path if not given.
    """

    def __init__(self, site: Site, live: str | None = None) -> None:
        self._site = site
        self._live = site.root if live is None else live
        self.days = Days(ZoneInfo(site.settings.newsletter.timezone))

    def last_page(self, archive: Archive) -> int:
        """How many pages the list of all editions has."""
        return max(1, -(-len(archive.publications) // ON_PAGE))

    def home(self, archive: Archive, words: Words) -> str:
        """The start page."""
        latest, series = archive.publications[:LATEST], list(archive.series.values())
        return self._render("home.html.j2", words, path="/", latest=latest, series=series)

    def page(self, archive: Archive, number: int, words: Words) -> str:
        """One page of all editions, counted from 1."""
        return self._render(
            "archive.html.j2",
            words,
            path="/archive" if number == 1 else f"/archive/{number}",
            heading=words("archive.all"),
            publications=archive.publications[(number - 1) * ON_PAGE : number * ON_PAGE],
            number=number,
            last=self.last_page(archive),
            with_series=True,
        )

    def series(self, series: Series, words: Words) -> str:
        """The editions of one series."""
        return self._render(
            "archive.html.j2",
            words,
            path=f"/series/{series.slug}",
            heading=words("archive.series_of", title=series.title),
            publications=series.publications,
            number=1,
            last=1,
            with_series=False,
        )

    def edition(self, archive: Archive, publication: Publication) -> str:
        """One edition, in its own language where there are words for it."""
        site, article = self._site, publication.article
        before, after = archive.neighbours(publication)
        return self._render(
            "edition.html.j2",
            self.words_for(publication),
            path=f"/e/{article.slug}",
            publication=publication,
            series=archive.series_of(publication),
            html=Markup(article.html_at(site.root)),  # noqa: S704 cleaned by nh3 when it was made
            before=before,
            after=after,
            data=_in_script(self._described(publication)),
        )

    def words_for(self, publication: Publication) -> Words:
        """The words around an edition; they are the same for all who read it."""
        return choose_language(publication.article.language, "", self._site.settings.newsletter.language)

    def _render(self, name: str, words: Words, **values: Any) -> str:
        return self._site.render(name, words, live=self._live, days=self.days, **values)

    def _described(self, publication: Publication) -> dict[str, object]:
        """What an edition is, in the words of schema.org."""
        settings, base, article = self._site.settings, self._site.base_url, publication.article
        publisher = {"@type": "Organization", "name": settings.newsletter.organisation, "url": f"{base}/"}
        told: dict[str, object] = {
            "@context": "https://schema.org",
            "@type": "NewsArticle",
            "headline": article.title,
            "url": f"{base}/e/{article.slug}",
            "mainEntityOfPage": f"{base}/e/{article.slug}",
            "datePublished": self.days.stamp(publication.first_at),
            "dateModified": self.days.stamp(publication.changed_at),
            "inLanguage": article.language,
            "isAccessibleForFree": True,
            "author": publisher,
            "publisher": publisher,
        }
        if article.description:
            told["description"] = article.description
        if article.picture:
            told["image"] = f"{base}/images/{article.picture}"
        if article.series:
            told["isPartOf"] = {"@type": "CreativeWorkSeries", "name": article.series}
        return told


def _in_script(data: Mapping[str, object]) -> Markup:
    """JSON that can stand in a script element: nothing in it ends the element, or begins a comment."""
    text = json.dumps(data)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 no sign that HTML knows is left
