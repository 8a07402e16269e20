"""How much memory a mailing takes: as much for a million readers as for a thousand.

The whole path of `newsletter send` is run, ledger and all, with a sender that takes every message and does nothing.
The ratio is the most memory that the sending process held at once for the large list over that for the small one.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from benchmarks.row import Row
from newsletter.app import Newsletter
from newsletter.database.schema import DeliveryState
from newsletter.mailings import Wish
from newsletter.project import Project
from newsletter.sending.senders.protocol import Capabilities, Handover, Outcome, Unknown, Verdict
from newsletter.starter import start_project

ROOT = Path(__file__).parents[1]
FEW, MANY = 1_000, 1_000_000
ENTRY_POINT = "[newsletter.senders]\nnowhere = benchmarks.memory:Nowhere\n"

PEOPLE = """
    INSERT INTO subscriber (email, email_key, address_hash, first_name, last_name, country, joined, attributes)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count)
    SELECT 'person' || n || '@example.com', 'person' || n || '@example.com', randomblob(32),
           'First ' || n, 'Last ' || n, 'KE', '2026-01-01', '{}'
    FROM number"""
SUBSCRIPTIONS = """
    INSERT INTO subscription (subscriber_id, list_id, status, created_at, changed_at)
    SELECT subscriber.id, list.id, 'active', :now, :now FROM subscriber, list WHERE list.slug = 'community'"""


class Nowhere:
    """Takes every message, and forgets it."""

    kind = "nowhere"
    capabilities = Capabilities(batch=500, settles=False, smtputf8=True)

    @classmethod
    def open(cls, project: Project) -> Self:  # noqa: ARG003 - what every sender is given
        """Ready at once."""
        return cls()

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        """All of them accepted."""
        return [Outcome(handover.delivery, Verdict.ACCEPTED) for handover in batch]

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        """Nothing is known."""
        return [Outcome(unknown.delivery, Verdict.UNKNOWN) for unknown in unknowns]

    def close(self) -> None:
        """Nothing is open."""


def rows() -> Iterator[Row]:
    """One row."""
    few, many = (measure(count) for count in (FEW, MANY))
    yield Row(
        name=f"memory of a mailing, {MANY:,} readers",
        ours=f"{many['megabytes']:.0f} MB ({MANY / many['seconds']:,.0f} messages a second, ledger included)",
        theirs=f"{FEW:,} readers: {few['megabytes']:.0f} MB",
        ratio=many["megabytes"] / few["megabytes"],
        goal=1.1,
        better="lower",
    )


def measure(count: int) -> dict[str, float]:
    """Send to that many people from a fresh process: the most memory held, in MB, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        # Senders of other packages are found by their entry points; this is how such a package looks when installed.
        package = Path(folder, "site", "nowhere-1.dist-info")
        package.mkdir(parents=True)
        package.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: nowhere\nVersion: 1\n", encoding="utf-8")
        package.joinpath("entry_points.txt").write_text(ENTRY_POINT, encoding="utf-8")
        project = Path(folder, "project")
        environment = os.environ | {
            "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}",
            "NEWSLETTER_SENDER__KIND": "nowhere",
        }
        answer = ""
        for step in ("fill", "send"):
            command = [sys.executable, "-m", "benchmarks.memory", step, str(project), str(count)]
            done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
            answer = done.stdout
        told: dict[str, float] = json.loads(answer)
        return told


def fill(folder: Path, count: int) -> None:
    """A new project with that many people on its list; their rows are written by the database itself, for speed."""
    start_project(folder)
    with Newsletter.open(folder).database() as database, database.write() as connection:
        connection.exec_driver_sql(PEOPLE, {"count": count})
        connection.exec_driver_sql(SUBSCRIPTIONS, {"now": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")})


def send(folder: Path, count: int) -> dict[str, float]:
    """The mailing itself, and what it took."""
    start = datetime.now(UTC)
    report = Newsletter.open(folder).mailings.send(Wish(edition="welcome", list_slug="community", hold=timedelta()))
    seconds = (datetime.now(UTC) - start).total_seconds()
    if report is None or report.counts[DeliveryState.ACCEPTED] != count:
        raise SystemExit(f"Not all {count:,} were reached: {report}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes, but bytes on macOS
    return {"megabytes": peak / (1024 * 1024 if sys.platform == "darwin" else 1024), "seconds": seconds}


if __name__ == "__main__":
    step, place, people = sys.argv[1:]
    if step == "fill":
        fill(Path(place), int(people))
    else:
        print(json.dumps(send(Path(place), int(people))))
