"""Editions that are sent, held or only tried, for the tests of pages that everybody may read."""

import datetime as dt
import io
import json
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
from fastapi.testclient import TestClient
from PIL import Image

from newsletter.app import Newsletter
from newsletter.mailings import Wish
from newsletter.trials import TrialOrder
from tests.web.served import Project

READER = "ada@example.com"
PLACES = ("/", "/archive", "/feed.atom", "/feed.rss", "/feed.json", "/sitemap.xml")
"""Where an edition can be found beside its own page."""


def write(project: Project, slug: str, body: str = "Words.", *, picture: str = "", **fields: str) -> None:
    """An edition's file, with a picture in that colour if one is given."""
    title = fields.pop("title", slug.replace("-", " ").title())
    top = {"title": title, "subject": f"About {slug}"} | fields
    lines = [f"{name}: {value if name in {'public', 'date'} else json.dumps(value)}" for name, value in top.items()]
    lines += [
        "blocks:",
        "  - kind: text",
        "    body: |",
        f"      Dear {{{{ first_name | default('friend') }}}}, {body}",
    ]
    if picture:
        lines += ["  - kind: image", "    src: images/a.png", f"    alt: A picture in {picture}"]
    folder = project.root / "editions" / slug
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "edition.yaml").write_text("\n".join([*lines, ""]), encoding="utf-8")
    if picture:
        file = io.BytesIO()
        Image.new("RGB", (60, 40), picture).save(file, "PNG")
        (folder / "images" / "a.png").write_bytes(file.getvalue())


def change_settings(project: Project, old: str, new: str) -> None:
    """Write something else into newsletter.toml, and open the project anew."""
    path = project.root / "newsletter.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    project.newsletter = Newsletter.open(project.root, project.newsletter.project.environ)
    project.newsletter._clock = project.clock


def send(project: Project, slug: str, *, to: str = "community") -> int:
    """Send it as it is now, to somebody new on the list; the mailing."""
    number = len(project.newsletter.mailings.reports())
    project.add_person(f"reader-{number}@example.com", to)
    report = project.newsletter.mailings.send(Wish(edition=slug, list_slug=to))
    assert report is not None
    assert report.mailing.state == "sent"
    return report.mailing.id


def hold(project: Project, slug: str) -> int:
    """Order it for tomorrow; the mailing."""
    if not project.newsletter.mailings.reports():
        project.add_person(READER, "community")
    report = project.newsletter.mailings.send(
        Wish(edition=slug, list_slug="community", at=project.clock.now + dt.timedelta(days=1))
    )
    assert report is not None
    assert report.mailing.state == "held"
    return report.mailing.id


def work(project: Project) -> None:
    """Send what is due."""
    project.newsletter.mailings.work(drain=True, stop=lambda: False)


def try_out(project: Project, slug: str) -> None:
    """Send it to a colleague first."""
    project.newsletter.trials.test(slug, TrialOrder(to=["boss@example.org"]))


def parse(page: str | bytes) -> Element:
    """The page, as a strict parser reads it: any mistake in its HTML is an error."""
    found: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    return found


def pictures_of(project: Project, slug: str) -> list[str]:
    """The names of the pictures that an edition's file leads to."""
    composition, _ = project.newsletter.compose(slug)
    return [picture.name for picture in composition.pictures]


def folder_of(project: Project, slug: str) -> Path:
    """Where an edition's file is."""
    return project.root / "editions" / slug


def shown(client: TestClient, slug: str) -> bool:
    """Whether an edition can be found, at its own address or anywhere else."""
    found = {path for path in PLACES if f"/e/{slug}" in client.get(path).text}
    page = client.get(f"/e/{slug}")
    assert page.status_code in {200, 404}
    assert found == (set(PLACES) if page.status_code == 200 else set())
    return page.status_code == 200
