"""What other programs ask and change, in JSON under /api/v1, each with a token: one file for each noun."""

import functools
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from newsletter.web.public.api import editions, events, lists, mailings, subscribers
from newsletter.web.public.api.document import make_document
from newsletter.web.public.api.door import door_of
from newsletter.web.public.site import Site

PREFIX: Final = "/api/v1"


def describe(site: Site) -> dict[str, Any]:
    """The API in OpenAPI 3.1."""
    return make_document(_routes(site))


def router(site: Site) -> APIRouter:
    """The routes, and their description for other programs."""
    routes = _routes(site)
    described = functools.cache(lambda: make_document(routes))  # not before somebody asks: it takes a while
    whole = APIRouter()
    whole.include_router(routes)

    @whole.get("/api/openapi.json")
    def openapi() -> Response:
        return JSONResponse(described(), headers={"Cache-Control": "public, max-age=3600"})

    return whole


def _routes(site: Site) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, route_class=door_of(site))
    for part in (subscribers, lists, editions, mailings, events):
        part.add_routes(routes, site)
    return routes
