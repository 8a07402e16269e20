"""What readers see of themselves, take along and have deleted: by a letter to their own address (items 93 to 95)."""

import json
import re

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from newsletter.audience.subscribers import suppress
from newsletter.database.outside import letter, webhook_call
from newsletter.database.schema import SuppressionReason, subscriber
from newsletter.mailings import Wish
from newsletter.tokens import Signer
from tests.web.served import Project

ADA = "ada.lovelace@example.org"


def fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's form, with what the guards put there."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


def ask(client: TestClient, email: str) -> str:
    page = client.get("/access").text
    answer = client.post("/access", data={**fields(page), "web-page": "", "email": email})
    assert answer.status_code == 200, answer.text
    return re.sub(r'value="[^"]*"', "", answer.text)


def link_in(here: Project, path: str) -> str:
    """The newest link in a letter, as a path of the site."""
    texts = [message.get_body(("plain",)).get_content() for message in here.letters()]  # type: ignore[union-attr]
    links = re.findall(rf"https://news\.example\.org({path}/[\w-]+)", "".join(texts))
    return links[-1]


def kinds(here: Project) -> list[str]:
    with here.newsletter.database() as database, database.read() as connection:
        return list(connection.scalars(sa.select(letter.c.kind).order_by(letter.c.id)))


def test_who_asks_gets_the_same_answer_whether_or_not_the_address_is_known(here: Project) -> None:
    """Item 132; and one letter a day to an address (item 133)."""
    here.add_person(ADA, "community")
    here.add_person("never@example.org", "community")
    with here.newsletter.database() as database, database.write() as connection:
        secret, now = here.newsletter.project.secret_key(), here.clock.now
        suppress(connection, "never@example.org", SuppressionReason.ASKED, secret=secret, now=now)
    with here.client() as client:
        answers = {ask(client, each) for each in (ADA, ADA.upper(), "nobody@example.org", "never@example.org", ADA)}
    assert len(answers) == 1
    assert kinds(here) == ["access"]


def test_what_is_no_address_is_told_beside_the_field(here: Project) -> None:
    with here.client() as client:
        answer = client.post("/access", data={"email": '"><script>alert(1)</script>'})
    assert answer.status_code == 422
    assert 'aria-describedby="email-problem"' in answer.text
    assert "<script>alert" not in answer.text


def test_a_robot_that_fills_in_everything_gets_the_friendly_answer_and_no_letter(here: Project) -> None:
    here.add_person(ADA, "community")
    with here.client() as client:
        data = {**fields(client.get("/access").text), "email": ADA, "web-page": "https://spam.example"}
        assert client.post("/access", data=data).status_code == 200
    assert kinds(here) == []


def test_everything_is_shown_and_can_be_taken_along(project: Project) -> None:
    project.add_person(ADA, "community", "donors", first_name="<b>Ada</b>", last_name="Lovelace")
    with project.client() as client:
        ask(client, ADA)
        where = link_in(project, "/me")
        page = client.get(where)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        held = (ADA, "&lt;b&gt;Ada&lt;/b&gt;", "Lovelace", "Community", "Donors", "By hand.", "November 23, 2026")
        for shown in held:
            assert shown in page.text, shown
        assert "<b>Ada" not in page.text
        file = client.get(f"{where}/data.json")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["cache-control"] == "no-store"
    taken = json.loads(file.content)
    assert taken["email"] == ADA
    assert {each["list"] for each in taken["lists"]} == {"community", "donors"}
    assert taken["letters"][0]["about"] == "access"


def test_the_link_works_for_half_an_hour_and_only_for_its_own(here: Project) -> None:
    here.add_person(ADA, "community")
    other = here.add_person("other@example.org", "community")
    signer = Signer(here.newsletter.project.secret_key())
    with here.client() as client:
        ask(client, ADA)
        where = link_in(here, "/me")
        before = here.rows()
        for token in (
            signer.sign("preferences", other, here.list_id(), 1),
            signer.sign("unsubscribe", other, here.list_id(), 1),
            signer.sign("erase", other, 1),
            signer.sign("access", other),
            signer.sign("access", 999, 1),
            where.removeprefix("/me/")[:-1],
        ):
            for path in (f"/me/{token}", f"/me/{token}/data.json"):
                assert client.get(path).status_code == 404
            assert client.post(f"/me/{token}", data={"do": "erase"}).status_code == 404
            if not token.startswith(signer.sign("erase", other, 1)):
                assert client.post(f"/erase/{token}").status_code == 404
        here.clock.pass_(minutes=31)
        assert client.get(where).status_code == 404
        assert client.post(where, data={"do": "erase"}).status_code == 404
        assert here.rows() == before


