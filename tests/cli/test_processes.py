"""What only a process of its own shows: start-up, signals, small terminals, and who looks at the progress."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = (
    "sqlalchemy",
    "alembic",
    "pydantic",
    "babel",
    "PIL",
    "jinja2",
    "mjml",
    "ruamel",
    "markdown_it",
    "nh3",
    "sendgrid",
)
COMMAND = [sys.executable, "-c", "from newsletter.cli import main; main()"]
SEND = ["send", "welcome", "--list", "community", "--yes"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEWSLETTER_", "LC_", "LANG"))}
    return {**kept, "COLUMNS": "100", **more}


@pytest.mark.parametrize("arguments", [["--help"], ["send", "--help"], ["--version"], ["frob"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    heavy = [name for name in HEAVY if name != "pydantic" or arguments == ["--help"]]  # Typer reads options with it
    program = (
        "import sys\nfrom newsletter.cli import run\n"
        f"run({arguments!r})\n"
        f"print('LOADED', *(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_any_name_can_be_shown_on_a_small_terminal(people: Path, json_: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, "subscribers", "list", "--list", "community", *json_],
        cwd=people,
        env=environment(LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    if json_:
        assert "Kwame \N{PARTY POPPER}" in [person["first_name"] for person in json.loads(shown)]
    else:
        assert "Lucía" in shown


def test_ctrl_c_while_it_is_held_undoes_it(people: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, *SEND, "--hold", "10 min"],
        cwd=people,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lock = people / "subscribers" / "newsletter.db.sending.lock"
        until = time.monotonic() + 60
        while not lock.exists() and process.poll() is None and time.monotonic() < until:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    assert out == "Undone: nothing has left.\n"
    assert not list((people / "outbox").rglob("*.eml"))


def at_a_pseudo_terminal(arguments: list[str], folder: Path, typed: bytes) -> tuple[int, str]:
    """Run a command whose three streams are a terminal; gives its exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=environment(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, typed)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # on Linux, the end of a pseudo-terminal
                break
            if not piece:
                break
            shown += piece
        code = process.wait(60)
    os.close(ours)
    return code, shown.decode()


def test_at_a_terminal_it_asks_and_shows_how_long_it_can_be_undone(people: Path) -> None:
    code, shown = at_a_pseudo_terminal(["send", "welcome", "--list", "community", "--hold", "1s"], people, b"y\n")
    assert code == 0, shown
    before, _, after = shown.partition("Send «Welcome» to 12 people on Community News")
    assert "\x1b[2K" not in before, "a progress bar would wipe the question away"
    assert after
    assert "Ctrl-C undoes it" in shown
    assert "12 messages of 12 handed over" in shown


def test_elsewhere_there_is_no_progress(people: Path) -> None:
    done = subprocess.run(
        [*COMMAND, *SEND, "--hold", "0.3"], cwd=people, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Mailing 1, «Welcome»: sent.\n  12 messages of 12 handed over (outbox).\n"


def test_a_reader_that_goes_away_is_no_accident(people: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "schema"], cwd=people, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
