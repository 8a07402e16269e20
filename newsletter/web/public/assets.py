"""Styles and scripts of the pages: our own files, and the project's colours as a sheet of variables."""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from newsletter.rendering.palette import make_palette
from newsletter.rendering.sheet import palette_sheet
from newsletter.web.public.site import Site

_FOLDER: Final = Path(__file__).parent / "assets"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
_KEPT: Final = {"Cache-Control": "public, max-age=3600"}


def own_files(site: Site) -> dict[str, bytes]:
    """The pages' own files by name: styles, scripts, and the project's colours."""
    files = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    return files | {"palette.css": palette_sheet(site.settings).encode(), "icon.svg": _icon(site).encode()}


def _icon(site: Site) -> str:
    """The sign in the browser's tab: an envelope in the project's colours."""
    tones = make_palette(site.settings).light
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="7" fill="{tones.primary}"/>'
        f'<path d="M6 10.5h20v12H6zl10 7.5 10-7.5" fill="none" stroke="{tones.on_primary}" stroke-width="2.2" '
        'stroke-linejoin="round"/></svg>\n'
    )


def router(site: Site) -> APIRouter:
    """The routes of the pages' own files."""
    routes = APIRouter()
    files = own_files(site)

    @routes.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        tag = f'"{hashlib.sha256(files[name]).hexdigest()[:16]}"'
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers={**_KEPT, "ETag": tag})

    return routes
