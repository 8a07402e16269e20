"""Signatures hold in the eyes of programs that share nothing with ours, and break when anything is changed."""

import base64
import datetime as dt
import re
import threading
from pathlib import Path

import dkim as dkimpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.sending.dkim import DkimKey, DkimSigner
from newsletter.sending.dkim_keys import record_name, record_text
from tests.dkim.signing import DOMAIN, LETTER, NOW, dkimpy_takes, double, keys, opendkim_says, signed
from tests.message.letters import make_writer, reader

ONCE = (
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)


def tags(field: bytes) -> dict[str, str]:
    """The tags of one signature field."""
    text = re.sub(r"\s+", "", field.decode().partition(":")[2])
    return dict(part.partition("=")[::2] for part in text.split(";") if part)


def fields(block: bytes) -> list[bytes]:
    """The signature fields, each with its folds."""
    return re.findall(rb"DKIM-Signature:.*\r\n(?: .*\r\n)*", block)


def test_both_signatures_of_a_written_message_hold_in_dkimpy_and_opendkim(tmp_path: Path) -> None:
    content = make_writer().write(reader(first_name="Zoë"), NOW).content
    message = signed(content)
    assert dkimpy_takes(message, 0)
    assert dkimpy_takes(message, 1)
    assert opendkim_says(message, tmp_path) == {"news": "pass", "news-ed": "pass"}


def test_what_a_signature_says() -> None:
    """Both unsubscribe fields are covered (RFC 8058 section 3.1), nothing is cut off by `l=`, `t=` is given."""
    rsa, ed25519 = (tags(field) for field in fields(double().sign(LETTER, NOW)))
    assert (rsa["v"], rsa["a"], ed25519["a"]) == ("1", "rsa-sha256", "ed25519-sha256")
    assert (rsa["d"], rsa["s"], ed25519["s"]) == (DOMAIN, "news", "news-ed")
    assert rsa["t"] == str(int(NOW.timestamp()))
    assert rsa["c"] == "relaxed/simple"
    assert rsa["bh"] == ed25519["bh"]
    assert not {"l", "z", "x", "i"} & {*rsa, *ed25519}
    covered = rsa["h"].split(":")
    assert {"list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id"} <= set(covered)
    assert not {"return-path", "received", "dkim-signature"} & set(covered)
    assert all(covered.count(name.lower()) == LETTER.count(f"{name}: ".encode()) + 1 for name in ONCE)


def test_no_line_is_longer_than_76_columns() -> None:
    block = double().sign(LETTER, NOW)
    assert block.endswith(b"\r\n")
    assert max(len(line) for line in block.split(b"\r\n")) <= 76
    assert len(fields(block)) == 2
    assert b"".join(fields(block)) == block


def test_a_long_domain_and_selector_still_hold() -> None:
    """Neither can be folded, so their lines are as long as they are."""
    domain, selector = f"{'a' * 60}.{'b' * 60}.example.org", "s" * 60
    signer = DkimSigner(domain, [DkimKey(selector, keys()[0].key)])
    block = signer.sign(LETTER, NOW)
    records = {record_name(selector, domain): record_text(keys()[0].key)}
    found = dkimpy.DKIM(block + LETTER)
    assert found.verify(dnsfunc=lambda name, timeout=5: records[name.decode().rstrip(".")].encode())


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", ONCE)
def test_a_second_field_of_its_kind_breaks_the_signature(name: str, number: int) -> None:
    """Readers would see the one that was put there (RFC 6376 section 8.15)."""
    message = signed()
    header, _, body = message.partition(b"\r\n\r\n")
    assert dkimpy_takes(message, number)
    assert not dkimpy_takes(header + f"\r\n{name}: other\r\n\r\n".encode() + body, number)
    assert not dkimpy_takes(f"{name}: other\r\n".encode() + message, number)


def test_opendkim_sees_a_second_subject_and_a_changed_body(tmp_path: Path) -> None:
    failed = {"news": "fail", "news-ed": "fail"}
    assert opendkim_says(b"Subject: other\r\n" + signed(), tmp_path) == failed
    assert opendkim_says(signed().replace(b"three stories", b"four stories"), tmp_path) == failed


