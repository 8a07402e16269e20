"""send and mailings: it asks, it sends once, and what it says is what the ledger holds."""

import io
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Newsletter

SEND = ("send", "welcome", "--list", "community")


def files(project: Path) -> int:
    return len(list((project / "outbox").rglob("*.eml")))


def stop_half_way(people: Path, newsletter: Newsletter) -> None:
    """A mailing of which five messages have left, as if its process had been killed."""
    assert newsletter(*SEND, "--yes", "--hold=0").code == 0
    with sqlite3.connect(people / "subscribers" / "newsletter.db") as database:
        database.execute("UPDATE mailing SET state = 'paused', finished_at = NULL")
        database.execute("UPDATE delivery SET state = 'planned' WHERE id > 5")
    database.close()
    for file in (people / "outbox").rglob("*.eml"):
        if int(file.stem) > 5:
            file.unlink()


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_nobody_to_answer_is_a_sentence(people: Path, newsletter: Newsletter) -> None:
    said = newsletter(*SEND)
    assert (said.code, said.out) == (2, "")
    assert said.err == "Error: Nobody is here to answer. Say --yes to send without being asked.\n"
    assert newsletter("mailings", "--json").json == []
    assert files(people) == 0


@pytest.mark.usefixtures("at_a_terminal")
def test_it_asks_in_one_sentence_and_no_means_no(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "n\n")
    said = newsletter(*SEND, "--json")
    assert (said.code, said.out) == (1, "")
    question = "Send «Welcome» to 12 people on Community News into files of the outbox, now with 60 s to undo? [y/N]"
    assert question in said.err
    assert said.err.endswith("Not sent. Nothing has left.\n")
    assert newsletter("mailings", "--json").json == []
    assert files(people) == 0


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize("typed", ["", "\n", "what\nn\n"])
def test_anything_but_yes_sends_nothing(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    answer(monkeypatch, typed)
    said = newsletter(*SEND, "--hold", "0")
    assert said.code == 1
    assert "without time to undo" in said.err
    assert files(people) == 0


@pytest.mark.usefixtures("at_a_terminal")
def test_yes_sends(people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    newsletter(*SEND, "--where", 'country == "KE"', "--yes", "--hold", "0")
    answer(monkeypatch, "y\n")
    said = newsletter(*SEND, "--hold", "0")
    assert said.code == 0
    assert "to 11 people on Community News (1 person on it got it before and will not get it again)" in said.err
    assert files(people) == 12


def test_a_second_send_reaches_nobody(people: Path, newsletter: Newsletter) -> None:
    first = newsletter(*SEND, "--yes", "--hold", "0")
    assert first.code == 0
    assert first.out == "Mailing 1, «Welcome»: sent.\n  12 messages of 12 handed over (outbox).\n"
    second = newsletter(*SEND, "--yes", "--hold", "0")
    assert second.code == 1
    assert "Everybody chosen (12) has this edition already." in second.err
    assert files(people) == 12


def test_where_sends_to_some_and_the_next_mailing_to_the_others(people: Path, newsletter: Newsletter) -> None:
    some = newsletter(*SEND, "--where", '"researcher" in tags', "--yes", "--hold", "0", "--json").json
    assert (some["audience"], some["where"]) == (3, '"researcher" in tags')
    others = newsletter(*SEND, "--yes", "--hold", "0", "--json").json
    assert others["audience"] == 9
    assert files(people) == 12


def test_send_json_is_what_mailings_show_prints(people: Path, newsletter: Newsletter) -> None:
    sent = newsletter(*SEND, "--yes", "--hold", "0", "--json")
    assert sent.code == 0
    assert sent.json == newsletter("mailings", "show", "1", "--json").json
    assert {"id", "edition", "state", "audience", "counts"} <= set(sent.json)
    assert sent.json["state"] == "sent"
    assert sum(sent.json["counts"].values()) == sent.json["audience"] == 12
    assert sent.json["counts"]["accepted"] == 12


def test_mailings_lists_the_newest_first(people: Path, newsletter: Newsletter) -> None:
    assert "There is no mailing yet." in newsletter("mailings").out
    newsletter(*SEND, "--where", 'country == "KE"', "--yes", "--hold", "0")
    newsletter(*SEND, "--yes", "--hold", "0")
    alone, shown = newsletter("mailings"), newsletter("mailings", "show")
    assert alone == shown
    assert [line.split()[0] for line in alone.out.splitlines()] == ["id", "2", "1"]
    assert [one["id"] for one in newsletter("mailings", "--json").json] == [2, 1]
    assert newsletter("mailings", "--json").json == newsletter("mailings", "show", "--json").json
    one = newsletter("mailings", "show", "1").out
    assert 'only where country == "KE"' in one
    assert "audience 1 person, of them" in one
    assert "planned" not in one


@pytest.mark.parametrize(("hold", "seconds"), [("0", 0), ("0.01s", 0.01), ("0 min", 0), ("0h", 0), ("0 seconds", 0)])
def test_hold_as_people_write_it(people: Path, newsletter: Newsletter, hold: str, seconds: float) -> None:
    assert newsletter(*SEND, "--yes", "--hold", hold).code == 0


def test_hold_in_minutes_and_hours() -> None:
    from datetime import timedelta

    from newsletter.cli.send import _duration

    assert _duration("2 min") == _duration("120") == _duration("120 sec") == timedelta(minutes=2)
    assert _duration("1.5h") == _duration("90m") == timedelta(minutes=90)
    assert _duration("24 hours") == timedelta(days=1)


@pytest.mark.parametrize("hold", ["", "soon", "-5", "1e9", "nan", "2 days", "10 min 5", "9" * 400 + "h", "25h", "٣x"])
def test_a_hold_that_is_no_duration_is_wrong_usage(people: Path, newsletter: Newsletter, hold: str) -> None:
    said = newsletter(*SEND, "--yes", f"--hold={hold}")
    assert said.code == 2
    assert "is not a duration" in said.err or "longer than a day" in said.err
    assert newsletter("mailings", "--json").json == []


def test_an_edition_that_must_be_mended_is_not_sent_and_nothing_is_recorded(
    people: Path, newsletter: Newsletter
) -> None:
    file = people / "editions" / "welcome" / "edition.yaml"
    file.write_text(file.read_text().replace("images/letter.svg", "images/lettre.svg"))
    said = newsletter(*SEND, "--yes", "--hold", "0")
    assert said.code == 1
    assert "edition.yaml:" in said.err
    assert said.err.endswith("1 problem found.\n")
    assert newsletter("mailings", "--json").json == []
    assert files(people) == 0


def test_an_unknown_list_or_an_empty_one(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("send", "welcome", "--list", "everybody", "--yes")
    assert (said.code, said.err) == (2, "Error: There is no list «everybody». newsletter.toml has: community.\n")
    said = newsletter(*SEND, "--yes")
    assert said.code == 1
    assert "newsletter subscribers import" in said.err


def test_resume_goes_on_where_it_stopped(people: Path, newsletter: Newsletter) -> None:
    stop_half_way(people, newsletter)
    assert newsletter("mailings", "show", "1", "--json").json["counts"]["planned"] == 7
    said = newsletter("mailings", "resume", "1", "--json")
    assert said.code == 0
    assert (said.json["state"], said.json["counts"]["accepted"]) == ("sent", 12)
    assert files(people) == 12
    again = newsletter("mailings", "resume", "1")
    assert (again.code, again.err) == (1, "Error: Mailing 1 is sent: nothing of it is left to send.\n")


def test_cancel_leaves_the_others_for_another_mailing(people: Path, newsletter: Newsletter) -> None:
    stop_half_way(people, newsletter)
    said = newsletter("mailings", "cancel", "1", "--yes")
    assert said.code == 0
    assert said.out == "Cancelled. 5 people have it, 7 will not get it by this mailing.\n"
    assert newsletter("mailings", "resume", "1").code == 1
    assert newsletter(*SEND, "--yes", "--hold", "0", "--json").json["audience"] == 7
    assert files(people) == 12


@pytest.mark.usefixtures("at_a_terminal")
def test_cancel_asks_by_name(people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_half_way(people, newsletter)
    answer(monkeypatch, "n\n")
    said = newsletter("mailings", "cancel", "1")
    assert said.code == 1
    assert "Cancel mailing 1, «Welcome» to community?" in said.err
    assert newsletter("mailings", "show", "1", "--json").json["state"] == "paused"


def test_cancel_without_a_terminal_or_of_what_is_sent(people: Path, newsletter: Newsletter) -> None:
    stop_half_way(people, newsletter)
    said = newsletter("mailings", "cancel", "1")
    assert said.code == 2
    assert "Say --yes to cancel it without being asked." in said.err
    newsletter("mailings", "resume", "1")
    said = newsletter("mailings", "cancel", "1")
    assert (said.code, said.err) == (1, "Error: Mailing 1 is sent: there is nothing left to cancel.\n")


@pytest.mark.parametrize("command", ["show", "resume", "cancel"])
def test_a_mailing_that_is_none(people: Path, newsletter: Newsletter, command: str) -> None:
    said = newsletter("mailings", command, "99")
    assert said.code == 2
    assert "There is no mailing 99." in said.err
    for number in ("x", "1.5", "9" * 30, "٣"):
        said = newsletter("mailings", command, number)
        assert said.code == 2
        assert said.err == f"Error: «{number}» is not the number of a mailing. See them:  newsletter mailings\n"
