"""Editions on the web: pages, series, how they travel; what left is shown."""

import datetime as dt
import json
import re

import pytest

from newsletter.mailings import Wish
from newsletter.sending.archive import series_slug
from tests.web.publishing import PLACES, change_settings, hold, parse, pictures_of, send, shown, work, write
from tests.web.served import Project


def test_an_edition_is_shown_once_it_has_left(project: Project) -> None:
    write(project, "data-sharing", "this is *new*.", picture="teal", series="Champions", preheader="In short.")
    with project.client() as client:
        assert not shown(client, "data-sharing")
        mailing = hold(project, "data-sharing")
        assert not shown(client, "data-sharing")
        project.clock.pass_(days=2)
        work(project)
        assert project.newsletter.mailings.report(mailing).mailing.state == "sent"
        assert shown(client, "data-sharing")
        page = client.get("/e/data-sharing")
        assert "Dear friend, this is <em>new</em>." in page.text
        assert "ada" not in page.text.lower()
        assert "reader@" not in page.text
        (name,) = pictures_of(project, "data-sharing")
        picture = client.get(f"/images/{name}")
        assert picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG")


def test_a_page_of_an_edition_is_whole(here: Project) -> None:
    write(here, "one", title="One & <only>", series="Champions", preheader="In </script> short.", picture="teal")
    send(here, "one")
    here.clock.pass_(days=30)
    write(here, "two", series="Champions", date="2026-12-01")
    send(here, "two")
    with here.client() as client:
        page = client.get("/e/one").text
        parse(page)
        assert '<link rel="canonical" href="https://news.example.org/e/one">' in page
        assert '<meta property="og:title" content="One &amp; &lt;only&gt;">' in page
        assert re.search(r'<meta property="og:image" content="https://news\.example\.org/images/a-\w{10}\.png">', page)
        assert '<a rel="next" href="/e/two"' in page
        assert "noindex" not in page
        assert '<time datetime="2026-11-23">November 23, 2026</time>' in page
        assert "Corrected" not in page
        data = json.loads(re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)[0])
        assert (data["headline"], data["description"]) == ("One & <only>", "In </script> short.")
        assert data["datePublished"] == data["dateModified"] == "2026-11-23T09:30:00Z"
        other = client.get("/e/two").text
        assert '<time datetime="2026-12-01">' in other
        assert '<a rel="prev" href="/e/one"' in other
        series = client.get("/series/champions").text
        assert series.index("/e/two") < series.index("/e/one")
        assert client.get("/series/Champions").status_code == 404


def test_the_start_page_invites_and_every_page_ends_with_the_way_to_sign_up(here: Project) -> None:
    write(here, "one", series="Meet & greet")
    with here.client() as client:
        assert "No edition has been published yet." in client.get("/").text
        send(here, "one")
        for path in ("/", "/archive", "/e/one", "/series/meet-greet"):
            page = client.get(path).text
            parse(page)
            assert "Stay in the loop" in page
            assert 'class="button" href="/subscribe"' in page
            assert 'type="application/atom+xml"' in page
        home = client.get("/").text
        assert "Stories, about once a month." in home
        assert "Donors" not in home  # nobody may sign up for that list
        assert "/series/meet-greet" in home


