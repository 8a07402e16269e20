"""A whole mailing through a mail server, ledger and all: against Postfix's load generator, and 4 workers against one.

The starter's letter, personal for everybody, goes to Postfix's `smtp-sink` as `newsletter send` sends it: every claim
on the disk before its bytes leave. `smtp-source -d`, which is C and keeps no books, sends as many messages of the same
size over as many connections, in the same run. Then the same signed with DKIM, against the bare RSA signatures that
one process can make; and on PostgreSQL four workers against one, to a server that answers after 20 ms. Ratios:

- messages per second of ours, unsigned, over those of smtp-source (goal: at least 0.5);
- signed messages per second over bare RSA-2048 signatures per second (goal: at least 0.9);
- the most memory of the sending process in MB (goal: at most 150);
- messages per second of four workers over those of one (goal: at least 3.5).
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks.memory import ROOT, fill
from benchmarks.row import Row
from benchmarks.smtp import listening, program, unprivileged
from newsletter.app import Newsletter
from newsletter.database.schema import delivery
from newsletter.sending.orders import Order, place
from newsletter.starter import start_project
from tests.database.opened import Server, add_people, create, postgresql_programs

MESSAGES = int(os.environ.get("BENCHMARK_MESSAGES", "20000"))
SIGNED = MESSAGES // 4
CONNECTIONS = 50
ROUNDS = 2
SHARED = 4_000
"""Messages that the workers on PostgreSQL share."""

ANSWERS_AFTER = 0.02  # seconds
STARTING = 12  # seconds until all workers are there


def rows() -> Iterator[Row]:
    """Four rows."""
    sink, source = program("smtp-sink"), program("smtp-source")
    if sink is None or source is None:
        raise SystemExit("This benchmark needs Postfix's smtp-sink and smtp-source: install postfix.")
    with tempfile.TemporaryDirectory() as folder:
        yield from _against_source(Path(folder), sink, source)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # the database server runs as somebody else
        yield _workers(Path(folder))


def _against_source(folder: Path, sink: str, source: str) -> Iterator[Row]:
    with listening(lambda port: [sink, *unprivileged(), f"127.0.0.1:{port}", "1000"]) as port:
        size = _size(folder / "look", port)
        theirs, ours = [], []
        for turn in range(ROUNDS):
            theirs.append(_source(source, port, size))
            ours.append(_send(folder / f"plain{turn}", MESSAGES, _through(port)))
        best = max(ours, key=lambda each: each["rate"])
        yield Row(
            name=f"mailing to {MESSAGES:,}, {size / 1000:.0f} kB each, {CONNECTIONS} connections, ledger and all",
            ours=f"{best['rate']:,.0f} /s",
            theirs=f"Postfix's smtp-source -d: {max(theirs):,.0f} /s",
            ratio=best["rate"] / max(theirs),
            goal=0.5,
        )
        yield Row(
            name=f"memory of that mailing to {MESSAGES:,}",
            ours=f"{best['megabytes']:.0f} MB",
            theirs="–",
            ratio=best["megabytes"],
            goal=150,
            better="lower",
            unit="MB",
        )
        key = folder / "dkim.pem"
        bare = _bare_signatures(key)
        dkim = {"DOMAIN": "example.org", "SELECTOR": "news", "KEY_FILE": str(key)}
        signing = {f"NEWSLETTER_DKIM__{name}": value for name, value in dkim.items()}
        signed = _send(folder / "signed", SIGNED, _through(port) | signing)
        yield Row(
            name=f"the same signed with RSA-2048, to {SIGNED:,}",
            ours=f"{signed['rate']:,.0f} /s",
            theirs=f"bare signatures: {bare:,.0f} /s",
            ratio=signed["rate"] / bare,
            goal=0.9,
        )


def _through(port: int, connections: int = CONNECTIONS) -> dict[str, str]:
    """The settings of a mail server on this machine."""
    smtp = {"HOST": "127.0.0.1", "PORT": str(port), "SECURITY": "none", "CONNECTIONS": str(connections)}
    return {"NEWSLETTER_SENDER__KIND": "smtp"} | {f"NEWSLETTER_SENDER__SMTP__{name}": smtp[name] for name in smtp}


def _size(folder: Path, port: int) -> int:
    """The size of a message."""
    fill(folder, 1)
    built = Newsletter.open(folder, _through(port)).build("welcome", folder / "built")
    sizes = built.summary["sizes"]
    assert isinstance(sizes, Mapping)
    return int(sizes["message"])


def _source(source: str, port: int, size: int) -> float:
    numbers = ["-s", str(CONNECTIONS), "-m", str(MESSAGES), "-l", str(size)]
    addresses = ["-f", "news@example.org", "-t", "reader@example.com"]
    start = time.perf_counter()
    subprocess.run([source, "-d", *addresses, *numbers, f"127.0.0.1:{port}"], check=True)
    return MESSAGES / (time.perf_counter() - start)


def _send(folder: Path, people: int, settings: Mapping[str, str]) -> dict[str, float]:
    """Send to so many from a fresh process: messages a second from begin to end, and the most memory held."""
    environment = os.environ | settings
    for step in ("fill", "send"):
        command = [sys.executable, "-m", "benchmarks.memory", step, str(folder), str(people)]
        done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told | {"rate": people / told["seconds"]}


def _bare_signatures(path: Path) -> float:
    """Signatures a second of a new RSA-2048 key, which is kept in a file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < 2:
        key.sign(b"x" * 900, padding.PKCS1v15(), hashes.SHA256())
        done += 1
    return done / passed


