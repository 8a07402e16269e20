"""Real processes, really killed: everybody is reached, nobody twice, and the sums hold at every instant."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.database.connection import Database
from newsletter.database.schema import MailingState
from newsletter.sending.mailing import report
from tests.database.opened import add_people
from tests.mailing.arranging import outbox_files

ROOT = Path(__file__).parents[2]
PEOPLE = 2000


def recipients(outbox: Path) -> list[str]:
    return sorted(path.read_bytes().split(b"\r\n")[1].decode().removeprefix("To: ") for path in outbox_files(outbox))


def everybody(count: int) -> list[str]:
    return sorted(f"reader{number}@example.com" for number in range(1, count + 1))


@pytest.mark.slow
def url(database: Database) -> str:
    """The address by which another process opens the database."""
    return database.engine.url.render_as_string(hide_password=False)


def test_killed_at_any_step_and_started_again_everybody_gets_exactly_one(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        add_people(connection, PEOPLE)
    database.close()
    seed = random.randrange(1_000_000)
    steps = [*range(2, 170, 8), *random.Random(seed).choices(range(1, 2000), k=8), 0]
    command = [sys.executable, "-m", "tests.mailing.killing", url(database), str(tmp_path / "outbox")]
    done = subprocess.run([*command, *map(str, steps)], cwd=ROOT, capture_output=True, text=True, check=True)
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(looks) == len(steps), done.stderr
    for step, look in zip(steps, looks, strict=True):
        about = f"seed {seed}, step {step}: {look['counts']}"
        assert not look["failed"], f"{about}\n{done.stderr}"
        assert look["died"] == (step != 0), about
        assert sum(look["counts"].values()) == (look["audience"] or 0), about
        assert set(look["accepted"]) <= set(look["files"]), f"{about}: accepted without a file"
        assert len(look["files"]) - len(look["accepted"]) <= look["counts"].get("claimed", 0) + look["counts"].get(
            "unknown", 0
        ), f"{about}: a file of which the ledger knows nothing"
        # On PostgreSQL those of one that died are found out a moment later, so another may have died meanwhile.
        batches = 1 if database.path else len(looks)
        assert look["counts"].get("claimed", 0) <= 10 * batches, f"{about}: more than one batch in flight"
    assert looks[-1]["counts"] == {"accepted": PEOPLE}
    assert recipients(tmp_path) == everybody(PEOPLE)


@contextmanager
def sending(database: Database, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that sends, and waits for a line after each batch."""
    command = [sys.executable, "-m", "tests.mailing.sending", url(database), str(tmp_path / "outbox")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def read_to_the_end(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate("\n" * 100)[0].split()


@pytest.fixture
def fifty(database: Database) -> Database:
    with database.write() as connection:
        add_people(connection, 50)
    return database


@pytest.mark.slow
def test_a_process_killed_from_outside_is_gone_on_with(fifty: Database, tmp_path: Path) -> None:
    with sending(fifty, tmp_path) as process:
        assert read(process) == "10"
        go_on(process)
        assert read(process) == "20"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with fifty.read():
        now = report(fifty, 1)
    assert (now.mailing.state, now.counts["accepted"], now.counts["claimed"]) == (MailingState.SENDING, 10, 10)
    assert sum(now.counts.values()) == now.mailing.audience == 50
    with sending(fifty, tmp_path) as process:
        assert read_to_the_end(process) == ["30", "40", "50", "sent"]
    assert recipients(tmp_path) == everybody(50)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_politely_a_process_finishes_what_is_in_flight_and_pauses(
    fifty: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with sending(fifty, tmp_path) as process:
        assert read(process) == "10"
        process.send_signal(number)
        assert read_to_the_end(process) == ["paused"]
        assert process.returncode == 0
    now = report(fifty, 1)
    assert (now.mailing.state, now.counts["accepted"], now.counts["planned"]) == (MailingState.PAUSED, 10, 40)
    with sending(fifty, tmp_path) as process:
        assert read_to_the_end(process)[-1] == "sent"
    assert recipients(tmp_path) == everybody(50)


@pytest.mark.slow
def test_two_processes_at_once_send_one_mailing_to_everybody_once(fifty: Database, tmp_path: Path) -> None:
    """From an SQLite file one sends and the other looks on; from PostgreSQL they share the work."""
    with sending(fifty, tmp_path) as first:
        assert read(first) == "10"
        with sending(fifty, tmp_path) as second:
            read(second)  # it has joined
            for process in (first, second):
                assert process.stdin is not None
                process.stdin.write("\n" * 100)
                process.stdin.flush()
            assert read_to_the_end(second)[-1] == "sent"
        assert read_to_the_end(first)[-1] == "sent"
    with sending(fifty, tmp_path) as third:
        assert read_to_the_end(third) == ["AlreadySentError"]
    assert recipients(tmp_path) == everybody(50)
