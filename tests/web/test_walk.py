"""A reader's whole way in real Chromium: sign up, confirm, read, choose, leave, write to us, have everything deleted.

Three people walk it: on a desktop, on a narrow phone in the dark, and without JavaScript. Every page on the way is
looked at for what would trouble them (`visiting.py`). With `PICTURES_OF_PAGES=DIR` pictures of the pages are kept.
"""

import os
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from newsletter.mailings import Wish
from tests.pictures.chromium import Viewer
from tests.web.served import Project, free_port
from tests.web.visiting import EVERYBODY, Eyes, Visitor, axe_script, visiting

PICTURES = os.environ.get("PICTURES_OF_PAGES", "")


class Walk:
    """One reader on their way.

    Attributes:
        project: Whose pages.
        visitor: In front of the browser.
        email: The reader's address.
    """

    def __init__(self, project: Project, visitor: Visitor, eyes: Eyes, axe: str | None) -> None:
        self.project = project
        self.visitor = visitor
        self.email = f"ada{eyes.width}@example.com"
        self._axe = axe
        self._eyes = eyes
        self._pictures = 0

    def see(self, words: str, name: str) -> None:
        """The page says this; nothing on it troubles anybody."""
        text = self.visitor.page.inner_text("main")
        assert words in text, text
        self.visitor.look(self._axe)
        if PICTURES:
            self._pictures += 1
            look = f"{self._eyes.width}-{self._eyes.scheme}"
            path = Path(PICTURES) / f"{self._pictures:02}-{name}-{look}.png"
            self.visitor.page.screenshot(path=path, full_page=True)

    def press(self, name: str) -> None:
        """Press a button by its words, or the same again where the form asks for it."""
        button = self.visitor.page.get_by_role("button", name=name, exact=True)
        with self.visitor.page.expect_navigation():
            button.click()
        if not self._eyes.scripts and self.visitor.page.locator("#again").count():
            self.project.clock.pass_(seconds=6)
            with self.visitor.page.expect_navigation():
                button.click()

    def message(self, subject: str) -> EmailMessage:
        """The newest message to this reader with such a subject."""
        mine = [each for each in self.project.letters() if each["To"] and self.email in str(each["To"])]
        found = [each for each in mine if re.search(subject, str(each["Subject"]))]
        assert found, [str(each["Subject"]) for each in mine]
        return found[-1]

    def link(self, message: EmailMessage, path: str) -> str:
        """The link of a message that leads to this page."""
        text = message.get_body(("plain",))
        assert text is not None
        found = re.search(rf"http://127\.0\.0\.1:\d+{path}[\w-]*", text.get_content())
        assert found, text.get_content()
        return found[0]


@pytest.fixture
def walks(
    tmp_path: Path, empty_file: Path, viewer: Viewer
) -> Iterator[Callable[[Eyes, Callable[[Walk], None]], list[str]]]:
    """Runs a walk with a real server and browser; what troubled the reader."""
    database = tmp_path / "newsletter.db"
    database.write_bytes(empty_file.read_bytes())
    port = free_port()
    project = Project(tmp_path / "project", f"sqlite:///{database}", f"http://127.0.0.1:{port}", work=8)
    project.add_edition("data-sharing", public="true", series="Champions")
    with project.server(port, duties=False) as base:

        def run(eyes: Eyes, walk: Callable[[Walk], None]) -> list[str]:
            axe = axe_script() if eyes.scripts else None

            def visit(browser: object) -> list[str]:
                with visiting(browser, base, eyes) as visitor:  # type: ignore[arg-type]
                    walk(Walk(project, visitor, eyes, axe))
                return visitor.troubles

            return viewer.run(visit)

        yield run


@pytest.mark.slow
@pytest.mark.parametrize("eyes", EVERYBODY, ids=["desktop", "phone in the dark", "no JavaScript"])
def test_a_reader_goes_all_the_way(walks: Callable[[Eyes, Callable[[Walk], None]], list[str]], eyes: Eyes) -> None:
    assert walks(eyes, _all_the_way) == []


def _all_the_way(walk: Walk) -> None:
    _sign_up(walk)
    edition = _read(walk)
    _choose(walk, edition)
    _leave_and_come_back(walk, edition)
    _fill_in_a_form(walk)
    _have_everything_deleted(walk)


def _sign_up(walk: Walk) -> None:
    page, project = walk.visitor.page, walk.project
    walk.visitor.go("/")
    walk.see("Data for Change", "home")
    walk.visitor.go("/subscribe")
    walk.see("Your email address", "subscribe")
    walk.press("Sign up")
    walk.see("Write your email address", "subscribe-errors")
    page.get_by_label("Your email address").fill(walk.email)
    page.get_by_label("First name (optional)").fill("Ada")
    page.get_by_label("Community").check()
    walk.press("Sign up")
    walk.see("Please look into your mailbox", "asked")

    walk.visitor.go(walk.link(walk.message("confirm"), "/confirm/"))
    walk.see("Please confirm", "confirm")
    assert project.status(walk.email) == "pending"
    walk.press("Yes, sign me up")
    walk.see("You are on the list", "confirmed")
    assert project.status(walk.email) == "active"


