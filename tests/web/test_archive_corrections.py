"""What left stays on the web as it left, until somebody corrects or withdraws it."""

import shutil

import pytest

from newsletter.database.schema import metadata
from newsletter.errors import EditionInvalidError, EditionNotFoundError
from tests.web.publishing import change_settings, folder_of, hold, pictures_of, send, shown, try_out, work, write
from tests.web.served import Project


def test_an_edition_that_was_changed_or_deleted_later_shows_what_was_sent(here: Project) -> None:
    write(here, "one", "first words.", picture="teal")
    send(here, "one")
    name = pictures_of(here, "one")[0]
    with here.client() as client:
        write(here, "one", "other words.", picture="red", public="false")
        assert "first words." in client.get("/e/one").text
        shutil.rmtree(folder_of(here, "one"))
        assert "first words." in client.get("/e/one").text
        assert name in client.get("/e/one").text
        assert client.get(f"/images/{name}").status_code == 200


def test_a_held_edition_that_is_ordered_anew_shows_what_left(project: Project) -> None:
    write(project, "one", "first words.")
    hold(project, "one")
    write(project, "one", "second words.")
    hold(project, "one")
    project.clock.pass_(days=2)
    work(project)
    with project.client() as client:
        page = client.get("/e/one").text
        assert "second words." in page
        assert "Corrected" not in page
    assert len(project.rows()["article"]) == 1


def test_an_edition_that_became_private_while_it_was_held_is_not_shown(here: Project) -> None:
    """Even if the theme makes the same message of both."""
    theme = here.root / "templates"
    theme.mkdir()
    for name in ("edition.txt.j2", "footer.mjml.j2"):
        (theme / name).write_text("{% if false %}{% endif %}" if "mjml" in name else "{{ blocks[0].text }}")
    write(here, "one", public="true")
    hold(here, "one")
    digest = here.newsletter.compose("one")[0].digest
    write(here, "one", public="false")
    assert here.newsletter.compose("one")[0].digest == digest
    hold(here, "one")
    here.clock.pass_(days=2)
    work(here)
    with here.client() as client:
        assert not shown(client, "one")
    assert here.rows()["article"] == []


def test_a_correction_is_shown_with_its_date(project: Project) -> None:
    write(project, "one", "wrong words.")
    send(project, "one")
    publications = project.newsletter.publications
    assert not publications.publish("one")  # nothing has changed
    project.clock.pass_(days=3)
    write(project, "one", "right words.", picture="teal")
    assert publications.publish("one")
    with project.client() as client:
        page = client.get("/e/one").text
        assert "right words." in page
        assert "wrong words." not in page
        assert "Corrected on November 26, 2026." in page
        assert '<time datetime="2026-11-23">' in page
        assert client.get(f"/images/{pictures_of(project, 'one')[0]}").status_code == 200
        project.clock.pass_(days=1)
        write(project, "one", "better words.")
        assert publications.publish("one")
        assert not publications.publish("one")
        assert "Corrected on November 27, 2026." in client.get("/e/one").text
        project.clock.pass_(days=1)
        write(project, "one", "wrong words.")
        assert publications.publish("one")  # back to what was sent
        page = client.get("/e/one").text
        assert "wrong words." in page
        assert "Corrected on November 28, 2026." in page
        assert [(each.edition, each.corrected, each.showing) for each in publications.pages()] == [
            ("one", True, "shown")
        ]


def test_an_edition_with_mistakes_is_not_published(here: Project) -> None:
    write(here, "one")
    send(here, "one")
    (folder_of(here, "one") / "edition.yaml").write_text("title: x\n")
    with pytest.raises(EditionInvalidError):
        here.newsletter.publications.publish("one")
    with pytest.raises(EditionNotFoundError):
        here.newsletter.publications.publish("../one")


def test_a_withdrawn_page_is_gone_and_can_come_back(project: Project) -> None:
    write(project, "one", "words.")
    send(project, "one")
    publications = project.newsletter.publications
    with project.client() as client:
        assert shown(client, "one")
        publications.withdraw("one")
        assert not shown(client, "one")
        assert [each.showing for each in publications.pages()] == ["withdrawn"]
        with pytest.raises(EditionNotFoundError, match="No web page shows «one»"):
            publications.withdraw("one")
        send(project, "one")  # to somebody else, and the same: it stays withdrawn
        assert not shown(client, "one")
        project.clock.pass_(days=1)
        assert publications.publish("one")
        assert shown(client, "one")
        assert "Corrected" not in client.get("/e/one").text


def test_an_edition_that_an_older_version_sent_can_be_published(here: Project) -> None:
    """Its mailing brought no page, and its pictures stand in its composition alone."""
    write(here, "old", "old words.", picture="teal")
    send(here, "old")
    name = pictures_of(here, "old")[0]
    with here.newsletter.database() as database, database.write() as connection:
        for table in ("article", "picture"):
            connection.execute(metadata.tables[table].delete())
    here.clock.pass_(days=90)
    with here.client() as client:
        assert not shown(client, "old")
        before = here.rows()
        assert client.get(f"/images/{name}").headers["content-type"] == "image/png"
        assert client.get(f"/images/{name[:-5]}0.png").status_code == 404
        assert here.rows() == before
        assert here.newsletter.publications.publish("old")
        page = client.get("/e/old").text
        assert "old words." in page
        assert "Corrected" not in page
        assert '<time datetime="2026-11-23">' in page  # when it was sent


def test_pictures_that_older_messages_fetch_are_those_of_mailings_that_left(here: Project) -> None:
    write(here, "held", picture="red")
    hold(here, "held")
    name = pictures_of(here, "held")[0]
    with here.newsletter.database() as database, database.write() as connection:
        connection.execute(metadata.tables["picture"].delete())
    with here.client() as client:
        assert client.get(f"/images/{name}").status_code == 404


def test_a_test_message_shows_its_pictures_and_nothing_else(here: Project) -> None:
    write(here, "tried", picture="teal")
    try_out(here, "tried")
    with here.client() as client:
        assert client.get(f"/images/{pictures_of(here, 'tried')[0]}").status_code == 200
        assert not shown(client, "tried")
    assert here.rows()["article"] == []


def test_pictures_that_travel_inside_messages_of_private_editions_are_not_on_the_web(here: Project) -> None:
    change_settings(here, 'hold = "0 s"', 'hold = "0 s"\nimages = "embed"')
    write(here, "private", picture="red", public="false")
    try_out(here, "private")
    send(here, "private")
    with here.client() as client:
        assert client.get(f"/images/{pictures_of(here, 'private')[0]}").status_code == 404
    assert here.rows()["picture"] == []


def test_a_page_that_cannot_be_read_takes_no_other_with_it(here: Project, caplog: pytest.LogCaptureFixture) -> None:
    """Such as one that another version wrote."""
    for slug in ("one", "two"):
        write(here, slug)
        send(here, slug)
    with here.newsletter.database() as database, database.write() as connection:
        article = metadata.tables["article"]
        connection.execute(article.update().where(article.c.edition == "one").values(data=b"{}"))
    with here.client() as client:
        found = [client.get(path).status_code for path in ("/", "/e/one", "/e/two", "/feed.atom")]
        assert found == [200, 404, 200, 200]
        assert "newsletter archive publish one" in caplog.text
        assert here.newsletter.publications.publish("one")
        assert client.get("/e/one").status_code == 200
