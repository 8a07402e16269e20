"""What became of messages in doubt at SendGrid, and how a project opens the sender."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.errors import ConfigError
from newsletter.project import open_project
from newsletter.sending.senders import open_sender
from newsletter.sending.senders.protocol import Origin, Unknown, Verdict
from newsletter.sending.senders.sendgrid import evidence_of
from tests.senders.contract import ORIGIN
from tests.senders.sendgrid_letters import NOW, SIGNER, handover, make, verdicts
from tests.senders.sendgrid_server import KEY, Accepted, SendgridServer


@pytest.fixture
def server() -> Iterator[SendgridServer]:
    with SendgridServer() as running:
        yield running


def test_what_stands_in_the_logs_was_accepted_and_the_rest_stays_unknown(server: SendgridServer) -> None:
    server.faults = deque(["close+"])
    sender = make(server)
    sender.deliver([handover(1), handover(2)])
    unknowns = [Unknown(row, ORIGIN, f"reader{row}@example.com") for row in (1, 2, 3)]
    assert verdicts(make(server).settle(unknowns)) == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.UNKNOWN]


def test_another_mailing_to_the_same_reader_proves_nothing(server: SendgridServer) -> None:
    make(server).deliver([handover(1, "ada@example.com")])
    (outcome,) = make(server).settle([Unknown(2, ORIGIN, "ada@example.com")])
    assert outcome.verdict is Verdict.UNKNOWN


def test_another_mailings_delivery_of_the_same_number_proves_nothing(server: SendgridServer) -> None:
    make(server).deliver([handover(1, "ada@example.com")])
    other = Origin(ORIGIN.mailing + 1, ORIGIN.edition, ORIGIN.created_at)
    (outcome,) = make(server).settle([Unknown(1, other, "ada@example.com")])
    assert outcome.verdict is Verdict.UNKNOWN


def test_signs_of_some_prove_the_request_for_all(server: SendgridServer) -> None:
    server.faults = deque(["close+"])
    (first, *_) = outcomes = make(server).deliver([handover(row) for row in range(1, 51)])
    unknowns = [
        Unknown(outcome.delivery, ORIGIN, f"reader{outcome.delivery}@example.com", first.message_id)
        for outcome in outcomes
    ]
    before = len(server.paths)
    assert verdicts(make(server).settle(unknowns)) == [Verdict.ACCEPTED] * 50
    assert len(server.paths) - before <= 6


def test_no_sign_of_any_proves_nothing(server: SendgridServer) -> None:
    unknowns = [Unknown(row, ORIGIN, f"reader{row}@example.com", "abc") for row in range(1, 51)]
    outcomes = make(server).settle(unknowns)
    assert verdicts(outcomes) == [Verdict.UNKNOWN] * 50
    assert "proves nothing" in str(outcomes[0].reason)


def test_what_sendgrid_dropped_was_refused(server: SendgridServer) -> None:
    make(server).deliver([handover(1)])
    server.accepted = [Accepted(**{**vars(server.accepted[0]), "status": "dropped"})]
    (outcome,) = make(server).settle([Unknown(1, ORIGIN, "reader1@example.com")])
    assert outcome.verdict is Verdict.REFUSED


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_logs_that_cannot_be_read_leave_all_as_it_was(server: SendgridServer, status: int) -> None:
    make(server).deliver([handover(1)])
    server.logs_status = status
    outcomes = make(server).settle([Unknown(row, ORIGIN, f"reader{row}@example.com") for row in (1, 2)])
    assert verdicts(outcomes) == [Verdict.UNKNOWN] * 2
    assert str(status) in str(outcomes[0].reason)
    assert server.paths.count("/v3/logs") == 1


def test_an_address_that_could_change_the_question_is_not_asked_for(server: SendgridServer) -> None:
    (outcome,) = make(server).settle([Unknown(1, ORIGIN, '"a OR b"@example.com')])
    assert outcome.verdict is Verdict.UNKNOWN
    assert not server.paths


def test_an_event_tells_the_delivery_and_what_became_of_it() -> None:
    token = f"{SIGNER.sign('events', 7)}.41"
    delivered = evidence_of({"event": "delivered", "nl_delivery": token, "nl_attempt": "abc"}, SIGNER, now=NOW)
    assert delivered
    assert (delivered.mailing, delivered.delivery, delivered.attempt) == (7, 41, "abc")
    assert delivered.verdict is Verdict.ACCEPTED
    dropped = evidence_of({"event": "dropped", "reason": "Bounced Address", "nl_delivery": token}, SIGNER, now=NOW)
    assert dropped
    assert dropped.verdict is Verdict.REFUSED
    assert "Bounced Address" in str(dropped.reason)
    for strange in (f"x{token}", token[1:], f"{token}x", "41", ".41", SIGNER.sign("events", 7), "\u0664" * 9, None, 41):
        assert evidence_of({"event": "delivered", "nl_delivery": strange}, SIGNER, now=NOW) is None
    assert evidence_of({"event": "delivered"}, SIGNER, now=NOW) is None


SETTINGS = """\
[newsletter]
name = "Data for Change"
base_url = "https://news.example.org"
[identity]
from = "Example Fund <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
[sender]
kind = "sendgrid"
[sender.sendgrid]
{more}
"""


def test_a_project_opens_it_with_its_settings(tmp_path: Path, server: SendgridServer) -> None:
    (tmp_path / "newsletter.toml").write_text(SETTINGS.format(more=f'api_url = "{server.url}"\nsandbox = true'))
    project = open_project(tmp_path, {"SENDGRID_API_KEY": f" {KEY}\n", "NEWSLETTER_SECRET_KEY": "k" * 32})
    (outcome,) = open_sender(project, "sendgrid").deliver([handover(1)])
    assert "sent nothing" in str(outcome.reason)


def test_the_region_decides_where_it_asks() -> None:
    from newsletter.sending.senders.sendgrid.client import _make_client

    hosts = {region: _make_client(KEY, region, None).host for region in ("global", "eu")}
    assert hosts == {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}


@pytest.mark.parametrize(("key", "says"), [("", "There is no key"), ("SG.a b", "blanks"), ("SG.\u202ea", "blanks")])
def test_without_a_key_it_says_how_to_get_one(tmp_path: Path, key: str, says: str) -> None:
    (tmp_path / "newsletter.toml").write_text(SETTINGS.format(more=""))
    with pytest.raises(ConfigError, match=says) as raised:
        open_sender(open_project(tmp_path, {"SENDGRID_API_KEY": key}), "sendgrid")
    assert "SG." not in str(raised.value)
