"""A program on this machine that is called by webhooks, and a project on trial that may call it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.web.served import Project


@dataclass
class Received:
    """One call that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What is called, and what it answers."""

    port: int = 0
    status: int = 200
    answer: bytes = b"thank you"
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in?x=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A program that takes what it is told."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.calls.append(Received(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(made.status)
            for name, text in made.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(made.answer)))
            self.end_headers()
            self.wfile.write(made.answer)

        def log_message(self, *_: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = served.server_address[1]
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        served.shutdown()
        served.server_close()
        thread.join(10)


@pytest.fixture
def tried(tmp_path: Path, empty_file: Path) -> Project:
    """A project that is tried out on this machine, on SQLite."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{path}", base_url="http://localhost:8600")
