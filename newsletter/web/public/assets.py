"""Styles and scripts of the pages: our own files, and the project's colours as a sheet of variables."""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from newsletter.rendering.sheet import palette_sheet
from newsletter.web.public.site import Site

_FOLDER: Final = Path(__file__).parent / "assets"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_KEPT: Final = {"Cache-Control": "public, max-age=3600"}


def own_files(site: Site) -> dict[str, bytes]:
    """The pages' own files by name: styles, scripts, and the project's colours."""
    files = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    return files | {"palette.css": palette_sheet(site.settings).encode()}


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
