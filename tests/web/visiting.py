"""Visits the public pages in real Chromium as different people do, and says in sentences what would trouble them.

A visit looks for what the browser complains of (the Content-Security-Policy, scripts), requests to anywhere else,
content wider than the window, and, with axe-core, what keeps people with disabilities out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page

from tests.parts import missing

AXE: Final = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_WIDE: Final = """() => {
  const width = document.documentElement.clientWidth;
  const over = [...document.querySelectorAll('body *')].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 1) && !each.closest('.scroll, .trap, .skip');
  }).map(each => each.tagName + '.' + each.className);
  return document.documentElement.scrollWidth > width + 1 ? over.slice(0, 5) : [];
}"""


@dataclass(frozen=True, slots=True)
class Eyes:
    """How somebody looks.

    Attributes:
        width: Of the window, in CSS pixels.
        scheme: `light` or `dark`.
        scripts: Whether JavaScript runs.
        language: What the browser asks for.
    """

    width: int = 1280
    scheme: str = "light"
    scripts: bool = True
    language: str = "en"


EVERYBODY: Final = (Eyes(), Eyes(width=320, scheme="dark"), Eyes(width=375, scripts=False))
"""A desktop in daylight, a narrow phone in the dark, and somebody without JavaScript."""


def axe_script() -> str:
    """The source of axe-core; without it the test is skipped, in CI it fails."""
    if not AXE.is_file():
        missing("axe-core is not here.")
    return AXE.read_text(encoding="utf-8")


class Visitor:
    """Somebody in front of a browser; its complaints gather as they go.

    Attributes:
        page: Where they are.
        troubles: What went wrong, in sentences.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        self._base = base
        self.troubles: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"{self.page.url}: a script failed: {error}"))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        refused = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type in {"error", "warning"} and not refused:
            self.troubles.append(f"{self.page.url}: the browser says: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self._base, "data:", "blob:")):
            self.troubles.append(f"{self.page.url} asks for {request.url}")

    def go(self, path: str) -> int:
        """Open a page; its status."""
        answer = self.page.goto(path if path.startswith("http") else self._base + path)
        assert answer is not None
        return answer.status

    def look(self, axe: str | None) -> None:
        """See whether anything here troubles people; axe-core's source, if it is to be asked."""
        if wide := self.page.evaluate(_WIDE):
            self.troubles.append(f"{self.page.url} is wider than its window: {', '.join(wide)}")
        if axe is None:
            return
        self.page.evaluate(axe)
        run = "async rules => (await axe.run(document, {runOnly: rules})).violations"
        for violation in self.page.evaluate(run, RULES):
            places = "; ".join(" ".join(node["target"]) for node in violation["nodes"][:3])
            self.troubles.append(f"{self.page.url}: {violation['id']}: {violation['help']} ({places})")


@contextmanager
def visiting(browser: Browser, base: str, eyes: Eyes) -> Iterator[Visitor]:
    """A visitor with a window of their own, who keeps nothing between visits."""
    context = browser.new_context(
        viewport={"width": eyes.width, "height": 800},
        color_scheme=eyes.scheme,  # type: ignore[arg-type]
        java_script_enabled=eyes.scripts,
        locale=eyes.language,
        reduced_motion="reduce",
    )
    try:
        visitor = Visitor(context, base)
        yield visitor
        if cookies := context.cookies():
            visitor.troubles.append(f"Cookies were set: {[each.get('name') for each in cookies]}")
    finally:
        context.close()
