"""The public pages under load: one-click leaving with 10,000 requests waiting, sign-ups, and a kill in the middle.

A mailing's readers, or their mail programs, all press at once: 10,000 POSTs are there from the start and go through 200
connections to a real server (`newsletter serve --public`, SQLite). Each is answered after its transaction is on the
disk. The same client asks a bare uvicorn application that reads the same form and keeps nothing, in the same run.
Ratios:

- one-click POSTs a second over answers a second of the bare application (goal: at least 0.25);
- the longest wait of 99 % of the requests, in milliseconds, from when a connection takes one up (goal: at most 1,000);
- sign-ups a second over answers of the bare application: each is one transaction with a person, the proof of consent
  and a letter, on the disk before the answer, while the letters leave beside it (no goal; it is told);
- answered requests that are not in the database after SIGKILL in the middle (goal: none).
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.memory import ROOT, fill
from benchmarks.row import Row
from newsletter.app import Newsletter
from newsletter.database.schema import SubscriptionStatus, subscription
from newsletter.tokens import Signer

REQUESTS = int(os.environ.get("BENCHMARK_MESSAGES", "10000"))
CONNECTIONS = 200
ASK = ("curl", "-sf", "-m", "2")
ONE_CLICK = b"List-Unsubscribe=One-Click"
OPEN = {
    "NEWSLETTER_LISTS__COMMUNITY__SIGN_UP": "true",
    "NEWSLETTER_WEB__PATIENCE": "0",
    "NEWSLETTER_WEB__WORK": "0",
    "NEWSLETTER_WEB__SIGN_UPS": "10000",
    "NEWSLETTER_WEB__ALL_SIGN_UPS": "1000000",
}


def rows() -> Iterator[Row]:
    """Four rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = _bare()
        fill(folder, REQUESTS)
        newsletter = Newsletter.open(folder, os.environ | OPEN)
        with _serving(folder) as (port, _):
            leaving = _load(folder, port, _one_clicks(newsletter))
        gone = _gone(newsletter)
        if gone != REQUESTS:
            raise SystemExit(f"Of {REQUESTS:,} people {gone:,} left.")
        yield Row(
            name=f"one-click POSTs, {REQUESTS:,} at once, SQLite",
            ours=f"{leaving['rate']:,.0f} /s, median {leaving['median']:.0f} ms",
            theirs=f"bare uvicorn: {bare['rate']:,.0f} /s",
            ratio=leaving["rate"] / bare["rate"],
            goal=0.25,
        )
        yield Row(
            name="the longest wait of 99 % of them",
            ours=f"{leaving['p99']:,.0f} ms",
            theirs=f"bare uvicorn: {bare['p99']:,.0f} ms",
            ratio=leaving["p99"],
            goal=1000,
            better="lower",
            unit="ms",
        )
        with _serving(folder) as (port, _):
            signing_up = _load(folder, port, _sign_ups(newsletter))
        yield Row(
            name=f"sign-ups, {REQUESTS // 5:,} at once, SQLite",
            ours=f"{signing_up['rate']:,.0f} /s, p99 {signing_up['p99']:,.0f} ms",
            theirs=f"bare uvicorn: {bare['rate']:,.0f} /s",
            ratio=signing_up["rate"] / bare["rate"],
            goal=None,
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, REQUESTS)
        yield _killed(folder)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _killed(folder: Path) -> Row:
    """SIGKILL while thousands wait: whoever was answered has left."""
    newsletter = Newsletter.open(folder, os.environ | OPEN)
    with _serving(folder) as (port, server):
        answered = int(_load(folder, port, _one_clicks(newsletter), kill=server)["answered"])
    gone = _gone(newsletter)
    return Row(
        name=f"SIGKILL after {answered:,} answers",
        ours=f"{gone:,} have left",
        theirs="–",
        ratio=max(0, answered - gone),
        goal=0,
        better="lower",
        unit="lost",
    )


