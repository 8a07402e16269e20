"""What servers answer, in any shape: cut anywhere, in many lines, endless, or not SMTP at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.sending.senders.smtp.features import read_features
from newsletter.sending.senders.smtp.replies import NotSmtpError, Reply, ReplyReader

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60)
REPLIES = st.builds(Reply, st.integers(200, 599), st.lists(TEXTS, min_size=1, max_size=6).map(tuple))


def written(reply: Reply, end: str = "\r\n") -> bytes:
    marks = ["-"] * (len(reply.lines) - 1) + [" "]
    return "".join(f"{reply.code}{mark}{text}{end}" for mark, text in zip(marks, reply.lines, strict=True)).encode()


def read_all(reader: ReplyReader) -> list[Reply]:
    return list(iter(reader.next, None))


@given(st.lists(REPLIES, max_size=5), st.sampled_from(["\r\n", "\n"]), st.data())
def test_replies_come_out_as_they_were_said_however_they_are_cut(
    replies: list[Reply], end: str, data: st.DataObject
) -> None:
    wire = b"".join(written(reply, end) for reply in replies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    reader, found = ReplyReader(), []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        reader.feed(wire[start:stop])
        found += read_all(reader)
    assert found == replies
    assert reader.empty


@given(st.binary(max_size=300), st.integers(1, 20))
def test_noise_is_a_reply_or_an_error_and_the_same_however_it_is_cut(noise: bytes, size: int) -> None:
    def read(pieces: list[bytes]) -> list[Reply | str]:
        reader, found = ReplyReader(), []
        try:
            for piece in pieces:
                reader.feed(piece)
                found += read_all(reader)
        except NotSmtpError:
            return [*found, "not SMTP"]
        return [*found, "" if reader.empty else "more to come"]

    assert read([noise[start : start + size] for start in range(0, len(noise), size)]) == read([noise])


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\r\n",
        b"25\r\n",
        b"2500 no\r\n",
        b"250x\r\n",
        b"150 no\r\n",
        b"650 no\r\n",
        b"250-yes\r\n550 no\r\n",
        b"250-yes\r\nmore\r\n",
        "٢٥٠ yes\r\n".encode(),
        b"250 " + b"x" * 5_000 + b"\r\n",
        b"2" * 5_000,
        b"250-x\r\n" * 300,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    ],
    ids=lambda noise: repr(noise[:20]),
)
def test_what_is_no_reply_is_told_from_one_and_never_fills_the_memory(noise: bytes) -> None:
    reader = ReplyReader()
    reader.feed(noise)
    with pytest.raises(NotSmtpError):
        read_all(reader)


@pytest.mark.parametrize("wire", [b"250\r\n", b"250 \r\n"])
def test_a_reply_without_text_is_one(wire: bytes) -> None:
    reader = ReplyReader()
    reader.feed(wire)
    assert reader.next() == Reply(250, ("",))


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (550, "5.1.1 no such user", "5.1.1"),
        (451, "4.7.1", "4.7.1"),
        (550, "4.1.1 a contradiction", None),
        (550, "no such user", None),
        (550, "5.1 short", None),
        (550, "5.1.1.1 long", None),
        (550, "", None),
    ],
)
def test_the_enhanced_status_is_only_what_stands_where_it_should(code: int, text: str, status: str | None) -> None:
    assert Reply(code, (text,)).status == status


def test_what_people_read_is_one_line_without_surprises() -> None:
    reply = Reply(550, ("5.1.1 no\tsuch \x1b[31muser", "5.1.1   here", "\u202emoc.elpmaxe"))
    assert reply.text == "550 5.1.1 no such �[31muser here �moc.elpmaxe"
    assert len(Reply(550, ("x" * 4_000,)).text) <= 300


@given(REPLIES)
def test_the_features_of_anything_can_be_read(reply: Reply) -> None:
    read_features(reply)


def test_features_are_read_in_any_case_and_order() -> None:
    lines = (
        "mail.example.org hello",
        "Size 35882577",
        "auth Plain LOGIN",
        "AUTH=XOAUTH2",
        "PipeLining",
        "",
        "8bitmime",
    )
    features = read_features(Reply(250, lines))
    assert features.pipelining
    assert features.eight_bit
    assert not features.utf8
    assert not features.starttls
    assert features.largest == 35_882_577
    assert features.logins == {"PLAIN", "LOGIN", "XOAUTH2"}


def test_a_greeting_that_looks_like_a_feature_is_none() -> None:
    assert not read_features(Reply(250, ("PIPELINING", "SIZE x"))).pipelining
