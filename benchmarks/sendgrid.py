"""What a reader costs when SendGrid carries the message: processor time, and how many requests there are.

The letter and the readers are those of `benchmarks/messages.py`: 45 kB, ten slots, two variants. What is counted is our
own processor time for writing, checking and sending batches of 1,000 through the official package to the tests' server,
a process of its own. The best of several runs counts. Ratios:

- microseconds of processor time per reader (goal: at most 20);
- the same over the time that `json.dumps` alone takes for the same requests (told only);
- requests for 1,000,000 readers of one variant, counted on fewer (goal: at most 1,000).
"""

import contextlib
import itertools
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.messages import NOW, make_writer, readers
from benchmarks.row import Row
from newsletter.sending.message import Reader
from newsletter.sending.senders.protocol import Handover, Origin, Verdict
from newsletter.sending.senders.sendgrid import SendgridSender
from newsletter.sending.senders.sendgrid.client import Client
from newsletter.sending.senders.sendgrid.requests import Letter, Request, shared_part
from newsletter.sending.substitution import SubstitutionWriter
from newsletter.tokens import Signer
from tests.senders.sendgrid_server import KEY

READERS = 20_000
ROUNDS = 5
BATCH = 1_000
MANY = 1_000_000
VARIANTS = 2
ORIGIN = Origin(mailing=12, edition="benchmark", created_at=NOW)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a server that accepts everything and remembers nothing."""
    with TemporaryDirectory() as folder:
        port = Path(folder) / "port"
        command = [sys.executable, "-m", "tests.senders.sendgrid_server", "--forget", "--port-file", str(port)]
        process = subprocess.Popen(command)
        try:
            while not port.exists():
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port.read_text()}"
        finally:
            process.kill()
            process.wait()


def batches() -> Iterator[list[Reader]]:
    """The readers as a lane brings them; no more of them exist than one batch."""
    people = readers(READERS)
    while batch := list(itertools.islice(people, BATCH)):
        yield batch


def rows() -> Iterator[Row]:
    """Three rows."""
    first = next(batches())
    requests = 0

    def new_id() -> uuid.UUID:
        nonlocal requests
        requests += 1
        return uuid.uuid4()

    with server() as address:
        writer = SubstitutionWriter(make_writer())
        sender = SendgridSender(Client(KEY, api_url=address), Signer(b"benchmark" * 4), new_id=new_id)

        def send(batch: list[Reader]) -> None:
            handovers = [Handover(reader.delivery_id, ORIGIN, writer.write(reader, NOW)) for reader in batch]
            outcomes = sender.deliver(handovers)
            if any(outcome.verdict is not Verdict.ACCEPTED for outcome in outcomes):
                raise RuntimeError(f"The server did not accept everything: {outcomes[0]}")

        send(first)  # compiles both variants, imports the package
        requests = 0
        ours: list[float] = []
        dumping: list[float] = []
        for _ in range(ROUNDS):
            for batch in batches():
                start = time.process_time()
                send(batch)
                ours.append((time.process_time() - start) / len(batch))
            dumping.append(_dump(writer, first) / BATCH)
    sent, dumped = min(ours), min(dumping)
    per_variant = requests / ROUNDS * (MANY / READERS) / VARIANTS
    yield Row(
        name="processor time per reader through SendGrid",
        ours=f"{sent * 1e6:.1f} µs",
        theirs="what a million readers may take: 20 s",
        ratio=sent * 1e6,
        goal=20,
        better="lower",
        unit="µs",
    )
    yield Row(
        name="the same beside json.dumps",
        ours=f"{sent * 1e6:.1f} µs",
        theirs=f"json.dumps of the same requests: {dumped * 1e6:.1f} µs",
        ratio=sent / dumped,
        goal=None,
        better="lower",
    )
    yield Row(
        name=f"requests for {MANY:,} readers of one variant",
        ours=f"{per_variant:,.0f}",
        theirs="the most people that SendGrid takes in one: 1,000",
        ratio=per_variant,
        goal=1_000,
        better="lower",
        unit="requests",
    )


def _dump(writer: SubstitutionWriter, people: list[Reader]) -> float:
    """Seconds of processor time that `json.dumps` takes for one batch, its two templates included."""
    letters: dict[str, list[Letter]] = {}
    for reader in people:
        message = writer.write(reader, NOW)
        letters.setdefault(message.template.key, []).append(
            Letter(Handover(reader.delivery_id, ORIGIN, message), message)
        )
    bodies = []
    for group in letters.values():
        request = Request(tuple(group))
        body = request.body(shared_part(request.template, sandbox=False), uuid.uuid4().hex)
        bodies.append(json.loads(body))
    start = time.process_time()
    for body in bodies:
        json.dumps(body)
    return time.process_time() - start
