"""Backup, restore and erase at the front door: keys, files beside, and what is asked before anything is replaced."""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.app import Newsletter
from newsletter.cli import run
from newsletter.database.backup import read_backup
from newsletter.errors import ConfigError, UsageError
from newsletter.project import open_project
from newsletter.starter import start_project

PASSPHRASE = {"NEWSLETTER_BACKUP_PASSPHRASE": "correct horse battery staple"}
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SOMEBODY = "maya@example.org"
ROOT = Path(__file__).parents[2]
PEOPLE = {"old": 3, "new": 5}


def opened(folder: Path, environ: dict[str, str] | None = None) -> Newsletter:
    if not folder.exists():
        start_project(folder)
    return Newsletter(open_project(folder, environ or {}), lambda: NOW)


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project with the people of the example list, who got an edition in the outbox."""
    folder = tmp_path / "ours"
    opened(folder)
    monkeypatch.chdir(folder)
    assert run(["subscribers", "import", "subscribers/example.csv", "--list", "community"]) == 0
    assert run(["send", "welcome", "--list", "community", "--hold", "0", "--yes"]) == 0
    capsys.readouterr()
    return folder


def test_an_encrypted_backup_brings_its_key_to_a_new_project(filled: Path, tmp_path: Path) -> None:
    opened(filled, PASSPHRASE).backups.write(tmp_path / "all.backup")
    new = opened(tmp_path / "new", PASSPHRASE)
    before = new.project.secret_key()
    restored, aside = new.backups.restore(tmp_path / "all.backup")
    assert (restored.people, aside) == (12, None)
    assert new.project.secret_key() == opened(filled).project.secret_key() != before
    kept = new.project.root / "subscribers" / "secret.key.before-restore"
    assert kept.read_bytes().strip() == before
    assert [standing.mailable for standing in new.lists()] == [12]


def test_a_backup_of_another_key_without_it_is_refused(filled: Path, tmp_path: Path) -> None:
    opened(filled).backups.write(tmp_path / "plain.backup")
    opened(filled, PASSPHRASE).backups.write(tmp_path / "sealed.backup")
    with pytest.raises(ConfigError, match="another secret key"):
        opened(tmp_path / "new").backups.restore(tmp_path / "plain.backup")
    fixed = opened(tmp_path / "new", PASSPHRASE | {"NEWSLETTER_SECRET_KEY": "k" * 40})
    with pytest.raises(ConfigError, match="another secret key"):
        fixed.backups.restore(tmp_path / "sealed.backup")
    assert [standing.mailable for standing in fixed.lists()] == [0]


def test_people_are_replaced_only_when_somebody_says_so_and_are_kept_in_a_file(filled: Path, tmp_path: Path) -> None:
    newsletter = opened(filled)
    newsletter.backups.write(tmp_path / "all.backup")
    with pytest.raises(UsageError, match="--yes"):
        newsletter.backups.restore(tmp_path / "all.backup")
    _, aside = newsletter.backups.restore(tmp_path / "all.backup", replace=True)
    assert aside is not None
    assert aside.stat().st_mode & 0o777 == 0o600
    assert read_backup(aside, passphrase=None).people == 12


def test_erasing_takes_the_messages_out_of_the_outbox_and_names_the_table(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def holding() -> list[str]:
        files = (path for path in (filled / "outbox").rglob("*") if path.is_file())
        return sorted(path.suffix for path in files if SOMEBODY.encode() in path.read_bytes())

    assert holding() == [".eml", ".html"]
    assert run(["subscribers", "erase", SOMEBODY, "--yes"]) == 0
    said = capsys.readouterr().out
    assert holding() == []
    assert "00000001.eml" in said
    assert "example.csv still holds this address" in said
    assert len(list((filled / "outbox").rglob("*.eml"))) == 11


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["same key", "another key"])
def test_killed_at_any_step_a_restore_happened_or_not_and_the_next_command_says_what_to_run(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("newsletter.database.sealing._COST", 10)  # as quick as it may be
    ours = tmp_path / "ours"
    passphrase = PASSPHRASE if kind == "another key" else {}
    environ = {**os.environ, **passphrase, "NEWSLETTER_DATABASE__URL": database_url}
    add(ours, environ, "old").backups.write(tmp_path / "old.backup")
    made = add(ours if kind == "same key" else tmp_path / "theirs", passphrase, "new")  # in a database of its own
    made.backups.write(tmp_path / "new.backup")
    keys = {"old": opened(ours, environ).project.secret_key(), "new": made.project.secret_key()}
    assert (keys["old"] == keys["new"]) is (kind == "same key")
    seed = random.randrange(1_000_000)
    command = [sys.executable, "-m", "tests.database.restoring", str(ours), str(tmp_path / "new.backup")]
    command += [str(tmp_path / "old.backup"), str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    happened = set()
    for number, (killed, again) in enumerate(map(json.loads, done.stdout.splitlines())):
        after = "old" if number % 2 else "new"
        about = f"seed {seed}: {killed}"
        assert killed["died"], about
        which = "new" if len(killed["people"]) == PEOPLE["new"] else "old"
        happened.add(which == after)
        assert killed["people"] == everybody(which), about
        assert killed["rows"] == [len(killed["people"])] * 2, about
        if killed["code"]:
            assert "newsletter restore FILE --yes" in killed["said"], about
            assert kind == "another key", about
        else:
            assert killed["key"].strip().encode() == keys[which], about
        assert (again["died"], again["code"], again["said"]) == (False, 0, ""), about
        assert (again["people"], again["key"].strip().encode()) == (everybody(after), keys[after]), about
    # With the same key nothing comes after the commit, on SQLite.
    assert happened == {False, True} or (kind == "same key" and happened == {False})


def everybody(name: str) -> list[str]:
    return [f"{name}{number}@example.org" for number in range(PEOPLE[name])]


def add(folder: Path, environ: dict[str, str], name: str) -> Newsletter:
    """A project with people on its list."""
    newsletter = opened(folder, environ)
    for email in everybody(name):
        newsletter.subscribers.add(email, {}, [], list_slug="community", consent="yes", confirmed=True)
    return newsletter
