"""send later and to correct; mailings pause, unknowns and show; worker: what they do and what they say."""

import io
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.database.connection import open_database
from newsletter.sending.presence import present
from tests.cli.conftest import Newsletter
from tests.cli.test_processes import COMMAND, environment

SEND = ("send", "welcome", "--list", "community")
NOW = ("--yes", "--hold", "0")


def files(project: Path) -> int:
    return len(list((project / "outbox").rglob("*.eml")))


def change(project: Path, *statements: str) -> None:
    """Make the ledger look as if something had happened."""
    with closing(sqlite3.connect(project / "subscribers" / "newsletter.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@contextmanager
def somebody_sending(project: Path) -> Iterator[None]:
    """As if a worker were running."""
    with (
        open_database(f"sqlite:///{project}/subscribers/newsletter.db") as database,
        present(database, "somebody", lambda: datetime.now(UTC)),
    ):
        yield


@pytest.fixture
def sent(people: Path, newsletter: Newsletter) -> Path:
    """The project, with an edition sent to everybody and a correction written."""
    assert newsletter(*SEND, *NOW).code == 0
    assert newsletter("new", "Correction", "--from", "welcome").code == 0
    return people


@pytest.fixture
def half_way(people: Path, newsletter: Newsletter) -> Path:
    """The project, with a mailing that is sending and has reached five."""
    assert newsletter(*SEND, *NOW).code == 0
    change(
        people,
        "UPDATE mailing SET state = 'sending', finished_at = NULL",
        "UPDATE delivery SET state = 'planned', worker = NULL WHERE id > 5",
    )
    for file in (people / "outbox").rglob("*.eml"):
        if int(file.stem) > 5:
            file.unlink()
    return people


@pytest.fixture
def in_doubt(half_way: Path) -> Path:
    """The same, paused; of two of the five nobody knows whether theirs left."""
    change(
        half_way,
        "UPDATE mailing SET state = 'paused'",
        "UPDATE delivery SET state = 'unknown', reason = 'The sender gave no answer.' WHERE id IN (2, 4)",
    )
    return half_way


def emails(newsletter: Newsletter) -> list[str]:
    return [one["email"] for one in newsletter("mailings", "unknowns", "1", "--json").json]


# --- later ------------------------------------------------------------------------------------------------------------


def test_what_is_sent_later_is_written_down_and_says_when_it_leaves_and_who_must_run(
    people: Path, newsletter: Newsletter
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    said = newsletter(*SEND, "--yes", "--at", "tomorrow 09:00 Africa/Nairobi")
    assert (said.code, said.err) == (0, "")
    first, utc, who, undo = said.out.splitlines()
    assert re.fullmatch(r"Mailing 1, «Welcome», leaves on \w+ \d+ \w+ \d{4}, 09:00 \(Africa/Nairobi\)\.", first)
    assert re.fullmatch(r"  That is \d{4}-\d\d-\d\d 06:00 UTC\.", utc)
    assert who == "  No worker is running. Start one, and let it run until then:  newsletter worker"
    assert undo == "Undo it until then:  newsletter mailings cancel 1"
    held = newsletter("mailings", "show", "1", "--json").json
    assert (held["state"], held["audience"]) == ("held", None)
    assert abs((datetime.fromisoformat(held["holds_until"]).date() - tomorrow).days) <= 1
    assert files(people) == 0
    assert newsletter("mailings", "cancel", "1", "--yes").code == 0
    assert newsletter("worker", "--drain").code == 0
    assert files(people) == 0


def test_a_worker_that_is_running_is_told_of(people: Path, newsletter: Newsletter) -> None:
    with somebody_sending(people):
        said = newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    assert "  A worker is running, and sends it if it runs then.\n" in said.out
    assert "That is" not in said.out, "it was said in UTC"
    as_json = newsletter(*SEND, "--yes", "--at", "tomorrow 10:00", "--json")
    assert (as_json.code, as_json.json["id"], as_json.json["state"]) == (0, 1, "held")
    assert datetime.fromisoformat(as_json.json["holds_until"]).hour == 10


def test_the_zone_of_the_newsletter_is_meant_where_none_is_said(people: Path, newsletter: Newsletter) -> None:
    settings = people / "newsletter.toml"
    settings.write_text(settings.read_text().replace('timezone = "UTC"', 'timezone = "Asia/Kathmandu"'))
    said = newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    assert "(Asia/Kathmandu)" in said.out
    assert "03:15 UTC" in said.out


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("soon", "«soon» is not a time to send at. Write for example"),
        ("2020-01-01 09:00", "is past. To send now, leave --at out."),
        ("2999-01-01 09:00", "is more than a year ahead."),
        ("2026-11-31 09:00", "names no day that there is."),
    ],
)
def test_a_time_that_is_none_is_wrong_usage_and_nothing_is_written_down(
    people: Path, newsletter: Newsletter, at: str, sentence: str
) -> None:
    said = newsletter(*SEND, "--yes", "--at", at)
    assert said.code == 2
    assert sentence in said.err
    assert newsletter("mailings", "--json").json == []


@pytest.mark.usefixtures("at_a_terminal")
def test_the_question_says_when_it_would_leave(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "n\n")
    said = newsletter(*SEND, "--at", "tomorrow 09:00 Africa/Nairobi")
    assert said.code == 1
    question = (
        r"to 12 people on Community News into files of the outbox, on \w+ \d+ \w+ \d{4}, 09:00 \(Africa/Nairobi\)\?"
    )
    assert re.search(question, said.err)
    assert newsletter("mailings", "--json").json == []


def test_what_has_begun_cannot_be_put_off(half_way: Path, newsletter: Newsletter) -> None:
    said = newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    assert (said.code, said.out) == (1, "")
    assert "Mailing 1 of this edition is sending: it has begun, and cannot be put off." in said.err
    assert newsletter("mailings", "show", "1", "--json").json["state"] == "sending"


# --- corrections ------------------------------------------------------------------------------------------------------


def test_a_correction_goes_to_those_who_got_it_without_naming_the_list(sent: Path, newsletter: Newsletter) -> None:
    change(
        sent, "UPDATE delivery SET state = 'unknown' WHERE id = 3", "UPDATE delivery SET state = 'refused' WHERE id = 4"
    )
    correct = ("send", "correction", "--to-recipients-of", "1")
    said = newsletter(*correct, *NOW, "--json").json
    assert (said["audience"], said["recipients_of"], said["list"]) == (10, 1, "community")
    assert newsletter(*correct, "--state", "unknown", *NOW, "--json").json["audience"] == 1
    assert newsletter(*correct, "--state", "refused", "--list", "community", *NOW, "--json").json["audience"] == 1
    shown = newsletter("mailings", "show", "3").out
    assert "  a correction, to those whose delivery of mailing 1 is unknown\n" in shown


@pytest.mark.usefixtures("at_a_terminal")
def test_the_question_names_the_mailing_that_is_corrected(
    sent: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "n\n")
    said = newsletter("send", "correction", "--to-recipients-of", "1", "--hold", "0")
    assert "to 12 people on Community News who got mailing 1 into files of the outbox, now, without time" in said.err
    assert said.code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ("welcome", "--to-recipients-of", "1"),
            1,
            "an edition reaches nobody twice. Write the correction as an edition",
        ),
        (("correction", "--to-recipients-of", "1", "--state", "refused"), 1, "Of mailing 1 no delivery is refused"),
        (("correction", "--to-recipients-of", "9"), 2, "There is no mailing 9."),
        (("correction", "--to-recipients-of", "1", "--list", "donors"), 2, "went to «community», not to «donors»."),
        (("correction",), 2, "Say to whom:  --list LIST"),
    ],
)
def test_a_correction_that_reaches_nobody_says_why(
    sent: Path, newsletter: Newsletter, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    said = newsletter("send", *arguments, *NOW)
    assert said.code == code
    assert sentence in said.err
    assert files(sent) == 12


# --- pause and show ---------------------------------------------------------------------------------------------------


def test_pause_says_how_far_it_is_and_how_to_go_on(half_way: Path, newsletter: Newsletter) -> None:
    change(half_way, "UPDATE delivery SET state = 'claimed' WHERE id = 6")
    said = newsletter("mailings", "pause", "1")
    assert said.code == 0
    assert said.out == "Paused: 5 handed over, 1 under way, 6 to go.\nGo on:  newsletter mailings resume 1\n"
    again = newsletter("mailings", "pause", "1", "--json")
    assert (again.code, again.json["state"]) == (0, "paused")


def test_pause_of_what_is_not_being_sent(people: Path, newsletter: Newsletter) -> None:
    newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    said = newsletter("mailings", "pause", "1")
    assert said.code == 1
    assert "Nothing of mailing 1 has left yet. To undo it:  newsletter mailings cancel 1" in said.err
    newsletter("mailings", "cancel", "1", "--yes")
    assert "Mailing 1 is cancelled: there is nothing to pause." in newsletter("mailings", "pause", "1").err
    assert "There is no mailing 9." in newsletter("mailings", "pause", "9").err


def test_show_of_each_state(people: Path, newsletter: Newsletter) -> None:
    def shown() -> str:
        said = newsletter("mailings", "show", "1")
        assert (said.code, said.err) == (0, "")
        return said.out

    newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    assert "(welcome) to community, held\n" in shown()
    assert re.search(r"  nothing has left; leaves at \d{4}-\d\d-\d\d 09:00:00 UTC\n", shown())
    change(people, "UPDATE mailing SET holds_until = created_at")
    assert newsletter("worker", "--drain").out == "Mailing 1, «Welcome»: sent.\n"
    assert "to community, sent\n" in shown()
    assert "audience 12 people, of them\n         12 accepted\n" in shown()
    change(
        people,
        "UPDATE mailing SET state = 'paused', paused_because = 'The mail server does not answer.'",
        "UPDATE delivery SET state = 'deferred', reason = 'Not now.', next_try = '2026-12-01 10:00:00' WHERE id > 10",
    )
    out = shown()
    assert "to community, paused\n" in out
    assert "         10 accepted\n          2 deferred\n            2 deferred: Not now.\n" in out
    assert "  next try at 2026-12-01 10:00:00 UTC\n  paused: The mail server does not answer.\n" in out
    as_json = newsletter("mailings", "show", "1", "--json").json
    assert as_json["paused_because"] == "The mail server does not answer."
    assert as_json["next_try"] == "2026-12-01T10:00:00+00:00"
    newsletter("mailings", "cancel", "1", "--yes")
    assert "to community, cancelled\n" in shown()
    assert "          2 skipped\n" in shown()


def test_show_of_what_was_undone(people: Path, newsletter: Newsletter) -> None:
    newsletter(*SEND, "--yes", "--at", "tomorrow 09:00")
    newsletter("mailings", "cancel", "1", "--yes")
    assert newsletter("mailings", "show", "1").out.endswith("  nothing has left\n")


# --- unknowns ---------------------------------------------------------------------------------------------------------


def test_unknowns_are_listed_with_what_to_do(in_doubt: Path, newsletter: Newsletter) -> None:
    said = newsletter("mailings", "unknowns", "1")
    assert said.code == 0
    head, *rows, advice, arrived, not_arrived = said.out.splitlines()
    assert head.split() == ["to", "since", "(UTC)", "why", "nobody", "knows"]
    assert len(rows) == 2
    assert all(row.endswith("The sender gave no answer.") for row in rows)
    assert advice == "Ask them, or your mail server's log. Then say what you found out:"
    assert arrived == "  newsletter mailings unknowns 1 --arrived [--only EMAIL]"
    assert not_arrived == "  newsletter mailings unknowns 1 --not-arrived [--only EMAIL]"
    assert {one["reason"] for one in newsletter("mailings", "unknowns", "1", "--json").json} == {
        "The sender gave no answer."
    }


def test_where_nothing_is_unknown_it_says_so(sent: Path, newsletter: Newsletter) -> None:
    assert newsletter("mailings", "unknowns", "1").out == "Nothing is unknown in mailing 1.\n"
    assert newsletter("mailings", "unknowns", "1", "--json").json == []
    assert newsletter("mailings", "unknowns", "1", "--arrived").out == "0 deliveries are settled.\n"
    assert "There is no mailing 7." in newsletter("mailings", "unknowns", "7").err


def test_who_got_it_is_written_down(in_doubt: Path, newsletter: Newsletter) -> None:
    one, other = emails(newsletter)
    said = newsletter("mailings", "unknowns", "1", "--arrived", "--only", one.upper(), "--yes")
    assert (said.code, said.out) == (0, "1 delivery is settled.\n")
    assert emails(newsletter) == [other]
    assert newsletter("mailings", "unknowns", "1", "--arrived", "--yes", "--json").json == {"mailing": 1, "settled": 1}
    assert newsletter("mailings", "show", "1", "--json").json["counts"]["accepted"] == 5


def test_who_did_not_get_it_is_reached_by_the_same_command(in_doubt: Path, newsletter: Newsletter) -> None:
    for number in (2, 4):
        next((in_doubt / "outbox").rglob(f"{number:08}.eml")).unlink()
    said = newsletter("mailings", "unknowns", "1", "--not-arrived", "--yes")
    assert said.out == "2 deliveries are settled.\nTo reach them, run the same  newsletter send  again.\n"
    assert newsletter(*SEND, *NOW, "--json").json["counts"]["accepted"] == 12
    assert files(in_doubt) == 12


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize(
    ("option", "question"),
    [
        ("--arrived", "Write down that all 2 got it?"),
        ("--not-arrived", "Write down that all 2 did not get it, and may be sent it again?"),
    ],
)
def test_it_asks_before_it_writes_down(
    in_doubt: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, option: str, question: str
) -> None:
    answer(monkeypatch, "n\n")
    said = newsletter("mailings", "unknowns", "1", option)
    assert said.code == 1
    assert question in said.err
    assert said.err.endswith("Nothing was changed.\n")
    assert len(emails(newsletter)) == 2


def test_what_cannot_be_settled_is_told_and_changes_nothing(in_doubt: Path, newsletter: Newsletter) -> None:
    both = newsletter("mailings", "unknowns", "1", "--arrived", "--not-arrived", "--yes")
    assert both.code == 2
    assert "Say one of --arrived and --not-arrived" in both.err
    stranger = newsletter("mailings", "unknowns", "1", "--arrived", "--only", "nobody@example.com", "--yes")
    assert stranger.code == 2
    assert "Of nobody@example.com nothing is unknown in mailing 1." in stranger.err
    nonsense = newsletter("mailings", "unknowns", "1", "--arrived", "--only", "nobody", "--yes")
    assert nonsense.code != 0
    assert nonsense.err.startswith("Error: ")
    assert len(emails(newsletter)) == 2


# --- worker -----------------------------------------------------------------------------------------------------------


def test_a_worker_with_nothing_to_do_ends_when_it_is_to_drain(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("worker", "--drain")
    assert (said.code, said.all) == (0, "")


def test_a_worker_sends_all_that_is_due(half_way: Path, newsletter: Newsletter) -> None:
    assert newsletter("new", "Second", "--from", "welcome").code == 0
    newsletter("send", "second", "--list", "community", "--yes", "--at", "tomorrow 09:00")
    change(half_way, "UPDATE mailing SET holds_until = created_at")
    said = newsletter("worker", "--drain")
    assert (said.code, said.err) == (0, "")
    assert [line.endswith("»: sent.") for line in said.out.splitlines()] == [True, True]
    assert [one["counts"]["accepted"] for one in newsletter("mailings", "--json").json] == [12, 12]
    assert files(half_way) == 24


def test_a_mailing_that_a_worker_cannot_send_is_paused_and_told(half_way: Path, newsletter: Newsletter) -> None:
    change(half_way, "UPDATE mailing SET sender = 'smtp'")
    said = newsletter("worker", "--drain")
    assert said.code == 0
    assert said.out.startswith("Mailing 1: Mailing 1 of this edition stopped half-way, and was begun through «smtp»")
    shown = newsletter("mailings", "show", "1", "--json").json
    assert shown["state"] == "paused"
    assert "begun through «smtp»" in shown["paused_because"]


def test_a_second_worker_on_a_file_is_told_that_there_is_one(people: Path, newsletter: Newsletter) -> None:
    with somebody_sending(people):
        said = newsletter("worker", "--drain")
    assert (said.code, said.out) == (1, "")
    assert "Another process is sending from this database right now." in said.err


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_finishes_and_ends(half_way: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "worker"], cwd=half_way, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Mailing 1, «Welcome»: sent.\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert files(half_way) == 12
