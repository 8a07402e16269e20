"""Subscribers over /api/v1: seen, added within the limits of all sign-ups, changed, taken off lists and erased."""

import json
from typing import Any

import pytest

from newsletter.database.schema import SuppressionReason
from tests.web.programs import ANNA, Program
from tests.web.served import NOW, Project


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


def test_who_is_added_waits_and_gets_one_letter_and_a_second_time_changes_nothing(
    here: Project, program: Program
) -> None:
    said = {**ANNA, "first_name": "Anna", "country": "ke", "joined": "2025-01-31", "tags": ["board"]}
    status, made = program.ask("POST", "/subscribers", json={**said, "attributes": {"role": "Chair"}})
    assert (status, made["confirmation"]) == (201, "sent")
    person = made["subscriber"]
    assert (person["first_name"], person["country"], person["joined"]) == ("Anna", "KE", "2025-01-31")
    assert (person["tags"], person["attributes"]) == (["board"], {"role": "Chair"})
    assert [(each["list"], each["status"]) for each in person["lists"]] == [("community", "pending")]
    status, again = program.ask("POST", "/subscribers", json=ANNA)
    assert (status, again) == (200, {"subscriber": person, "confirmation": "limited"})
    (letter,) = here.letters()
    assert letter["To"] == "anna@example.org"
    (agreed,) = here.newsletter.subscribers.history("anna@example.org").agreements
    assert (agreed.wording, agreed.method) == (ANNA["consent"], "form")
    here.clock.pass_(hours=25)
    assert program.ask("POST", "/subscribers", json=ANNA)[1]["confirmation"] == "sent"


def test_nobody_is_bombed_with_letters_over_the_api(here: Project, program: Program) -> None:
    for slug in ("community", "donors", "events") * 3:
        program.ask("POST", "/subscribers", json={**ANNA, "list": slug})
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
                json={**ANNA, "email": f"p{number}@example.org"},
                headers={"Authorization": f"Bearer {token}"},
            )
            for number in range(3)
        ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 0 < int(answers[2].headers["retry-after"]) <= 3600
    assert here.status("p1@example.org") == "pending"
    assert b"p2@" not in path.read_bytes()


def test_who_confirmed_elsewhere_is_on_the_list_at_once_with_the_proof(here: Project, program: Program) -> None:
    program.ask("POST", "/subscribers", json=ANNA)
    status, made = program.ask("POST", "/subscribers", json={**ANNA, "status": "confirmed", "consent": "Booth, p. 3"})
    assert (status, made["confirmation"], here.status("anna@example.org")) == (200, "not needed", "active")
    agreed = here.newsletter.subscribers.history("anna@example.org").agreements
    assert [each.wording for each in agreed] == [ANNA["consent"], "Booth, p. 3"]
    assert program.ask("POST", "/subscribers", json={**ANNA, "status": "confirmed", "consent": " "})[0] == 422


def test_who_left_must_confirm_to_come_back_and_a_program_cannot_say_it_for_them(
    here: Project, program: Program
) -> None:
    number = here.add_person("anna@example.org", "community")
    assert program.ask("POST", f"/subscribers/{number}/unsubscribe", json={"lists": ["community"]}) == (
        200,
        {"left": ["community"]},
    )
    status, said = program.ask("POST", "/subscribers", json={**ANNA, "status": "confirmed"})
    assert status == 409
    assert "left the list" in said["error"]
    status, said = program.ask("POST", "/subscribers", json=ANNA)
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
        assert program.ask("POST", "/subscribers", json={**ANNA, "status": status})[0] == 409
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
        status, said = program.ask("POST", "/subscribers", json={**ANNA, **wrong})
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
    assert program.ask("POST", "/subscribers", json=ANNA)[0] == 409
