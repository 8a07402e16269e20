"""Other programs over /api/v1: tokens and scopes, what is sent, and what is read."""

import datetime as dt
import json
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from newsletter.database.outside import EventKind, access_token
from newsletter.feedback.events import Event, record
from newsletter.mailings import Wish
from newsletter.programs.access_tokens import Scope
from tests.web.programs import ANNA, Program
from tests.web.served import NOW, Project


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
        number = program.ask("POST", "/subscribers", json={**ANNA, "attributes": {"role": "Ünï\u200d😀"}})[1][
            "subscriber"
        ]["number"]
        assert program.ask("GET", "/subscribers?text=%5C%25_&where=attributes.role%20==%20%22x%22")[1]["items"] == []
        assert program.ask("GET", "/subscribers?list=community&status=pending")[1]["items"][0]["number"] == number
        assert program.ask("PATCH", f"/subscribers/{number}", json={"country": "KE", "add_tags": ["a"]})[0] == 200
        assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={})[1] == {"left": ["community"]}
        assert client.get("/metrics", headers={"host": "localhost"}).status_code == 200
        assert program.ask("GET", "/events")[0] == program.ask("GET", "/mailings")[0] == 200
        assert program.ask("DELETE", f"/subscribers/{number}")[0] == 200
