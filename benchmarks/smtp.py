"""How fast messages leave through a mail server: our SMTP sender alone, without ledger, writing or signing.

Messages of 45 kB go to Postfix's `smtp-sink`, beside its load generator `smtp-source -d` with the same size and the
same number of connections; both are C. Then the same behind a proxy that keeps every byte for 25 ms in each direction:
there the time goes into waiting, so that more connections must bring more messages. Ratios:

- messages per second of ours over those of smtp-source (goal: at least 0.9), the best of several runs in turn;
- messages per second with many connections over those with one, as a part of their number (goal: at least 0.7).
"""

import os
import pwd
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.row import Row
from newsletter.sending.senders.protocol import Handover, Origin, Verdict
from newsletter.sending.senders.smtp import MailServer, SmtpSender

MESSAGES = int(os.environ.get("BENCHMARK_MESSAGES", "10000"))
ROUNDS = 3
CONNECTIONS = 4
SIZE = 45_000
ROUND_TRIP = 0.05  # seconds
MANY = (4, 16)
EACH = 40  # messages on each connection behind the proxy
ORIGIN = Origin(mailing=1, edition="benchmark", created_at=datetime(2026, 3, 5, tzinfo=UTC))
CONTENT = b"From: news@example.org\r\nMessage-ID: <1@example.org>\r\n\r\n" + (b"x" * 76 + b"\r\n") * (SIZE // 78)


@dataclass(frozen=True)
class Letter:
    """The same for everybody: writing messages is measured elsewhere."""

    content: bytes = CONTENT
    sender: str = "news@example.org"
    recipient: str = "reader@example.com"
    message_id: str = "<1@example.org>"
    smtputf8: bool = False


def rows() -> Iterator[Row]:
    """One row against smtp-source, and one for each number of connections behind the proxy."""
    sink, source = program("smtp-sink"), program("smtp-source")
    if sink is None or source is None:
        raise SystemExit(
            "This benchmark needs Postfix's smtp-sink and smtp-source, which are missing: install postfix."
        )
    with listening(lambda port: [sink, *unprivileged(), f"127.0.0.1:{port}", "1000"]) as port:
        theirs, ours = [], []
        for _ in range(ROUNDS):  # in turn, so that a busy machine is as busy for both
            theirs.append(rate_of_source(source, port))
            ours.append(rate(port, MESSAGES, CONNECTIONS))
        yield Row(
            name=f"{MESSAGES:,} messages of {SIZE / 1000:.0f} kB by SMTP, {CONNECTIONS} connections, sender only",
            ours=f"{max(ours):,.0f} /s",
            theirs=f"Postfix's smtp-source -d: {max(theirs):,.0f} /s",
            ratio=max(ours) / max(theirs),
            goal=0.9,
        )
        with listening(lambda near: [sys.executable, "-m", __name__, str(near), str(port)]) as proxy:
            one = rate(proxy, EACH, 1)
            for connections in MANY:
                many = rate(proxy, EACH * connections, connections)
                yield Row(
                    name=f"behind {ROUND_TRIP * 1000:.0f} ms, {connections} connections, of {connections}-fold",
                    ours=f"{many:,.0f} /s",
                    theirs=f"one connection: {one:,.1f} /s",
                    ratio=many / one / connections,
                    goal=0.7,
                )


def rate(port: int, messages: int, connections: int) -> float:
    """Messages a second of our sender, its connections opened and closed included."""
    server = MailServer(host="127.0.0.1", port=port, security="none", name="example.org")
    sender = SmtpSender(server, connections=connections)
    accepted: list[int] = []

    def work(numbers: range) -> None:
        letter = Letter()
        outcomes = (sender.deliver([Handover(number, ORIGIN, letter)])[0] for number in numbers)
        accepted.append(sum(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes))

    threads = [
        threading.Thread(target=work, args=(range(first, messages, connections),)) for first in range(connections)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()
    seconds = time.perf_counter() - start
    if sum(accepted) != messages:
        raise SystemExit(f"Of {messages:,} messages only {sum(accepted):,} were accepted.")
    return messages / seconds


def rate_of_source(source: str, port: int) -> float:
    """Messages a second of smtp-source with as many connections, all kept open."""
    addresses = ["-f", "news@example.org", "-t", "reader@example.com"]
    numbers = ["-s", str(CONNECTIONS), "-m", str(MESSAGES), "-l", str(SIZE)]
    start = time.perf_counter()
    subprocess.run([source, "-d", *addresses, *numbers, f"127.0.0.1:{port}"], check=True)
    return MESSAGES / (time.perf_counter() - start)


def program(name: str) -> str | None:
    """Where a program of Postfix is, which is often outside of an ordinary path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/libexec/postfix")


def unprivileged() -> list[str]:
    """What makes smtp-sink willing to run for root."""
    if os.geteuid():
        return []
    return ["-u", next(name for name in ("nobody", "daemon") if name in {user.pw_name for user in pwd.getpwall()})]


@contextmanager
def listening(command: Callable[[int], list[str]]) -> Iterator[int]:
    """A process that listens on a free port, which is given to the command."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(command(port))
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def delay(port: int, target: int) -> None:
    """Pass connections on, every byte half a round trip later; a process of its own, so that it costs us no time."""
    with socket.create_server(("127.0.0.1", port), backlog=500) as listener:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=receive, args=(one, pieces), daemon=True).start()
                threading.Thread(target=pass_on, args=(pieces, other), daemon=True).start()


def receive(connection: socket.socket, pieces: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
    """Take what arrives, and note when it may go on."""
    data = b"first"
    while data:
        try:
            data = connection.recv(1 << 20)
        except OSError:
            data = b""
        pieces.put((time.monotonic() + ROUND_TRIP / 2, data))


def pass_on(pieces: "queue.SimpleQueue[tuple[float, bytes]]", connection: socket.socket) -> None:
    """Send each piece when its time has come."""
    while True:
        due, data = pieces.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                connection.shutdown(socket.SHUT_WR)
                return
            connection.sendall(data)
        except OSError:
            return


if __name__ == "__main__":
    delay(int(sys.argv[1]), int(sys.argv[2]))
