"""The commands about people, from end to end, through the command line, on both databases."""

import json
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import run

SETTINGS = """
[newsletter]
name = "Test"
organisation = "Test"
base_url = "https://news.example.org"

[identity]
from = "Test <news@example.org>"
postal_address = "1 Example Street"

[lists.community]
title = "Community"
opt_in = "double"

[lists.donors]
title = "Donors"
opt_in = "single"

[segments]
kenya = 'country == "KE"'
"""


class Desk:
    """A project, and a hand at the keyboard."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        self._capsys.readouterr()
        command = 2 if words[0] == "subscribers" else 1
        ended = run([*words[:command], "--project", str(self.root), *words[command:]])
        told = self._capsys.readouterr()
        assert ended == code, told
        assert "Traceback" not in told.err
        return told.out if code == 0 else told.err

    def json(self, *words: str) -> Any:
        command = 2 if words[0] == "subscribers" else 1
        return json.loads(self(*words[:command], "--json", *words[command:]))


@pytest.fixture
def desk(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    (tmp_path / "newsletter.toml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "editions").mkdir()
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", database_url)
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", "0123456789abcdef" * 4)
    return Desk(tmp_path, capsys)


def test_a_double_opt_in_list_waits_for_the_person_unless_they_confirmed_elsewhere(desk: Desk) -> None:
    assert "pending on community" in desk("subscribers", "add", "ann@example.org", "--list", "community")
    assert desk.json("subscribers", "list", "--list", "community") == []
    assert "--consent" in desk("subscribers", "add", "ann@example.org", "--list", "community", "--confirmed", code=2)
    agreed = ("--confirmed", "--consent", "Paper form 3")
    assert "active" in desk("subscribers", "add", "ann@example.org", "--list", "community", *agreed)
    assert "active" in desk("subscribers", "add", "bob@example.org", "--list", "donors")
    told = desk("subscribers", "show", "ann@example.org")
    assert "Paper form 3" in told
    assert "community: active since" in told


def test_one_person_from_end_to_end(desk: Desk) -> None:
    desk("subscribers", "add", "--list", "donors", "--country", "ke", "--tag", "x", "--", "-n@example.org")
    desk("subscribers", "set", "--", "-n@example.org", "first_name=Nan", "attributes.role=Lead")
    desk("subscribers", "tag", "--", "-n@example.org", "y")
    desk("subscribers", "untag", "--", "-n@example.org", "x")
    assert desk("subscribers", "list", "--segment", "kenya", "--where", '"y" in tags', "--count") == "1\n"
    assert desk.json("subscribers", "list", "--search", "nAn")[0]["attributes"] == {"role": "Lead"}
    csv = desk("subscribers", "export", "--list", "donors")
    assert "'-n@example.org,Nan,,,KE," in csv
    out = desk.root / "people.csv"
    desk("subscribers", "export", "--list", "donors", "--out", str(out))
    assert out.stat().st_mode & 0o077 == 0
    assert "there already" in desk("subscribers", "export", "--list", "donors", "--out", str(out), code=1)
    desk("subscribers", "move", "--", "-n@example.org", "nan@example.org")
    desk("subscribers", "unsubscribe", "nan@example.org", "--list", "donors")
    assert "left the list" in desk("why", "nan@example.org", "--list", "donors")
    assert "left the list" in desk("subscribers", "add", "nan@example.org", "--list", "donors", code=1)


def test_what_destroys_asks_first(desk: Desk) -> None:
    desk("subscribers", "add", "ann@example.org", "--list", "donors")
    desk("subscribers", "add", "bob@example.org", "--list", "donors")
    assert "--yes" in desk("subscribers", "suppress", "ann@example.org", code=2)
    assert "--yes" in desk("subscribers", "merge", "ann@example.org", "bob@example.org", code=2)
    assert desk.json("subscribers", "list") != []
    desk("subscribers", "merge", "ann@example.org", "bob@example.org", "--yes")
    desk("subscribers", "suppress", "bob@example.org", "--yes")
    assert desk.json("why", "bob@example.org", "--list", "donors")["reason"] == "suppressed"
    assert "never be mailed" in desk("subscribers", "add", "bob@example.org", code=1)


def test_reasons_of_a_list_add_up(desk: Desk) -> None:
    for number in range(4):
        desk(
            "subscribers",
            "add",
            f"p{number}@example.org",
            "--list",
            "donors",
            "--country",
            "KEUG"[number // 2 * 2 :][:2],
        )
    desk("subscribers", "unsubscribe", "p0@example.org", "--everywhere")
    told = desk.json("why", "--list", "donors", "--segment", "kenya")
    assert told == {"list": 4, "reasons": {"included": 1, "not chosen": 2, "unsubscribed": 1}}
    assert "on the list in all" in desk("why", "--list", "donors")
    assert desk.json("lists")[1]["people"] == 3


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("subscribers", "show", "no@example.org"), 2, "Nobody with the address"),
        (("subscribers", "show", "no"), 2, "not an email address"),
        (("subscribers", "add", "a" * 320 + "@example.org"), 2, "not an email address"),
        (("subscribers", "add", "a@example.org", "--first-name", "A\nBcc: b@example.org"), 1, "line break"),
        (("subscribers", "add", "a@example.org", "--list", "comunity"), 2, "Did you mean"),
        (("subscribers", "set", "a@example.org", "email=b@example.org"), 2, "subscribers move"),
        (("subscribers", "set", "a@example.org", "countri=KE"), 2, "FIELD=VALUE"),
        (("subscribers", "list", "--status", "gone", "--list", "donors"), 2, "no status"),
        (("subscribers", "list", "--segment", "kenia"), 2, "kenya"),
        (("subscribers", "list", "--where", "country = 'KE'"), 2, "=="),
        (
            (
                "subscribers",
                "export",
            ),
            2,
            "one person",
        ),
        (("subscribers", "unsubscribe", "a@example.org"), 2, "--everywhere"),
        (("why", "a@example.org"), 2, "--list"),
        (("why", "a@example.org", "--mailing", "7"), 2, "no mailing 7"),
    ],
)
def test_what_cannot_be_is_a_sentence(desk: Desk, words: tuple[str, ...], code: int, sentence: str) -> None:
    assert sentence in desk(*words, code=code)


def test_a_quoted_local_part_is_refused_with_a_sentence(desk: Desk) -> None:
    assert "not an email address" in desk("subscribers", "add", '"a b"@example.org', code=2)