def _one_clicks(newsletter: Newsletter) -> list[tuple[str, bytes]]:
    signer = Signer(newsletter.project.secret_key())
    with newsletter.database() as database, database.read() as connection:
        found = connection.execute(sa.select(subscription.c.subscriber_id, subscription.c.list_id)).all()
    return [(f"/u/{signer.sign('unsubscribe', person, on_list, 1)}", ONE_CLICK) for person, on_list in found]


def _sign_ups(newsletter: Newsletter) -> list[tuple[str, bytes]]:
    """Forms as a browser sends them, each with a stamp of its own."""
    from newsletter.web.public.guards import Guards  # noqa: PLC0415
    from newsletter.web.public.site import Site  # noqa: PLC0415

    guards = Guards(Site(newsletter))
    made = []
    for number in range(REQUESTS // 5):
        stamp = guards.challenge("subscribe").stamp
        made.append(
            ("/subscribe", f"email=new{number}%40example.net&list=community&form-stamp={stamp}&form-proof=0".encode())
        )
    return made


def _gone(newsletter: Newsletter) -> int:
    left = subscription.c.status == SubscriptionStatus.UNSUBSCRIBED
    with newsletter.database() as database, database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).where(left)).scalar_one()


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = free_port()
    run = "from newsletter.cli import main; main()"
    command = [sys.executable, "-c", run, "serve", "--public", "--port", str(port), "--project", str(folder)]
    with _process(command, port) as server:
        yield port, server


def _bare() -> dict[str, float]:
    """The same client against an application that keeps nothing."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name, _process([sys.executable, "-m", __name__, "bare", str(port)], port):
        return _load(Path(name), port, [(f"/u/{number}", ONE_CLICK) for number in range(REQUESTS)])


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | OPEN, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while subprocess.run([*ASK, f"http://127.0.0.1:{port}/healthz"], check=False, capture_output=True).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The server did not start.")
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(30)


def _load(
    folder: Path, port: int, requests: list[tuple[str, bytes]], kill: "subprocess.Popen[bytes] | None" = None
) -> dict[str, float]:
    """Send all of them from a process of its own; what it measured."""
    listed = folder / "requests.json"
    listed.write_text(json.dumps([[path, body.decode()] for path, body in requests]))
    command = [sys.executable, "-m", __name__, "load", str(port), str(listed), str(kill.pid if kill else 0)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


async def _send_all(port: int, requests: list[tuple[str, bytes]], kill: int) -> dict[str, float]:
    waits: list[float] = []
    queue = iter(requests)
    stop_at = len(requests) // 3 if kill else len(requests) + 1

    async def connection() -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for path, body in queue:
                start = time.perf_counter()
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"The server answered: {answer[:200]!r}")
                waits.append(time.perf_counter() - start)
                if len(waits) == stop_at:
                    os.kill(kill, 9)
            writer.close()

    start = time.perf_counter()
    await asyncio.gather(*[connection() for _ in range(CONNECTIONS)])
    seconds = time.perf_counter() - start
    waits.sort()
    median, p99 = waits[len(waits) // 2] * 1000, waits[int(len(waits) * 0.99)] * 1000
    return {"answered": len(waits), "rate": len(waits) / seconds, "median": median, "p99": p99}


def _serve_bare(port: int) -> None:
    import uvicorn  # noqa: PLC0415
    from fastapi import FastAPI, Request  # noqa: PLC0415
    from starlette.responses import PlainTextResponse  # noqa: PLC0415

    app = FastAPI()

    @app.get("/healthz")
    async def _healthz() -> PlainTextResponse:
        return PlainTextResponse("well")

    @app.post("/u/{token}")
    async def _leave(token: str, request: Request) -> PlainTextResponse:  # noqa: ARG001
        await request.form()
        return PlainTextResponse("Done.")

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        _serve_bare(int(sys.argv[2]))
    else:
        told = [(path, body.encode()) for path, body in json.loads(Path(sys.argv[3]).read_text())]
        print(json.dumps(asyncio.run(_send_all(int(sys.argv[2]), told, int(sys.argv[4])))))
