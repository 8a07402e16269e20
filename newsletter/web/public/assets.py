"""Styles and scripts of the pages: our own files, and the project's colours as a sheet of variables."""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from newsletter.rendering.palette import Tones, make_palette
from newsletter.web.public.site import Site

_FOLDER: Final = Path(__file__).parent / "assets"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_KEPT: Final = {"Cache-Control": "public, max-age=3600"}


def palette_sheet(site: Site) -> str:
    """The project's colours and fonts as CSS variables, for light and for dark."""
    palette, fonts = make_palette(site.settings), site.settings.brand.fonts
    light, dark = _variables(palette.light), _variables(palette.dark)
    return (
        f":root{{color-scheme:light dark;{light};--heading-font:{_quoted(fonts.heading)};"
        f"--body-font:{_quoted(fonts.body)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def router(site: Site) -> APIRouter:
    """The routes of the pages' own files."""
    routes = APIRouter()
    sheet = palette_sheet(site).encode()
    files = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    files["palette.css"] = sheet

    @routes.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        tag = f'"{hashlib.sha256(files[name]).hexdigest()[:16]}"'
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers={**_KEPT, "ETag": tag})

    return routes


def _variables(tones: Tones) -> str:
    names = Tones.__dataclass_fields__
    return ";".join(f"--{name.replace('_', '-')}:{getattr(tones, name)}" for name in names)


def _quoted(stack: str) -> str:
    """Font names, quoted where they are more than one word."""
    return ",".join(f'"{name}"' if " " in name else name for name in (part.strip() for part in stack.split(",")))
