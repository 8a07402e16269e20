"""What the doctor says about this machine: the key, the database, the disk. It changes nothing."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from newsletter.database.connection import open_database
from newsletter.doctor.here import examine_database, examine_settings
from newsletter.project import Project, open_project
from tests.doctor.examining import about, make_project, states


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_project(make_project(tmp_path), {})


def test_a_fresh_project_is_good_and_stays_as_it_is(project: Project) -> None:
    lines = [*examine_settings(project), *examine_database(project)]
    assert {line.state.value for line in lines} == {"good"}
    assert not (project.root / "subscribers").exists()


def test_a_secret_key_that_others_can_read_must_be_fixed(project: Project) -> None:
    project.secret_key()
    assert states(list(examine_settings(project)), "secret-key") == ["good"]
    (project.root / "subscribers" / "secret.key").chmod(0o644)
    (line,) = about(list(examine_settings(project)), "secret-key")
    assert (line.state.value, "chmod 600" in line.fix) == ("must fix", True)


def test_a_secret_key_from_the_environment_is_looked_at(tmp_path: Path) -> None:
    make_project(tmp_path)
    for key, state in (("k" * 32, "good"), ("short", "must fix")):
        lines = list(examine_settings(open_project(tmp_path, {"NEWSLETTER_SECRET_KEY": key})))
        assert states(lines, "secret-key") == [state]
        assert "short" not in about(lines, "secret-key")[0].fix.split()


def test_a_database_in_order_is_good(tmp_path: Path, database_url: str) -> None:
    make_project(tmp_path)
    lines = list(examine_database(open_project(tmp_path, {"NEWSLETTER_DATABASE__URL": database_url})))
    assert states(lines, "database") == ["good"]
    assert "opens, is up to date and can be written to" in about(lines, "database")[0].what


def test_a_server_that_is_not_there_must_be_fixed(tmp_path: Path) -> None:
    make_project(tmp_path)
    environ = {"NEWSLETTER_DATABASE__URL": "postgresql://news:s3cret@127.0.0.1:1/newsletter"}
    (line,) = examine_database(open_project(tmp_path, environ))
    assert (line.state.value, bool(line.fix)) == ("must fix", True)
    assert "s3cret" not in str(line)


def test_a_database_that_others_could_read_is_told_and_closed(project: Project) -> None:
    open_database(project.database_url).close()
    path = project.root / "subscribers" / "newsletter.db"
    path.chmod(0o644)
    (line,) = about(list(examine_database(project)), "database-private")
    assert (line.state.value, "mode 644" in line.what) == ("should fix", True)
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_database_must_be_fixed(project: Project) -> None:
    path = project.root / "subscribers" / "newsletter.db"
    path.parent.mkdir()
    path.write_text("no database at all, and long enough to be looked at as one " * 20)
    assert states(list(examine_database(project)), "database") == ["must fix"]


def test_a_database_that_somebody_writes_to_is_waited_for_and_then_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.database.connection.BUSY_SECONDS", 0)
    open_database(project.database_url).close()
    other = sqlite3.connect(project.root / "subscribers" / "newsletter.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        (line,) = about(list(examine_database(project)), "database")
    finally:
        other.close()
    assert line.state.value == "must fix"


@pytest.mark.parametrize(("free", "state"), [(5_000, "must fix"), (500_000_000, "should fix"), (5_000_000_000, "good")])
def test_the_room_on_the_disk(project: Project, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert states(list(examine_database(project)), "free-space") == [state]


def test_a_form_whose_visitors_nobody_could_answer_is_pointed_out(tmp_path: Path) -> None:
    ask = 'fields = [{{ name = "contact", label = "How can we reach you?", kind = "{kind}" }}]'
    for kind, state in (("email", []), ("text", ["should fix"])):
        make_project(
            tmp_path, lambda toml, kind=kind: f'{toml}\n[forms.chat]\ntitle = "A chat"\n{ask.format(kind=kind)}'
        )  # type: ignore[misc]
        assert states(list(examine_settings(open_project(tmp_path, {}))), "form-answer") == state
