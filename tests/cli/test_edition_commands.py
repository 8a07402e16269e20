"""check and build: everything that is wrong is told, and what is built can be looked at."""

import email
import re
from email import policy
from pathlib import Path

import pytest

from tests.cli.conftest import Newsletter

BROKEN = {
    "a field misspelled": ("headline:", "headlin:", "headline"),
    "a kind that is none": ("kind: divider", "kind: dividr", "divider"),
    "a missing picture": ("images/letter.svg", "images/lettre.svg", "lettre.svg"),
    "a wrong name in a slot": ('{{ first_name | default("friend") }},', "{{ frist_name }},", "first_name"),
    "broken YAML": ("title: Welcome  ", "title: [Welcome  ", "edition.yaml"),
}


def break_edition(project: Path, old: str, new: str, slug: str = "welcome") -> None:
    file = project / "editions" / slug / "edition.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("kind", BROKEN)
def test_check_tells_the_line_and_what_to_do(project: Path, newsletter: Newsletter, kind: str) -> None:
    old, new, told = BROKEN[kind]
    break_edition(project, old, new)
    said = newsletter("check", "welcome")
    assert said.code == 1
    assert re.search(r"^Must fix  editions/welcome/edition\.yaml:\d+", said.out, re.MULTILINE)
    assert told in said.out
    assert re.search(r"^welcome: \d+ things? to fix before it can be sent\.$", said.out, re.MULTILINE)
    assert "Traceback" not in said.all


def test_check_tells_all_mistakes_at_once(project: Path, newsletter: Newsletter) -> None:
    for name in ("a field misspelled", "a kind that is none", "a wrong name in a slot"):
        break_edition(project, *BROKEN[name][:2])
    said = newsletter("check", "welcome", "--json")
    assert said.code == 1
    findings = said.json["welcome"]
    assert len(findings) >= 3
    assert set(findings[0]) == {"rule", "severity", "file", "line", "column", "block", "what", "fix"}
    assert {finding["severity"] for finding in findings} == {"must fix"}


def test_check_all_goes_on_after_a_broken_edition(project: Path, newsletter: Newsletter) -> None:
    newsletter("new", "Another")
    newsletter("new", "Zebra")
    break_edition(project, "title:", "titel:", "another")
    said = newsletter("check", "--all")
    assert said.code == 1
    assert "another: " in said.out
    assert "welcome: nothing wrong found." in said.out
    assert "zebra: nothing wrong found." in said.out
    assert list(newsletter("check", "--all", "--json").json) == ["another", "welcome", "zebra"]


def test_a_remark_does_not_keep_an_edition_from_being_sent(people: Path, newsletter: Newsletter) -> None:
    break_edition(people, '{{ first_name | default("friend") }},', "{{ first_name }},")
    said = newsletter("check", "welcome")
    assert said.code == 0
    assert "welcome: can be sent; 1 remark." in said.out
    assert "Readers of whom «first_name» is not known will see nothing there." in said.out
    assert newsletter("send", "welcome", "--list", "community", "--yes", "--hold", "0").code == 0


def test_the_project_weighs_remarks_but_cannot_weigh_mistakes_away(project: Path, newsletter: Newsletter) -> None:
    break_edition(project, '{{ first_name | default("friend") }},', "{{ first_name }},")
    settings = project / "newsletter.toml"
    before = settings.read_text()
    settings.write_text(before + '\n[checks]\nslot-without-default = "off"\n')
    assert newsletter("check", "welcome", "--json").json == {"welcome": []}
    settings.write_text(before + '\n[checks]\nslot-without-default = "must fix"\n')
    assert newsletter("check", "welcome").code == 1
    break_edition(project, *BROKEN["a kind that is none"][:2])
    rule = newsletter("check", "welcome", "--json").json["welcome"][0]["rule"]
    settings.write_text(before + f'\n[checks]\n{rule} = "off"\n')
    assert newsletter("check", "welcome").code in {1, 2}


def test_a_language_for_which_the_theme_has_no_words_is_told(project: Path, newsletter: Newsletter) -> None:
    break_edition(project, "title: Welcome  ", "language: gl\ntitle: Welcome  ")
    said = newsletter("check", "welcome")
    assert said.code == 0
    assert "The theme has no words in «gl»" in said.out
    assert "templates/words/gl.toml" in said.out


