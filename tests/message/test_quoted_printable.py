"""Quoted-printable in stretches: read back by the standard library, lines short whatever the values."""

import quopri
from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.sending.quoted_printable import encode_stretch

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=300)
TRICKY = st.lists(st.sampled_from(["\n", ".", "=", " ", "\t", "From ", "x" * 37, "é", "😀", "a"]), max_size=60).map(
    "".join
)


def decoded(encoded: bytes) -> str:
    return quopri.decodestring(encoded).decode("utf-8")


@settings(deadline=None)
@given(st.lists(st.one_of(TEXT, TRICKY), max_size=8))
def test_stretches_joined_in_any_way_read_back_as_the_texts_joined(texts: list[str]) -> None:
    encoded = b"".join(encode_stretch(text) for text in [*texts, "\n"])
    assert decoded(encoded) == "".join([*texts, "\n"]).replace("\n", "\r\n")


@settings(deadline=None)
@given(st.lists(st.one_of(TEXT, TRICKY), max_size=8))
def test_lines_are_short_ascii_and_safe_to_travel(texts: list[str]) -> None:
    encoded = b"".join(encode_stretch(text) for text in [*texts, "\n"])
    assert encoded.isascii()
    assert encoded.replace(b"\r\n", b"").translate(None, b"\r\n") == encoded.replace(b"\r\n", b"")
    for line in encoded.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b"From ", b"."))
        assert not line.endswith((b" ", b"\t"))


@settings(deadline=None)
@given(st.one_of(TEXT, TRICKY))
def test_the_message_parser_agrees(text: str) -> None:
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    payload = message_from_bytes(head + encode_stretch(f"{text}\n")).get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.replace(b"\r\n", b"\n") == f"{text}\n".encode()


@pytest.mark.parametrize("length", [1, 72, 73, 74, 75, 76, 77, 149, 150, 151, 1000])
@pytest.mark.parametrize("character", ["x", "=", "é", "😀", ".", " "])
def test_lengths_around_the_limit(character: str, length: int) -> None:
    encoded = encode_stretch(character * length)
    assert max(map(len, encoded.split(b"\r\n"))) <= 76
    assert decoded(encoded) == character * length


def test_a_short_plain_value_is_written_as_it_is() -> None:
    assert encode_stretch("Ana") == b"Ana=\r\n"


def test_an_empty_value_leaves_nothing() -> None:
    assert encode_stretch("") == b""


def test_a_blank_at_the_end_of_a_line_survives() -> None:
    assert encode_stretch("a \nb\t\n") == b"a=20\r\nb=09\r\n"


def test_a_carriage_return_is_data_and_never_a_line_break() -> None:
    assert encode_stretch("a\r.\rb\n") == b"a=0D.=0Db\r\n"