def test_the_list_of_all_editions_has_pages(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.web.public.reading.ON_PAGE", 1)
    for number in range(3):
        write(here, f"edition-{number}")
        send(here, f"edition-{number}")
        here.clock.pass_(days=1)
    with here.client() as client:
        pages = [client.get(path).text for path in ("/archive", "/archive/2", "/archive/3")]
        found = [re.findall(r"/e/(edition-\d)", page) for page in pages]
        assert found == [["edition-2"], ["edition-1"], ["edition-0"]]
        assert 'rel="next" href="/archive/2"' in pages[0]
        assert 'rel="prev" href="/archive"' in pages[1]
        assert "Page 3 of 3" in pages[2]
        for number in ("4", "0", "1", "01", "-1", "x", "9999999999", "٢"):
            assert client.get(f"/archive/{number}").status_code == 404
        assert client.get("/sitemap.xml").text.count("<loc>") == 1 + 3 + 3


def test_an_edition_in_another_language_and_direction(here: Project) -> None:
    write(here, "arabic", language="ar", title="تبادل البيانات", series="أبطال البيانات")
    send(here, "arabic")
    with here.client() as client:
        page = client.get("/e/arabic")
        assert page.headers["content-language"] == "ar"
        assert '<article class="edition" lang="ar" dir="rtl">' in page.text
        assert "٢٣" in page.text or "23 نوفمبر" in page.text
        address = re.findall(r'href="(/series/[^"]+)"', page.text)[0]
        assert client.get(address).status_code == 200
        assert '<li lang="ar" dir="rtl">' in client.get("/archive").text


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Meet the Data Champions", "meet-the-data-champions"),
        ("Ça & là!", "ca-la"),
        ("!!!", "series-8d2d4eaa"),
        ("أبطال", "series-d0c0d1c3"),
        ("Data и данные", "data-8d6a1a6a"),
    ],
)
def test_a_series_has_an_address_of_its_own(title: str, slug: str) -> None:
    made = series_slug(title)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", made)
    assert made.split("-")[0] == slug.split("-", maxsplit=1)[0]
    assert made == slug or re.search(r"-[0-9a-f]{8}$", made)
    assert series_slug(title + " х") != made


# How it travels


def test_whoever_has_a_page_already_is_told_so(here: Project) -> None:
    write(here, "one", picture="teal")
    send(here, "one")
    name = pictures_of(here, "one")[0]
    with here.client() as client:
        for path in ("/", "/archive", "/e/one", "/feed.atom", "/feed.json", "/robots.txt", f"/images/{name}"):
            first = client.get(path)
            tag = first.headers["etag"]
            for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                again = client.get(path, headers={"If-None-Match": known})
                assert (again.status_code, again.content) == (304, b""), path
                assert again.headers["etag"] == tag
            assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
            assert first.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in client.get(f"/images/{name}").headers["cache-control"]
        since = client.get("/e/one").headers["last-modified"]
        assert client.get("/e/one", headers={"If-Modified-Since": since}).status_code == 304
        assert client.get("/e/one", headers={"If-Modified-Since": "never"}).status_code == 200
        here.clock.pass_(days=1)
        here.newsletter.publications.withdraw("one")
        assert client.get("/archive", headers={"If-Modified-Since": since}).status_code == 200
        assert client.get("/archive").headers["vary"] == "Accept-Language"


def test_reading_changes_nothing(here: Project) -> None:
    write(here, "one", picture="teal", series="S")
    send(here, "one")
    before = here.rows()
    with here.client() as client:
        for path in (*PLACES, "/e/one", "/series/s", "/robots.txt", f"/images/{pictures_of(here, 'one')[0]}"):
            assert client.get(path).status_code == 200
            assert client.head(path).status_code == 200
            assert client.post(path).status_code == 405
    assert here.rows() == before


def test_the_page_is_there_when_the_first_message_arrives(here: Project) -> None:
    """Also while the mailing is still under way."""
    write(here, "one")
    for number in range(3):
        here.add_person(f"reader-{number}@example.com", "community")
    seen: list[int] = []

    with here.client() as client:

        def look(_: object) -> None:
            if here.messages():
                seen.append(client.get("/e/one").status_code)

        here.newsletter.mailings.send(Wish(edition="one", list_slug="community"), progress=look)
    assert set(seen) == {200}


def test_the_day_of_an_edition_is_the_one_where_the_newsletter_is(here: Project) -> None:
    change_settings(here, "[newsletter]", '[newsletter]\ntimezone = "Asia/Tokyo"')
    here.clock.now = dt.datetime(2026, 11, 23, 20, 0, tzinfo=dt.UTC)
    write(here, "one")
    send(here, "one")
    with here.client() as client:
        assert '<time datetime="2026-11-24">' in client.get("/e/one").text
