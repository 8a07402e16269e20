"""Leaving a list: one click by the mail program, one button for people, and a way back.

The address in List-Unsubscribe answers two kinds of visitors (RFC 8058). A mail program posts without asking for a
page first: whatever its body says, a good token takes its reader off the list, and a short text says so. A person gets
a page with a button, whose form says in a hidden field what is to be done, and another page afterwards. On GET and
HEAD, which scanners, previews and prefetching send, nothing changes.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from newsletter.sending.links import UNSUBSCRIBE, ReaderLink
from newsletter.web.public.gathering import Gatherer
from newsletter.web.public.site import NO_STORE, Site

LONGEST: Final = 16 * 1024
"""Bytes of a body that are looked at; ours are shorter."""

PATIENCE: Final = 5
"""Seconds that a body is waited for; a mail program that sends none leaves all the same."""

_ONE_CLICK: Final = "left with one click in the mail program (RFC 8058)"
_BY_BUTTON: Final = "left with the button on the page"
_LEAVE, _LEAVE_ALL, _UNDO = "leave", "leave-all", "undo"


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    readers = site.newsletter.readers
    gatherer = Gatherer(readers.leave)
    site.companions.append(gatherer.running)

    @routes.get("/u/{token}")
    def ask(request: Request, token: str) -> Response:
        return _question(site, request, readers.link(UNSUBSCRIBE, token), token)

    async def act(request: Request) -> Response:
        token = request.path_params["token"]
        link = readers.link(UNSUBSCRIBE, token)
        said = await _said(request)
        done = dict(said).get("do", "")
        if link.test:
            if done:
                return await run_in_threadpool(_question, site, request, link, token)
            return _plain(site, request, "leaving.test_plain")
        if done == _UNDO:
            tokens = [value for name, value in said if name == "undo"]
            return await run_in_threadpool(_taken_back, site, request, link, token, tokens)
        if done == _LEAVE_ALL:
            return await run_in_threadpool(_left_all, site, request, link, token)
        left = await gatherer.ask((link, _BY_BUTTON if done == _LEAVE else _ONE_CLICK))
        if done != _LEAVE:
            return _plain(site, request, "leaving.done_plain")
        undo = [] if left is None else [readers.undo_token(left)]
        return await run_in_threadpool(_result, site, request, link, token, what="left", undo=undo)

    routes.add_route("/u/{token}", act, methods=["POST"])  # plain: it takes half the time of one with parameters
    return routes


def _plain(site: Site, request: Request, words: str) -> Response:
    """An answer for a mail program, which shows it to nobody."""
    return PlainTextResponse(f"{site.words(request)(words)}\n", headers=NO_STORE)


def _question(site: Site, request: Request, link: ReaderLink, token: str) -> Response:
    """The page with the button, or why there is none."""
    readers = site.newsletter.readers
    reached = readers.reach(link)
    standing = None
    if reached.chosen is not None and reached.list_slug is not None:
        standing = reached.chosen.standings.get(reached.list_slug)
    return site.page(
        request,
        "leave.html.j2",
        headers=NO_STORE,
        language=reached.chosen.language if reached.chosen else None,
        test=link.test,
        reached=reached,
        on_list=standing in {"active", "pending"},
        token=token,
        preferences=readers.preferences_token(link) if reached.chosen else None,
    )


def _left_all(site: Site, request: Request, link: ReaderLink, token: str) -> Response:
    readers = site.newsletter.readers
    chosen = readers.reach(link).chosen
    gone = [] if chosen is None else readers.leave_everything(chosen.subscriber, _BY_BUTTON, link)
    undo = [readers.undo_token(each) for each in gone]
    return _result(site, request, link, token, what="left_all", undo=undo)


def _taken_back(site: Site, request: Request, link: ReaderLink, token: str, tokens: list[str]) -> Response:
    readers = site.newsletter.readers
    chosen = readers.reach(link).chosen
    words = site.words(request, chosen.language if chosen else None)
    returned = [] if chosen is None else readers.undo(chosen.subscriber, tokens, words("leaving.consent"), link)
    return _result(site, request, link, token, what="returned" if returned else "not_returned", undo=[])


def _result(  # noqa: PLR0913 what became of whom
    site: Site, request: Request, link: ReaderLink, token: str, *, what: str, undo: list[str | None]
) -> Response:
    reached = site.newsletter.readers.reach(link)
    chosen = reached.chosen
    elsewhere = [] if chosen is None else [slug for slug, status in chosen.standings.items() if status == "active"]
    return site.page(
        request,
        "left.html.j2",
        headers=NO_STORE,
        language=chosen.language if chosen else None,
        what=what,
        reached=reached,
        elsewhere=bool(elsewhere),
        token=token,
        undo=[each for each in undo if each is not None],
        preferences=site.newsletter.readers.preferences_token(link) if chosen else None,
    )


async def _said(request: Request) -> list[tuple[str, str]]:
    """What the form on our page said; nothing for what a mail program sends, be it odd, huge or cut off."""
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        return []
    taken = b""
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                taken += piece
                if len(taken) > LONGEST:
                    return []
    except (ClientDisconnect, TimeoutError):
        return []
    return parse_qsl(taken.decode("latin-1"))
