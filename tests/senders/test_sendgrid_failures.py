"""SendGrid refuses, falls silent or is not there: the truth about each message, and nobody lost."""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.protocol import Outcome, Verdict
from newsletter.sending.senders.sendgrid.client import Client
from tests.senders.sendgrid_letters import NOW, Clock, another, handover, make, verdicts
from tests.senders.sendgrid_server import KEY, SendgridServer


@pytest.fixture
def server() -> Iterator[SendgridServer]:
    with SendgridServer() as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("close", False),
        ("close+", True),
        ("reset", False),
        ("reset+", True),
        ("cut-status", False),
        ("cut-status+", True),
        ("cut-body", True),
        ("500", False),
        ("502", False),
        ("502+", True),
        ("503+", True),
        ("504", False),
        ("200+", True),
    ],
)
def test_without_an_answer_nobody_knows_and_nothing_more_leaves(
    server: SendgridServer, fault: str, taken: bool
) -> None:
    """The same whether SendGrid took the request or not, since we cannot see it."""
    server.faults = deque([fault])
    outcomes = make(server).deliver([handover(1), handover(2, "reader1@example.com"), handover(3)])
    assert verdicts(outcomes) == [Verdict.UNKNOWN, Verdict.UNSENT, Verdict.UNKNOWN]
    assert len(server.accepted) == (2 if taken else 0)
    attempt = outcomes[0].message_id
    assert attempt
    assert attempt in str(outcomes[0].reason)
    if taken:
        assert server.accepted[0].custom_args["nl_attempt"] == attempt


def test_an_answer_that_does_not_come_in_time_is_no_answer(server: SendgridServer) -> None:
    server.faults = deque(["stall"])
    outcomes = make(server, timeout=0.2).deliver([handover(1)])
    assert verdicts(outcomes) == [Verdict.UNKNOWN]
    assert "in time" in str(outcomes[0].reason)


def test_after_silence_it_waits_longer_and_longer_and_risks_one_message(server: SendgridServer) -> None:
    clock = Clock()
    sender = make(server, clock=clock)
    server.faults = deque(["close", "close"])
    batch = [handover(row) for row in range(1, 6)]
    assert verdicts(sender.deliver(batch)) == [Verdict.UNKNOWN] * 5
    with pytest.raises(SenderUnavailableError, match="did not answer"):
        sender.deliver(batch)
    clock.seconds += 2.1
    assert verdicts(sender.deliver(batch)) == [Verdict.UNKNOWN, *[Verdict.UNSENT] * 4]
    clock.seconds += 2.1
    with pytest.raises(SenderUnavailableError):
        sender.deliver(batch)
    clock.seconds += 2.1
    assert verdicts(sender.deliver(batch)) == [Verdict.ACCEPTED] * 5
    assert server.counts == [1, 4]
    assert verdicts(sender.deliver([handover(9), handover(10)])) == [Verdict.ACCEPTED] * 2
    assert server.counts == [1, 4, 2]


@pytest.mark.parametrize(
    ("fault", "lasting", "says"),
    [
        ("401", True, "SENDGRID_API_KEY"),
        ("403", True, "told to"),
        ("404", True, "api_url"),
        ("405", True, "api_url"),
        ("302", True, "No redirect was followed"),
        ("307", True, "No redirect was followed"),
        ("429", False, "too many requests"),
        ("408", False, "in time"),
    ],
)
def test_what_stops_everything_is_said_with_what_to_do(
    server: SendgridServer, fault: str, lasting: bool, says: str
) -> None:
    server.faults = deque([fault])
    with pytest.raises(SenderUnavailableError, match=says) as raised:
        make(server).deliver([handover(1), handover(2)])
    assert raised.value.lasting is lasting
    assert not server.accepted
    assert KEY not in str(raised.value)


def test_what_stops_everything_after_a_part_has_left_leaves_the_rest_unsent(server: SendgridServer) -> None:
    server.faults = deque(["answer", "403"])
    outcomes = make(server).deliver([handover(1), handover(2, "reader1@example.com")])
    assert verdicts(outcomes) == [Verdict.ACCEPTED, Verdict.UNSENT]


def test_a_redirect_never_takes_the_key_elsewhere(server: SendgridServer) -> None:
    with SendgridServer() as other:
        server.redirect_to = f"{other.url}/v3/mail/send"
        server.faults = deque(["302"])
        with pytest.raises(SenderUnavailableError):
            make(server).deliver([handover(1)])
        assert other.paths == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 10), ({"Retry-After": "7"}, 7), ({"X-RateLimit-Reset": f"{int(NOW.timestamp()) + 40}"}, 40)],
)
def test_too_many_requests_is_left_alone_as_long_as_it_says(
    server: SendgridServer, headers: dict[str, str], seconds: int
) -> None:
    clock = Clock()
    sender = make(server, clock=clock)
    server.headers, server.faults = headers, deque(["429"])
    for passed in (0, seconds - 1):
        clock.seconds += passed
        with pytest.raises(SenderUnavailableError, match="too many requests"):
            sender.deliver([handover(1)])
    assert len(server.paths) == 1
    clock.seconds += 1.1
    assert verdicts(sender.deliver([handover(1)])) == [Verdict.ACCEPTED]


