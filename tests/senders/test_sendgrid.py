"""SendGrid: everybody once, each alone, and nothing told that was not asked for."""

import dataclasses
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.errors import SenderUnavailableError, UnsupportedFeatureError
from newsletter.sending.senders.protocol import Handover, Origin, Verdict
from newsletter.sending.senders.sendgrid import SendgridSender, evidence_of
from tests.senders.contract import ORIGIN, Letter, SenderContract
from tests.senders.contract import handover as bytes_handover
from tests.senders.sendgrid_letters import (
    NOW,
    SIGNER,
    TEMPLATE,
    another,
    handover,
    make,
    message,
    seen,
    verdicts,
)
from tests.senders.sendgrid_server import SendgridServer


@pytest.fixture
def server() -> Iterator[SendgridServer]:
    with SendgridServer() as running:
        yield running


class TestSendgridContract(SenderContract):
    @pytest.fixture(autouse=True)
    def _world(self, server: SendgridServer) -> None:
        self.server = server

    def make(self, directory: Path) -> SendgridSender:
        return make(self.server)

    def delivered(self, directory: Path) -> list[bytes]:
        return [seen(accepted) for accepted in self.server.accepted]

    def handover(self, delivery: int, letter: Letter | None = None) -> Handover:
        return handover(delivery, letter.recipient if letter else "")


def test_a_thousand_people_are_one_request_and_each_alone_in_it(server: SendgridServer) -> None:
    outcomes = make(server).deliver([handover(row) for row in range(1, 1001)])
    assert server.counts == [1000]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert len({outcome.message_id for outcome in outcomes}) == 1
    assert [accepted.to for accepted in server.accepted] == [f"reader{row}@example.com" for row in range(1, 1001)]
    assert server.accepted[6].headers == {
        "List-Unsubscribe": "<https://news.example.org/u/7>",
        "List-Id": "<community.example.org>",
        "Precedence": "list",
    }


def test_twenty_thousand_people_are_twenty_requests(server: SendgridServer) -> None:
    """And so 1,000,000 are 1,000."""
    server.keep = False
    sender = make(server)
    for start in range(1, 20_001, 1000):
        outcomes = sender.deliver([handover(row) for row in range(start, start + 1000)])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert server.counts == [1000] * 20


def test_what_is_the_same_for_all_stands_once_and_tracking_is_off(server: SendgridServer) -> None:
    make(server).deliver([handover(1), handover(2)])
    (body,) = server.requests
    assert body["from"] == {"email": "news@example.org"}
    assert body["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }
    assert not body.keys() & {"categories", "custom_args", "headers", "mail_settings", "asm", "send_at", "template_id"}


def test_ids_tell_us_the_delivery_and_others_nothing(server: SendgridServer) -> None:
    ids = iter([uuid.UUID(int=7)])
    make(server, new_id=lambda: next(ids)).deliver([handover(41)])
    (accepted,) = server.accepted
    arguments = dict(accepted.custom_args)
    assert arguments.keys() == {"nl_delivery", "nl_attempt"}
    assert arguments["nl_attempt"] == uuid.UUID(int=7).hex
    sign = evidence_of(arguments, SIGNER, now=NOW)
    assert sign
    assert (sign.mailing, sign.delivery) == (ORIGIN.mailing, 41)
    assert "example.com" not in json.dumps(arguments)


def test_a_test_send_is_in_no_ledger_and_brings_no_delivery(server: SendgridServer) -> None:
    origin = Origin(ORIGIN.mailing, ORIGIN.edition, ORIGIN.created_at, test=True)
    make(server).deliver([handover(41, origin=origin)])
    assert server.accepted[0].custom_args.keys() == {"nl_attempt"}


def test_the_same_address_twice_leaves_in_two_requests(server: SendgridServer) -> None:
    outcomes = make(server).deliver([handover(1, "ada@example.com"), handover(2, "Ada@example.com"), handover(3)])
    assert verdicts(outcomes) == [Verdict.ACCEPTED] * 3
    assert sorted(server.counts) == [1, 2]


def test_each_template_has_requests_of_its_own(server: SendgridServer) -> None:
    other = another(html="<p>")
    batch = [handover(row, template=other if row % 2 else TEMPLATE) for row in range(1, 11)]
    assert verdicts(make(server).deliver(batch)) == [Verdict.ACCEPTED] * 10
    assert server.counts == [5, 5]


def test_a_large_letter_leaves_in_smaller_requests(server: SendgridServer) -> None:
    big = another(html="x" * 15_000_000)
    batch = [handover(row, template=big) for row in range(1, 1001)]
    server.keep = False
    assert set(verdicts(make(server).deliver(batch))) == {Verdict.ACCEPTED}
    assert len(server.counts) > 2


def test_a_letter_that_no_request_can_hold_stops_the_mailing(server: SendgridServer) -> None:
    huge = another(html="x" * 29_500_000)
    with pytest.raises(SenderUnavailableError, match="less than 30") as raised:
        make(server).deliver([handover(1, template=huge)])
    assert raised.value.lasting
    assert not server.paths


@pytest.mark.parametrize("name", ["Content-Type", "x-sg-id", "Strange Name", "Zoë"])
def test_a_header_field_that_is_reserved_is_found_before_anything_leaves(server: SendgridServer, name: str) -> None:
    bad = another(headers={name: "x"})
    with pytest.raises(SenderUnavailableError, match="does not let anybody set"):
        make(server).deliver([handover(1, template=bad)])
    assert not server.paths


def test_one_who_cannot_be_written_to_is_refused_and_the_others_get_theirs(server: SendgridServer) -> None:
    batch = [handover(1), handover(2, "zoë@example.com"), handover(3, t_2="x" * 10_001), handover(4)]
    outcomes = make(server).deliver(batch)
    assert verdicts(outcomes) == [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.REFUSED, Verdict.ACCEPTED]
    assert server.counts == [2]
    assert not server.refusals


def test_header_fields_may_be_all_shared_or_all_of_the_reader(server: SendgridServer) -> None:
    bare = dataclasses.replace(message(2, "ben@example.com"), headers={})
    batch = [handover(1, template=another(headers={})), Handover(2, ORIGIN, bare)]
    assert verdicts(make(server).deliver(batch)) == [Verdict.ACCEPTED] * 2
    assert server.accepted[0].headers == {"List-Unsubscribe": "<https://news.example.org/u/1>"}
    assert server.accepted[1].headers == TEMPLATE.headers


@pytest.mark.parametrize("value", ["<https://example.org>\r\nBcc: x@example.org", "é", "\u202e"])
def test_no_reader_brings_a_header_field_that_ends_a_line(server: SendgridServer, value: str) -> None:
    odd = dataclasses.replace(message(2, "ben@example.com"), headers={"List-Unsubscribe": value})
    assert verdicts(make(server).deliver([Handover(2, ORIGIN, odd)])) == [Verdict.REFUSED]
    assert not server.paths


def test_finished_bytes_are_not_taken(server: SendgridServer) -> None:
    with pytest.raises(UnsupportedFeatureError, match="substitutions only"):
        make(server).deliver([bytes_handover(1)])
