"""Mailboxes are read once: international domains become ASCII, what could be two addresses is refused."""

import pytest

from newsletter.errors import MessageError
from newsletter.sending.addresses import Mailbox, parse_mailbox, wire_address


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("news@example.org", "", "news@example.org"),
        ("Safe Online <news@example.org>", "Safe Online", "news@example.org"),
        (' "Doe, Jane" <jane@example.org> ', "Doe, Jane", "jane@example.org"),
        ('"a \\"b\\" \\\\c" <a@example.org>', 'a "b" \\c', "a@example.org"),
        ("Doe, Jane <jane@example.org>", "Doe, Jane", "jane@example.org"),
        ("Équipe 👋 <eq@bücher.example.com>", "Équipe 👋", "eq@xn--bcher-kva.example.com"),
        ("ünï@bücher.example.com", "", "ünï@xn--bcher-kva.example.com"),
        ("A@EXAMPLE.com", "", "A@example.com"),
    ],
)
def test_mailboxes_are_read(text: str, name: str, address: str) -> None:
    assert parse_mailbox(text) == Mailbox(name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Safe Online",
        "a@example.org, b@example.org",
        "A <a@example.org>, B <b@example.org>",
        "A <a@example.org> B",
        "<a@example.org",
        'x" <a@example.org>',
        "a@b@example.org",
        "a b@example.org",
        "a@exam ple.org",
        "a@example.org\r\nBcc: b@example.org",
        "A <a@example.org>\n",
        "=?utf-8?q?a=40evil.example=3e?=@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + "b.c" * 100 + ".org",
        ".a@example.org",
        "a..b@example.org",
        "a@[127.0.0.1]",
        '"a b"@example.org',
        "a\u202e@example.org",
        "a\0@example.org",
    ],
)
def test_what_is_not_one_mailbox_is_refused(text: str) -> None:
    if text.endswith(">\n"):  # blanks around are forgiven
        assert parse_mailbox(text).address == "a@example.org"
        return
    with pytest.raises(MessageError) as refused:
        parse_mailbox(text)
    assert not any(character in str(refused.value) for character in "\r\n\0\u202e")


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert Mailbox("Ünï", wire_address("ünï@example.org")).smtputf8
    assert not Mailbox("Ünï", wire_address("uni@bücher.example.com")).smtputf8


def test_a_decomposed_local_part_is_composed() -> None:
    assert wire_address("zoe\u0308@example.org") == "zo\u00eb@example.org"


def test_an_address_as_a_link() -> None:
    assert Mailbox("", "a+b&c?d@example.org").mailto == "mailto:a+b%26c%3Fd@example.org"
    assert Mailbox("", "ü@example.org").mailto == "mailto:%C3%BC@example.org"