def test_the_one_that_sendgrid_names_is_refused_and_the_others_leave(server: SendgridServer) -> None:
    def refuse(body: dict[str, Any]) -> list[tuple[str, str]]:
        return [
            (f"personalizations.{place}.to.0.email", "Does not contain a valid address.")
            for place, person in enumerate(body["personalizations"])
            if person["to"][0]["email"] in {"reader2@example.com", "reader5@example.com"}
        ]

    server.refuse = refuse
    outcomes = make(server).deliver([handover(row) for row in range(1, 7)])
    assert [outcome.delivery for outcome in outcomes if outcome.verdict is Verdict.REFUSED] == [2, 5]
    assert "valid address" in str(outcomes[1].reason)
    assert [accepted.to for accepted in server.accepted] == [f"reader{row}@example.com" for row in (1, 3, 4, 6)]


def test_the_one_that_sendgrid_does_not_name_is_found(server: SendgridServer) -> None:
    def refuse(body: dict[str, Any]) -> list[tuple[str, str]]:
        found = any(person["to"][0]["email"] == "reader77@example.com" for person in body["personalizations"])
        return [("", "Bad Request")] if found else []

    server.refuse = refuse
    outcomes = make(server).deliver([handover(row) for row in range(1, 101)])
    assert [outcome.delivery for outcome in outcomes if outcome.verdict is not Verdict.ACCEPTED] == [77]
    assert outcomes[76].verdict is Verdict.REFUSED
    assert len(server.accepted) == 99


def test_a_letter_that_sendgrid_refuses_loses_nobody(server: SendgridServer) -> None:
    server.refuse = lambda body: [("subject", "The subject is required.")]
    with pytest.raises(SenderUnavailableError, match="The subject is required") as raised:
        make(server).deliver([handover(row) for row in range(1, 1001)])
    assert raised.value.lasting
    assert len(server.paths) < 50


def test_a_request_that_is_too_large_is_halved(server: SendgridServer) -> None:
    server.faults = deque(["413", "413"])
    outcomes = make(server).deliver([handover(row) for row in range(1, 9)])
    assert verdicts(outcomes) == [Verdict.ACCEPTED] * 8
    assert server.counts == [2, 2, 4]


def test_one_message_that_is_too_large_is_refused(server: SendgridServer) -> None:
    server.faults = deque(["413"])
    assert verdicts(make(server).deliver([handover(1)])) == [Verdict.REFUSED]


def test_a_request_cut_off_while_it_leaves_has_not_arrived(server: SendgridServer) -> None:
    """Large enough that not all of it fits into the machine's buffers."""
    big = another(html="x" * 12_000_000)
    server.faults = deque(["reset-early"])
    outcomes = make(server).deliver([handover(1, template=big), handover(2, template=big)])
    assert verdicts(outcomes) == [Verdict.ACCEPTED] * 2
    assert server.counts == [1, 1]


def test_one_message_cut_off_while_it_leaves_is_not_refused(server: SendgridServer) -> None:
    server.faults = deque(["reset-early"])
    with pytest.raises(SenderUnavailableError, match="cannot be reached"):
        make(server).deliver([handover(1, template=another(html="x" * 12_000_000))])


def test_nobody_there_means_nothing_left() -> None:
    with SendgridServer() as gone:
        sender = make(gone)
    with pytest.raises(SenderUnavailableError, match="cannot be reached: Connection refused") as raised:
        sender.deliver([handover(1)])
    assert not raised.value.lasting


def test_the_sandbox_accepts_and_says_that_nothing_was_sent(server: SendgridServer) -> None:
    (outcome,) = make(server, sandbox=True).deliver([handover(1)])
    assert outcome.verdict is Verdict.ACCEPTED
    assert "sent nothing" in str(outcome.reason)
    assert not server.accepted


def test_the_key_and_the_readers_stay_out_of_the_log(server: SendgridServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    make(server).deliver([handover(1)])
    server.refuse = lambda body: [("personalizations.0.to.0.email", "reader2@example.com is no address")]
    assert verdicts(make(server).deliver([handover(2)])) == [Verdict.REFUSED]
    assert KEY not in caplog.text
    assert "example.com" not in caplog.text
    assert KEY not in repr(Client(KEY))


def test_two_threads_may_send_at_once(server: SendgridServer) -> None:
    sender = make(server)
    outcomes: list[Outcome] = []

    def send(start: int) -> None:
        outcomes.extend(sender.deliver([handover(row) for row in range(start, start + 50)]))

    threads = [threading.Thread(target=send, args=(start,)) for start in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
    assert len({accepted.to for accepted in server.accepted}) == len(server.accepted) == 200
