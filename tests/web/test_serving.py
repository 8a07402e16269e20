"""`newsletter serve` as a process of its own: behind a proxy, stopped, killed, several at once, and discreet."""

import contextlib
import json
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from newsletter.audience.consent import hashed_origin
from newsletter.cli import run
from newsletter.database.outside import form_entry
from newsletter.web.discretion import DiscreetFormatter
from tests.database.opened import Server, create
from tests.web.served import Project, free_port

COMMAND = [sys.executable, "-c", "from newsletter.cli import main; main()", "serve", "--public"]
PATIENCE = 30
TRUSTED = """trusted_proxies = ["127.0.0.7"]
"""
"""Closes the table [web] with which the settings of these tests end."""
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCd"


@dataclass
class Served:
    """A server in a process of its own.

    Attributes:
        process: It.
        port: Where it listens.
        log: What it writes.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=(source, 0))

    def ask(self, request: bytes, source: str = "127.0.0.1") -> tuple[int, str]:
        """Status and body of the answer to raw bytes."""
        with self.connect(source) as connection:
            connection.sendall(request)
            return answer_on(connection)

    def get(self, path: str) -> tuple[int, str]:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    def post(self, news: str, *headers: str, source: str = "127.0.0.1") -> tuple[int, str]:
        return self.ask(self.form(news, *headers), source)

    def form(self, news: str, *headers: str) -> bytes:
        """The form `updates`, filled in."""
        _, page = self.get("/forms/updates")
        stamp = re.search(r'name="form-stamp" value="([^"]+)"', page)
        assert stamp is not None, page
        body = urlencode({"form-stamp": stamp[1], "email": "ann@example.com", "news": news}).encode()
        lines = ["POST /forms/updates HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def answer_on(connection: socket.socket) -> tuple[int, str]:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body.decode("utf-8", "replace")


@contextlib.contextmanager
def serving(project: Project, *options: str) -> Iterator[Served]:
    """Start a server, wait until it answers, and see that nothing of it is left."""
    port, log = free_port(), project.root / "server.log"
    command = [*COMMAND, "--port", str(port), "--project", str(project.root), *options]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=dict(project.newsletter.project.environ), stderr=file, stdout=file, start_new_session=True
        )
    served = Served(process, port, log)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                if served.get("/healthz")[0] == 200:
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with {process.wait(0.05)}: {log.read_text()}")
            assert time.monotonic() < until, log.read_text()
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def entries(project: Project) -> list[sa.RowMapping]:
    with project.newsletter.database() as database, database.read() as connection:
        return [*connection.execute(sa.select(form_entry).order_by(form_entry.c.id)).mappings()]


@pytest.fixture
def behind(tmp_path: Path, empty_file: Path) -> Project:
    """A project whose pages stand behind a proxy at 127.0.0.7."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{path}", more=TRUSTED)


def test_a_server_knows_its_visitors_keeps_quiet_about_them_and_stops_when_all_is_done(behind: Project) -> None:
    secret = behind.newsletter.project.secret_key()
    with serving(behind) as served:
        # Who a visitor is, only a trusted proxy may say, and only its own last word counts (item 148).
        forged = "X-Forwarded-For: 203.0.113.5, 198.51.100.77"
        assert served.post("trusted", forged, source="127.0.0.7")[0] == 200
        assert served.post("not trusted", forged, source="127.0.0.8")[0] == 200
        origins = [row["origin"] for row in entries(behind)]
        assert origins == [hashed_origin(network, secret) for network in ("198.51.100.0/24", "127.0.0.0/24")]

        for path in (f"/u/{TOKEN}", f"/p/{TOKEN}?to=ann@example.com", f"/me/{TOKEN}", "/nothing/ann@example.com"):
            assert served.get(path)[0] in {200, 400, 404}
        assert served.ask(b"GET /\x00 ann@example.com HTTP/9\r\n\r\n")[0] == 400

        # A form is half-way in when the server is told to stop: it is taken, kept and answered.
        form = served.form("half-way")
        with served.connect() as connection:
            connection.sendall(form[:-20])
            wait_until_read(served)
            served.process.send_signal(signal.SIGTERM)
            wait_until_said(served, "Waiting for connections to close")
            with pytest.raises(ConnectionRefusedError):
                served.connect()
            connection.sendall(form[-20:])
            assert answer_on(connection)[0] == 200
        assert served.process.wait(PATIENCE) == 0
        assert [row["answers"]["news"] for row in entries(behind)] == ["trusted", "not trusted", "half-way"]
        log = served.log.read_text()
    assert "Application shutdown complete" in log, "letters, webhooks and expiry have ended too"
    assert not re.search(r"@example\.com|AbCd|203\.0\.113|198\.51\.100", log)


