"""Requests that no browser sends: refused in words, at once, and never an accident of ours."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.web.public import hooks, shell
from tests.web.hooked import BEN, Hooked, post
from tests.web.served import Project, free_port

PARTS = "multipart/form-data; boundary=x"
HOST = b"Host: news.example.org\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


def part(name: str, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n' % (name.encode(), value)


@pytest.mark.parametrize("charset", ["raw_unicode_escape", "undefined", "punycode", "utf-16"])
def test_a_form_in_a_charset_of_its_own_is_refused_before_it_is_read(here: Project, charset: str) -> None:
    """Python would make halves of characters of it, fail, or be busy with it for seconds."""
    person = here.add_person("ada@example.org", "community")
    token = here.newsletter.readers._signer.sign("preferences", person, here.list_id(), 0)
    before = here.rows()
    with here.client() as client:
        for path in ("/subscribe", "/access", "/forms/updates", f"/p/{token}"):
            for kind in (f"{PARTS}; charset={charset}", f"{PARTS}; charset*=utf-8''{charset}"):
                answer = client.post(path, content=part("email", b"\\ud800"), headers={"Content-Type": kind})
                assert answer.status_code == 400, (path, kind)
                assert answer.headers["cache-control"] == "no-store"
        usual = {"Content-Type": f'{PARTS}; charset="UTF-8"'}
        assert client.post("/access", content=part("email", b"ada"), headers=usual).status_code == 422
    assert here.rows() == before


def test_a_form_whose_length_nobody_said_is_read_no_further_than_it_may_be_long(here: Project) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"a=b&" * 1024

    with here.client() as client:
        for path in ("/subscribe", "/access", "/forms/updates"):
            for kind in (PARTS, "application/x-www-form-urlencoded"):
                answer = client.post(path, content=endless(), headers={"Content-Type": kind})
                assert answer.status_code == 413
                assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("start", ["/", "/u/", "/api/v1/subscribers/", "/archive/", "/e/"])
def test_an_address_without_end_is_refused(here: Project, start: str) -> None:
    with here.client() as client:
        for end in ("9" * 5_000, "a" * 5_000):
            assert client.get(f"{start}{end}").status_code == 414


@pytest.mark.parametrize(
    "since",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999999",
        "Mon, 99 Jan 2024 99:99:99 GMT",
        "x" * 2_000,
    ],
)
def test_a_date_that_no_calendar_has_is_passed_over(here: Project, since: str) -> None:
    with here.client() as client:
        assert client.get("/", headers={"If-Modified-Since": since}).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "https://\xff", "//", "https://news.example.org:x"])
def test_an_origin_that_is_none_is_another_web_site(here: Project, origin: str) -> None:
    with here.client() as client:
        stamp = client.get("/subscribe/challenge").json()["stamp"]
        told = {"email": "ada@example.org", "list": "community", "form-stamp": stamp}
        answer = client.post("/subscribe", data=told, headers={b"Origin": origin.encode("latin-1")})
        assert answer.status_code == 200
        assert "form-stamp" in answer.text  # the form once more
    assert not here.rows()["subscriber"]


def exchange(port: int, sent: bytes) -> bytes:
    """What a server says to these bytes until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        return hear(line)


def hear(line: socket.socket) -> bytes:
    """All that comes until the other end hangs up."""
    heard = b""
    while piece := line.recv(65536):
        heard += piece
    return heard


def test_bytes_that_two_servers_might_read_differently_end_the_connection(here: Project) -> None:
    """Request smuggling (RFC 9112 sections 6.1 and 6.3, 11.2): nothing that follows is taken for a request."""
    inside = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    two = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
    lengths = {
        "two kinds": two + FORM + b"\r\n0\r\n\r\n" + inside,
        "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd" + inside,
        "a sign": b"Content-Length: +4\r\n\r\nabcd" + inside,
        "no digits": b"Content-Length: \xb2\r\n\r\nab" + inside,
        "a blank": b"Content-Length : 4\r\n\r\nabcd" + inside,
        "unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inside,
    }
    port = free_port()
    with here.server(port, duties=False):
        for name, rest in lengths.items():
            for path in (b"/access", b"/u/x"):
                heard = exchange(port, b"POST " + path + b" HTTP/1.1\r\n" + HOST + rest)
                assert heard.startswith(b"HTTP/1.1 400 "), (name, heard[:80])
                assert heard.count(b"HTTP/1.1 ") == 1, name
                assert b"database" not in heard, name


def test_who_sends_a_byte_at_a_time_is_not_waited_for(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "PATIENCE", 0.2)
    port = free_port()
    begun = HOST + FORM + b"Content-Length: 1000\r\n"
    with here.server(port, duties=False):
        for path in (b"/access", b"/forms/updates", b"/hooks/sendgrid"):
            signed = b"X-Twilio-Email-Event-Webhook-Signature: x\r\n"
            heard = exchange(port, b"POST " + path + b" HTTP/1.1\r\n" + begun + signed + b"\r\nemail=a")
            assert heard.startswith(b"HTTP/1.1 413 "), heard[:80]


def test_reports_that_nobody_signed_or_too_long_ones_at_once_are_not_held(
    here: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may have four megabytes, and anybody can send one; what was held is let go whatever becomes of it."""
    monkeypatch.setattr(hooks, "MOST_HELD", 9_000)
    port = free_port()
    start = b"POST /hooks/sendgrid HTTP/1.1\r\nConnection: close\r\n" + HOST
    signed = start + b"X-Twilio-Email-Event-Webhook-Signature: x\r\nContent-Length: 8000\r\n\r\n"
    with here.server(port, duties=False):
        assert exchange(port, start + b"Content-Length: 4000000\r\n\r\n").startswith(b"HTTP/1.1 403 ")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(signed + b"[" * 7_000)
            answers = (exchange(port, signed + b"[" * 8_000) for _ in range(20))  # until the slow one has been read
            assert any(b"Too many reports come at once" in heard for heard in answers)
            slow.sendall(b"[" * 1_000)
            assert b"does not expect reports" in hear(slow)
        for _ in range(3):
            assert b"does not expect reports" in exchange(port, signed + b"[" * 8_000)


def test_a_report_with_values_of_any_kind_takes_no_other_event_with_it(database_url: str, tmp_path: Path) -> None:
    """A post that is never taken is sent again for a day, and then lost with all that it says."""
    hooked = Hooked(tmp_path / "project", database_url)
    names = ("event", "reason", "status", "timestamp", "nl_attempt", "type", "bounce_classification", "sg_message_id")
    values = (None, 7, 1e300, True, [1], {"a": [{}]}, "\0", "\ud800", "x" * 30_000, "<script>", "９９９９９９９９９９")
    odd = [hooked.event("bounce", **{name: value, "sg_event_id": None}) for name in names for value in values]
    raw = json.dumps([*odd, hooked.event("bounce", BEN, status="5.1.1")]).encode()
    with hooked.project.client() as client:
        answer = post(client, raw=raw)
    assert answer.status_code == 200
    assert hooked.suppressed(BEN) == "bounced"