def test_any_changed_letter_of_body_or_signed_field_breaks_the_signature() -> None:
    block, start = DkimSigner(DOMAIN, [keys()[1]]).sign(LETTER, NOW), LETTER.index(b"\r\n\r\n")
    lines = re.finditer(rb"^(?:[\w-]+:| )(.*)", LETTER[:start], re.MULTILINE)
    places = [*(place for line in lines for place in range(*line.span(1))), *range(start, len(LETTER))]
    places = [place for place in places if chr(LETTER[place]).isalnum()]
    assert len(places) > 200
    for place in places:
        changed = LETTER[:place] + b"~" + LETTER[place + 1 :]
        assert not dkimpy_takes(block + changed, 0), changed[place - 20 : place + 20]


BLANKS = st.text(" \t", max_size=3)
WORD = st.text("abcXYZ019=<>@;:%.ü", min_size=1, max_size=8)
VALUE = st.lists(
    st.tuples(st.sampled_from([" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t", " \r\n  "]), WORD), max_size=6
).map(lambda parts: "".join(blank + word for blank, word in parts))
NAME = st.sampled_from([*ONCE, "List-Id", "Sender", "X-Other", "SUBJECT", "Received", "references", "Feedback-ID"])
HEADER = st.lists(st.tuples(NAME, BLANKS, VALUE, BLANKS), max_size=8).map(
    lambda found: "".join(f"{name}:{before}{value}{after}\r\n" for name, before, value, after in found)
)
LINE = st.lists(st.sampled_from([" ", "\t", "a", "Ü", "=", ".", "  ", " \t"]), max_size=6).map("".join)
BODY = st.tuples(st.lists(LINE, max_size=6), st.sampled_from(["", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n"])).map(
    lambda parts: "\r\n".join(parts[0]) + parts[1]
)


@settings(max_examples=150)
@given(header=HEADER, body=BODY)
def test_any_message_with_proper_lines_holds_in_dkimpy(header: str, body: str) -> None:
    """Folded fields, runs of blanks, tabs, fields twice, empty bodies, blank lines at the end or no line end."""
    content = f"From: news@example.org\r\n{header}\r\n{body}".encode()
    signer = DkimSigner(DOMAIN, [keys()[1]])
    assert dkimpy_takes(signer.sign(content, NOW) + content, 0)


def test_a_message_without_body_or_blank_line_can_be_signed() -> None:
    for content in (b"From: news@example.org\r\n", b"From: news@example.org\r\n\r\n"):
        block = double().sign(content, NOW)
        assert tags(fields(block)[0])["bh"] == base64.b64encode(bytes.fromhex(EMPTY)).decode()


EMPTY = "7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6"  # SHA-256 of CRLF (RFC 6376 section 3.4.3)


@pytest.mark.parametrize(
    "header",
    [
        b"From: a@example.org\nTo: b@example.org\r\n",
        b"From: a@example.org\r\nno colon\r\n",
        b": nameless\r\n",
        b"From: a@example.org\rTo: b\r\n",
        b"From: a\x0bb\r\n",
        b"From: a\x0cb\r\n",
        b" folded from nothing: a\r\nFrom",
    ],
)
def test_a_header_that_programs_could_read_in_two_ways_is_not_signed(header: bytes) -> None:
    with pytest.raises(MessageError, match="cannot be signed"):
        double().sign(header + b"\r\nbody\r\n", NOW)


def test_the_same_message_at_the_same_time_gets_the_same_signature_in_every_thread() -> None:
    """Threads share the signer; its plans are made by whoever comes first."""
    signer, found = double(), []
    letters = [LETTER, b"X-Other: 1\r\n" + LETTER]
    expected = [double().sign(letter, NOW) for letter in letters]

    def work() -> None:
        found.extend([signer.sign(letter, NOW) for letter in letters] == expected for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80


def test_plans_of_foreign_messages_do_not_pile_up() -> None:
    signer = DkimSigner(DOMAIN, [keys()[1]])
    for number in range(250):
        signer.sign(b"From: a@example.org\r\n" + b"X: 1\r\n" * number + b"\r\n", NOW)
    assert len(signer._plans) <= 100


def test_the_zone_of_the_time_does_not_matter() -> None:
    there = NOW.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert double().sign(LETTER, there) == double().sign(LETTER, NOW)
