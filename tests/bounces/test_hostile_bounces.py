"""Messages made to hurt whoever reads them end quickly, in bounded memory, and put nothing strange anywhere."""

import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.bounces.reading import read_message
from newsletter.feedback.bounces.verdicts import LONGEST_SAID, Kind, Verdict
from tests.bounces.writing import group, plain, report

HEAD = b"From: MAILER-DAEMON@mx.example.net\r\nSubject: Undelivered Mail Returned to Sender\r\n"
TEXT = HEAD + b"\r\n"
STATUS = HEAD + b"Content-Type: message/delivery-status\r\n\r\n"
MANY = b"Content-Type: multipart/report; boundary=b\r\n\r\n"

HOSTILE = {
    "20 MB": lambda: TEXT + b"550 5.1.1 user unknown " * 900_000,
    "10,000 parts": lambda: HEAD + MANY + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 10_000,
    "1,000 nested": lambda: (
        HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(1_000))
    ),
    "1,000 messages nested": lambda: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 1_000,
    "binary": lambda: random.Random(1).randbytes(2_000_000),
    "zeros": lambda: bytes(1_000_000),
    "no header": lambda: b"hello " * 200_000,
    "100,000 fields": lambda: HEAD + b"X: y\r\n" * 100_000,
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\r\n\r\n",
    "parameters": lambda: b"Content-Type: multipart/mixed; " + b"a=b; " * 50_000 + b"\r\n\r\n",
    "slow character set": lambda: HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * 50_000,
    "unknown character set": lambda: HEAD + b"Content-Type: text/plain; charset=../../x\r\n\r\n\xff",
    "styles": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<style>" * 100_000,
    "tags": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<a" * 200_000,
    "20,000 recipients": lambda: (
        STATUS + b"".join(b"Final-Recipient: rfc822;a%d@example.org\nAction: failed\n\n" % i for i in range(20_000))
    ),
    "brackets": lambda: STATUS + b"Status: " + b"(" * 100_000,
    "deep JSON": lambda: TEXT + b'{"notificationType":' + b"[" * 50_000,
    "20,000 Message-IDs": lambda: TEXT + b"".join(b"<%030d@x>" % i for i in range(20_000)),
    "boundaries": lambda: HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"\n--b" * 100_000,
    "changes of script": lambda: TEXT + b"\x1b$" * 100_000,
    **{
        f"a line of «{word}»": (lambda word=word: TEXT + (word * (100_000 // len(word))).encode())
        for word in ("a", "@", "a@", "a@b.c ", "<", "5.1.1.", "user ", "mailbox full", "sender from ", "-", " ", "é")
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_end_within_a_second_and_a_few_megabytes(name: str) -> None:
    """Item 86. Measured as processor time, since others use the machine as well."""
    content = HOSTILE[name]()
    start = time.process_time()
    verdict = read_message(content)
    assert time.process_time() - start < 1
    assert len(verdict.people) <= 50


@pytest.mark.parametrize("name", ["20 MB", "10,000 parts", "1,000 nested", "20,000 recipients", "zeros"])
def test_hostile_messages_take_little_memory(name: str) -> None:
    content = HOSTILE[name]()
    tracemalloc.start()
    try:
        read_message(content)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_what_matters_is_found_among_many_parts() -> None:
    """A limit is no way to hide a bounce: reports stand at the beginning."""
    content = report(group("ada@example.com", "5.1.1")) + b"\r\nx" * 1_000_000
    assert read_message(content).people[0].hard


def shown(verdict: Verdict) -> str:
    return "".join(f"{each.said}{each.address}{each.status}{each.reply}" for each in verdict.people)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(content: bytes) -> None:
    read_message(content)
    read_message(HEAD + content)
    assert read_message(STATUS + content).kind in {Kind.BOUNCE, Kind.DELIVERED, Kind.COMPLAINT}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=500), st.text(max_size=20))
def test_what_a_server_says_is_one_short_line_without_controls(said: str, status: str) -> None:
    """What is shown in a terminal or on a page must not move the cursor, turn the writing round or fill the screen."""
    for content in (report(group("a@example.com", status, said), text=said), plain(said)):
        for person in read_message(content).people:
            assert len(person.said) <= LONGEST_SAID
            assert all(character.isprintable() for character in person.said)
            assert len(person.status) <= 12
            assert "\n" not in person.address
            assert len(person.address) <= 320
    assert judge(said, status) == judge(said, status)


@pytest.mark.parametrize("text", ["\x1b[2J550 \x07user\r\nBcc: x@example.org", "550 \u202euser\u2028 unknown"])
def test_nothing_in_what_is_shown_can_start_a_new_line_or_field(text: str) -> None:
    assert shown(read_message(report(group("a@example.com", "5.1.1", text), text=text))).isprintable()
