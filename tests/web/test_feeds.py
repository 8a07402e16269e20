"""Feeds that every reader program understands: whole texts, stable ids, news of corrections; whatever a text holds."""

import datetime as dt
import json
import re
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.rendering.article import Article
from newsletter.sending.archive import Archive, Publication
from newsletter.web.public.feeds import MOST_ENTRIES, Feeds
from newsletter.web.public.reading import Reading
from newsletter.web.public.site import Site
from tests.web.publishing import change_settings, parse, send, write
from tests.web.served import NOW, Project

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def text(element: Element, path: str) -> str:
    found = element.findtext(path)
    assert found is not None, path
    return found


def check_atom(source: bytes | str) -> list[Element]:
    """The entries of a feed that has all that RFC 4287 asks for (sections 4.1.1 and 4.1.2)."""
    feed = ET.fromstring(source)
    assert feed.tag == f"{ATOM}feed"
    for thing in (feed, *feed.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(thing.findall(f"{ATOM}{name}")) == 1, name
        dt.datetime.fromisoformat(text(thing, f"{ATOM}updated"))
        assert text(thing, f"{ATOM}id").startswith("https://")
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    assert [each.get("rel") for each in feed.findall(f"{ATOM}link")] == ["self", "alternate"]
    entries = feed.findall(f"{ATOM}entry")
    ids = [text(entry, f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    assert all(entry.find(f"{ATOM}content").get("type") == "html" for entry in entries)  # type: ignore[union-attr]
    return entries


def check_rss(source: bytes | str) -> list[Element]:
    """The items of a feed that has what RSS 2.0 asks for."""
    rss = ET.fromstring(source)
    assert (rss.tag, rss.get("version")) == ("rss", "2.0")
    (channel,) = rss
    for name in ("title", "link", "description"):
        assert len(channel.findall(name)) == 1
    items = channel.findall("item")
    for item in items:
        assert item.find("guid").get("isPermaLink") == "true"  # type: ignore[union-attr]
        assert parsedate_to_datetime(text(item, "pubDate")).tzinfo is not None
    return items


def check_json(source: bytes | str) -> list[dict[str, Any]]:
    """The items of a feed that has what JSON Feed 1.1 asks for."""
    feed = json.loads(source)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert isinstance(item["content_html"], str)
        assert dt.datetime.fromisoformat(item["date_published"]).tzinfo is not None
        assert dt.datetime.fromisoformat(item["date_modified"]).tzinfo is not None
        assert {type(each) for each in item.get("tags", [])} <= {str}
    found: list[dict[str, Any]] = feed["items"]
    return found


def test_a_feed_without_editions_is_a_feed(here: Project) -> None:
    with here.client() as client:
        assert check_atom(client.get("/feed.atom").content) == []
        assert check_rss(client.get("/feed.rss").content) == []
        assert check_json(client.get("/feed.json").content) == []


def test_feeds_hold_each_edition_once_and_whole(here: Project) -> None:
    write(here, "one", "the *first* one.", picture="teal", series="Champions", preheader="In short.", title="A & <b>")
    send(here, "one")
    here.clock.pass_(days=30)
    write(here, "two", language="ar")
    send(here, "two")
    send(here, "two", to="events")
    with here.client() as client:
        answers = {name: client.get(f"/feed.{name}") for name in ("atom", "rss", "json")}
        types = [answer.headers["content-type"].partition(";")[0] for answer in answers.values()]
        assert types == ["application/atom+xml", "application/rss+xml", "application/feed+json"]
        newer, older = check_atom(answers["atom"].content)
        item = check_rss(answers["rss"].content)[1]
        found = check_json(answers["json"].content)[1]
    assert text(older, f"{ATOM}title") == text(item, "title") == found["title"] == "A & <b>"
    assert text(older, f"{ATOM}id") == text(item, "guid") == found["id"] == "https://news.example.org/e/one"
    assert text(older, f"{ATOM}published") == found["date_published"] == "2026-11-23T09:30:00Z"
    assert parsedate_to_datetime(text(item, "pubDate")) == NOW
    assert text(older, f"{ATOM}summary") == text(item, "description") == found["summary"] == "In short."
    html = text(older, f"{ATOM}content")
    assert html == text(item, f"{CONTENT}encoded") == found["content_html"]
    assert "Dear friend, the <em>first</em> one." in html
    assert re.search(r'<img src="https://news\.example\.org/images/a-\w{10}\.png" alt="A picture in teal"', html)
    html5lib.HTMLParser(strict=True).parseFragment(html)
    assert '<div lang="ar" dir="rtl">' in text(newer, f"{ATOM}content")


def test_a_correction_is_told_by_the_same_entry(here: Project) -> None:
    write(here, "one", "wrong.")
    send(here, "one")
    with here.client() as client:
        (before,) = check_atom(client.get("/feed.atom").content)
        here.clock.pass_(days=2)
        write(here, "one", "right.")
        here.newsletter.publications.publish("one")
        (after,) = check_atom(client.get("/feed.atom").content)
    for name in ("id", "published"):
        assert text(before, f"{ATOM}{name}") == text(after, f"{ATOM}{name}")
    assert text(before, f"{ATOM}updated") == "2026-11-23T09:30:00Z"
    assert text(after, f"{ATOM}updated") == "2026-11-25T09:30:00Z"
    assert "right." in text(after, f"{ATOM}content")


def test_robots_may_find_pages_to_read_and_nothing_about_persons(here: Project) -> None:
    change_settings(here, "https://news.example.org", "https://news.example.org/letters")
    write(here, "one", series="S")
    send(here, "one")
    with here.client() as client:
        robots = client.get("/letters/robots.txt").text
        for path in ("/u/", "/p/", "/me/", "/confirm/", "/erase/", "/access", "/api/", "/hooks/"):
            assert f"Disallow: /letters{path}\n" in robots
        assert "Disallow: /letters/e/" not in robots
        assert "Sitemap: https://news.example.org/letters/sitemap.xml" in robots
        places = [each.text for each in ET.fromstring(client.get("/sitemap.xml").content).iter(f"{MAP}loc")]
        page = client.get("/letters/e/one").text
        parse(page)
    assert places == [f"https://news.example.org/letters{path}" for path in ("/", "/archive", "/series/s", "/e/one")]
    assert 'href="/letters/series/s"' in page


# Whatever a text holds

SIGNS = st.one_of(
    st.characters(),
    st.sampled_from(["]]>", "<!--", "</script>", "&", "\x00", "\x0b", "\x1b", "\ufffe", "\ud800", "🧵"]),
)
TEXTS = st.lists(SIGNS, max_size=12).map("".join)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose archive tests make up."""
    root = tmp_path_factory.mktemp("feeds")
    return Site(Project(root / "project", f"sqlite:///{root}/newsletter.db").newsletter)


def publication(number: int, said: str, html: str) -> Publication:
    article = Article(
        slug=f"edition-{number}",
        title=said or "x",
        series=said.encode(errors="ignore").decode() or None,
        language="en",
        direction="ltr",
        date=None,
        description=said,
        public=True,
        html=html,
        picture="a-0123456789.png",
        picture_alt=said,
    )
    return Publication(article=article, first_at=NOW, changed_at=NOW, corrected=True)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=TEXTS)
def test_feeds_are_well_formed_whatever_a_text_holds(site: Site, said: str) -> None:
    feeds = Feeds(site, Reading(site))
    archive = Archive((publication(1, said, f"<p>{said}</p>"),), NOW)
    (entry,) = check_atom(feeds.atom(archive).encode())
    kept = "".join(c for c in said if re.match("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", c))
    lines = kept.replace("\r\n", "\n").replace("\r", "\n")  # as XML reads the ends of lines (section 2.11)
    assert text(entry, f"{ATOM}content") == f'<div lang="en" dir="ltr"><p>{lines}</p></div>'
    check_rss(feeds.rss(archive).encode())
    (item,) = check_json(feeds.json(archive).encode())
    assert item["content_html"] == f'<div lang="en" dir="ltr"><p>{said}</p></div>'
    ET.fromstring(feeds.sitemap(archive).encode())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]) | st.sampled_from("<>&\"'/!-"), max_size=30)
)
def test_no_text_ends_the_description_for_search_engines(site: Site, said: str) -> None:
    """Nor anything else in the head of a page."""
    one = publication(1, said + "</script><!--", "<p>x</p>")
    page = Reading(site).edition(Archive((one,), NOW), one)
    read = parse(page)
    (script,) = read.iter("script")
    assert json.loads(script.text or "")["description"] == said + "</script><!--"
    (heading,) = read.iter("h1")
    assert "".join(heading.itertext()) == said + "</script><!--"


def test_a_feed_is_not_endless(site: Site) -> None:
    many = Archive(tuple(publication(number, "x", "") for number in range(MOST_ENTRIES + 9)), NOW)
    feeds = Feeds(site, Reading(site))
    assert len(check_atom(feeds.atom(many))) == len(check_json(feeds.json(many))) == MOST_ENTRIES
