"""A stand-in for SendGrid on loopback: strict, forgetful where told, with a list of every message that it accepted.

Run as a process it writes each accepted message to a file, for tests that kill:

    python -m tests.senders.sendgrid_server --port-file FILE --log FILE [--faults close,answer,502]

Faults, one for each request to `mail/send`, in order (then, and with `answer`, all goes well):
`reset-early` resets in the middle of the body; `close` and `reset` read everything and give no answer; `stall` answers
too late; `cut-status` and `cut-body` break the answer off; `502` is a gateway's page, `302` leads elsewhere; any other
number is a status. With `+` after it (`close+`, `502+`) a request is carried out, and only its answer is lost.
"""

import argparse
import json
import socket
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.senders.sendgrid_rules import problems

KEY = "SG.the-only-key.that-is-good"


@dataclass(frozen=True)
class Accepted:
    """One message as its reader would get it."""

    to: str
    name: str
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    custom_args: Mapping[str, str]
    attachments: tuple[str, ...]
    message_id: str
    at: str
    status: str = "processed"


@dataclass
class SendgridServer:
    """The server; a context manager.

    Attributes:
        faults: What goes wrong with the next requests to `mail/send`.
        keep: Remember messages; benchmarks do not.
        log: Where each accepted message is written, on a line of its own.
    """

    faults: deque[str] = field(default_factory=deque)
    keep: bool = True
    log: Path | None = None
    key: str = KEY
    accepted: list[Accepted] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    refusals: list[list[tuple[str, str]]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    refuse: Callable[[dict[str, Any]], list[tuple[str, str]]] = lambda body: []
    logs_status: int = 200
    redirect_to: str = "http://127.0.0.1:9/"
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stage": self}))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, body: dict[str, Any]) -> str:
        """Accept a request; says under which id."""
        message_id = uuid.uuid4().hex[:22]
        with self._lock:
            self.counts.append(len(body["personalizations"]))
            if not self.keep:
                return message_id
            self.requests.append(body)
            mine = list(received(body, message_id))
            self.accepted += mine
            if self.log:
                with self.log.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(asdict(message)) + "\n" for message in mine)
        return message_id

    def next_fault(self) -> str:
        """What goes wrong this time."""
        with self._lock:
            return self.faults.popleft() if self.faults else "answer"


def received(body: dict[str, Any], message_id: str = "") -> Iterable[Accepted]:
    """The messages of a request as their readers get them: plain replacement of each tag."""
    parts = {part["type"]: part["value"] for part in body["content"]}
    for number, person in enumerate(body["personalizations"]):
        filled = {"subject": person.get("subject", body["subject"]), **parts}
        for tag, value in person.get("substitutions", {}).items():
            filled = {name: text.replace(tag, value) for name, text in filled.items()}
        (to,) = person["to"]
        yield Accepted(
            to=to["email"],
            name=to.get("name", ""),
            sender=body["from"]["email"],
            reply_to=body.get("reply_to", body["from"])["email"],
            subject=filled["subject"],
            text=filled["text/plain"],
            html=filled["text/html"],
            headers={**body.get("headers", {}), **person.get("headers", {})},
            custom_args={**body.get("custom_args", {}), **person.get("custom_args", {})},
            attachments=tuple(part["content_id"] for part in body.get("attachments", [])),
            message_id=f"{message_id}.{number}",
            at=datetime.now(UTC).isoformat(),
        )


class _Handler(BaseHTTPRequestHandler):
    stage: SendgridServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.stage.paths.append(self.path)
        for message in self.stage.accepted:
            if self.path == f"/v3/logs/{message.message_id}":
                known = {"to_email": message.to, "status": message.status, "sg_message_id": message.message_id}
                self._say(self.stage.logs_status, {**known, "custom_args": dict(message.custom_args), "events": []})
                return
        self._say(404, {"errors": [{"message": "not found", "field": None}]})

    def do_POST(self) -> None:
        self.stage.paths.append(self.path)
        if self.path == "/v3/mail/send":
            self._send()
        elif self.path == "/v3/logs":
            self._logs(json.loads(self._read()))
        else:
            self._say(404, {"errors": [{"message": "not found", "field": None}]})

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _send(self) -> None:
        fault = self.stage.next_fault()
        if fault == "reset-early":
            self.rfile.read(1000)
            self._reset()
            return
        content = self._read()
        if self.headers["Authorization"] != f"Bearer {self.stage.key}":
            self._complain(401, "The provided authorization grant is invalid, expired, or revoked")
            return
        if len(content) >= 30_000_000:
            self._complain(413, "Payload too large")
            return
        body = json.loads(content)
        found = problems(body) if self.stage.keep else []
        found += self.stage.refuse(body)
        if found and fault == "answer":
            self.stage.refusals.append(found)
            self._say(400, {"errors": [{"message": why, "field": path, "help": None} for path, why in found[:50]]})
            return
        self._misbehave(fault, body)

    def _misbehave(self, fault: str, body: dict[str, Any]) -> None:
        taken = fault in {"answer", "cut-body"} or fault.endswith("+")
        sandbox = body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable", False)
        message_id = self.stage.take(body) if taken and not sandbox else ""
        fault = fault.removesuffix("+")
        if fault == "answer":
            self._say(200 if sandbox else 202, None, {"X-Message-Id": message_id} if message_id else {})
        elif fault == "close":
            self.close_connection = True
        elif fault == "reset":
            self._reset()
        elif fault == "stall":
            self.stage.released.wait(10)
            self.close_connection = True
        elif fault == "cut-status":
            self.wfile.write(b"HTT")
            self.close_connection = True
        elif fault == "cut-body":
            self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{")
            self.close_connection = True
        elif fault == "302":
            self._say(302, None, {"Location": self.stage.redirect_to})
        elif fault == "502":
            self._page(502)
        else:
            self._complain(int(fault), "Bad Request" if fault == "400" else "told to")

    def _logs(self, asked: dict[str, Any]) -> None:
        address = asked["query"].partition('to_email = "')[2].partition('"')[0]
        found = [message for message in self.stage.accepted if message.to == address]
        rows = [
            {"sg_message_id": message.message_id, "to_email": address, "status": message.status} for message in found
        ]
        self._say(self.stage.logs_status, {"messages": rows[: asked["limit"]]})

    def _complain(self, status: int, message: str) -> None:
        self._say(status, {"errors": [{"message": message, "field": None, "help": None}]})

    def _say(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), **(self.stage.headers if status == 429 else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _page(self, status: int) -> None:
        content = b"<html><body>Bad gateway</body></html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--faults", default="")
    parser.add_argument("--forget", action="store_true", help="keep and check nothing, for benchmarks")
    given = parser.parse_args()
    faults = deque(filter(None, given.faults.split(",")))
    with SendgridServer(faults=faults, log=given.log, keep=not given.forget) as server:
        draft = given.port_file.with_suffix(".part")
        draft.write_text(server.url.rpartition(":")[2])
        draft.replace(given.port_file)
        threading.Event().wait()


if __name__ == "__main__":
    main()
