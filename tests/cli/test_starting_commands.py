"""init, new, schema and demo, as somebody types them who has never seen the product."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Newsletter


def test_init_makes_a_project_that_works_as_it_is(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("check", "--all").out == "welcome: nothing wrong found.\n"
    sent = newsletter("send", "welcome", "--list", "community", "--yes", "--hold", "0")
    assert sent.code == 0
    assert "12 messages of 12" in sent.out
    assert len(list((people / "outbox").rglob("*.eml"))) == 12
    assert "outbox/" in (people / ".gitignore").read_text()


def test_init_says_what_to_type_next(tmp_path: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    said = newsletter("init", tmp_path / "our news")
    assert f"cd '{tmp_path / 'our news'}'" in said.out
    for line in re.findall(r"^  newsletter (.*)", said.out, re.MULTILINE):
        monkeypatch.chdir(tmp_path / "our news")
        assert newsletter(*line.split(), *(["--yes", "--hold=0"] if line.startswith("send") else [])).code == 0


def test_init_here_needs_no_cd(tmp_path: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = newsletter("init", ".")
    assert said.code == 0
    assert "  cd " not in said.out


@pytest.mark.parametrize("kind", ["folder", "file", "project"])
def test_init_leaves_alone_what_is_there(tmp_path: Path, newsletter: Newsletter, kind: str) -> None:
    place = tmp_path / "there"
    if kind == "file":
        place.write_text("mine")
    elif kind == "folder":
        place.mkdir()
        (place / "letter.txt").write_text("mine")
    else:
        newsletter("init", place)
    before = sorted(tmp_path.rglob("*"))
    said = newsletter("init", place)
    assert said.code == 2
    assert "is not an empty folder. Choose another name." in said.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Data Sharing", "data-sharing"),
        ("Über «Größe» & Mut: 100 %!", "uber-grosse-mut-100"),
        ('She said "yes": {a} [b] #c', "she-said-yes-a-b-c"),
        ("- kind: 'x'", "kind-x"),
        ("\N{PARTY POPPER} Party", "party"),
        ("رسالة الشهر", None),
        ("ذ", None),
    ],
)
def test_a_new_edition_is_right_whatever_its_title(
    project: Path, newsletter: Newsletter, title: str, slug: str | None
) -> None:
    said = newsletter("new", "--", title)  # a title may begin with a hyphen
    assert said.code == 0
    made = next(path for path in (project / "editions").iterdir() if path.name != "welcome").name
    assert slug in {None, made}
    assert f"newsletter check {made}" in said.out
    assert newsletter("check", made).code == 0
    assert newsletter("build", made, "--out", "b", "--json").json["title"] == title


@pytest.mark.parametrize("title", ["", "   ", "\n", "a\0b", "two\nlines", "x" * 5000])
def test_a_title_that_cannot_be_one_is_refused_and_leaves_nothing(
    project: Path, newsletter: Newsletter, title: str
) -> None:
    said = newsletter("new", title)
    assert said.code in {1, 2}
    assert "title" in said.err.lower()
    assert [path.name for path in (project / "editions").iterdir()] == ["welcome"]


def test_a_new_edition_from_another_has_its_blocks_and_pictures(project: Path, newsletter: Newsletter) -> None:
    assert newsletter("new", "April", "--from", "welcome").code == 0
    folder = project / "editions" / "april"
    was = project / "editions" / "welcome"
    assert (folder / "images" / "letter.svg").read_bytes() == (was / "images" / "letter.svg").read_bytes()
    assert "Your first partner" in (folder / "edition.yaml").read_text()
    built = newsletter("build", "april", "--out", "b", "--json").json
    assert (built["title"], built["subject"]) == ("April", "April")
    assert len(built["sizes"]["pictures"]) == 1


def test_the_same_slug_is_refused(project: Path, newsletter: Newsletter) -> None:
    (project / "editions" / "welcome" / "edition.yaml").write_text("mine")
    said = newsletter("new", "Welcome!")
    assert said.code == 2
    assert "There is an edition «welcome» already." in said.err
    assert "--slug" in said.err
    assert (project / "editions" / "welcome" / "edition.yaml").read_text() == "mine"
    assert newsletter("new", "Welcome!", "--slug", "welcome-2").code == 0


def test_a_copy_of_no_edition_names_the_nearest(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("new", "April", "--from", "welcom")
    assert (said.code, said.err) == (2, "Error: There is no edition «welcom». Did you mean welcome?\n")
    assert "Editions here: welcome." in newsletter("new", "April", "--from", "zzz").err
    assert not (project / "editions" / "april").exists()


@pytest.mark.parametrize("slug", ["../x", "/tmp/x", "A B", "é", ".", "-x", ""])
def test_a_slug_cannot_lead_elsewhere(project: Path, newsletter: Newsletter, slug: str) -> None:
    before = sorted(project.parent.rglob("*"))
    said = newsletter("new", "April", f"--slug={slug}")
    if slug:
        assert said.code == 2
        assert sorted(project.parent.rglob("*")) == before
    else:  # none was given
        assert (project / "editions" / "april").is_dir()


def test_schema_is_a_json_schema_that_the_starter_fits(newsletter: Newsletter) -> None:
    schema = newsletter("schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"title", "subject", "blocks"} <= set(schema["properties"])
    assert schema["required"] == sorted(schema["required"], key=["title", "subject", "blocks"].index)
    assert schema["additionalProperties"] is False
    names = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)))
    assert names <= set(schema["$defs"])


def test_schema_out_says_where_an_edition_finds_it(project: Path, newsletter: Newsletter) -> None:
    (project / "editor").mkdir()
    said = newsletter("schema", "--out", "editor/edition.schema.json")
    assert said.code == 0
    place = re.search(r"\$schema=(\S+)", said.out)
    assert place is not None
    found = project / "editions" / "welcome" / place[1]
    assert json.loads(found.read_text(encoding="utf-8")) == newsletter("schema").json


def test_schema_out_where_no_folder_is(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("schema", "--out", "nowhere/s.json")
    assert said.code == 1
    assert said.err.startswith("Error: «nowhere/s.json» cannot be used: No such file or directory.")


def test_demo_works_twice_and_touches_nothing_of_the_project(
    project: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project / "newsletter.toml"
    smtp = 'kind = "smtp"\n[sender.smtp]\nhost = "mail.example.org"\nport = 587\nsecurity = "starttls"\n'
    settings.write_text(settings.read_text().replace('kind = "outbox"', smtp + "# was outbox"))
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", f"sqlite:///{project}/subscribers/real.db")
    monkeypatch.setenv("NEWSLETTER_SENDER__KIND", "smtp")
    files = {path for path in project.rglob("*") if "outbox" not in path.parts}
    first = newsletter("demo")
    assert first.code == 0, first.err
    assert "Delivered it to 12 people of the example list" in first.out
    again = newsletter("demo", "--json").json
    assert again["delivered"] == 12
    assert len(list((project / "outbox" / "demo").rglob("*.eml"))) == 12 + 1  # and the one that is built
    assert Path(again["build"], "edition.html").is_file()
    assert {path.name for path in project.rglob("*") if "outbox" not in path.parts} - {p.name for p in files} <= {
        "secret.key"
    }


def test_demo_needs_the_example_list_and_an_edition(project: Path, newsletter: Newsletter) -> None:
    (project / "subscribers" / "example.csv").unlink()
    said = newsletter("demo")
    assert said.code == 2
    assert "example.csv" in said.err
    newsletter("init", project.parent / "other")
    shutil.rmtree(project.parent / "other" / "editions")
    said = newsletter("demo", "--project", project.parent / "other")
    assert said.code == 2
    assert "There is no edition yet" in said.err


def test_demo_of_a_broken_edition_says_what_is_wrong(project: Path, newsletter: Newsletter) -> None:
    file = project / "editions" / "welcome" / "edition.yaml"
    file.write_text(file.read_text().replace("kind: divider", "kind: dividr"))
    said = newsletter("demo")
    assert said.code == 1
    assert "divider" in said.err
    assert not list((project / "outbox").rglob("*.eml"))
