"""Puts the public pages together: routes, the headers around them, and what runs beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from newsletter.app import Newsletter
from newsletter.errors import DatabaseUnavailableError, TokenError
from newsletter.web.public import (
    api,
    archive,
    assets,
    confirming,
    forms,
    health,
    hooks,
    leaving,
    metrics,
    preferences,
    signing_up,
    themselves,
)
from newsletter.web.public.counting import Counting
from newsletter.web.public.duties import Duties
from newsletter.web.public.shell import HEADERS, Shell
from newsletter.web.public.site import Site

ROUTERS: Final = (
    health.router,
    metrics.router,
    assets.router,
    leaving.router,
    signing_up.router,
    confirming.router,
    preferences.router,
    themselves.router,
    forms.router,
    archive.router,
    hooks.router,
    api.router,
)
"""Each makes its routes for a site."""


def create_app(newsletter: Newsletter, *, duties: bool = True) -> FastAPI:
    """The public pages of a project, as an ASGI application.

    Args:
        newsletter: The project; its database is opened once, for as long as the application runs.
        duties: Whether it also does what must be done now and then: letters, webhooks, what has expired.
    """
    site = Site(newsletter)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(newsletter.kept_open())
            if duties:
                running = Duties(site)
                running.start()
                stack.push_async_callback(asyncio.to_thread, running.stop)
            for companion in site.companions:
                await stack.enter_async_context(companion())
            yield

    app = FastAPI(
        title=newsletter.project.settings.newsletter.name,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.site = site
    for router in ROUTERS:
        app.include_router(router(site))
    app.add_middleware(Counting, counts=site.counts)  # inside the shell, so that it sees which route answered
    app.add_middleware(Shell, site=site)

    _answer_errors(app, site)
    return app


def _answer_errors(app: FastAPI, site: Site) -> None:
    """Tell people what is wrong in a page, and programs in JSON."""

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith(("/api/", "/hooks/")):
            headers = getattr(error, "headers", None)
            return JSONResponse({"error": error.detail}, error.status_code, headers)
        return site.refusal(request, error.status_code, headers=getattr(error, "headers", None))

    @app.exception_handler(RequestValidationError)
    async def _not_understood(request: Request, error: RequestValidationError) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": "This request cannot be understood.", "details": _told(error)}, 422)
        return site.refusal(request, 400)

    @app.exception_handler(TokenError)
    async def _bad_link(request: Request, _: TokenError) -> Response:
        return site.refusal(request, 404, "bad_link")

    @app.exception_handler(DatabaseUnavailableError)
    async def _busy(request: Request, _: DatabaseUnavailableError) -> Response:
        return site.refusal(request, 503, headers={"Retry-After": "30"})

    @app.exception_handler(Exception)
    async def _failed(request: Request, _: Exception) -> Response:
        # Starlette answers this outside of all middleware, so the shell's headers are put on here.
        if request.url.path.startswith(("/api/", "/hooks/")):
            return JSONResponse({"error": "Something went wrong on our side."}, 500, HEADERS)
        return site.refusal(request, 500, headers=HEADERS)


def _told(error: RequestValidationError) -> list[dict[str, object]]:
    """What is wrong with a request, without repeating what it said."""
    return [{"where": list(each.get("loc", ())), "what": each.get("msg", "")} for each in error.errors()]
