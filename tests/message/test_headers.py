"""The strict header writer: nothing gets out of its field, everything reads back, lines and encoded-words are short."""

import base64
import datetime as dt
import quopri
import re
import unicodedata
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import SMTPUTF8

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.rendering.escaping import clean, one_spaced
from newsletter.sending.addresses import Mailbox
from newsletter.sending.headers import date_field, list_id_field, mailbox_field, text_field, token_field, url_field

ENCODED_WORD = re.compile(rb"=\?([^?]+)\?([bq])\?([^? ]*)\?=")
FORBIDDEN = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u2028\u2029\u202a\u202d\u202e\u2066\u2069\ufeff\ud800\udfff",
]
SMUGGLING = ["\r\n.\r\n", "\n.\n", "\n.\r\n", "\r.\r", "\r\nBcc: eve@example.com", ">\r\nRCPT TO:<v@example.com>"]
CVE_2024_6923 = "=?utf-8?q?hi=0d=0aBcc:_v=40x?="

NAMES = st.one_of(
    st.text(st.characters(), max_size=120),
    st.lists(
        st.sampled_from(
            [
                "=?",
                "?=",
                "?q?",
                '"',
                "\\",
                ",",
                "@",
                "<",
                ">",
                "(",
                ")",
                ";",
                ":",
                " ",
                ".",
                "é",
                "名",
                "😀",
                "a",
                "Bob",
            ]
        ),
        max_size=40,
    ).map("".join),
    st.text("abcdefgh ", max_size=300),
).map(lambda name: one_spaced(clean(name)))


def parsed(field: bytes):
    return message_from_bytes(field + b"\r\nbody\r\n", policy=SMTPUTF8)


def check_lines(field: bytes) -> None:
    """What the standards ask of any field of ours."""
    assert field.endswith(b"\r\n")
    assert field.isascii()
    first, *more = field[:-2].split(b"\r\n")
    assert re.match(rb"[A-Z][A-Za-z-]*: \S", first)
    assert not re.search(rb"[\r\n\0]", b"".join([first, *more]))
    for line in more:
        assert re.match(rb" \S", line)
    assert all(len(line) <= 76 for line in [first, *more])
    for charset, encoding, text in ENCODED_WORD.findall(field):
        octets = base64.b64decode(text, validate=True) if encoding == b"b" else quopri.decodestring(text, header=True)
        octets.decode(charset.decode())  # no character is split between two encoded-words
    assert all(len(match[0]) <= 75 for match in ENCODED_WORD.finditer(field))


@settings(deadline=None)
@given(NAMES)
def test_any_subject_reads_back(subject: str) -> None:
    assume(subject)
    field = text_field("Subject", subject)
    check_lines(field)
    message = parsed(field)
    assert message.keys() == ["Subject"]
    assert message["Subject"] == subject


@settings(deadline=None)
@given(NAMES)
def test_any_display_name_reads_back_beside_its_address(name: str) -> None:
    assume(name)
    field = mailbox_field("To", Mailbox(name, "ana@example.com"))
    check_lines(field)
    message = parsed(field)
    assert message.keys() == ["To"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ana@example.com"]
    assert message["To"].defects == ()
    # The standard library's own parser puts blanks between the encoded-words of a name (cpython#128110).
    words = field.removeprefix(b"To: ").rsplit(b" ", 1)[0].replace(b"\r\n", b"").decode().strip()
    if words.startswith("=?"):
        assert str(make_header(decode_header(words))) == name
    else:
        assert message["To"].addresses[0].display_name == name


@settings(deadline=None)
@given(NAMES)
def test_any_title_of_a_list_reads_back(title: str) -> None:
    assume(title)
    field = list_id_field(title, "community.example.org")
    check_lines(field)
    assert field.endswith(b"<community.example.org>\r\n")
    assert parsed(field).keys() == ["List-Id"]


@pytest.mark.parametrize("character", FORBIDDEN, ids=lambda character: f"U+{ord(character):04X}")
def test_characters_that_no_header_may_hold_are_refused(character: str) -> None:
    value = f"a{character}b"
    for attempt in (
        lambda: text_field("Subject", value),
        lambda: mailbox_field("From", Mailbox(value, "news@example.org")),
        lambda: list_id_field(value, "community.example.org"),
        lambda: list_id_field("Community", value),
        lambda: url_field("List-Help", f"https://example.org/{value}"),
        lambda: token_field("Feedback-ID", value),
    ):
        with pytest.raises(MessageError) as refused:
            attempt()
        assert character not in str(refused.value)


@pytest.mark.parametrize("value", SMUGGLING)
def test_smuggling_is_refused(value: str) -> None:
    for field in ("Subject", "Comments"):
        with pytest.raises(MessageError, match=r"U\+000[AD]"):
            text_field(field, f"hello{value}")
    with pytest.raises(MessageError):
        mailbox_field("To", Mailbox(f"Ana{value}", "ana@example.com"))


@pytest.mark.parametrize("value", [CVE_2024_6923, f"x {CVE_2024_6923} y", "=?utf-8?b?aGk=?=", "=?", "a =?b"])
def test_what_looks_like_an_encoded_word_stays_literal(value: str) -> None:
    subject = text_field("Subject", value)
    assert parsed(subject)["Subject"] == value
    assert str(make_header(decode_header(subject.decode().removeprefix("Subject: ").strip()))) == value
    name = mailbox_field("From", Mailbox(value, "news@example.org"))
    assert parsed(name)["From"].addresses[0].display_name == value
    assert b"Bcc" not in subject + name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ana Lima", "Ana Lima"),
        ("O'Brien", "O'Brien"),
        ("Doe, Jane", '"Doe, Jane"'),
        ("J. Doe", '"J. Doe"'),
        ('Bob "the cat" (x)', '"Bob \\"the cat\\" (x)"'),
        ("back\\slash", '"back\\\\slash"'),
        ("ceo@bank.example", '"ceo@bank.example"'),
        ("<script>", '"<script>"'),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?="),
        ("名前", "=?utf-8?b?5ZCN5YmN?="),
    ],
)
def test_names_are_written_plainly_quoted_or_encoded(name: str, shown: str) -> None:
    assert mailbox_field("To", Mailbox(name, "a@example.com")) == f"To: {shown} <a@example.com>\r\n".encode()