def wait_until_read(served: Served) -> None:
    """Another request is answered: what was sent before it has been read."""
    assert served.get("/healthz")[0] == 200


def wait_until_said(served: Served, words: str) -> None:
    until = time.monotonic() + PATIENCE
    while words not in served.log.read_text():
        assert time.monotonic() < until, served.log.read_text()
        select.select([], [], [], 0.02)


def test_what_was_answered_survives_a_kill_and_an_accident_is_logged_without_words(here: Project) -> None:
    with serving(here) as served:
        for number in range(3):
            assert served.post(f"news {number}")[0] == 200
        with here.newsletter.database() as database, database.write() as connection:
            connection.exec_driver_sql("DROP TABLE allowance")
        status, page = served.post("a secret of ann@example.com")
        assert (status, "It is not your mistake" in page, "secret" in page) == (500, True, False)
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
        log = served.log.read_text()
    assert [row["answers"]["news"] for row in entries(here)] == ["news 0", "news 1", "news 2"]
    assert "newsletter.errors.DatabaseError, at" in log, "where it happened"
    assert not re.search(r"secret|@example\.com|INSERT", log)


def test_a_server_that_is_stopped_while_it_starts_stops(here: Project) -> None:
    command = [*COMMAND, "--port", str(free_port()), "--project", str(here.root)]
    environ = dict(here.newsletter.project.environ)
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            until = time.monotonic() + PATIENCE
            while not catches(process.pid, signal.SIGTERM):  # from here on it is not the system that ends it
                assert process.poll() is None
                assert time.monotonic() < until
                select.select([], [], [], 0.005)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert b"Traceback" not in said


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_several_processes_answer_on_postgresql_and_stop_together(
    server: Server, template: str, tmp_path: Path
) -> None:
    create(server, "for_serving", template)
    project = Project(tmp_path / "project", server.url("for_serving"))
    with serving(project, "--workers", "2") as served:
        wait_until_said(served, "Application startup complete")
        assert len(children(served.process.pid)) == 2
        for turn in (0, 1):  # each answers while the other one sleeps
            asleep = children(served.process.pid)[turn]
            os.kill(asleep, signal.SIGSTOP)
            assert served.post(f"while {asleep} sleeps")[0] == 200
            with contextlib.suppress(ProcessLookupError):  # uvicorn replaces one that sleeps for seconds
                os.kill(asleep, signal.SIGCONT)
        workers = children(served.process.pid)
        assert served.end() == 0
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert len(entries(project)) == 2


def children(parent: int) -> list[int]:
    """The processes that were started with `spawn`, which tells them apart from what watches resources."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                words = (stat.parent / "cmdline").read_text()
                found += [int(stat.parent.name)] if "spawn_main" in words else []
    return sorted(found)


def test_what_keeps_it_from_starting_is_told_in_a_sentence(
    here: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in here.newsletter.project.environ.items():
        monkeypatch.setenv(name, value)

    def said(*options: str) -> tuple[int, str]:
        code = run(["serve", "--public", "--project", str(here.root), *options])
        return code, capsys.readouterr().err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = said("--port", str(port))
        assert (code, f"Port {port} is in use" in words) == (1, True)
        code, words = said("--host", "0.0.0.0", "--port", str(port))
        assert (code, "without encryption" in words) == (1, True)
    for host in ("192.0.2.1", "nothing.invalid"):
        code, words = said("--host", host)
        assert (code, f"no address «{host}»" in words) == (2, True)
    code, words = said("--workers", "2")
    assert (code, "use-postgresql" in words) == (2, True)
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", "postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=2")
    code, words = said("--port", str(free_port()))
    assert (code, "cannot be reached" in words) == (1, True)
    assert "Traceback" not in words


def test_the_log_tells_kinds_and_places_of_errors_and_never_their_words() -> None:
    try:
        try:
            int("ann@example.com")
        except ValueError as first:
            raise RuntimeError(f"cannot mail ann@example.com {TOKEN}") from first
    except RuntimeError:
        record = logging.getLogger("newsletter").makeRecord(
            "newsletter", logging.ERROR, __file__, 1, "%s asked for /u/%s", ("ann@example.com", "Ab.c"), sys.exc_info()
        )
    told = DiscreetFormatter().format(record)
    assert "…@… asked for /u/…" in told
    assert "builtins.RuntimeError, at" in told
    assert "builtins.ValueError, at" in told
    assert __file__ in told
    assert not re.search(r"example\.com|AbCd|Ab\.c|cannot mail", told)
    assert json.dumps(told)
