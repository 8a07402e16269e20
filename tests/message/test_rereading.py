"""The last look before a message leaves: whatever was done to it is found."""

from collections.abc import Callable

import pytest

from newsletter.errors import MessageError
from newsletter.sending import message as message_module
from newsletter.sending.rereading import verify
from tests.message.letters import NOW, Letter, make_writer, reader

GOOD = make_writer().write(reader(first_name="Ana", last_name="Lima"), NOW).content

Change = Callable[[bytes], bytes]


def put(old: bytes, new: bytes) -> Change:
    def change(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return change


def test_a_good_message_passes() -> None:
    verify(GOOD, recipient="ana@example.com", subject="Data sharing for Ana")


@pytest.mark.parametrize(
    "change",
    [
        put(b"To: ", b"Bcc: eve@example.com\r\nTo: "),
        put(b"To: ", b"To: eve@example.com\r\nTo: "),
        put(b"Subject: ", b"subject: "),
        put(b"Subject: ", b"Subject : "),
        put(b"Subject: ", b"X-Mailer: me\r\nSubject: "),
        put(b"Subject: Data sharing for Ana\r\n", b""),
        put(b"Subject: Data", b"Subject: Data\r\n \r\n more"),
        put(b"<ana@example.com>", b"<ana@example.com>, eve@example.com"),
        put(b"<news@example.org>", b"<news@example.org>, eve@example.com"),
        put(b"Date: ", b"Date: \r\n"),
        put(b"\r\n", b"\n"),
        put(b"\r\n", b"\r"),
        put(b"community", b"comm\0unity"),
        put(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        put(b"List-Unsubscribe: <https", b"List-Unsubscribe: <http"),
        put(b"Precedence: list", b"Precedence: " + b"x" * 1000),
        put(b"Dear", b"Dear" * 20),
        put(b"Dear", "Déar".encode()),
        put(b"<ana@", b"<an\xff@"),
        put(b"text/html", b"text/calendar"),
        put(b"multipart/alternative", b"multipart/mixed"),
        put(b"boundary=", b"bound="),
        lambda content: content[: len(content) // 2],
        lambda content: content.rpartition(b"\r\n--=_")[0],
    ],
)
def test_what_is_wrong_is_found(change: Change) -> None:
    with pytest.raises(MessageError, match="Nothing was sent"):
        verify(change(GOOD))


@pytest.mark.parametrize(
    "meant",
    [{"recipient": "eve@example.com"}, {"subject": "Another"}, {"text": "Dear Ana"}, {"html": "<p>Dear Ana</p>"}],
)
def test_what_differs_from_what_was_meant_is_found(meant: dict[str, str]) -> None:
    with pytest.raises(MessageError, match="another"):
        verify(GOOD, **meant)


def test_a_writer_that_errs_stops_before_its_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "text_field", lambda *_: b"Subject: Hi\r\nBcc: eve@example.com\r\n")
    writer = make_writer(Letter())
    for _ in range(2):
        with pytest.raises(MessageError, match="Nothing was sent"):
            writer.write(reader(), NOW)
