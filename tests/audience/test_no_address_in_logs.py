"""No address stands in a log, or on the error stream, where nobody asked for it; nor in the log of the server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.cli import run
from newsletter.people import People
from newsletter.starter import start_project

PROGRAM = """
import logging, sys
logging.basicConfig(level=sys.argv[1], filename="all.log")
if sys.argv[1] == "INFO":
    logging.getLogger("sqlalchemy.engine").setLevel("INFO")  # SQLAlchemy wants to be asked by name
from newsletter.cli import run
for line in sys.stdin.read().splitlines():
    print(run(line.split("|")))
"""

MESSY = """\
email;first_name;country
ada@example.com;Ada;GB
bob.at.example.com;Bob;KE
carl@@example.com;Carl;KE
dora@example.com;Dora;Kenya
eve@example.com;Eve
fay@example.com;Fay;KE
"""

COMMANDS = """\
subscribers|import|messy.csv|--list|community
subscribers|add|gil@example.com|--list|community|--confirmed|--consent|by mail
subscribers|show|ada@example.com
subscribers|tag|ada@example.com|x
subscribers|suppress|hal@example.com|--yes
subscribers|add|hal@example.com
send|welcome|--list|community|--hold|0|--yes
send|welcome|--list|community|--hold|0|--yes
why|ada@example.com|--list|community|welcome
why|ada@example.com|--mailing|9
subscribers|erase|fay@example.com|--yes
backup|all.backup
restore|all.backup
subscribers|list|--where|email = "ada@example.com"
"""

TYPED = "hal@example.com must never be mailed again"
"""What an error repeats, since somebody typed it just now."""

SENSITIVE = ("ada@", "bob.at", "carl@", "dora@", "eve@", "fay@", "gil@", "hal@", "@example.com")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["WARNING", "INFO"])
def test_no_address_is_logged(database_url: str, tmp_path: Path, level: str, request: pytest.FixtureRequest) -> None:
    project = tmp_path / "project"
    start_project(project)
    (project / "messy.csv").write_text(MESSY, encoding="utf-8")
    environ = {**os.environ, "NEWSLETTER_DATABASE__URL": database_url, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", PROGRAM, level]
    done = subprocess.run(command, cwd=project, env=environ, input=COMMANDS, capture_output=True, text=True, check=True)
    codes = [line for line in done.stdout.splitlines() if line in {"0", "1", "2"}]
    assert "".join(codes) == "10000101020022", done.stderr
    logged = (project / "all.log").read_text(encoding="utf-8")
    assert level == "WARNING" or "subscriber" in logged, "the statements of the database are in it, without values"
    assert [sign for sign in SENSITIVE if sign in logged] == []
    assert TYPED in done.stderr
    assert [sign for sign in SENSITIVE if sign in done.stderr.replace(TYPED, "")] == [], done.stderr
    if database_url.startswith("postgresql"):
        of_the_server = (request.getfixturevalue("server").folder / "log").read_text(encoding="utf-8")
        assert [sign for sign in SENSITIVE[:-1] if sign in of_the_server] == []


@pytest.mark.parametrize("debug", [False, True])
def test_an_accident_is_told_without_the_data_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    start_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")

    def fail(*_: object) -> None:
        raise RuntimeError("duplicate key\nDETAIL: Key (email)=(ada@example.com), name Ada Lovelace")

    monkeypatch.setattr(People, "history", fail)
    if debug:
        with pytest.raises(RuntimeError):
            run(["--debug", "subscribers", "show", "ada@example.com"])
        return
    assert run(["subscribers", "show", "ada@example.com"]) == 1
    told = capsys.readouterr().err
    assert "RuntimeError: duplicate key" in told
    assert "ada@" not in told
    assert "Lovelace" not in told
