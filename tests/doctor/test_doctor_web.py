"""The page where readers unsubscribe must answer, by https and without leading elsewhere; its clock is compared."""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.web import examine_address, examine_pages
from tests.doctor.examining import NOW, about
from tests.senders.certificates import Authority, make_authority


@contextmanager
def site(
    status: int = 200,
    *,
    to: str = "",
    date: str | None = format_datetime(NOW, usegmt=True),
    without_head: bool = False,
    tls: object = None,
) -> Iterator[tuple[int, list[str]]]:
    """A web server that always answers like this; gives its port and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            code = 405 if without_head and self.command == "HEAD" else status
            self.send_response_only(code)
            if to:
                self.send_header("Location", to)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)  # type: ignore[attr-defined]
            server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def ask(port: int, now: dt.datetime = NOW) -> list[Diagnosis]:
    return list(examine_pages(f"http://127.0.0.1:{port}/letters", now))


def test_a_page_that_answers_is_good_and_is_only_looked_at() -> None:
    with site() as (port, asked):
        assert [line.state.value for line in ask(port)] == ["good", "good"]
        assert asked == ["HEAD /letters"]


def test_a_server_that_does_not_know_head_is_asked_by_get() -> None:
    with site(without_head=True) as (port, asked):
        assert ask(port)[0].state.value == "good"
        assert asked == ["HEAD /letters", "GET /letters"]


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [(404, "good to know", "no page at its top"), (500, "must fix", "problem of its own"), (204, "good", "answers")],
)
def test_other_answers(status: int, state: str, words: str) -> None:
    with site(status) as (port, _):
        line = ask(port)[0]
    assert (line.state.value, words in line.what) == (state, True)


def test_a_redirect_is_told_and_not_followed() -> None:
    """Programs that unsubscribe with one click must not be sent on (RFC 8058 section 3.1)."""
    with site(301, to="https://www.example.org/letters") as (port, asked):
        line = ask(port)[0]
        assert line.state.value == "must fix"
        assert "Write https://www.example.org as base_url" in line.fix
        assert len(asked) == 1


def test_nobody_there_must_be_fixed() -> None:
    with site() as (port, _):
        pass
    (line,) = ask(port)
    assert (line.state.value, "nobody could unsubscribe" in line.what) == ("must fix", True)


@pytest.mark.parametrize(
    ("minutes", "state"), [(0, "good"), (4, "good"), (-4, "good"), (6, "must fix"), (-90, "must fix")]
)
def test_the_clock_may_be_five_minutes_off(minutes: int, state: str) -> None:
    with site() as (port, _):
        (line,) = about(ask(port, NOW + dt.timedelta(minutes=minutes)), "clock")
    assert line.state.value == state
    if minutes == 6:
        assert "6 minutes ahead" in line.what
    if minutes == -90:
        assert "90 minutes behind" in line.what


@pytest.mark.parametrize("date", [None, "now", "Thu, 05 Mar 2026 09:07:02"])
def test_a_server_without_a_proper_date_says_nothing_about_the_clock(date: str | None) -> None:
    with site(date=date) as (port, _):
        (line,) = about(ask(port), "clock")
    assert line.state.value == "not checked"


def test_certificates_of_pages_are_verified(tmp_path: Path) -> None:
    authority: Authority = make_authority(tmp_path)
    with site(tls=authority.context()) as (port, _):
        url = f"https://127.0.0.1:{port}"
        assert next(examine_pages(url, NOW, authority.trusted())).state.value == "good"
        line = next(examine_pages(url, NOW))
    assert (line.state.value, "certificate" in line.what) == ("must fix", True)


def test_links_that_only_this_machine_can_open_are_told() -> None:
    assert next(examine_address("http://localhost:8000")).state.value == "must fix"
    assert next(examine_address("https://news.example.org")).state.value == "good"
