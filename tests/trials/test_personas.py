"""Personas: ours where a project has none, its own from personas.toml, every mistake with its place."""

from datetime import date
from pathlib import Path

import pytest

from newsletter.errors import ConfigError
from newsletter.sending.personas import built_in, read_personas
from tests.cli.conftest import Newsletter
from tests.trials.looking import fields, letter_to

ADA = """
[personas.ada]
first_name = "Ada"
last_name = "Lovelace"
language = "en"
country = "gb"
tags = ["researcher", "donor"]
joined = 2024-12-10
email = "ada@example.com"
attributes.role = "counts"
attributes.age = 36

[personas.shy]
"""


def mistakes(folder: Path, text: str) -> list[str]:
    (folder / "personas.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_personas(folder)
    return [str(finding) for finding in caught.value.findings]


def test_a_project_without_the_file_or_with_an_empty_one_has_ours(tmp_path: Path) -> None:
    assert read_personas(tmp_path) == built_in()
    (tmp_path / "personas.toml").write_text("# none yet\n", encoding="utf-8")
    assert read_personas(tmp_path) == built_in()


def test_ours_are_what_editions_fail_on() -> None:
    ours = {name: persona.person for name, persona in built_in().items()}
    assert next(iter(ours)) == "everyday"
    assert ours["no-name"]["first_name"] is None
    assert len(f"{ours['long-name']['first_name']} {ours['long-name']['last_name']}") > 60
    assert "م" in str(ours["right-to-left"]["first_name"])
    assert "<" in str(ours["awkward-signs"]["first_name"])


def test_a_persona_is_what_its_table_says(tmp_path: Path) -> None:
    (tmp_path / "personas.toml").write_text(ADA, encoding="utf-8")
    personas = read_personas(tmp_path)
    assert list(personas) == ["ada", "shy"]
    assert personas["ada"].person == {
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "language": "en",
        "country": "GB",
        "tags": ("researcher", "donor"),
        "joined": date(2024, 12, 10),
        "attributes": {"role": "counts", "age": 36},
    }
    assert personas["shy"].person["first_name"] is None
    assert personas["shy"].person["tags"] == ()


def test_every_mistake_is_told_at_its_place(tmp_path: Path) -> None:
    text = (
        '[personas.ada]\ncountri = "KE"\ncountry = "KEN"\nlanguage = "english"\njoined = "2024-12-10"\n'
        'email = "Ada <ada@example.org>"\ntags = "donor"\nattributes.bad-name = 1\nattributes.role = [1]\n'
    )
    assert mistakes(tmp_path, text) == [
        "personas.toml:2:1: There is no setting «countri» in [personas.ada]. Did you mean «country»?",
        "personas.toml:3:1: country in [personas.ada]: «KEN» is not the code of a country. Write two letters, like KE.",
        (
            "personas.toml:4:1: language in [personas.ada]: «english» is not the code of a language. "
            "Write a code like en, fr, pt-BR or ar."
        ),
        (
            "personas.toml:5:1: joined in [personas.ada]: «2024-12-10» is not a date. "
            "Write it without quotation marks, like 2024-05-17."
        ),
        (
            "personas.toml:6:1: email in [personas.ada]: «Ada <ada@example.org>» holds a name. "
            "Write the address alone, like reader@example.org."
        ),
        (
            "personas.toml:7:1: tags in [personas.ada] must be a list; «donor» is not. "
            'Write it between brackets: ["…", "…"].'
        ),
        (
            "personas.toml:8:12: bad-name in [personas.ada.attributes]: «bad-name» cannot be used as a name. "
            "Use letters, digits and _, like role."
        ),
        (
            "personas.toml:9:12: role in [personas.ada.attributes] is neither a text nor a number. "
            'Write "a text", a number, true or false.'
        ),
    ]


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("[persona.ada]\n", "personas.toml: There is no table «persona». Did you mean «personas»?"),
        ("personas = 3\n", "personas.toml:1:1: [personas] must be a table; 3 is not."),
        ("[personas.Ada]\n", "personas.toml:1:1: Ada in [personas]: «Ada» cannot stand in addresses."),
        ('[personas.ada]\nfirst_name = "Ada\n', "personas.toml:2:14: The quotation mark at the end"),
    ],
)
def test_a_file_of_another_shape_is_told(tmp_path: Path, text: str, begin: str) -> None:
    assert mistakes(tmp_path, text)[0].startswith(begin)


def test_settings_still_find_their_own_names(tmp_path: Path) -> None:
    """The words for mistakes are shared with newsletter.toml."""
    found = mistakes(tmp_path, '[personas.ada]\nbase_url = "https://example.org"\n')
    assert found == [
        (
            "personas.toml:2:1: There is no setting «base_url» in [personas.ada]. "
            "Known here: email, first_name, last_name, language, country, tags, joined, attributes."
        )
    ]


def test_a_test_shows_the_edition_as_the_persona_named(people: Path, newsletter: Newsletter) -> None:
    (people / "personas.toml").write_text(ADA, encoding="utf-8")
    subjects = {}
    for options in ((), ("--persona", "shy")):
        assert newsletter("test", "welcome", "--to", "a@example.org", *options).code == 0
        subjects[options] = dict(fields(letter_to(people, "a@example.org", test=True)))["Subject"]
    assert subjects == {(): "[Test] Welcome, Ada", ("--persona", "shy"): "[Test] Welcome, friend"}


def test_a_persona_that_is_not_there_is_told_with_the_nearest(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org", "--persona", "no name")
    assert (said.code, said.out) == (2, "")
    assert "There is no persona «no name». Did you mean «no-name»?" in said.err


def test_mistakes_in_the_file_stop_a_test_as_a_persona(people: Path, newsletter: Newsletter) -> None:
    (people / "personas.toml").write_text('[personas.ada]\nname = "Ada"\n', encoding="utf-8")
    said = newsletter("test", "welcome", "--to", "a@example.org")
    assert said.code == 2
    assert "personas.toml:2:1" in said.err
    assert not (people / "outbox").exists()


def test_personas_lists_them(people: Path, newsletter: Newsletter) -> None:
    assert "right-to-left" in newsletter("personas").out
    (people / "personas.toml").write_text(ADA, encoding="utf-8")
    said = newsletter("personas", "--json")
    assert said.code == 0
    assert said.json["ada"]["joined"] == "2024-12-10"
    assert list(said.json) == ["ada", "shy"]
