"""Whether the server is well, for those who look after it; it tells nothing else, since anybody can ask."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from newsletter.errors import DatabaseError
from newsletter.web.public.site import NO_STORE, Site


def router(site: Site) -> APIRouter:
    """The route that a monitor asks."""
    routes = APIRouter()

    @routes.get("/healthz")
    def healthz() -> JSONResponse:
        try:
            site.newsletter.reach_database()
        except DatabaseError:
            return JSONResponse({"ok": False, "database": False}, 503, {**NO_STORE, "Retry-After": "30"})
        return JSONResponse({"ok": True, "database": True}, headers=NO_STORE)

    return routes
