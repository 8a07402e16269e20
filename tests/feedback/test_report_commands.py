"""The commands that tell what came back, and bring back whose address works after all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.cli import run
from newsletter.database.outside import EventKind
from tests.database.opened import NOW
from tests.feedback.arranged import bounce, send, tell, told
from tests.web.served import Project

ADA, BEN = "ada@example.org", "ben@example.org"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, empty_file: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose mailing reached two people, of whom one's message came back and one complained."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    url = f"sqlite:///{path}"
    project = Project(tmp_path / "project", url)
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", project.newsletter.project.environ["NEWSLETTER_SECRET_KEY"])
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", url)
    monkeypatch.chdir(project.root)
    for person in (ADA, BEN):
        project.add_person(person, "community")
    with project.newsletter.database() as database:
        sent = send(database, ADA, BEN)
        events = (bounce(sent.rows[ADA], "5.1.1"), told(EventKind.COMPLAINED, sent.rows[BEN]))
        tell(database, *events, now=NOW)
    return project


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def command(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(words)
        return (code, *capsys.readouterr())

    return command


def test_the_report_is_told_in_the_terminal(here: Project, say: Say) -> None:
    code, out, _ = say("mailings", "report", "1")
    assert code == 0
    assert "2 people, of them\n  accepted  2  ████" in out
    assert "1 came back (50 %" in out
    assert "there is no such mailbox" in out
    assert "1 person is mailed no more" in out
    assert "1 of 2 marked it as spam" in out
    assert "does not track its readers" in out
    assert "@" not in out


def test_the_report_is_told_to_programs(here: Project, say: Say) -> None:
    code, out, _ = say("mailings", "report", "1", "--json")
    told_as = json.loads(out)
    assert (code, told_as["counts"]["accepted"], told_as["bounced"]["hard"]) == (0, 2, 1)
    assert told_as["tracking"] is None


def test_the_report_is_written_as_a_page(here: Project, say: Say) -> None:
    code, out, _ = say("mailings", "report", "1", "--html", "report.html")
    assert (code, out) == (0, "Wrote report.html. Open it in a browser.\n")
    assert "<svg" in (here.root / "report.html").read_text(encoding="utf-8")
    code, _, err = say("mailings", "report", "1", "--html", "nowhere/report.html")
    assert code == 2
    assert "nowhere" in err


def test_there_is_no_report_of_a_mailing_that_is_not_there(here: Project, say: Say) -> None:
    code, _, err = say("mailings", "report", "7")
    assert code == 2
    assert "There is no mailing 7" in err


def test_an_address_is_brought_back_by_command(here: Project, say: Say) -> None:
    assert here.status(ADA) == "bounced"
    assert say("subscribers", "readmit", ADA)[0] == 2  # nobody is here to answer
    code, out, _ = say("subscribers", "readmit", ADA, "--yes")
    assert (code, here.status(ADA)) == (0, "active")
    assert "mailed again" in out
    assert "nothing to change" in say("subscribers", "readmit", ADA, "--yes")[1]
    code, _, err = say("subscribers", "readmit", BEN, "--yes")
    assert code == 1
    assert "only mail that came back can be forgiven" in err
