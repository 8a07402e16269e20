"""What the tests of composing share: a small project, editions made of blocks, and the text that readers see."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
from PIL import Image

from newsletter.edition.files import EditionFile, read_edition
from newsletter.edition.model import Edition
from newsletter.project import Project, open_project
from newsletter.rendering.compose import compose
from newsletter.rendering.composition import Composition
from newsletter.rendering.escaping import fill_pieces
from tests.oracle.dom import for_everyone

TOML = """
[newsletter]
name = "Data for Change"
organisation = "Safe Online"
base_url = "https://news.example.org"
timezone = "Europe/Zurich"

[identity]
from = "Data for Change <news@example.org>"
postal_address = "1 Example Street"

[brand]
primary = "#0f4c5c"

[lists.community]
title = "Community"
"""

OWN = {
    "unsubscribe": "https://news.example.org/u/AbCd",
    "preferences": "https://news.example.org/p/AbCd",
    "list_title": "Community",
}
"""The reader's own links, and the list's title."""

NOBODY: Mapping[str, object] = {
    "email": "reader@example.org",
    "first_name": None,
    "last_name": None,
    "language": None,
    "country": None,
    "tags": (),
    "joined": None,
    "attributes": {},
}
"""A reader of whom nothing is known."""

Blocks = list[dict[str, Any]]


class Bench:
    """A project in which editions are composed; its settings and templates may be changed before each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "editions" / "demo"
        (self.folder / "images").mkdir(parents=True)
        self.picture("a.png", "#e8735a")
        self.toml = TOML
        self.environ: dict[str, str] = {}
        (self.folder / "edition.yaml").write_text("title: Demo\nsubject: Demo\nblocks: [{kind: divider}]\n")

    def picture(self, name: str, color: str = "#0f4c5c", size: tuple[int, int] = (60, 40)) -> None:
        """Put a plain picture into the edition's folder."""
        file = io.BytesIO()
        Image.new("RGB", size, color).save(file, "PNG")
        (self.folder / "images" / name).write_bytes(file.getvalue())

    def template(self, name: str, source: str) -> None:
        """Put a template of the project's own in place."""
        path = self.root / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")

    def project(self) -> Project:
        """The project as it stands now."""
        (self.root / "newsletter.toml").write_text(self.toml, encoding="utf-8")
        return open_project(self.root, self.environ)

    def written(self, yaml: str) -> EditionFile:
        """The edition in a text."""
        path = self.folder / "edition.yaml"
        path.write_text(yaml, encoding="utf-8")
        return read_edition(path, self.root)

    def compose(self, blocks: Blocks, **edition: Any) -> Composition:
        """These blocks as an edition, composed, without writing or reading its file."""
        path = self.folder / "edition.yaml"
        data = {"title": "Demo", "subject": "Demo", "blocks": blocks} | edition
        file = replace(read_edition(path, self.root), edition=Edition.model_validate(data))
        return compose(file, self.project())


def keys_of(composition: Composition, *hidden: str) -> tuple[bool, ...]:
    """The key under which all conditions hold but these."""
    return tuple(condition not in hidden for condition in composition.conditions)


def page_of(composition: Composition, key: tuple[bool, ...] | None = None, person: Mapping[str, Any] = NOBODY) -> str:
    """The HTML part; with all that is conditional, if no key is given."""
    variant = composition.variant(keys_of(composition) if key is None else key)
    return fill_pieces(variant.html, person, OWN)


def text_of(composition: Composition, key: tuple[bool, ...] | None = None, person: Mapping[str, Any] = NOBODY) -> str:
    """The plain-text part; with all that is conditional, if no key is given."""
    variant = composition.variant(keys_of(composition) if key is None else key)
    return fill_pieces(variant.text, person, OWN)


def tree(page: str, seen: Callable[[str], str] = for_everyone) -> Element:
    """The page as a foreign parser reads it, by default without what only Outlook reads."""
    return html5lib.parse(seen(page), namespaceHTMLElements=False)


def words(page: str) -> str:
    """What stands in the page for eyes to read, the preheader included, with single blanks."""
    body = tree(page).find("body")
    assert body is not None
    return one_spaced("".join(_texts(body)))


def _texts(element: Element) -> Iterator[str]:
    if isinstance(element.tag, str) and element.tag != "style":
        yield element.text or ""
        for child in element:
            yield from _texts(child)
            yield child.tail or ""


def one_spaced(text: str) -> str:
    """The text with one blank wherever there is white space."""
    return " ".join(re.split(r"\s+", text)).strip()


# One block of each kind, with all that it can hold

EVERY_KIND: Blocks = [
    {"kind": "text", "body": "Body one."},
    {"kind": "heading", "text": "Heading two"},
    {"kind": "heading", "text": "Heading three", "level": 3},
    {
        "kind": "spotlight",
        "organisation": "Organisation",
        "headline": "Headline",
        "topics": ["Topic"],
        "body": "Body two.",
        "link": {"label": "Label one", "url": "https://www.example.org/one"},
        "image": {"src": "images/a.png", "alt": "Alt one"},
    },
    {
        "kind": "image",
        "src": "images/a.png",
        "alt": "Alt two",
        "caption": "Caption",
        "url": "https://www.example.org/two",
    },
    {"kind": "button", "label": "Label two", "url": "https://www.example.org/three"},
    {"kind": "quote", "text": "Quote", "name": "Name", "role": "Role"},
    {
        "kind": "links",
        "title": "Links",
        "items": [{"label": "Label three", "url": "https://www.example.org/four", "note": "Note"}],
    },
    {
        "kind": "event",
        "title": "Event",
        "starts": "2026-04-15 14:00",
        "ends": "2026-04-15 15:30",
        "place": "Place",
        "url": "https://www.example.org/five",
        "body": "Body three.",
    },
    {"kind": "stats", "items": [{"value": "42", "label": "Figure"}]},
    {"kind": "video", "url": "https://www.example.org/six", "thumbnail": "images/a.png", "title": "Video"},
    {"kind": "callout", "title": "Callout", "body": "Body four.", "tone": "warning"},
    {
        "kind": "columns",
        "columns": [[{"kind": "text", "body": "Left."}], [{"kind": "text", "body": "Right."}]],
    },
    {"kind": "divider"},
]
