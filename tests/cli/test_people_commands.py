"""subscribers and lists: who came in, who did not and why, and who is there."""

from pathlib import Path

import pytest

from tests.cli.conftest import Newsletter


def test_import_tells_each_refused_row_and_takes_the_others(project: Path, newsletter: Newsletter) -> None:
    (project / "more.csv").write_text(
        "email,first_name,joined\na@example.org,A,2026-01-02\nnobody,B,\n\nc@example.org,C,yesterday\nd@example.org,D,\n"
    )
    said = newsletter("subscribers", "import", "more.csv", "--list", "community")
    assert said.code == 1
    first, *refused = said.out.splitlines()
    assert first == "2 people new, 0 updated, 0 unchanged, 2 refused."
    assert refused[0].startswith("  more.csv:3: «nobody»")
    assert refused[1] == "  more.csv:5: «yesterday»: joined is not a date like 2026-01-31."
    again = newsletter("subscribers", "import", "more.csv", "--list", "community", "--json")
    assert again.code == 1
    assert {name: again.json[name] for name in ("new", "updated", "unchanged", "refused")} == {
        "new": 0,
        "updated": 0,
        "unchanged": 2,
        "refused": 2,
    }
    assert [row["line"] for row in again.json["refusals"]] == [3, 5]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b"name\nx\n", "email"),
        (b"\xff\xfe\x00\x01", "Error: "),
    ],
)
def test_a_file_that_is_no_list_imports_nobody(
    project: Path, newsletter: Newsletter, content: bytes | None, told: str
) -> None:
    if content is not None:
        (project / "more.csv").write_bytes(content)
    said = newsletter("subscribers", "import", "more.csv", "--list", "community")
    assert said.code == 1
    assert told in said.err or "found" in said.err
    assert newsletter("subscribers", "list", "--list", "community", "--count").out == "0\n"


def test_import_to_no_known_list_imports_nobody(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("subscribers", "import", "subscribers/example.csv", "--list", "comunity")
    assert said.code == 2
    assert said.err == "Error: There is no list «comunity». Did you mean community?\n"


def test_list_shows_everybody_in_every_script(people: Path, newsletter: Newsletter) -> None:
    lines = newsletter("subscribers", "list", "--list", "community").out.splitlines()
    assert len(lines) == 1 + 12
    assert any("عمر حسن" in line for line in lines)
    assert any("lucia@example.net" in line and "ngo, researcher" in line for line in lines)
    assert newsletter("subscribers", "list", "--list", "community", "--count").out == "12\n"
    assert newsletter("subscribers", "list", "--list", "community", "--count", "--json").json == {"count": 12}


def test_where_chooses(people: Path, newsletter: Newsletter) -> None:
    chosen = newsletter("subscribers", "list", "--list", "community", "--where", '"ngo" in tags', "--json").json
    assert [person["email"] for person in chosen] == [
        "thomas@example.com",
        "omar@example.org",
        "lucia@example.net",
        "kwame@example.com",
    ]
    nobody = newsletter("subscribers", "list", "--list", "community", "--where", 'country == "ZZ"')
    assert (nobody.code, nobody.out) == (0, "Nobody on «community» fits that choice.\n")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ('contry == "KE"', "Did you mean country?"),
        ("country == ", "stops in the middle"),
        ("", "Error: "),
        ("__import__('os')", "Error: "),
        ("(" * 5000, "Error: "),
    ],
)
@pytest.mark.parametrize("command", [("subscribers", "list"), ("send", "welcome", "--yes", "--hold=0")])
def test_a_choice_that_cannot_be_understood_is_wrong_usage(
    people: Path, newsletter: Newsletter, command: tuple[str, ...], where: str, told: str
) -> None:
    said = newsletter(*command, "--list", "community", "--where", where)
    assert said.code == 2
    assert told in said.err
    assert said.out == ""
    assert newsletter("mailings", "--json").json == []


def test_only_the_first_page_is_shown_unless_asked(project: Path, newsletter: Newsletter) -> None:
    rows = "".join(f"p{number}@example.org\n" for number in range(60))
    (project / "more.csv").write_text("email\n" + rows)
    newsletter("subscribers", "import", "more.csv", "--list", "community")
    said = newsletter("subscribers", "list", "--list", "community").out
    assert len(said.splitlines()) == 1 + 50 + 1
    assert said.endswith("say the same with --after=p49@example.org; for everybody, with --all.\n")
    assert len(newsletter("subscribers", "list", "--list", "community", "--all").out.splitlines()) == 60


def test_lists_tells_how_many_and_which_are_open(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("lists").out.split()
    assert said == ["list", "title", "people", "sign-up", "community", "Community", "News", "12", "open"]
    told = {"list": "community", "title": "Community News", "people": 12, "sign_up": True}
    assert newsletter("lists", "--json").json == [told]


def test_an_empty_list_says_so(project: Path, newsletter: Newsletter) -> None:
    assert newsletter("subscribers", "list", "--list", "community").out == "Nobody on «community» may be mailed yet.\n"
