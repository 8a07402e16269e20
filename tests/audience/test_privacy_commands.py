"""What a person may ask for, at the command line, on both databases: why, all about me, forget me; with proof."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from newsletter.app import Newsletter
from newsletter.audience.privacy import PENDING_LASTS
from newsletter.cli import run
from newsletter.database.backup import write_backup
from newsletter.database.schema import delivery
from newsletter.project import open_project
from newsletter.starter import start_project
from tests.database.opened import SECRET

FILE = """\
email,first_name,last_name,tags,attributes.employer
Ada.Lovelace@example.com,Augusta Ada,Lovelace-King,analytical-engine,Babbage & Co
bob@example.com,Bob,,,
eve@example.com,Eve,,,
"""
TRACES = (b"ada.lovelace", b"augusta", b"lovelace-king", b"analytical-engine", b"babbage")

Say = Callable[..., str]


@pytest.fixture
def root(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three people on its list; the commands run there."""
    project = tmp_path / "project"
    start_project(project)
    (project / "people.csv").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(project)
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", database_url)
    return project


@pytest.fixture
def say(root: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command, sees that it ends with the code, and gives what it said."""

    def command(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = run(words)
        told = capsys.readouterr()
        assert ended == code, told
        return told.out + told.err

    say_it: Say = command
    say_it("subscribers", "import", "people.csv", "--list", "community", "--consent", "Form of 3 May")
    return say_it


def everything_kept(project: Path) -> bytes:
    """All rows of all tables, and, where the database is a file, every byte of it and of what stands beside it."""
    newsletter = Newsletter.open()
    with newsletter.database() as database:
        rows = project / "all.rows"
        write_backup(database, rows, secret=SECRET, passphrase=None, now=datetime.now(UTC))
        files = [] if database.path is None else sorted(database.path.parent.glob("newsletter.db*"))
        found = gzip.decompress(rows.read_bytes()) + b"".join(path.read_bytes() for path in files)
        rows.unlink()
    return found.lower()


def test_everything_about_one_person_is_one_json_document(say: Say, root: Path) -> None:
    say("send", "welcome", "--list", "community", "--hold", "0", "--yes")
    about: dict[str, Any] = json.loads(say("subscribers", "export", "ada.LOVELACE@example.com"))
    assert (about["email"], about["first_name"], about["tags"]) == (
        *("Ada.Lovelace@example.com", "Augusta Ada"),
        ["analytical-engine"],
    )
    assert [(one["list"], one["status"]) for one in about["lists"]] == [("community", "active")]
    assert [(one["wording"], one["method"]) for one in about["consent"]] == [("Form of 3 May", "import")]
    assert [(one["edition"], one["state"]) for one in about["messages"]] == [("welcome", "accepted")]
    assert about["imports"] == [{"receipt": 1, "came": True}]
    assert "bob@" not in str(about)
    say("subscribers", "export", "ada.lovelace@example.com", "--out", "ada.json")
    assert json.loads((root / "ada.json").read_text(encoding="utf-8")) == about
    assert (root / "ada.json").stat().st_mode & 0o077 == 0
    assert "Nobody with the address" in say("subscribers", "export", "no@example.com", code=2)


def test_of_somebody_erased_nothing_is_left_but_that_they_stay_out(say: Say, root: Path) -> None:
    say("send", "welcome", "--list", "community", "--hold", "0", "--yes")
    say("subscribers", "set", "ada.lovelace@example.com", "attributes.employer=Babbage and Sons")
    assert [trace for trace in TRACES if trace not in everything_kept(root)] == []
    (root / "people.csv").rename(root / "subscribers" / "people.csv")

    told = say("subscribers", "erase", "ada.lovelace@example.com", "--yes")

    assert "Erased." in told
    assert "people.csv still holds this address" in told
    assert [trace for trace in TRACES if trace in everything_kept(root)] == []
    assert not [path for path in (root / "outbox").rglob("*.*") if b"ada.lovelace" in path.read_bytes().lower()]
    say("subscribers", "receipts", "1", "--csv", "rows.csv")
    assert not any(trace in (root / "rows.csv").read_bytes().lower() for trace in TRACES)
    assert json.loads(say("mailings", "show", "1", "--json"))["counts"]["accepted"] == 3
    assert "it must never be mailed" in say("subscribers", "show", "ada.lovelace@example.com", code=2)
    assert json.loads(say("subscribers", "export", "ada.lovelace@example.com"))["suppression"]["reason"] == "erased"
    again = say("subscribers", "import", "subscribers/people.csv", "--list", "community", code=1)
    assert "must never be mailed again (erased)" in again
    assert [trace for trace in TRACES if trace in everything_kept(root)] == []
    assert "Nobody has this address" in say("subscribers", "erase", "ada.lovelace@example.com", "--yes")


def test_erasing_asks_first_and_as_json_says_what_remains(say: Say) -> None:
    assert "--yes" in say("subscribers", "erase", "bob@example.com", code=2)
    say("subscribers", "show", "bob@example.com")
    told = json.loads(say("subscribers", "erase", "bob@example.com", "--yes", "--json"))
    assert (told["email"], told["known"], told["removed"]) == ("bob@example.com", True, [])
    assert any("Backups" in sentence for sentence in told["remains"])


def test_why_somebody_is_or_is_not_part_of_a_mailing(say: Say) -> None:
    say("subscribers", "unsubscribe", "eve@example.com", "--list", "community")
    say("send", "welcome", "--list", "community", "--hold", "0", "--yes")
    assert say("why", "bob@example.com", "--mailing", "1") == "bob@example.com is part of mailing 1: got it.\n"
    assert say("why", "eve@example.com", "--mailing", "1") == (
        "eve@example.com is not part of mailing 1: was not among those whom the mailing was planned for.\n"
    )
    told = json.loads(say("why", "bob@example.com", "--mailing", "1", "--json"))
    assert (told["included"], told["reason"]) == (True, "accepted")
    for words in (["--mailing", "1"], ["bob@example.com", "--mailing", "1", "--list", "community"]):
        assert "newsletter why EMAIL --mailing" in say("why", *words, code=2)
    assert "Nobody with the address" in say("why", "no@example.com", "--mailing", "1", code=2)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("planned", "has not left yet"),
        ("claimed", "getting it right now"),
        ("refused", "refused it for good (550 no such user)"),
        ("deferred", "tried again later"),
        ("unknown", "nobody knows whether it left"),
        ("skipped", "then left out"),
    ],
)
def test_why_tells_every_state_of_a_delivery(say: Say, state: str, words: str) -> None:
    say("send", "welcome", "--list", "community", "--hold", "0", "--yes")
    with Newsletter.open().database() as database, database.write() as connection:
        reason = "550 no such user" if state == "refused" else None
        connection.execute(sa.update(delivery).values(state=state, reason=reason))
    assert words in say("why", "bob@example.com", "--mailing", "1")


def test_adding_somebody_forgets_sign_ups_past_their_time(say: Say, root: Path) -> None:
    long_ago = datetime.now(UTC) - PENDING_LASTS - timedelta(days=1)
    asked = {"list_slug": "community", "consent": None, "confirmed": False}
    old = Newsletter(open_project(root, {"NEWSLETTER_DATABASE__URL": database_of()}), lambda: long_ago)
    old.subscribers.add("old@example.com", {}, [], **asked)
    assert "pending" in say("subscribers", "show", "old@example.com")
    say("subscribers", "add", "new@example.com", "--list", "community")
    assert "Nobody with the address" in say("subscribers", "show", "old@example.com", code=2)
    assert "pending" in say("subscribers", "show", "new@example.com")


def database_of() -> str:
    return Newsletter.open().project.database_url