def _workers(folder: Path) -> Row:
    """Four workers on PostgreSQL against one, each with four connections."""
    programs = postgresql_programs()
    if programs is None:
        raise SystemExit("This benchmark needs PostgreSQL's programs.")
    database = Server(folder / "server", programs)
    try:
        with listening(lambda port: [sys.executable, "-m", __name__, str(port)]) as port:
            one, four = (_share(database, folder / f"by{count}", count, port) for count in (1, 4))
    finally:
        database.stop()
    return Row(
        name=f"{SHARED:,} messages shared by 4 workers on PostgreSQL, answered after {ANSWERS_AFTER * 1000:.0f} ms",
        ours=f"{four:,.0f} /s",
        theirs=f"one worker: {one:,.0f} /s",
        ratio=four / one,
        goal=3.5,
    )


def _share(server: Server, folder: Path, count: int, port: int) -> float:
    """Messages a second, from the first claim to the last answer, of so many workers that were there before."""
    create(server, f"by{count}")
    settings = _through(port, connections=4) | {
        "NEWSLETTER_DATABASE__URL": server.url(f"by{count}"),
        "NEWSLETTER_SENDING__CHUNK": "50",
    }
    start_project(folder)
    newsletter = Newsletter.open(folder, os.environ | settings)
    composition, _ = newsletter.compose("welcome")
    order = Order(
        edition="welcome",
        title=composition.title,
        digest=composition.digest,
        composition=composition.dump(),
        list_slug="community",
        hold=timedelta(seconds=STARTING),
    )
    with newsletter.database() as database:
        with database.write() as connection:
            add_people(connection, SHARED)
        place(database, order, sender="smtp", now=datetime.now(UTC))
        run = "from newsletter.cli import main; main()"
        command = [sys.executable, "-c", run, "worker", "--drain", "--project", str(folder)]
        workers = [subprocess.Popen(command, env=os.environ | settings, cwd=ROOT) for _ in range(count)]
        if any(worker.wait() for worker in workers):
            raise SystemExit("A worker failed.")
        with database.read() as connection:
            times = sa.select(sa.func.min(delivery.c.claimed_at), sa.func.max(delivery.c.answered_at), sa.func.count())
            first, last, accepted = connection.execute(times.where(delivery.c.state == "accepted")).one()
    if accepted != SHARED:
        raise SystemExit(f"Of {SHARED:,} messages only {accepted:,} were accepted.")
    return float(SHARED / (last - first).total_seconds())


def serve(port: int) -> None:
    """A mail server that takes every message, after a while."""
    with socket.create_server(("127.0.0.1", port), backlog=100) as listener:
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """One connection, for a client that says all before DATA in one go."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"220 benchmark\r\n")
    while said := connection.recv(65536):
        if said.startswith(b"EHLO"):
            connection.sendall(b"250-benchmark\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif said.startswith(b"MAIL"):
            connection.sendall(b"250 ok\r\n250 ok\r\n354 go on\r\n")
            end = b""
            while not end.endswith(b"\r\n.\r\n"):
                end = (end + connection.recv(1 << 20))[-5:]
            time.sleep(ANSWERS_AFTER)
            connection.sendall(b"250 ok\r\n")
        else:
            connection.sendall(b"221 bye\r\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