def _read(walk: Walk) -> EmailMessage:
    """Get an edition, and read it in the browser; the message."""
    walk.project.newsletter.mailings.send(Wish(edition="data-sharing", list_slug="community"))
    edition = walk.message("^Data Sharing$")
    walk.visitor.go(walk.link(edition, "/e/"))
    walk.see("this is news", "edition")
    walk.visitor.go("/archive")
    walk.see("Data Sharing", "archive")
    return edition


def _choose(walk: Walk, edition: EmailMessage) -> None:
    walk.visitor.go(walk.link(edition, "/p/"))
    walk.see("Your choices", "preferences")
    walk.visitor.page.get_by_label("Events").check()
    walk.press("Save")
    walk.see("You are on the list “Events”", "preferences-saved")
    assert walk.project.status(walk.email, "events") == "active"


def _leave_and_come_back(walk: Walk, edition: EmailMessage) -> None:
    project = walk.project
    one_click = str(edition["List-Unsubscribe"]).strip("<>")
    answer = httpx2.post(one_click, data={"List-Unsubscribe": "One-Click"}, trust_env=False)
    assert (answer.status_code, answer.history) == (200, [])
    assert project.status(walk.email) == "unsubscribed"
    walk.visitor.go(one_click)
    walk.see("is not on the list", "left-already")

    walk.visitor.go(walk.link(edition, "/p/"))
    walk.visitor.page.get_by_label("Community").check()
    walk.press("Save")
    assert project.status(walk.email) == "active"
    walk.visitor.go(one_click)
    walk.see("Leave “Community”?", "leave")
    walk.press("Leave the list")
    walk.see("You are off the list", "left")
    assert project.status(walk.email) == "unsubscribed"
    walk.press("That was a mistake: undo")
    walk.see("You are back", "returned")
    assert project.status(walk.email) == "active"


def _fill_in_a_form(walk: Walk) -> None:
    page = walk.visitor.page
    walk.visitor.go("/forms/updates")
    walk.see("Community Updates Form", "form")
    walk.press("Send")
    walk.see("Please answer this question", "form-errors")
    page.get_by_label("Your email address").fill(walk.email)
    page.get_by_label("Your news").fill("We are open.\nCome and see.")
    walk.press("Send")
    walk.see("Thank you", "form-sent")
    entry = [each for each in walk.project.letters() if "team@example.org" in str(each["To"])][-1]
    assert walk.email in str(entry["Reply-To"])


def _have_everything_deleted(walk: Walk) -> None:
    page, project = walk.visitor.page, walk.project
    project.clock.pass_(days=2)  # one letter a day to an address that anybody can type
    walk.visitor.go("/access")
    walk.see("See what we hold about you", "access")
    page.get_by_label("Your email address").fill(walk.email)
    walk.press("Send me a link")
    walk.see("Look into your mailbox", "access-sent")
    walk.visitor.go(walk.link(walk.message("link"), "/me/"))
    walk.see(walk.email, "own")
    walk.press("I want everything deleted")
    walk.see("A message is on its way to you", "erase-asked")
    walk.visitor.go(walk.link(walk.message("delete"), "/erase/"))
    walk.see("Delete everything about you?", "erase")
    assert project.status(walk.email) == "active"
    walk.press("Delete everything")
    walk.see("Everything about you is deleted", "erased")
    assert walk.email not in repr(project.rows())


@pytest.mark.slow
def test_the_keyboard_is_enough_to_sign_up(walks: Callable[[Eyes, Callable[[Walk], None]], list[str]]) -> None:
    """From the top of the page with Tab, Space and Enter; where one is can always be seen."""
    assert walks(Eyes(), _by_keyboard) == []


def _by_keyboard(walk: Walk) -> None:
    page = walk.visitor.page
    walk.visitor.go("/subscribe")
    order: list[str] = []
    while not order or order[-1] != "BUTTON":
        page.keyboard.press("Tab")
        told = page.evaluate(_FOCUS)
        assert told["seen"], f"The focus cannot be seen on {told}"
        order.append(told["name"] or told["kind"])
        if told["name"] == "email":
            page.keyboard.type(walk.email)
        if (told["name"], told["value"]) == ("list", "community"):
            page.keyboard.press("Space")
        assert len(order) < 20, order
    assert order[0] == "A", "the way to the content comes first"
    assert order.index("list") < order.index("email") < order.index("first_name")
    assert "web-page" not in order, "the trap for robots is no stop"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    walk.see("Please look into your mailbox", "asked-by-keyboard")


_FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  return {kind: at.tagName, name: at.getAttribute('name'), value: at.getAttribute('value'),
          seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.width > 0};
}"""
