"""Editions on the web: start page, archive, series, each edition's own page, feeds, pictures.

`/e/<slug>` is at once the page that messages lead to ("view in browser") and the page in the archive: it is the same
for everybody, so it shows nothing about its reader, and may be found and kept by anybody.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from newsletter.sending.archive import Archive
from newsletter.web.public.feeds import Feeds
from newsletter.web.public.reading import Reading
from newsletter.web.public.site import Site
from newsletter.web.public.words import Words

_PAGE: Final = "text/html; charset=utf-8"
_SOON: Final = "public, max-age=300"
"""A page that was corrected or withdrawn is gone from caches after five minutes."""
_FOREVER: Final = "public, max-age=31536000, immutable"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9-]{1,60}-[0-9a-f]{10}\.(?:png|jpg|gif)", re.ASCII)


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    shelf, reading = _Shelf(site), Reading(site)
    _lists(routes, shelf, reading)
    _edition(routes, shelf, reading)
    _folders(routes, site.root, shelf)
    for name, (media_type, made) in Feeds(site, reading).files.items():
        _feed(routes, shelf, name, media_type, made)
    return routes


def _lists(routes: APIRouter, shelf: "_Shelf", reading: Reading) -> None:
    """Pages about several editions."""

    @routes.get("/")
    def home(request: Request) -> Response:
        return shelf.page(request, reading.home)

    @routes.get("/archive")
    def all_editions(request: Request) -> Response:
        return shelf.page(request, lambda archive, words: reading.page(archive, 1, words))

    @routes.get("/archive/{number}")
    def more_editions(request: Request, number: str) -> Response:
        if number == "1" or not _NUMBER.fullmatch(number):  # the first page has one address
            raise HTTPException(404)

        def made(archive: Archive, words: Words) -> str:
            if int(number) > reading.last_page(archive):
                raise HTTPException(404)
            return reading.page(archive, int(number), words)

        return shelf.page(request, made)

    @routes.get("/series/{slug}")
    def one_series(request: Request, slug: str) -> Response:
        def made(archive: Archive, words: Words) -> str:
            if slug not in archive.series:
                raise HTTPException(404)
            return reading.series(archive.series[slug], words)

        return shelf.page(request, made)


def _edition(routes: APIRouter, shelf: "_Shelf", reading: Reading) -> None:
    """The page of an edition, and its pictures."""

    @routes.get("/e/{slug}")
    def edition(request: Request, slug: str) -> Response:
        archive = shelf.archive()
        found = archive.find(slug)
        if found is None:
            raise HTTPException(404)
        body = reading.edition(archive, found).encode()
        headers = {"Content-Language": found.article.language}
        return answer(request, body, _PAGE, changed=shelf.changed(archive), headers=headers)

    @routes.get("/images/{name}")
    def image(request: Request, name: str) -> Response:
        found = shelf.publications.picture(name) if _NAME.fullmatch(name) else None
        if found is None:
            raise HTTPException(404)
        return answer(request, found[1], found[0], kept=_FOREVER)


def _folders(routes: APIRouter, root: str, shelf: "_Shelf") -> None:
    """As files on a web server, pages are folders, whose address ends with a slash: it leads to the page here, too."""

    @routes.get("/archive/")
    def archive_folder() -> Response:
        return _to(f"{root}/archive")

    @routes.get("/archive/{number}/")
    def page_folder(number: str) -> Response:
        if not _NUMBER.fullmatch(number):
            raise HTTPException(404)
        return _to(f"{root}/archive/{number}")

    @routes.get("/series/{slug}/")
    def series_folder(slug: str) -> Response:
        if slug not in shelf.archive().series:
            raise HTTPException(404)
        return _to(f"{root}/series/{slug}")

    @routes.get("/e/{slug}/")
    def edition_folder(slug: str) -> Response:
        if shelf.archive().find(slug) is None:
            raise HTTPException(404)
        return _to(f"{root}/e/{slug}")


def _feed(routes: APIRouter, shelf: "_Shelf", name: str, media_type: str, made: Callable[[Archive], str]) -> None:
    """A file for programs."""

    @routes.get(f"/{name}")
    def feed(request: Request) -> Response:
        archive = shelf.archive()
        return answer(request, made(archive).encode(), media_type, changed=shelf.changed(archive))


class _Shelf:
    """The archive as a server holds it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._began = site.now()
        self.publications = site.newsletter.publications

    def archive(self) -> Archive:
        return self.publications.archive()

    def changed(self, archive: Archive) -> dt.datetime:
        """When pages may have changed last: with an edition, or with the settings, which are read at the start."""
        return max(self._began, archive.changed_at or self._began)

    def page(self, request: Request, made: Callable[[Archive, Words], str]) -> Response:
        """A page about all editions, in the visitor's language."""
        words, archive = self._site.words(request), self.archive()
        headers = {"Content-Language": words.language, "Vary": "Accept-Language"}
        body = made(archive, words).encode()
        return answer(request, body, _PAGE, changed=self.changed(archive), headers=headers)


def answer(  # noqa: PLR0913 what is answered, and how long it may be kept
    request: Request,
    body: bytes,
    media_type: str,
    *,
    changed: dt.datetime | None = None,
    kept: str = _SOON,
    headers: dict[str, str] | None = None,
) -> Response:
    """Something that everybody may keep; without its body if the one who asks has it already (RFC 9110, section 13)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    about = {"ETag": tag, "Cache-Control": kept, **(headers or {})}
    if changed is not None:
        about["Last-Modified"] = format_datetime(changed.astimezone(dt.UTC), usegmt=True)
    if _has_it(request, tag, changed):
        return Response(status_code=304, headers=about)
    return Response(body, media_type=media_type, headers=about)


def _has_it(request: Request, tag: str, changed: dt.datetime | None) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:  # compressed by a proxy, it is `W/"…"`: the same page
        return known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}
    since = request.headers.get("if-modified-since")
    if since is None or changed is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except (ValueError, OverflowError):
        return False
    return moment.tzinfo is not None and changed.replace(microsecond=0) <= moment


def _to(path: str) -> Response:
    return RedirectResponse(path, 308)
