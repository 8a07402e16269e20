"""The editions for programs: feeds (RFC 4287, RSS 2.0, JSON Feed 1.1), the map of the site, and what robots may see."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Final

from markupsafe import escape

from newsletter.sending.archive import Archive, Publication
from newsletter.web.public.reading import Reading
from newsletter.web.public.site import Site
from newsletter.web.public.words import choose_language

MOST_ENTRIES: Final = 50
"""Editions in a feed, the newest."""

_NEVER: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_PRIVATE: Final = ("/u/", "/p/", "/me/", "/confirm/", "/erase/", "/access", "/api/", "/hooks/", "/metrics")
"""Pages of single readers, and doors for programs."""

# XML 1.0, section 2.2
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Feeds:
    """The feeds of one site.

    Args:
        site: The site.
        reading: Its pages.
    """

    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._reading = reading
        self._words = choose_language(None, "", site.settings.newsletter.language)
        self.files: Mapping[str, tuple[str, Callable[[Archive], str]]] = {
            "feed.atom": ("application/atom+xml; charset=utf-8", self.atom),
            "feed.rss": ("application/rss+xml; charset=utf-8", self.rss),
            "feed.json": ("application/feed+json; charset=utf-8", self.json),
            "sitemap.xml": ("application/xml; charset=utf-8", self.sitemap),
            "robots.txt": ("text/plain; charset=utf-8", self.robots),
        }
        """Each with its media type and what writes it."""

    def atom(self, archive: Archive) -> str:
        """All that is new, as Atom (RFC 4287)."""
        return self._xml("feed.atom.j2", archive)

    def rss(self, archive: Archive) -> str:
        """The same as RSS 2.0, with the whole text in `content:encoded`."""
        return self._xml("feed.rss.j2", archive)

    def json(self, archive: Archive) -> str:
        """The same as JSON Feed 1.1."""
        channel = self._channel(archive)
        author = {"name": channel["author"], "url": channel["home"]}
        feed = {
            "version": "https://jsonfeed.org/version/1.1",
            "title": channel["title"],
            "description": channel["description"],
            "home_page_url": channel["home"],
            "feed_url": f"{self._site.base_url}/feed.json",
            "language": channel["language"],
            "authors": [author],
            "items": [self._item(each) for each in archive.publications[:MOST_ENTRIES]],
        }
        return json.dumps(feed, ensure_ascii=True, indent=1) + "\n"

    def sitemap(self, archive: Archive) -> str:
        """All pages that may be found, as search engines ask for them (sitemaps.org)."""
        base, stamp = self._site.base_url, self._reading.days.stamp
        newest = stamp(archive.changed_at) if archive.changed_at else ""
        last = self._reading.last_page(archive)
        places = [
            (f"{base}/", newest),
            (f"{base}/archive", newest),
            *((f"{base}/archive/{number}", newest) for number in range(2, last + 1)),
            *((f"{base}/series/{slug}", "") for slug in archive.series),
            *((f"{base}/e/{each.article.slug}", stamp(each.changed_at)) for each in archive.publications),
        ]
        return self._site.render("sitemap.xml.j2", self._words, places=places)

    def robots(self, archive: Archive) -> str:  # noqa: ARG002 - called as the others are
        """What search engines should leave alone (RFC 9309)."""
        closed = "".join(f"Disallow: {self._site.root}{path}\n" for path in _PRIVATE)
        return f"User-agent: *\n{closed}\nSitemap: {self._site.base_url}/sitemap.xml\n"

    def _xml(self, name: str, archive: Archive) -> str:
        entries = [self._entry(each) for each in archive.publications[:MOST_ENTRIES]]
        page = self._site.render(name, self._words, channel=self._channel(archive), entries=entries)
        return _NOT_XML.sub("", page)

    def _channel(self, archive: Archive) -> dict[str, str]:
        settings, changed = self._site.settings, archive.changed_at or _NEVER
        described = [kept.description for kept in settings.lists.values() if kept.sign_up and kept.description]
        return {
            "title": settings.newsletter.name,
            "description": " ".join(described) or settings.newsletter.name,
            "author": settings.newsletter.organisation,
            "language": settings.newsletter.language,
            "base_url": self._site.base_url,
            "home": f"{self._site.base_url}/",
            "updated": self._reading.days.stamp(changed),
            "updated_by_mail": _by_mail(changed),
        }

    def _entry(self, publication: Publication) -> dict[str, str]:
        article, stamp = publication.article, self._reading.days.stamp
        attributes = f'lang="{escape(article.language)}" dir="{escape(article.direction)}"'
        return {
            "url": f"{self._site.base_url}/e/{article.slug}",
            "title": article.title,
            "language": article.language,
            "series": article.series or "",
            "summary": article.description,
            "html": f"<div {attributes}>{article.html_at(self._site.base_url)}</div>",
            "published": stamp(publication.first_at),
            "published_by_mail": _by_mail(publication.first_at),
            "updated": stamp(publication.changed_at),
        }

    def _item(self, publication: Publication) -> dict[str, object]:
        entry = self._entry(publication)
        item: dict[str, object] = {
            "id": entry["url"],
            "url": entry["url"],
            "title": entry["title"],
            "content_html": entry["html"],
            "date_published": entry["published"],
            "date_modified": entry["updated"],
            "language": entry["language"],
        }
        if entry["summary"]:
            item["summary"] = entry["summary"]
        if entry["series"]:
            item["tags"] = [entry["series"]]
        if publication.article.picture:
            item["image"] = f"{self._site.base_url}/images/{publication.article.picture}"
        return item


def _by_mail(moment: dt.datetime) -> str:
    """A moment as RSS writes it (RFC 5322, section 3.3)."""
    return format_datetime(moment.astimezone(dt.UTC), usegmt=True)