def test_a_name_is_changed_and_cleared_on_the_page_that_shows_it(here: Project) -> None:
    here.add_person(ADA, "community", first_name="Ada", last_name="Lovelace")
    with here.client() as client:
        ask(client, ADA)
        where = link_in(here, "/me")
        data = {"do": "save", "was": "community", "list": "community", "first_name": "Augusta", "last_name": ""}
        page = client.post(where, data=data)
        assert "Your name was changed." in page.text
        assert 'value="Augusta"' in page.text
    person = here.newsletter.subscriber(ADA)
    assert (person.first_name, person.last_name) == ("Augusta", None)
    assert here.status(ADA) == "active"


def test_delete_me_takes_a_second_letter_and_leaves_nothing(project: Project) -> None:
    person = project.add_person(ADA, "community", first_name="Augusta Ada")
    with project.newsletter.database() as database, database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO webhook (url, kinds, created_at) VALUES "
            "('https://www.example.org/hook', '[\"subscriber.erased\"]', '2026-01-01 00:00:00')"
        )
    with project.client() as client:
        ask(client, ADA)
        where = link_in(project, "/me")
        assert "A message is on its way" in client.post(where, data={"do": "erase"}).text
        assert "was sent already" in client.post(where, data={"do": "erase"}).text
        assert kinds(project) == ["access", "erase"]
        last = link_in(project, "/erase")
        before = project.rows()
        for _ in range(3):
            assert client.get(last).status_code == client.head(last).status_code == 200
        assert project.rows() == before
        done = client.post(last)
        assert "Everything about you is deleted" in done.text
        assert "What remains" in done.text
        assert done.headers["cache-control"] == "no-store"
        assert "nothing left" in client.post(last).text
        assert "nothing left" in client.get(last).text
        assert client.get(where).status_code == 404
    told = repr(project.rows()).lower()
    assert "lovelace" not in told
    assert "augusta" not in told
    with project.newsletter.database() as database, database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(subscriber)) == 0
        calls = connection.execute(sa.select(webhook_call.c.kind, webhook_call.c.body)).all()
    assert [kind for kind, _ in calls] == ["subscriber.erased"]
    assert json.loads(calls[0].body)["data"] == {"subscriber": person}


def test_an_older_letter_that_deletes_works_for_a_day(here: Project) -> None:
    here.add_person(ADA, "community")
    with here.client() as client:
        ask(client, ADA)
        client.post(link_in(here, "/me"), data={"do": "erase"})
        last = link_in(here, "/erase")
        here.clock.pass_(hours=25)
        assert client.post(last).status_code == 404
    assert here.status(ADA) == "active"


@pytest.mark.parametrize("path", ["/access", "/me/x", "/me/x/data.json", "/erase/x"])
def test_looking_changes_nothing(here: Project, path: str) -> None:
    here.add_person(ADA, "community")
    before = here.rows()
    with here.client() as client:
        assert client.get(path).status_code == client.head(path).status_code
        assert client.get(path).headers["cache-control"] == "no-store"
    assert here.rows() == before


def test_a_report_counts_somebody_once_who_left_twice_and_was_then_erased(project: Project) -> None:
    ada = project.add_person("ada@example.com", "community")
    project.add_person("bob@example.com", "community")
    project.add_edition("first")
    project.newsletter.mailings.send(Wish(edition="first", list_slug="community"))
    token = Signer(project.newsletter.project.secret_key()).sign("unsubscribe", ada, project.list_id(), 1)
    with project.client() as client:
        for _ in range(2):
            left = client.post(f"/u/{token}", data={"do": "leave"}).text
            undo = re.findall(r'name="undo" value="([^"]*)"', left)
            client.post(f"/u/{token}", data={"do": "undo", "undo": undo})
        client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    assert project.newsletter.returns.report(1).unsubscribed == 1
    project.newsletter.erase_person("ada@example.com")
    assert project.newsletter.returns.report(1).unsubscribed == 1