def test_a_broken_template_of_the_project_is_a_finding(project: Path, newsletter: Newsletter) -> None:
    blocks = project / "templates" / "blocks"
    blocks.mkdir(parents=True)
    (blocks / "divider.mjml.j2").write_text("{% if %}")
    said = newsletter("check", "welcome")
    assert said.code == 1
    assert "divider.mjml.j2" in said.out
    assert newsletter("build", "welcome", "--out", "b").code == 1


@pytest.mark.parametrize("command", [["check"], ["build", "--out", "b"], ["send", "--list", "community", "--yes"]])
def test_an_unknown_edition_names_the_nearest(project: Path, newsletter: Newsletter, command: list[str]) -> None:
    said = newsletter(*command, "welcom")
    assert (said.code, said.out) == (2, "")
    assert said.err == "Error: There is no edition «welcom». Did you mean welcome?\n"


@pytest.mark.parametrize("typed", ["Welcome", "WELCOME", "Welcom "])
def test_a_name_in_another_case_names_the_edition(project: Path, newsletter: Newsletter, typed: str) -> None:
    said = newsletter("check", typed)
    assert (said.code, said.err) == (2, f"Error: There is no edition «{typed}». Did you mean welcome?\n")


def test_check_wants_one_edition_or_all(project: Path, newsletter: Newsletter) -> None:
    for arguments in ([], ["welcome", "--all"]):
        said = newsletter("check", *arguments)
        assert said.code == 2
        assert said.err == "Error: Name one edition, or say --all. Editions here: welcome.\n"


def test_check_all_of_no_edition_says_how_to_start_one(project: Path, newsletter: Newsletter) -> None:
    (project / "editions" / "welcome" / "edition.yaml").unlink()
    said = newsletter("check", "--all")
    assert said.code == 0
    assert 'newsletter new "Title"' in said.out


def test_build_writes_everything(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("build", "welcome", "--out", "preview")
    assert said.code == 0
    assert "Open preview/edition.html in a browser." in said.out
    assert "outside" not in said.out
    out = project / "preview"
    names = {path.name for path in out.iterdir()}
    assert names == {"edition.html", "edition.txt", "edition.mjml", "edition.eml", "edition.json", "images"}
    for name in names - {"images"}:
        assert f"preview/{name}" in said.out


def test_build_json_is_the_summary(project: Path, newsletter: Newsletter) -> None:
    import json

    said = newsletter("build", "welcome", "--out", "preview", "--json").json
    assert said == json.loads((project / "preview" / "edition.json").read_text(encoding="utf-8"))
    assert set(said) == {"edition", "title", "subject", "language", "digest", "as", "conditions", "sizes", "findings"}
    assert re.fullmatch(r"[0-9a-f]{64}", said["digest"])
    assert set(said["sizes"]) == {"html", "text", "message", "pictures"}


def test_build_as_a_subscriber_is_what_they_get(people: Path, newsletter: Newsletter) -> None:
    built = newsletter("build", "welcome", "--out", "b", "--as", "LUCIA@example.net", "--json").json
    assert built["as"] == "lucia@example.net"
    assert built["subject"] == "Welcome, Lucía"
    assert built["conditions"] == {'"researcher" in tags': True}
    assert "Only some readers see this" in (people / "b" / "edition.html").read_text(encoding="utf-8")
    message = email.message_from_bytes((people / "b" / "edition.eml").read_bytes(), policy=policy.default)
    assert message["To"].addresses[0].addr_spec == "lucia@example.net"


def test_build_as_nobody_known_shows_the_defaults(people: Path, newsletter: Newsletter) -> None:
    built = newsletter("build", "welcome", "--out", "b", "--json").json
    assert built["subject"] == "Welcome, friend"
    assert "Only some readers see this" not in (people / "b" / "edition.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("address", ["nobody@example.org", "no address", ""])
def test_build_as_an_unknown_address_is_wrong_usage(people: Path, newsletter: Newsletter, address: str) -> None:
    said = newsletter("build", "welcome", "--out", "b", "--as", address)
    assert said.code == 2
    assert said.err.startswith("Error: ")
    assert not (people / "b").exists()


def test_build_into_a_file_is_a_sentence(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("build", "welcome", "--out", "newsletter.toml")
    assert said.code == 1
    assert "cannot be used" in said.err
    assert "Traceback" not in said.err
