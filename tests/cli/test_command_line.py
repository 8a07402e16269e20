"""What holds for every command: help, exit codes, errors that are sentences, and no traceback for bad input."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from newsletter import __version__
from newsletter.cli import app, run
from tests.cli.conftest import Newsletter


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))
REPORTING = [path for path, command in ALL.items() if path and not hasattr(command, "commands")]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help(newsletter: Newsletter, path: tuple[str, ...]) -> None:
    said = newsletter(*path, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"Usage: {' '.join(['newsletter', *path])}" in said.out
    assert newsletter(*path, "-h").out == said.out


@pytest.mark.parametrize("path", REPORTING, ids=" ".join)
def test_every_option_is_explained_and_every_report_has_json(path: tuple[str, ...]) -> None:
    parameters = {parameter.name: parameter for parameter in ALL[path].params}
    assert all(getattr(parameter, "help", None) for parameter in parameters.values())
    if path not in {("init",), ("schema",), ("bounces", "show")}:  # they need no project
        assert "project" in parameters
    if path not in {
        ("init",),
        ("schema",),
        ("new",),
        ("subscribers", "export"),
        ("forms", "export"),
        ("worker",),
        ("serve",),
    }:  # they report nothing, or are JSON already
        assert "json_" in parameters


def test_the_list_of_commands_is_not_cut_off(newsletter: Newsletter) -> None:
    for arguments in ([], ["mailings"], ["subscribers"]):
        assert "..." not in newsletter(*arguments, "--help").out.partition("Commands:")[2]


def test_no_command_shows_the_help(newsletter: Newsletter) -> None:
    said = newsletter()
    assert said.code == 2
    assert said.out == newsletter("--help").out
    assert newsletter("subscribers").code == 2
    for group in ("archive", "bounces", "tokens", "webhooks"):
        said = newsletter(group)
        assert (said.code, said.err) == (2, "")
        assert said.out == newsletter(group, "--help").out


def test_version(newsletter: Newsletter) -> None:
    assert newsletter("--version") == newsletter("--debug", "--version")
    assert newsletter("--version").out == f"newsletter {__version__}\n"
    assert newsletter("--version").code == 0


def test_debug_shows_the_traceback_wherever_it_stands(project: Path, newsletter: Newsletter) -> None:
    assert newsletter("check", "welcom").code == 2
    for arguments in (["--debug", "check", "welcom"], ["check", "welcom", "--debug"]):
        with pytest.raises(LookupError, match="welcom"):
            run(arguments)


def test_a_mistake_of_the_program_is_not_blamed_on_the_writer(
    project: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("newsletter.app.Newsletter.editions", fail)
    said = newsletter("check", "--all")
    assert (said.code, said.out) == (1, "")
    assert "RuntimeError: a bug" in said.err
    assert "a mistake in the program, not yours" in said.err
    assert "--debug" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["frob"], "No such command 'frob'. See:  newsletter --help"),
        (["send", "--frob"], "No such option: --frob. See:  newsletter send --help"),
        (["send", "welcome"], "Say to whom:  --list LIST"),
        (["build"], "See:  newsletter build --help"),
        (["mailings", "resume"], "See:  newsletter mailings resume --help"),
        (["mailings", "frob"], "See:  newsletter mailings --help"),
        (["mailings", "--json", "show"], "Options go last:  newsletter mailings show … --json --project DIR"),
        (["init"], "See:  newsletter init --help"),
        (["new", "a", "b"], "See:  newsletter new --help"),
        (["mailings", "report", "x"], "write a whole number. See:  newsletter mailings report --help"),
        (["serve", "--port", "99999"], "65535 is the largest. See:  newsletter serve --help"),
        (["serve", "--port", "0"], "1 is the smallest. See:  newsletter serve --help"),
    ],
)
def test_wrong_usage_is_one_sentence(project: Path, newsletter: Newsletter, arguments: list[str], told: str) -> None:
    said = newsletter(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Error: ")
    assert told in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["lists"], ["check", "--all"], ["demo"], ["mailings"], ["new", "A"]])
def test_no_project_says_how_to_make_one(
    tmp_path: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--project", str(tmp_path)]):
        said = newsletter(*arguments, *more)
        assert said.code == 2
        assert "newsletter init" in said.err


def test_a_project_elsewhere_and_from_below(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(people / "editions" / "welcome" / "images")
    here = newsletter("lists", "--json").json
    monkeypatch.chdir("/")
    assert newsletter("lists", "--json", "--project", people).json == here
    assert newsletter("mailings", "--project", people).code == 0
    assert newsletter("mailings", "show", "--project", people).code == 0


def test_broken_settings_are_told_with_their_lines(project: Path, newsletter: Newsletter) -> None:
    settings = project / "newsletter.toml"
    settings.write_text(settings.read_text().replace("organisation =", "organization =").replace('"60 s"', '"soon"'))
    said = newsletter("lists")
    assert said.code == 2
    assert re.search(r"newsletter\.toml:\d+", said.err)
    assert "organisation" in said.err
    assert "problems found." in said.err


ODD = [
    "",
    " ",
    "\0",
    "../..",
    "/etc/passwd",
    "é" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "\udcff",
    "%s{0}",
    "-",
    "--",
    "a" * 70000,
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_arguments_are_no_accident(people: Path, newsletter: Newsletter, odd: str) -> None:
    for command in (
        ["check", odd],
        ["build", odd, "--out", "b"],
        ["build", "welcome", "--out", "b", f"--as={odd}"],
        ["new", "Title", f"--from={odd}"],
        ["send", odd, "--list", "community", "--yes"],
        ["send", "welcome", f"--list={odd}", "--yes"],
        ["subscribers", "list", f"--list={odd}"],
        ["subscribers", "list", "--list", "community", f"--where={odd}"],
        ["subscribers", "import", odd],
        ["mailings", "show", odd],
        ["lists", f"--project={odd}"],
        [odd],
    ):
        said = newsletter(*command)
        assert said.code in {0, 1, 2}
        assert "Traceback" not in said.all
        assert "should not have happened" not in said.all, command
        assert len(said.all) < 5000 or len(odd) > 5000
        if said.code:
            assert said.err.startswith("Error: ") or "found" in said.err or said.out


def test_json_reports_are_json(people: Path, newsletter: Newsletter) -> None:
    for command in (["check", "--all"], ["lists"], ["mailings"], ["subscribers", "list", "--list", "community"]):
        assert json.loads(newsletter(*command, "--json").out) is not None
