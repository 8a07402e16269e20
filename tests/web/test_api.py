"""Other programs over /api/v1: tokens and scopes, subscribers seen, added, changed and erased, and what is read."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from newsletter.database.outside import EventKind, access_token
from newsletter.database.schema import SuppressionReason
from newsletter.feedback.events import Event, record
from newsletter.mailings import Wish
from newsletter.programs.access_tokens import Scope
from tests.web.served import NOW, Project


class Program:
    """Another program, with a token."""

    def __init__(self, client: TestClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        answer = self._client.request(method, f"/api/v1{path}", headers=self._headers, **options)
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        return answer.status_code, answer.json()


@pytest.fixture
def program(here: Project) -> Iterator[Program]:
    """A program that may do everything."""
    token = here.newsletter.access.create_token("all", list(Scope), lasts=None)
    with here.client() as client:
        yield Program(client, token)


def _with(client: TestClient, token: str, path: str = "/lists") -> Any:
    return client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}".encode("latin-1")})


# Tokens


def test_a_token_opens_what_its_scopes_say_and_nothing_else(here: Project) -> None:
    access = here.newsletter.access
    tokens = {scope: access.create_token(scope.replace(":", "-"), [scope], lasts=None) for scope in Scope}
    paths = {
        "/subscribers": Scope.SUBSCRIBERS_READ,
        "/lists": Scope.SUBSCRIBERS_READ,
        "/mailings": Scope.MAILINGS_READ,
        "/editions": Scope.EDITIONS_READ,
        "/events": Scope.EVENTS_READ,
    }
    with here.client() as client:
        for path, needed in paths.items():
            for scope, token in tokens.items():
                answer = _with(client, token, path)
                assert answer.status_code == (200 if scope is needed else 403)
                if scope is not needed:
                    assert answer.json() == {"error": f"This token lacks the scope {needed}."}
                    assert f'scope="{needed}"' in answer.headers["www-authenticate"]


def test_no_token_a_wrong_an_expired_and_a_revoked_one_are_refused_alike(here: Project) -> None:
    access = here.newsletter.access
    expires = access.create_token("expires", ["subscribers:read"], lasts=dt.timedelta(days=90))
    revoked = access.create_token("revoked", ["subscribers:read"], lasts=None)
    access.revoke_token("revoked")
    with here.client() as client:
        assert _with(client, expires).status_code == 200
        here.clock.pass_(days=90)
        nothing = client.get("/api/v1/lists")
        assert nothing.status_code == 401
        assert nothing.headers["www-authenticate"].startswith("Bearer ")
        assert client.get("/api/v1/lists", headers={"Authorization": "Basic eDp5"}).status_code == 401
        other = expires[:-1] + ("A" if expires[-1] != "A" else "B")
        answers = [_with(client, token) for token in (expires, revoked, other, "nl_", "x" * 5_000, "nl_" + "é" * 43)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert all(answer.headers["www-authenticate"].startswith("Bearer ") for answer in answers)


def test_a_token_is_kept_as_a_hash_alone_and_stands_in_no_log(here: Project, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), here.client() as client:
        token = here.newsletter.access.create_token("website", ["subscribers:read"], lasts=None)
        assert _with(client, token).status_code == 200
        assert _with(client, token[:-2] + "zz").status_code == 401
    assert len(token) == 46
    assert token[3:-2] not in caplog.text
    assert token[3:] not in repr(here.rows())
    assert token[3:] not in repr(here.newsletter.access.tokens())


def test_that_a_token_was_used_is_written_at_most_once_an_hour(here: Project) -> None:
    access = here.newsletter.access
    token = access.create_token("website", ["subscribers:read"], lasts=None)

    def used() -> dt.datetime | None:
        with here.newsletter.database() as database, database.read() as connection:
            return connection.execute(sa.select(access_token.c.used_at)).scalar_one()

    with here.client() as client:
        assert used() is None
        seen = []
        for _ in range(5):
            _with(client, token)
            seen.append(used())
            here.clock.pass_(minutes=25)
    assert seen == [NOW, NOW, NOW, NOW + dt.timedelta(minutes=75), NOW + dt.timedelta(minutes=75)]


def test_wrong_tokens_of_one_network_are_counted_and_a_right_one_still_opens(here: Project) -> None:
    token = here.newsletter.access.create_token("website", ["subscribers:read"], lasts=None)
    with here.client(client=("192.0.2.9", 5)) as client:
        answers = [_with(client, f"nl_{number:043}") for number in range(32)]
        assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 2
        assert 0 < int(answers[-1].headers["retry-after"]) <= 600
        before = here.rows()
        assert _with(client, "nl_wrong").status_code == 429
        assert here.rows() == before  # from here on trying costs no writing
        assert _with(client, token).status_code == 200
        with here.client(client=("198.51.100.9", 5)) as other:
            assert _with(other, "nl_wrong").status_code == 401
        here.clock.pass_(minutes=10)
        assert _with(client, "nl_wrong").status_code == 401


# What is sent


_BODIES: list[tuple[bytes, str | None, int]] = [
    (b'{"email": "a@example.org"}', "text/plain", 415),
    (b'{"email": "a@example.org"}', "application/x-www-form-urlencoded", 415),
    (b'{"email": "a@example.org"}', None, 415),
    (b"", "application/json", 422),
    (b"[1,", "application/json", 422),
    (b"\xff\xfe{\x00}\x00", "application/json", 422),
    (b'{"email": NaN}', "application/json", 422),
    (b"1" * 6_000, "application/json", 422),
    (b"[" * 60_000, "application/json", 422),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "application/json", 422),
    (b'{"email": "a\\u0000@example.org"}', "application/json", 422),
    (b'{"email": "\\ud800@example.org"}', "application/json", 422),
    (b'{"\\udfff": 1}', "application/json", 422),
    (b'{"email": "a@example.org", "more": 1}', "application/json", 422),
    (b'{"email": ["a@example.org"]}', "application/json", 422),
    (b'{"email": "no address"}', "application/json", 422),
    (b'"' + b"x" * 70_000 + b'"', "application/json", 413),
    (b'{"email": "a@example.org"}', "application/json; charset=utf-8", 404),
]


def test_what_cannot_be_understood_is_refused_in_words_and_never_a_crash(program: Program) -> None:
    for content, kind, status in _BODIES:
        headers = program._headers | ({} if kind is None else {"Content-Type": kind})
        answer = program._client.post("/api/v1/subscribers/find", content=content, headers=headers)
        assert (content[:50], answer.status_code) == (content[:50], status)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]


def test_a_body_whose_length_nobody_said_is_read_no_further_than_it_may_be_long(program: Program) -> None:
    answer = program._client.post(
        "/api/v1/subscribers/find",
        content=(b"x" * 10_000 for _ in range(20)),
        headers=program._headers | {"Content-Type": "application/json"},
    )
    assert answer.status_code == 413


def test_a_query_that_cannot_be_understood_is_told_where(program: Program) -> None:
    for query in (
        "limit=0",
        "limit=501",
        "after=-1",
        "after=99999999999999999999",
        "status=active",
        "list=community&status=nobody",
        "where=country%20%3D",
        "where=nobody%20%3D%3D%201",
        "text=%00",
        "more=1",
        "text=",
    ):
        status, said = program.ask("GET", f"/subscribers?{query}")
        assert (query, status) == (query, 422)
        assert said["details"][0]["where"][0] == "query"
        assert said["details"][0]["what"]


def test_a_number_too_large_for_any_database_is_no_crash(program: Program) -> None:
    assert program.ask("GET", f"/subscribers/{2**63}")[0] == 422
    assert program.ask("GET", f"/mailings/{10**30}")[0] == 422
    assert program.ask("GET", "/subscribers/7") == (404, {"error": "There is no such subscriber."})


def test_an_answer_to_a_method_that_is_not_there_says_which_are(program: Program) -> None:
    answer = program._client.put("/api/v1/subscribers/1", headers=program._headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")


# Subscribers


def test_subscribers_are_listed_a_page_at_a_time_and_filtered(here: Project, program: Program) -> None:
    for number in range(5):
        here.add_person(f"p{number}@example.org", "community", first_name=f"Name {number}", country="KE")
    here.add_person("q@example.org", "donors", status="pending", tags=("board",))
    here.newsletter.subscribers.suppress("p4@example.org")

    def emails(query: str) -> list[str]:
        status, said = program.ask("GET", f"/subscribers?{query}")
        assert (status, said["next"]) == (200, None)
        return [each["email"].partition("@")[0] for each in said["items"]]

    _, first = program.ask("GET", "/subscribers?limit=4")
    _, second = program.ask("GET", f"/subscribers?limit=4&after={first['next']}")
    assert [each["number"] for each in first["items"] + second["items"]] == [1, 2, 3, 4, 5, 6]
    assert second["next"] is None
    assert emails("list=community") == ["p0", "p1", "p2", "p3", "p4"]
    assert emails("list=community&status=mailable") == ["p0", "p1", "p2", "p3"]
    assert emails("list=donors&status=pending") == ["q"]
    assert emails('where="board" in tags') == ["q"]
    assert emails("text=NAME 3") == ["p3"]
    assert emails("list=events") == []
    assert program.ask("GET", "/subscribers?list=nowhere")[0] == 404
    assert [each["suppressed"] for each in first["items"] + second["items"]][4] == "asked"


def test_one_is_found_by_address_and_shown_by_number(here: Project, program: Program) -> None:
    number = here.add_person("Anna@Example.org", "community", first_name="Anna")
    status, found = program.ask("POST", "/subscribers/find", json={"email": "anna@example.ORG"})
    assert (status, found["number"], found["email"]) == (200, number, "Anna@example.org")
    assert program.ask("GET", f"/subscribers/{number}") == (200, found)
    assert found["lists"] == [{"list": "community", "status": "active", "since": "2026-11-23T09:30:00Z"}]
    assert program.ask("POST", "/subscribers/find", json={"email": "b@example.org"})[0] == 404


_ANNA = {"email": "anna@example.org", "list": "community", "consent": "I want the newsletter. (Form of the website)"}


def test_who_is_added_waits_and_gets_one_letter_and_a_second_time_changes_nothing(
    here: Project, program: Program
) -> None:
    said = {**_ANNA, "first_name": "Anna", "country": "ke", "joined": "2025-01-31", "tags": ["board"]}
    status, made = program.ask("POST", "/subscribers", json={**said, "attributes": {"role": "Chair"}})
    assert (status, made["confirmation"]) == (201, "sent")
    person = made["subscriber"]
    assert (person["first_name"], person["country"], person["joined"]) == ("Anna", "KE", "2025-01-31")
    assert (person["tags"], person["attributes"]) == (["board"], {"role": "Chair"})
    assert [(each["list"], each["status"]) for each in person["lists"]] == [("community", "pending")]
    status, again = program.ask("POST", "/subscribers", json=_ANNA)
    assert (status, again) == (200, {"subscriber": person, "confirmation": "limited"})
    (letter,) = here.letters()
    assert letter["To"] == "anna@example.org"
    (agreed,) = here.newsletter.subscribers.history("anna@example.org").agreements
    assert (agreed.wording, agreed.method) == (_ANNA["consent"], "form")
    here.clock.pass_(hours=25)
    assert program.ask("POST", "/subscribers", json=_ANNA)[1]["confirmation"] == "sent"


def test_nobody_is_bombed_with_letters_over_the_api(here: Project, program: Program) -> None:
    for slug in ("community", "donors", "events") * 3:
        program.ask("POST", "/subscribers", json={**_ANNA, "list": slug})
    assert len(here.letters()) == 1


def test_a_token_has_so_many_letters_sent_in_an_hour_as_all_visitors_may(tmp_path: Any, empty_file: Any) -> None:
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    here = Project(tmp_path / "project", f"sqlite:///{path}", more="all_sign_ups = 2\n")
    token = here.newsletter.access.create_token("website", ["subscribers:write"], lasts=None)
    with here.client() as client:
        answers = [
            client.post(
                "/api/v1/subscribers",
                json={**_ANNA, "email": f"p{number}@example.org"},
                headers={"Authorization": f"Bearer {token}"},
            )
            for number in range(3)
        ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 0 < int(answers[2].headers["retry-after"]) <= 3600
    assert here.status("p1@example.org") == "pending"
    assert b"p2@" not in path.read_bytes()


def test_who_confirmed_elsewhere_is_on_the_list_at_once_with_the_proof(here: Project, program: Program) -> None:
    program.ask("POST", "/subscribers", json=_ANNA)
    status, made = program.ask("POST", "/subscribers", json={**_ANNA, "status": "confirmed", "consent": "Booth, p. 3"})
    assert (status, made["confirmation"], here.status("anna@example.org")) == (200, "not needed", "active")
    agreed = here.newsletter.subscribers.history("anna@example.org").agreements
    assert [each.wording for each in agreed] == [_ANNA["consent"], "Booth, p. 3"]
    assert program.ask("POST", "/subscribers", json={**_ANNA, "status": "confirmed", "consent": " "})[0] == 422


def test_who_left_must_confirm_to_come_back_and_a_program_cannot_say_it_for_them(
    here: Project, program: Program
) -> None:
    number = here.add_person("anna@example.org", "community")
    assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={"lists": ["community"]}) == (
        200,
        {"left": ["community"]},
    )
    status, said = program.ask("POST", "/subscribers", json={**_ANNA, "status": "confirmed"})
    assert status == 409
    assert "left the list" in said["error"]
    status, said = program.ask("POST", "/subscribers", json=_ANNA)
    assert (status, said["confirmation"], here.status("anna@example.org")) == (200, "sent", "unsubscribed")
    link = next(word for word in here.letters()[-1].get_body(("plain",)).get_content().split() if "/confirm/" in word)  # type: ignore[union-attr]
    program._client.post(link.removeprefix("https://news.example.org"))
    assert here.status("anna@example.org") == "active"


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCED, SuppressionReason.ERASED])
def test_an_address_that_must_never_be_mailed_is_not_added(here: Project, program: Program, reason: str) -> None:
    from newsletter.audience.subscribers import suppress

    with here.newsletter.database() as database, database.write() as connection:
        secret = here.newsletter.project.secret_key()
        suppress(connection, "anna@example.org", SuppressionReason(reason), secret=secret, now=NOW)
    for status in ("pending", "confirmed"):
        assert program.ask("POST", "/subscribers", json={**_ANNA, "status": status})[0] == 409
    assert here.letters() == []


def test_what_cannot_be_right_adds_nobody(here: Project, program: Program) -> None:
    program.ask("GET", "/lists")  # that the token was used is written down now
    before = here.rows()
    wrongs: list[dict[str, Any]] = [
        {"list": "nowhere"},
        {"email": "anna@nowhere"},
        {"country": "Kenya"},
        {"language": "english!"},
        {"first_name": "A\nB"},
        {"first_name": "x" * 201},
        {"tags": ["a\u2028b"]},
        {"attributes": {"not a name": "x"}},
        {"attributes": {"role": 1}},
        {"joined": "yesterday"},
        {"status": "active"},
        {"consent": None},
        {"consent": "a\0b"},
    ]
    for wrong in wrongs:
        status, said = program.ask("POST", "/subscribers", json={**_ANNA, **wrong})
        assert (wrong, status) == (wrong, 404 if "list" in wrong else 422)
        assert "anna@" not in json.dumps(said)
    assert here.rows() == before


def test_what_is_known_is_changed_all_or_nothing(here: Project, program: Program) -> None:
    number = here.add_person("anna@example.org", "community", first_name="Anna", last_name="B", tags=("old",))
    change = {
        "first_name": None,
        "country": "UG",
        "attributes": {"role": "Chair"},
        "add_tags": ["new"],
        "remove_tags": ["old"],
    }
    status, said = program.ask("PATCH", f"/subscribers/{number}", json=change)
    assert (status, said["first_name"], said["last_name"], said["country"]) == (200, None, "B", "UG")
    assert (said["tags"], said["attributes"]) == (["new"], {"role": "Chair"})
    _, said = program.ask("PATCH", f"/subscribers/{number}", json={"attributes": {"role": None, "city": "Kampala"}})
    assert said["attributes"] == {"city": "Kampala"}
    assert program.ask("PATCH", f"/subscribers/{number}", json={"email": "b@example.org"})[0] == 422
    assert program.ask("PATCH", f"/subscribers/{number}", json={"country": "KE", "add_tags": ["a\nb"]})[0] == 422
    assert program.ask("PATCH", "/subscribers/99", json={"country": "KE"})[0] == 404
    assert program.ask("GET", f"/subscribers/{number}")[1]["country"] == "UG"


def test_somebody_leaves_all_lists_and_webhooks_are_told(here: Project, program: Program) -> None:
    number = here.add_person("anna@example.org", "community", "donors")
    here.newsletter.access.add_webhook("https://hooks.example.org/", ["subscriber.unsubscribed"])
    assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={})[1] == {"left": ["community", "donors"]}
    assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={})[1] == {"left": []}
    assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={"lists": ["nowhere"]})[0] == 404
    assert [call.kind for call in here.newsletter.access.webhook_log(None)] == ["subscriber.unsubscribed"] * 2


def test_somebody_is_erased_with_a_scope_of_its_own(here: Project, program: Program) -> None:
    number = here.add_person("anna@example.org", "community")
    writer = here.newsletter.access.create_token("writer", ["subscribers:read", "subscribers:write"], lasts=None)
    assert Program(program._client, writer).ask("DELETE", f"/subscribers/{number}")[0] == 403
    status, said = program.ask("DELETE", f"/subscribers/{number}")
    assert status == 200
    assert "anna@" not in json.dumps(said)
    assert program.ask("GET", f"/subscribers/{number}")[0] == 404
    assert program.ask("DELETE", f"/subscribers/{number}")[0] == 404
    assert program.ask("POST", "/subscribers", json=_ANNA)[0] == 409


# What is read


def test_lists_and_editions_in_few_words(here: Project, program: Program) -> None:
    here.add_person("anna@example.org", "community")
    here.add_edition("b-one", public="false", series="Stories", date="2026-11-01")
    here.add_edition("a-broken", text="title: [")
    assert program.ask("GET", "/lists")[1]["items"][0] == {"slug": "community", "title": "Community", "mailable": 1}
    _, said = program.ask("GET", "/editions?limit=1")
    assert (said["items"][0]["slug"], said["items"][0]["title"], said["next"]) == ("a-broken", None, "a-broken")
    assert said["items"][0]["findings"] >= 1
    _, said = program.ask("GET", "/editions?after=a-broken")
    assert said == {
        "items": [
            {
                "slug": "b-one",
                "title": "B One",
                "series": "Stories",
                "language": "en",
                "date": "2026-11-01",
                "public": False,
                "findings": 0,
            }
        ],
        "next": None,
    }


def test_mailings_are_listed_shown_and_reported_without_addresses(here: Project, program: Program) -> None:
    here.add_person("anna@example.org", "community")
    for slug in ("one", "two"):
        here.add_edition(slug)
        where = 'email == "anna@example.org"' if slug == "one" else None
        here.newsletter.mailings.send(Wish(edition=slug, list_slug="community", where=where))
    _, first = program.ask("GET", "/mailings?limit=1")
    _, second = program.ask("GET", f"/mailings?limit=1&after={first['next']}")
    assert [each["edition"] for each in first["items"] + second["items"]] == ["two", "one"]
    assert second["next"] is None
    status, shown = program.ask("GET", "/mailings/1")
    assert (status, shown["state"], shown["audience"], shown["counts"]["accepted"]) == (200, "sent", 1, 1)
    assert shown["where"] == 'email == "…@…"'
    status, report = program.ask("GET", "/mailings/1/report")
    assert (status, report["mailing"]["id"], report["counts"]["accepted"]) == (200, 1, 1)
    assert "anna" not in json.dumps([first, second, shown, report])
    assert program.ask("GET", "/mailings/3")[0] == 404
    assert program.ask("GET", "/mailings/3/report")[0] == 404


def test_events_tell_whom_they_are_about_only_to_who_may_see_subscribers(here: Project, program: Program) -> None:
    person = here.add_person("anna@example.org", "community")
    with here.newsletter.database() as database, database.write() as connection:
        for number, kind in enumerate((EventKind.DELIVERED, EventKind.BOUNCED, EventKind.COMPLAINED)):
            told = Event(
                provider="smtp",
                key=str(number),
                kind=kind,
                at=NOW,
                subscriber=person,
                status="5.1.1",
                reason="<anna@example.org> unknown",
                raw="anna@example.org",
            )
            record(connection, told, now=NOW)
    _, first = program.ask("GET", "/events?limit=2")
    _, second = program.ask("GET", f"/events?limit=2&after={first['next']}")
    assert [each["kind"] for each in first["items"] + second["items"]] == ["delivered", "bounced", "complained"]
    assert first["items"][0]["subscriber"] == person
    assert [each["number"] for each in program.ask("GET", "/events?kind=bounced")[1]["items"]] == [2]
    assert program.ask("GET", "/events?mailing=5")[1]["items"] == []
    assert program.ask("GET", "/events?kind=lost")[0] == 422
    reader = here.newsletter.access.create_token("reader", ["events:read"], lasts=None)
    _, said = Program(program._client, reader).ask("GET", "/events")
    assert {each["subscriber"] for each in said["items"]} == {None}
    assert "anna" not in json.dumps([first, second, said])


def test_the_same_on_each_kind_of_database(project: Project) -> None:
    token = project.newsletter.access.create_token("all", list(Scope), lasts=None)
    with project.client(client=("127.0.0.1", 5)) as client:
        program = Program(client, token)
        assert _with(client, "nl_wrong").status_code == 401
        number = program.ask("POST", "/subscribers", json={**_ANNA, "attributes": {"role": "Ünï\u200d😀"}})[1][
            "subscriber"
        ]["number"]
        assert program.ask("GET", "/subscribers?text=%5C%25_&where=attributes.role%20==%20%22x%22")[1]["items"] == []
        assert program.ask("GET", "/subscribers?list=community&status=pending")[1]["items"][0]["number"] == number
        assert program.ask("PATCH", f"/subscribers/{number}", json={"country": "KE", "add_tags": ["a"]})[0] == 200
        assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={})[1] == {"left": ["community"]}
        assert client.get("/metrics", headers={"host": "localhost"}).status_code == 200
        assert program.ask("GET", "/events")[0] == program.ask("GET", "/mailings")[0] == 200
        assert program.ask("DELETE", f"/subscribers/{number}")[0] == 200
