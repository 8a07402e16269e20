"""The page behind the link by which somebody who signed up says yes: a button, since programs follow links, too."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from newsletter.errors import TokenError
from newsletter.sign_ups import ConfirmLink, LinkState
from newsletter.web.public.site import NO_STORE, Site

_STATUS = {LinkState.GONE: 410}


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/confirm/{token}")
    def ask(request: Request, token: str) -> Response:
        try:
            link = site.newsletter.sign_ups.look_up(token)
        except TokenError:
            return _bad(site, request)
        return _shown(site, request, token, link)

    @routes.post("/confirm/{token}")
    def confirm(request: Request, token: str) -> Response:
        try:
            link = site.newsletter.sign_ups.confirm(token, network=site.network(request))
        except TokenError:
            return _bad(site, request)
        return _shown(site, request, token, link)

    return routes


def _shown(site: Site, request: Request, token: str, link: ConfirmLink) -> Response:
    """The page for a link that is ours."""
    known = site.settings.lists
    lists = [
        {"title": known[slug].title, "description": known[slug].description} for slug in link.lists if slug in known
    ]
    return site.page(
        request,
        "confirm.html.j2",
        status=_STATUS.get(link.state, 200),
        headers=NO_STORE,
        language=link.language,
        state=link.state.value,
        lists=lists,
        token=token,
        preferences=link.preferences,
    )


def _bad(site: Site, request: Request) -> Response:
    """The page for a link that is too old, or was changed on the way."""
    return site.page(request, "confirm.html.j2", status=404, headers=NO_STORE, state="bad")
