"""Looks at HTML as a reader does, in Chromium: pictures of it, and what can be measured about legibility.

The fixture `viewer` has two methods with the same arguments (`width`, `scheme`, `images`, `style`, `pictures`):
`viewer.picture(html, …)` returns PNG; `viewer.look(html, …)` returns a `Look`, plain data whose methods list what is
wrong, in sentences, so that a test reads `assert viewer.look(html, width=320).problems() == []`.
For anything else there is `viewer.run(lambda browser: …)`.

Nothing leaves the machine: every request is answered from `pictures` or stopped and written down in `Look.requests`.
Playwright's own loop lives on a thread of its own, as asyncio refuses to start a second one where it runs.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from playwright.sync_api import Browser, Route, sync_playwright

from tests.parts import missing

Scheme = Literal["light", "dark"]
Result = TypeVar("Result")

MEASURE = Path(__file__).with_name("measure.js").read_text(encoding="utf-8")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--no-pings",
    "--no-proxy-server",
]


CID = "https://embedded.invalid/"
"""Stands for `cid:`, which a browser cannot fetch."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is shown, or the text instead of an image that is not.

    Attributes:
        text: What it says, its beginning.
        color: What it is painted with, `#rrggbb`, as seen through its transparency.
        background: What it is painted on, `#rrggbb`.
        contrast: Between the two, 1 to 21, as WCAG 2 defines it.
        size: Of the letters, in CSS pixels.
    """

    text: str
    color: str
    background: str
    contrast: float
    size: float


@dataclass(frozen=True, slots=True)
class Look:
    """What one visit saw.

    Attributes:
        width: Of the window, in CSS pixels.
        height: Of the page.
        content_width: How far the content reaches to the right; more than `width` means scrolling sideways.
        too_wide: The elements that reach furthest to the right beyond the window, in words.
        texts: Every visible text.
        requests: Every address that the page asked for and that was not among the given pictures.
    """

    width: int
    height: int
    content_width: int
    too_wide: tuple[str, ...]
    texts: tuple[Text, ...]
    requests: tuple[str, ...]

    def sideways(self) -> list[str]:
        """What makes the page scroll sideways."""
        if self.content_width <= self.width:
            return []
        culprits = "; ".join(self.too_wide) or "unknown"
        return [f"The content is {self.content_width} px wide in a window of {self.width} px: {culprits}."]

    def faint(self, least: float = 4.5) -> list[str]:
        """The texts whose contrast with what lies behind them is too low."""
        return [
            f"«{text.text}» is {text.color} on {text.background}: contrast {text.contrast:.2f}, not {least}."
            for text in self.texts
            if text.contrast < least
        ]

    def small(self, least: float = 14) -> list[str]:
        """The texts with letters too small to read on a phone."""
        return [f"«{text.text}» is {text.size:g} px, not {least:g}." for text in self.texts if text.size < least]

    def leaks(self) -> list[str]:
        """What the page asked the network for."""
        return [f"Asks for {address}." for address in self.requests]

    def problems(self) -> list[str]:
        """All of the above."""
        return [*self.sideways(), *self.faint(), *self.small(), *self.leaks()]


class Viewer:
    """A browser with one window, in which it looks at documents one after the other.

    Playwright is not to be called from another thread than the one it was started on: all of it goes through `run`.
    """

    def __init__(self, program: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chromium")
        self._pictures: Mapping[str, bytes] | None = None
        self._requests: list[str] = []
        self._thread.submit(self._open, program).result()

    def _open(self, program: str) -> None:
        # Chromium's sandbox refuses to run as root, as in containers; what we show it is our own.
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=program, args=FLAGS + sandbox)
        window = self._browser.new_context(java_script_enabled=False)
        window.route("**/*", self._answer)
        self._page = window.new_page()

    def close(self) -> None:
        """End the browser."""
        self.run(lambda browser: browser.close())
        self._thread.submit(self._playwright.stop).result()
        self._thread.shutdown()

    def run(self, visit: Callable[[Browser], Result]) -> Result:
        """Whatever `visit` returns, called with the browser on the browser's own thread."""
        return self._thread.submit(lambda: visit(self._browser)).result()

    def look(
        self,
        html: str,
        width: int = 640,
        scheme: Scheme = "light",
        *,
        images: bool = True,
        style: bool = True,
        pictures: Mapping[str, bytes] | None = None,
    ) -> Look:
        """Open the document and measure what is there.

        Args:
            html: The whole document.
            width: Of the window, in CSS pixels.
            scheme: What the reader's device prefers.
            images: False shows the document as with images switched off.
            style: False drops every `<style>` first, as some mail programs do.
            pictures: What the images' addresses answer, by address as written in the document (`cid:` too).
        """

        def measure(_: Browser) -> Look:
            self._show(html if style else without_style(html), width, scheme, pictures or {} if images else None)
            seen: dict[str, Any] = self._page.evaluate(MEASURE, {"images": images})
            return Look(
                width=width,
                height=seen["height"],
                content_width=seen["contentWidth"],
                too_wide=tuple(seen["tooWide"]),
                texts=tuple(Text(**text) for text in seen["texts"]),
                requests=tuple(self._requests),
            )

        return self.run(measure)

    def picture(
        self,
        html: str,
        width: int = 640,
        scheme: Scheme = "light",
        *,
        images: bool = True,
        style: bool = True,
        pictures: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """The whole document as PNG; arguments as for `look`."""

        def shoot(_: Browser) -> bytes:
            self._show(html if style else without_style(html), width, scheme, pictures or {} if images else None)
            return self._page.screenshot(full_page=True, animations="disabled", caret="hide")

        return self.run(shoot)

    def _show(self, html: str, width: int, scheme: Scheme, pictures: Mapping[str, bytes] | None) -> None:
        """Bring the document into the window; None for pictures means that images are off."""
        self._page.goto("about:blank")
        self._requests.clear()
        self._pictures = None
        if pictures is not None:
            self._pictures = {re.sub("^cid:", CID, address): content for address, content in pictures.items()}
        self._page.set_viewport_size({"width": width, "height": 800})
        self._page.emulate_media(color_scheme=scheme)
        self._page.set_content(re.sub(r"""(["'(])cid:""", rf"\1{CID}", html), wait_until="load")

    def _answer(self, route: Route) -> None:
        address = route.request.url
        if self._pictures is not None and address in self._pictures:
            content = self._pictures[address]
            route.fulfill(body=content, content_type=_media_type(content), headers={"Cache-Control": "no-store"})
            return
        if self._pictures is not None or route.request.resource_type != "image":
            self._requests.append(address)
        route.abort()


def without_style(html: str) -> str:
    """The document with every style sheet dropped; style attributes stay."""
    return re.sub(r"<style\b.*?</style>", "", html, flags=re.DOTALL | re.IGNORECASE)


def _media_type(content: bytes) -> str:
    if content.startswith(b"\x89PNG"):
        return "image/png"
    return "image/gif" if content.startswith(b"GIF8") else "image/jpeg"


def find_chromium() -> str | None:
    """The browser's program: `CHROMIUM` from the environment, or the usual names."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def viewer() -> Iterator[Viewer]:
    """The browser, started once for a test run; without Chromium the test is skipped, in CI it fails."""
    program = find_chromium()
    if program is None:
        missing("Chromium is not here.")
    opened = Viewer(program)
    yield opened
    opened.close()
