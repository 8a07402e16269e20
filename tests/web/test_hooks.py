"""SendGrid's event webhook: believed only when signed, taken once, and what follows from it."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from sendgrid.helpers.eventwebhook import EventWebhook

from newsletter.errors import DatabaseUnavailableError
from newsletter.feedback import sendgrid
from newsletter.tokens import Signer
from newsletter.web.public.shell import LONGEST_REPORT
from tests.feedback.arranged import send
from tests.web.hooked import ADA, AT, BEN, PUBLIC, SIGNATURE, TIMESTAMP, Hooked, post, signed
from tests.web.served import NOW, Project


@pytest.fixture
def hooked(empty_file: Path, tmp_path: Path) -> Hooked:
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Hooked(tmp_path / "project", f"sqlite:///{path}")


@pytest.fixture
def everywhere(database_url: str, tmp_path: Path) -> Hooked:
    return Hooked(tmp_path / "project", database_url)


@pytest.fixture
def client(hooked: Hooked) -> Iterator[TestClient]:
    with hooked.project.client() as client:
        yield client


def test_a_signed_batch_settles_the_unknown_and_suppresses_who_bounced(everywhere: Hooked) -> None:
    everywhere.set_unknown(message_id="attempt1")
    with everywhere.project.client() as client:
        answer = post(client, everywhere.event("bounce", BEN, type="bounce", status="5.1.1", reason="550 no such user"))
    assert answer.status_code == 200
    assert answer.json() == {"new": 1, "known": 0, "tests": 0, "foreign": 0, "suppressed": 1, "settled": 2}
    assert (everywhere.state(ADA), everywhere.state(BEN)) == ("accepted", "accepted")
    assert (everywhere.suppressed(ADA), everywhere.suppressed(BEN)) == (None, "bounced")
    assert everywhere.project.status(BEN) == "bounced"


def test_the_official_package_believes_what_we_believe_and_nothing_else(hooked: Hooked, client: TestClient) -> None:
    theirs = EventWebhook(PUBLIC)
    other = ec.generate_private_key(ec.SECP256R1())
    raw = json.dumps([hooked.event("delivered")]).encode() + b"\r\n"
    good = signed(raw)
    tried = [
        (raw, good),
        (raw.replace(b"delivered", b"processed"), good),
        (raw.rstrip(), good),
        (raw, {**good, TIMESTAMP: str(AT + 1)}),
        (raw, {**good, SIGNATURE: "AAAA" + good[SIGNATURE][4:]}),
        (raw, {**good, SIGNATURE: "no base64!"}),
        (raw, signed(raw, key=other)),
    ]
    for body, headers in tried:
        ours = client.post("/hooks/sendgrid", content=body, headers=headers).status_code == 200
        assert ours == theirs.verify_signature(body.decode(), headers[SIGNATURE], headers[TIMESTAMP])
    assert len(hooked.events()) == 1


@pytest.mark.parametrize("missing", [SIGNATURE, TIMESTAMP])
def test_what_is_not_signed_is_not_even_read(
    hooked: Hooked, client: TestClient, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: bytes) -> list[object]:
        raise AssertionError("it was read")

    monkeypatch.setattr(sendgrid, "read_post", read)
    raw = b"[]"
    headers = {name: value for name, value in signed(raw).items() if name != missing}
    answer = client.post("/hooks/sendgrid", content=raw, headers=headers)
    assert answer.status_code == 403
    assert hooked.events() == []


def test_item_140_a_post_may_be_as_old_as_sendgrid_tries_again_and_no_older(client: TestClient) -> None:
    hours = {0: 200, -24.9: 200, -25.1: 403, 0.05: 200, 0.2: 403, -1e5: 403, 1e6: 403}
    answers = {}
    for hour in hours:
        headers = signed(b"[]", at=AT + int(hour * 3600))
        answers[hour] = client.post("/hooks/sendgrid", content=b"[]", headers=headers).status_code
    assert answers == hours


def test_sent_again_it_changes_nothing(hooked: Hooked, client: TestClient) -> None:
    events = [hooked.event("delivered"), hooked.event("bounce", BEN, status="5.1.1", type="bounce")]
    assert post(client, *events, *events).json()["new"] == 2
    before = hooked.project.rows()
    hooked.project.clock.pass_(hours=3)
    raw = json.dumps(events).encode()
    again = client.post("/hooks/sendgrid", content=raw, headers=signed(raw))
    assert again.json() == {"new": 0, "known": 2, "tests": 0, "foreign": 0, "suppressed": 0, "settled": 0}
    assert hooked.project.rows() == before


def test_without_a_key_it_is_not_taken_and_the_log_says_why_once(
    here: Project, caplog: pytest.LogCaptureFixture
) -> None:
    with here.client() as client, caplog.at_level(logging.WARNING):
        answers = [post(client).status_code for _ in range(3)]
    assert answers == [503] * 3
    said = [record.getMessage() for record in caplog.records if "sendgrid_public_key" in record.getMessage()]
    assert len(said) == 1


MISREAD = [
    b"",
    b"{}",
    b"null",
    b"[1]",
    b'["x"]',
    b"[[]]",
    b"\xff\xfe",
    b"[" * 100_000,
    b"[{}" + b",{}" * sendgrid.MOST_EVENTS + b"]",
    b'[{"timestamp": 1' + b"0" * 5000 + b"}]",
]


def test_what_is_no_list_of_events_is_refused(hooked: Hooked, client: TestClient) -> None:
    for raw in MISREAD:
        answer = client.post("/hooks/sendgrid", content=raw, headers=signed(raw))
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), raw[:40]
    assert hooked.events() == []


def test_a_post_that_is_too_long_is_refused(client: TestClient) -> None:
    raw = b"[" + b" " * LONGEST_REPORT + b"]"
    assert client.post("/hooks/sendgrid", content=raw, headers=signed(raw)).status_code == 413
    pieces = (raw[start : start + 65_536] for start in range(0, len(raw), 65_536))  # it does not say how long it is
    assert client.post("/hooks/sendgrid", content=pieces, headers=signed(raw)).status_code == 413


def test_get_is_not_answered(client: TestClient) -> None:
    assert client.get("/hooks/sendgrid").status_code == 405


ODD: list[dict[str, object]] = [
    {"timestamp": "soon"},
    {"timestamp": True},
    {"timestamp": None},
    {"timestamp": 99_999_999_999},
    {"timestamp": [1]},
    {"sg_event_id": None},
    {"sg_event_id": "x" * 5_000},
    {"sg_event_id": {"a": 1}},
    {"sg_event_id": "\ud800\x00"},
    {"category": ["a", "b"]},
    {"category": "a"},
    {"reason": 5, "status": ["5.1.1"]},
    {"reason": "\x00 and \ud83d half a letter", "response": "x" * 100_000},
    {"event": None},
    {"event": "something-new", "nested": {"a": [1, {"b": None}]}},
    {"email": None},
]


def test_odd_events_are_kept_and_break_nothing(everywhere: Hooked) -> None:
    with everywhere.project.client() as client:
        for number, odd in enumerate(ODD):
            told = {**everywhere.event("delivered", sg_event_id=f"odd {number}", nl_attempt="x"), **odd}
            raw = json.dumps([told, told]).encode()
            answer = client.post("/hooks/sendgrid", content=raw, headers=signed(raw))
            assert (answer.status_code, answer.json()["new"], answer.json()["known"]) == (200, 1, 1), odd
    rows = everywhere.events()
    assert {row.delivery_id for row in rows} == {everywhere.sent.rows[ADA]}
    assert all(row.at <= NOW for row in rows)
    assert [row.kind for row in rows] == ["other" if "event" in odd else "delivered" for odd in ODD]


def test_what_is_not_about_a_mailing_of_ours_is_counted_and_forgotten(hooked: Hooked, client: TestClient) -> None:
    other = Signer(b"a key of somebody else that is long enough").sign("events", hooked.sent.mailing)
    ours = Signer(hooked.project.newsletter.project.secret_key())
    foreign = [
        {"event": "delivered", "email": ADA, "sg_message_id": "x"},
        {"event": "bounce", "email": ADA, "sg_message_id": "x", "type": "bounce", "status": "5.1.1"},
        {"event": "bounce", "email": "nobody@example.com", "type": "bounce", "status": "5.1.1"},
        {"event": "bounce", "email": "no address", "type": "bounce"},
        {"event": "spamreport", "email": ADA},
        hooked.event("bounce", nl_delivery=f"{other}.{hooked.sent.rows[ADA]}", status="5.1.1"),
        hooked.event("bounce", nl_delivery=f"{ours.sign('events', 99)}.{hooked.sent.rows[ADA]}", status="5.1.1"),
        hooked.event("bounce", nl_delivery=f"{ours.sign('events', hooked.sent.mailing)}.999999", status="5.1.1"),
        hooked.event("bounce", nl_delivery=["x"], status="5.1.1"),
        {},
    ]
    test = {"event": "bounce", "email": ADA, "nl_attempt": "attempt1", "status": "5.1.1", "type": "bounce"}
    answer = post(client, *foreign, test).json()
    assert (answer["foreign"], answer["tests"], answer["new"]) == (len(foreign), 1, 0)
    assert hooked.events() == []
    assert hooked.suppressed(ADA) is None


def test_a_bounce_that_comes_so_late_that_it_has_no_ids_is_matched_by_the_address(
    hooked: Hooked, client: TestClient
) -> None:
    post(client, {"event": "bounce", "email": "Ada@Example.org", "type": "bounce", "status": "5.1.1", "timestamp": AT})
    (row,) = hooked.events()
    assert (row.mailing_id, row.delivery_id) == (hooked.sent.mailing, hooked.sent.rows[ADA])
    assert hooked.suppressed(ADA) == "bounced"


SAYS: list[tuple[dict[str, object], str | None]] = [
    ({"type": "bounce", "status": "5.1.1"}, "bounced"),
    ({"type": "bounce", "reason": "550 5.1.1 unknown"}, "bounced"),
    ({"type": "bounce", "bounce_classification": "Invalid Address", "status": "5.0.0"}, "bounced"),
    ({"type": "bounce", "reason": "550 No such user here", "status": ""}, "bounced"),
    ({"type": "blocked", "status": "5.1.1"}, None),
    ({"type": "expired", "status": "5.1.1"}, None),
    ({"type": "bounce", "status": "5.1.1", "bounce_classification": "Reputation"}, None),
    ({"type": "bounce", "status": "5.7.1", "bounce_classification": "Invalid Address"}, None),
    ({"type": "bounce", "status": "5.2.2"}, None),
    ({"type": "bounce", "status": "5.0.0"}, None),
    ({"event": "deferred", "status": "5.1.1"}, None),
    ({"event": "dropped", "reason": "Bounced Address"}, "bounced"),
    ({"event": "dropped", "reason": "Invalid"}, "bounced"),
    ({"event": "dropped", "reason": "Invalid SMTPAPI header"}, None),
    ({"event": "dropped", "reason": "Spam Reporting Address"}, "complained"),
    ({"event": "dropped", "reason": "Spam Content"}, None),
    ({"event": "spamreport"}, "complained"),
    ({"event": "group_resubscribe"}, None),
]


def test_what_sendgrid_says_and_what_follows(hooked: Hooked, client: TestClient) -> None:
    people = [f"reader@{number}.example.com" for number in range(len(SAYS))]
    for person in people:
        hooked.project.add_person(person, "community")
    with hooked.project.newsletter.database() as database:
        hooked.sent = send(database, *people, edition="second")
    told = [
        hooked.event("bounce", person, **{"sg_event_id": person, **more})
        for person, (more, _) in zip(people, SAYS, strict=True)
    ]
    assert post(client, *told).json()["new"] == len(SAYS)
    for person, (more, expected) in zip(people, SAYS, strict=True):
        assert hooked.suppressed(person) == expected, more
        assert hooked.project.status(person) == (expected or "active"), more


def test_who_unsubscribed_at_sendgrid_is_off_the_list(hooked: Hooked, client: TestClient) -> None:
    dropped = hooked.event("dropped", BEN, reason="Unsubscribed Address")
    post(client, hooked.event("group_unsubscribe"), dropped)
    assert (hooked.project.status(ADA), hooked.project.status(ADA, "donors")) == ("unsubscribed", "active")
    assert (hooked.project.status(BEN), hooked.project.status(BEN, "donors")) == ("unsubscribed", "unsubscribed")


def test_item_97_an_open_or_a_click_names_nobody_and_still_proves_that_the_message_left(
    hooked: Hooked, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    hooked.set_unknown()
    seen = {"url": "https://example.com/secret", "ip": "192.0.2.7", "useragent": "Mail", "sg_machine_open": False}
    with caplog.at_level(logging.WARNING):
        post(client, hooked.event("click", **seen), hooked.event("open", **seen))
    for row in hooked.events():
        assert row.kind == "other"
        assert (row.subscriber_id, row.address_hash, row.delivery_id, row.mailing_id) == (None, None, None, None)
        assert row.raw in {'{"event": "click"}', '{"event": "open"}'}
    assert (hooked.state(ADA), hooked.state(BEN)) == ("accepted", "unknown")
    assert "switch it off" in caplog.text


def test_no_address_is_kept_beside_the_words_of_mail_servers(hooked: Hooked, client: TestClient) -> None:
    post(client, hooked.event("delivered", ip="192.0.2.7", response="250 OK", category=["data-sharing"]))
    (row,) = hooked.events()
    kept = json.loads(row.raw)
    assert kept["category"] == ["data-sharing"]
    assert not {"email", "ip"} & kept.keys()
    assert ADA not in row.raw


def test_a_busy_database_is_tried_again_later(
    hooked: Hooked, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("The database is being written by another process.")

    monkeypatch.setattr(sendgrid, "take", busy)
    answer = post(client, hooked.event("delivered"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_a_batch_happens_whole_or_not_at_all(
    hooked: Hooked, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("The disk is full.")

    monkeypatch.setattr(sendgrid, "_settle_requests", full)
    assert post(client, hooked.event("bounce", status="5.1.1", type="bounce")).status_code == 503
    assert hooked.events() == []
    assert hooked.suppressed(ADA) is None
    monkeypatch.undo()
    assert post(client, hooked.event("bounce", status="5.1.1", type="bounce")).json()["new"] == 1


def test_posts_of_the_same_events_at_once_count_them_once(everywhere: Hooked) -> None:
    raw = json.dumps(
        [
            everywhere.event("bounce", status="5.1.1", type="bounce"),
            *(everywhere.event("delivered", BEN, sg_event_id=f"e{n}") for n in range(200)),
        ]
    ).encode()
    headers = signed(raw)
    answers: list[dict[str, int]] = []
    with everywhere.project.client() as client:

        def tell() -> None:
            answers.append(client.post("/hooks/sendgrid", content=raw, headers=headers).json())

        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sum(answer["new"] for answer in answers) == 201
    assert sum(answer["suppressed"] for answer in answers) == 1
    assert len(everywhere.events()) == 201


def test_words_go_after_their_time_and_counts_stay(hooked: Hooked, client: TestClient) -> None:
    post(client, hooked.event("bounce", status="5.1.1", type="bounce", reason=f"550 {ADA} unknown"))
    hooked.project.clock.pass_(days=29)
    hooked.project.newsletter.returns.expire()
    assert ADA in hooked.events()[0].reason
    hooked.project.clock.pass_(days=2)
    hooked.project.newsletter.returns.expire()
    (row,) = hooked.events()
    assert (row.reason, row.raw, row.kind, row.hard) == (None, None, "bounced", True)


def test_other_programs_are_shown_events_without_addresses(hooked: Hooked, client: TestClient) -> None:
    post(client, hooked.event("bounce", status="5.1.1", type="bounce"), hooked.event("delivered", BEN))
    returns = hooked.project.newsletter.returns
    first, second = returns.events()
    assert [first.kind, second.kind] == ["bounced", "delivered"]
    assert ADA not in json.dumps(first.as_json())
    assert returns.events(after=first.id) == [second]
    assert returns.events(kind="delivered", limit=1) == [second]
    assert returns.events(mailing=hooked.sent.mailing + 1) == []
