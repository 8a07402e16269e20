"""Entries of forms: kept for a time, told to the team in the same breath, written out safely, and let go."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.cli import run
from newsletter.database.outside import form_entry, letter
from newsletter.entries.exporting import answer_names, write_csv, write_json
from newsletter.entries.keeping import Entry
from newsletter.errors import EntryNotFoundError, FormNotFoundError
from newsletter.sending.addresses import parse_mailbox
from tests.web.served import NOW, Project

GIVEN = {"email": "ann@example.com", "news": '=HYPERLINK("https://example.net")\nand <b>more</b>'}


def rows(project: Project, table: sa.Table) -> list[sa.RowMapping]:
    with project.newsletter.database() as database, database.read() as connection:
        return [*connection.execute(sa.select(table).order_by(table.c.id)).mappings()]


def test_an_entry_is_kept_with_its_letter_to_the_team(project: Project) -> None:
    taken = project.newsletter.forms.take("updates", GIVEN, network="192.0.2.0/24")
    (kept,) = rows(project, form_entry)
    assert kept["answers"] == GIVEN
    assert (kept["id"], kept["form"], kept["at"]) == (taken.entry, "updates", NOW)
    assert kept["expires_at"] == NOW + project.newsletter.forms.form("updates").keep
    assert b"192.0.2" not in kept["origin"]
    (queued,) = rows(project, letter)
    assert (queued["kind"], queued["email"]) == ("entry", "team@example.org")
    assert queued["details"] == {"form": "updates", "entry": taken.entry}, "ids only: nothing that anybody typed"
    shown = project.newsletter.forms.show("updates", kept["id"])
    assert list(shown.answers) == ["email", "news"]


def test_a_wrong_entry_leaves_no_trace(here: Project) -> None:
    before = here.rows()
    taken = here.newsletter.forms.take("updates", {"email": "ann"})
    assert taken.entry is None
    assert [problem.name for problem in taken.problems] == ["email", "news"]
    assert here.rows() == before
    with pytest.raises(FormNotFoundError, match="Did you mean updates"):
        here.newsletter.forms.take("update", GIVEN)


def test_the_same_entry_sent_twice_is_one(here: Project) -> None:
    forms = here.newsletter.forms
    first = forms.take("updates", GIVEN, network="192.0.2.0/24")
    assert forms.take("updates", GIVEN, network="192.0.2.0/24") == first
    forms.take("updates", GIVEN, network="198.51.100.0/24")
    forms.take("updates", {**GIVEN, "news": "Other news"}, network="192.0.2.0/24")
    here.clock.pass_(hours=2)
    forms.take("updates", GIVEN, network="192.0.2.0/24")
    assert len(rows(here, form_entry)) == len(rows(here, letter)) == 4


def test_entries_go_when_their_time_has_come(project: Project) -> None:
    forms = project.newsletter.forms
    forms.take("updates", GIVEN)
    project.clock.pass_(days=100)
    forms.take("updates", GIVEN)
    project.clock.pass_(days=79)
    forms.expire()
    assert len(forms.entries("updates")) == 2
    project.clock.pass_(days=1)
    project.newsletter.expire()
    assert [entry.at for entry in forms.entries("updates")] == [NOW.replace(year=2027, month=3, day=3)]


def test_a_deleted_entry_is_nowhere_in_the_file(here: Project, tmp_path: Path) -> None:
    forms = here.newsletter.forms
    taken = forms.take("updates", {**GIVEN, "news": "a word like no other: quetzalcoatlus"})
    assert taken.entry is not None
    with pytest.raises(EntryNotFoundError):
        forms.delete("updates", taken.entry + 1)
    forms.delete("updates", taken.entry)
    assert forms.entries("updates") == []
    assert not [path for path in tmp_path.rglob("newsletter.db*") if b"quetzalcoatlus" in path.read_bytes()]


TYPED = st.tuples(st.sampled_from(["", "=", "+", "-", "@", "\t=", "\r", "'=", "''"]), st.text(max_size=20)).map("".join)
ANSWERS = st.dictionaries(st.sampled_from(["name", "news", "agreed"]), TYPED | st.booleans(), max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANSWERS, max_size=4))
def test_a_spreadsheet_runs_nothing_and_reads_everything(several: list[dict[str, str | bool]]) -> None:
    """Item 136: no cell begins as a formula does; without the apostrophe it is the answer."""
    found = [Entry(id=n, form="f", at=NOW, answers=answers, expires_at=NOW) for n, answers in enumerate(several, 1)]
    names = answer_names(None, found)
    file = io.StringIO(newline="")
    assert write_csv(found, names, file) == len(several)
    file.seek(0)
    heading, *lines = csv.reader(file)
    assert heading == ["entry", "at", "expires_at", *names]
    for answers, line in zip(several, lines, strict=True):
        for name, cell in zip(names, line[3:], strict=True):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            said = answers.get(name, "")
            said = ("yes" if said else "no") if isinstance(said, bool) else said
            guarded = said.lstrip("'").startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell == (f"'{said}" if guarded else said)
    file = io.StringIO()
    write_json(found, file)
    assert [entry["answers"] for entry in json.loads(file.getvalue())] == several


def test_the_commands_list_show_export_and_delete(
    here: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in here.newsletter.project.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(here.root)
    here.newsletter.forms.take("updates", GIVEN)

    def said(*arguments: str, code: int = 0) -> str:
        assert run(["forms", *arguments]) == code
        out, err = capsys.readouterr()
        return out + err

    assert "team@example.org" in said()
    (standing,) = json.loads(said("--json"))
    assert (standing["form"], standing["entries"], standing["url"]) == (
        "updates",
        1,
        "https://news.example.org/forms/updates",
    )
    assert "Your news: =HYPERLINK" in said("entries", "updates")
    (entry,) = json.loads(said("entries", "updates", "--json"))
    assert entry["answers"] == GIVEN
    assert "There is no form «nothing»" in said("entries", "nothing", code=2)
    assert "There is no form «nothing»" in said("delete", "nothing", "1", "--yes", code=2)
    said("export", "updates", "--out", "out.csv")
    assert "is there already" in said("export", "updates", "--out", "out.csv", code=1)
    assert 'action="https://news.example.org/forms/updates"' in said("embed", "updates")
    assert json.loads(said("embed", "updates", "--json"))["html"].startswith("<form ")
    assert "'=HYPERLINK" in Path("out.csv").read_text(encoding="utf-8")
    assert stat.S_IMODE(Path("out.csv").stat().st_mode) == 0o600
    assert json.loads(said("export", "updates", "--format", "json"))[0]["entry"] == entry["entry"]
    assert "--yes" in said("delete", "updates", str(entry["entry"]), code=2)
    assert "is deleted" in said("delete", "updates", str(entry["entry"]), "--yes")
    assert json.loads(said("entries", "updates", "--json")) == []
    assert "has no entry" in said("delete", "updates", str(entry["entry"]), "--yes", code=2)


def test_entries_go_to_the_forms_own_mailbox_else_to_who_reads_answers(tmp_path: Path, empty_file: Path) -> None:
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    more = """
[forms.chat]
title = "A chat"
to = "Giving <giving@example.org>"
fields = [{ name = "email", label = "Your address", kind = "email" }]
"""
    project = Project(tmp_path / "project", f"sqlite:///{path}", more=more)
    assert parse_mailbox(project.newsletter.forms.recipient("chat")).address == "giving@example.org"
    assert parse_mailbox(project.newsletter.forms.recipient("updates")).address == "team@example.org"
    project.newsletter.forms.take("chat", {"email": "ann@example.com"})
    assert [row["email"] for row in rows(project, letter)] == ["giving@example.org"]
