"""Webhooks are called with what happened: signed, once at a time, tried again, given up, switched off, logged."""

import base64
import datetime as dt
import hashlib
import hmac
import itertools
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from newsletter.database.outside import CallState, webhook_call
from newsletter.webhooks.announcing import announce, announce_all, forget
from newsletter.webhooks.calling import CLAIMED_FOR, GAPS, TRIED_FOR, Caller, next_try
from newsletter.webhooks.keeping import LoggedCall
from newsletter.webhooks.posting import Answer
from newsletter.webhooks.reaching import Reach
from tests.web.served import NOW, Project
from tests.webhooks.receiving import Received, Receiver


def _tell(project: Project, kind: str = "mailing.sent", subscriber: int | None = None, **data: object) -> None:
    with project.newsletter.database() as database, database.write() as connection:
        announce(connection, kind, data, now=project.clock.now, subscriber_id=subscriber)


def _log(project: Project) -> list[LoggedCall]:
    return project.newsletter.access.webhook_log(None)[::-1]


def _verified(call: Received, secret: str) -> bool:
    """Whether the signature is right, by the specification and none of our code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(given, f"v1,{expected}") for given in call.headers["webhook-signature"].split(" "))


def test_what_happened_is_told_signed_and_logged(tried: Project, receiver: Receiver) -> None:
    number, secret = tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    _tell(tried, mailing=7, title="Ünïcode \ud800 \0")
    tried.newsletter.access.call_due()
    (call,) = receiver.calls
    said = json.loads(call.body)
    assert said == {
        "type": "mailing.sent",
        "timestamp": "2026-11-23T09:30:00+00:00",
        "data": {"mailing": 7, "title": "Ünïcode \ud800 \0"},
    }
    assert call.path == "/in?x=1"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert call.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert _verified(call, secret)
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    call.body = call.body.replace(b"7", b"8")
    assert not _verified(call, secret)
    (logged,) = _log(tried)
    assert (logged.webhook, logged.kind, logged.state, logged.tries) == (number, "mailing.sent", CallState.DONE, 1)
    assert (logged.status, logged.answer) == (200, "thank you")
    tried.newsletter.access.call_due()
    assert len(receiver.calls) == 1


def test_every_webhook_has_its_own_secret_and_one_that_was_removed_leaves_its_to_nobody(tried: Project) -> None:
    access = tried.newsletter.access
    first, one = access.add_webhook("https://hooks.example.org/", ["mailing.sent"])
    access.remove_webhook(first)
    second, other = access.add_webhook("https://hooks.example.org/", ["mailing.sent"])
    assert (first, one) != (second, other)
    assert one != other


def test_only_who_wants_to_know_is_told(tried: Project, receiver: Receiver) -> None:
    access = tried.newsletter.access
    _tell(tried)  # nobody is there yet
    access.add_webhook(receiver.url, ["form.received", "mailing.sent"])
    access.add_webhook(receiver.url, ["subscriber.erased"])
    _tell(tried, "mailing.sent")
    _tell(tried, "message.bounced")
    assert [call.kind for call in _log(tried)] == ["mailing.sent"]


def test_it_is_told_just_if_it_happened(tried: Project, receiver: Receiver) -> None:
    tried.newsletter.access.add_webhook(receiver.url, ["form.received"])

    def fail() -> None:
        with tried.newsletter.database() as database, database.write() as connection:
            announce(connection, "form.received", {}, now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _log(tried) == []


def test_several_at_once_are_each_told_and_an_unknown_kind_is_a_mistake_of_ours(
    tried: Project, receiver: Receiver
) -> None:
    tried.newsletter.access.add_webhook(receiver.url, ["subscriber.unsubscribed"])
    with tried.newsletter.database() as database, database.write() as connection:
        announce_all(connection, "subscriber.unsubscribed", [({"subscriber": 1}, 1), ({"subscriber": 2}, 2)], now=NOW)
        with pytest.raises(ValueError, match="not among"):
            announce(connection, "subscriber.known", {}, now=NOW)
    tried.newsletter.access.call_due()
    assert [json.loads(call.body)["data"]["subscriber"] for call in receiver.calls] == [1, 2]


def test_what_is_about_somebody_erased_is_told_to_nobody(tried: Project, receiver: Receiver) -> None:
    tried.newsletter.access.add_webhook(receiver.url, ["subscriber.confirmed"])
    _tell(tried, "subscriber.confirmed", subscriber=3)
    _tell(tried, "subscriber.confirmed", subscriber=4)
    with tried.newsletter.database() as database, database.write() as connection:
        forget(connection, 3)
    tried.newsletter.access.call_due()
    assert len(receiver.calls) == 1


def test_erasing_a_person_takes_what_was_told_about_them_along(tried: Project, receiver: Receiver) -> None:
    person = tried.add_person("anna@example.org", "community")
    tried.newsletter.access.add_webhook(receiver.url, ["subscriber.confirmed"])
    _tell(tried, "subscriber.confirmed", subscriber=person)
    tried.newsletter.erase_person("anna@example.org")
    assert _log(tried) == []


def test_a_call_that_is_not_taken_is_tried_again_with_growing_gaps_and_given_up(
    tried: Project, receiver: Receiver
) -> None:
    receiver.status = 500
    tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    _tell(tried)
    moments = []
    while (call := _log(tried)[0]).state is CallState.WAITING:
        tried.clock.now = call.next_try
        moments.append(call.next_try - NOW)
        tried.newsletter.access.call_due()
        tried.newsletter.access.call_due()  # at the same moment nothing more is due
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps[: len(GAPS)] == list(GAPS)
    assert set(gaps[len(GAPS) :]) == {GAPS[-1]}
    assert TRIED_FOR - GAPS[-1] < moments[-1] <= TRIED_FOR
    assert (call.state, call.tries, call.status) == (CallState.GIVEN_UP, len(moments), 500)
    assert len(receiver.calls) == len(moments)
    assert len({each.headers["webhook-id"] for each in receiver.calls}) == 1
    assert len({each.body for each in receiver.calls}) == 1
    assert len({each.headers["webhook-timestamp"] for each in receiver.calls}) == len(moments)


def test_when_to_try_again_grows() -> None:
    assert next_try(1, created_at=NOW, now=NOW) == NOW + GAPS[0]
    assert next_try(100, created_at=NOW, now=NOW) == NOW + GAPS[-1]
    assert next_try(1, created_at=NOW, now=NOW + TRIED_FOR) is None


def test_one_that_works_again_gets_what_waited(tried: Project, receiver: Receiver) -> None:
    receiver.status = 503
    tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    for number in range(60):
        _tell(tried, number=number)
    tried.newsletter.access.call_due()
    assert len(receiver.calls) == 1  # one that does not work is not knocked at sixty times
    receiver.status = 200
    tried.clock.pass_(minutes=1)
    tried.newsletter.access.call_due()
    assert sorted(json.loads(call.body)["data"]["number"] for call in receiver.calls[1:]) == list(range(60))


def test_one_that_does_not_answer_keeps_no_other_waiting(tried: Project, receiver: Receiver) -> None:
    access = tried.newsletter.access
    access.add_webhook("http://127.0.0.1:1/", ["mailing.sent"])
    access.add_webhook(receiver.url, ["mailing.sent"])
    for number in range(60):
        _tell(tried, number=number)
    access.call_due()
    assert len(receiver.calls) == 60
    states = {(call.webhook, call.state) for call in access.webhook_log(None, limit=200)}
    assert states == {(1, CallState.WAITING), (2, CallState.DONE)}


def test_a_webhook_that_fails_for_days_is_switched_off_told_and_on_again_after_a_test_that_arrives(
    tried: Project, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    access = tried.newsletter.access
    receiver.status = 500
    access.add_webhook(receiver.url, ["mailing.sent"])
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            _tell(tried)
            for _ in range(3):
                access.call_due()
                tried.clock.pass_(hours=8)
            if access.webhooks()[0].disabled_at is not None:
                break
    (webhook,) = access.webhooks()
    assert webhook.disabled_at is not None
    assert dt.timedelta(days=5) <= webhook.disabled_at - NOW < dt.timedelta(days=6)
    assert webhook.waiting == 0
    assert "newsletter webhooks test 1" in caplog.text
    assert str(receiver.port) not in caplog.text
    called = len(receiver.calls)
    _tell(tried)
    access.call_due()
    assert len(receiver.calls) == called
    assert access.test_webhook(1).state is CallState.GIVEN_UP
    assert access.webhooks()[0].disabled_at is not None
    receiver.status = 204
    assert access.test_webhook(1).state is CallState.DONE
    assert access.webhooks()[0].disabled_at is None
    assert json.loads(receiver.calls[-1].body)["type"] == "webhook.test"


def test_one_failure_long_ago_does_not_switch_a_webhook_off(tried: Project, receiver: Receiver) -> None:
    access = tried.newsletter.access
    access.add_webhook(receiver.url, ["mailing.sent"])
    for status in (500, 200, 500):
        receiver.status = status
        _tell(tried)
        for _ in range(5):
            access.call_due()
            tried.clock.pass_(hours=18)
    assert access.webhooks()[0].disabled_at is None


class _Killed(BaseException):
    """The process ends here."""


def test_a_crash_between_the_call_and_its_answer_means_the_same_call_again_and_no_sooner_than_the_claim_allows(
    tried: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    _tell(tried)
    post = Caller._post

    def killed(self: Caller, call: object) -> Answer:
        post(self, call)  # type: ignore[arg-type]
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Caller, "_post", killed)
        with pytest.raises(_Killed):
            tried.newsletter.access.call_due()
    tried.newsletter.access.call_due()
    assert len(receiver.calls) == 1
    tried.clock.now += CLAIMED_FOR
    tried.newsletter.access.call_due()
    first, second = receiver.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert _log(tried)[0].state is CallState.DONE


def _at_once(work: Callable[[], None], times: int) -> None:
    with ThreadPoolExecutor(times) as pool:
        for done in [pool.submit(work) for _ in range(times)]:
            done.result()


def test_several_processes_never_call_one_twice(database_url: str, tmp_path: object, receiver: Receiver) -> None:
    """On both databases: of many that claim a call at one moment, one gets it."""
    project = Project(tmp_path / "project", database_url, base_url="http://localhost:8600")  # type: ignore[operator]
    project.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    for number in range(12):
        _tell(project, number=number)
    together = threading.Barrier(3)

    def process() -> None:
        with project.newsletter._any_database() as database:
            caller = Caller(database, project.newsletter.project.secret_key(), project.clock, Reach(here=True))
            together.wait(10)
            caller.call_due()

    _at_once(process, 3)
    assert sorted(json.loads(call.body)["data"]["number"] for call in receiver.calls) == list(range(12))
    assert {call.tries for call in _log(project)} == {1}


def test_the_log_is_kept_for_thirty_days_and_what_waits_stays(tried: Project, receiver: Receiver) -> None:
    access = tried.newsletter.access
    access.add_webhook(receiver.url, ["mailing.sent"])
    _tell(tried)
    access.call_due()
    _tell(tried)
    tried.clock.pass_(days=29)
    access.expire()
    assert len(_log(tried)) == 2
    tried.clock.pass_(days=2)
    access.expire()
    assert [call.state for call in _log(tried)] == [CallState.WAITING]


def test_a_mailing_that_is_sent_is_told(tried: Project, receiver: Receiver) -> None:
    from newsletter.mailings import Wish

    tried.add_person("anna@example.org", "community")
    tried.add_edition("first-one")
    tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    tried.newsletter.mailings.send(Wish(edition="first-one", list_slug="community"))
    tried.newsletter.access.call_due()
    (call,) = receiver.calls
    said = json.loads(call.body)["data"]
    assert (said["mailing"], said["edition"], said["list"], said["counts"]["accepted"]) == (
        1,
        "first-one",
        "community",
        1,
    )
    assert b"anna" not in call.body


def test_a_url_and_an_answer_stand_in_no_log_of_the_program(
    tried: Project, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="newsletter"):
        _, secret = tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
        receiver.status = 500
        _tell(tried)
        tried.newsletter.access.call_due()
    assert secret not in caplog.text
    assert str(receiver.port) not in caplog.text
    with tried.newsletter.database() as database, database.read() as connection:
        rows = repr(connection.execute(sa.select(webhook_call)).all())
    assert secret not in rows


def test_the_program_in_the_handbook_believes_a_call_and_no_changed_or_old_one(
    tried: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "let-programs-in.md").read_text(encoding="utf-8")
    handbook: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], handbook)
    is_genuine = handbook["is_genuine"]
    _, secret = tried.newsletter.access.add_webhook(receiver.url, ["mailing.sent"])
    _tell(tried, mailing=1)
    tried.newsletter.access.call_due()
    (call,) = receiver.calls
    moment = NOW.timestamp()
    monkeypatch.setattr("time.time", lambda: moment)
    assert is_genuine(secret, call.headers, call.body)
    assert not is_genuine(secret, call.headers, call.body + b" ")
    monkeypatch.setattr("time.time", lambda: moment + 301)
    assert not is_genuine(secret, call.headers, call.body)


def test_what_people_do_by_command_is_told_too(tried: Project) -> None:
    tried.newsletter.access.add_webhook(
        "https://hooks.example.org/", ["subscriber.confirmed", "subscriber.unsubscribed", "subscriber.erased"]
    )
    people = tried.newsletter.subscribers
    for confirmed in (False, True, True):
        people.add("anna@example.org", {}, (), list_slug="community", consent="Page 2", confirmed=confirmed)
    people.unsubscribe("anna@example.org", None)
    people.unsubscribe("anna@example.org", None)
    assert [call.kind for call in _log(tried)] == ["subscriber.confirmed", "subscriber.unsubscribed"]
    tried.newsletter.erase_person("anna@example.org")
    assert [call.kind for call in _log(tried)] == ["subscriber.erased"]