def test_no_name_leaves_the_bare_address() -> None:
    assert mailbox_field("To", Mailbox("", "a@example.com")) == b"To: a@example.com\r\n"


def test_plain_text_is_folded_between_words() -> None:
    words = "A subject that is rather long, made of plain words alone, and goes on for more than one line"
    field = text_field("Subject", words)
    assert field.count(b"\r\n") == 2
    assert b"=?" not in field
    check_lines(field)
    assert parsed(field)["Subject"] == words


@pytest.mark.parametrize("value", ["x" * 1000, "two  blanks", " at the start", "é" * 1000, "word " * 20 + "x" * 80])
def test_what_folding_would_change_is_encoded(value: str) -> None:
    field = text_field("Subject", value)
    check_lines(field)
    assert parsed(field)["Subject"] == value


@pytest.mark.parametrize("length", range(45, 80))
@pytest.mark.parametrize("between", ["é", "名", "😀", "  ", "=?", " =? "])
def test_whatever_stands_at_the_end_of_a_line_is_kept_whole(length: int, between: str) -> None:
    for value in (f"{'x' * length}{between}{'y' * 40}", f"{'x ' * (length // 2)}x{between}{'y ' * 40}z"):
        check_lines(mailbox_field("To", Mailbox(value, "a@example.com")))
        subject = text_field("Subject", value)
        check_lines(subject)
        assert parsed(subject)["Subject"] == value


def test_decomposed_text_is_composed() -> None:
    assert text_field("Subject", "Zoe\u0308") == text_field("Subject", "Zo\u00eb")
    assert unicodedata.is_normalized("NFC", parsed(text_field("Subject", "Zoe\u0308"))["Subject"])


@pytest.mark.parametrize("value", ["", " ", "\u00a0"])
def test_an_empty_subject_is_refused(value: str) -> None:
    with pytest.raises(MessageError, match="Subject is empty"):
        text_field("Subject", value)


def test_links_are_never_encoded_and_folded_only_at_the_comma() -> None:
    url = f"https://{'long.' * 20}example.org/u/{'t' * 40}"
    assert url_field("List-Unsubscribe", url) == f"List-Unsubscribe: <{url}>\r\n".encode()
    both = url_field("List-Unsubscribe", url, "mailto:u@example.org")
    assert both == f"List-Unsubscribe: <{url}>,\r\n <mailto:u@example.org>\r\n".encode()


@pytest.mark.parametrize("url", ["", "https://exämple.org", "https://a b", "https://a>,<https://b", "x" * 1000])
def test_a_link_that_would_not_survive_is_refused(url: str) -> None:
    with pytest.raises(MessageError):
        url_field("List-Unsubscribe", url)


@pytest.mark.parametrize(
    "list_id", ["", "community", "a b.example.org", "Ä.example.org", "a..org", "a" * 250 + ".example"]
)
def test_a_list_id_that_programs_could_not_keep_is_refused(list_id: str) -> None:
    with pytest.raises(MessageError):
        list_id_field("Community", list_id)


@pytest.mark.parametrize(
    ("offset", "zone"),
    [(0, "+0000"), (60, "+0100"), (-210, "-0330"), (345, "+0545"), (-30, "-0030"), (14 * 60, "+1400")],
)
def test_dates_have_a_numeric_zone_and_read_back(offset: int, zone: str) -> None:
    now = dt.datetime(2026, 2, 1, 3, 4, 5, 678, tzinfo=dt.timezone(dt.timedelta(minutes=offset)))
    field = date_field(now)
    assert field == f"Date: Sun, 01 Feb 2026 03:04:05 {zone}\r\n".encode()
    assert parsed(field)["Date"].datetime == now.replace(microsecond=0)


@pytest.mark.parametrize("zone", [None, dt.timezone(dt.timedelta(seconds=2039))])
def test_a_date_without_a_proper_zone_is_refused(zone: dt.timezone | None) -> None:
    with pytest.raises(MessageError, match="zone"):
        date_field(dt.datetime(2026, 2, 1, tzinfo=zone))
