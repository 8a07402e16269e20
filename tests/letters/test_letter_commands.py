"""The commands for letters, as people who look after the program use them."""

import datetime as dt

import pytest

from tests.cli.conftest import Newsletter, newsletter
from tests.letters.conftest import Posted
from tests.letters.correspondence import LetterKind, Post, by_smtp
from tests.senders.mailserver import MailServer

__all__ = ["newsletter"]


@pytest.fixture
def at_home(post: Post, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> Post:
    """A project in which we are."""
    return settled(post, monkeypatch)


def settled(post: Post, monkeypatch: pytest.MonkeyPatch) -> Post:
    post.clock.now = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)  # commands ask the machine's own clock
    monkeypatch.chdir(post.root)
    for name, value in post.environ.items():
        monkeypatch.setenv(name, value)
    return post


def test_letters_that_wait_are_shown_and_sent(at_home: Post, newsletter: Newsletter) -> None:
    at_home.write(LetterKind.CONFIRM, email="ana@example.com")
    said = newsletter("letters")
    assert said.code == 0
    assert "a•••@e" in said.out
    assert "ana@" not in said.all
    assert "1 letter waiting, 0 given up, 0 sent in the last 35 days." in said.out
    assert newsletter("letters", "deliver").out == "1 letter sent.\n"
    assert newsletter("letters", "deliver", "--quiet").all == ""
    assert "0 letters waiting, 0 given up, 1 sent" in newsletter("letters").out


def test_letters_as_json(at_home: Post, newsletter: Newsletter) -> None:
    at_home.write(LetterKind.ENTRY, details={"entry": 99})
    assert newsletter("letters", "deliver", "--json").json == {"sent": 0, "failed": 0, "waiting": 0, "problem": None}
    told = newsletter("letters", "--json").json
    assert told["counts"] == {"queued": 0, "leaving": 0, "sent": 0, "failed": 1}
    (only,) = told["open"]
    assert (only["kind"], only["state"], only["to"], only["next_try"]) == ("entry", "failed", "", None)
    assert only["reason"] == "The entry of the form is gone."
    assert dt.datetime.fromisoformat(only["created_at"]).isoformat() == only["created_at"]


def test_a_sender_that_does_not_work_is_told_with_what_to_do(
    posted: Posted, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer() as server:
        port = server.port
    post = settled(posted(by_smtp(port)), monkeypatch)
    post.write(LetterKind.ACCESS)
    said = newsletter("letters", "deliver")
    assert said.code == 1
    assert "0 letters sent, 1 to be tried again." in said.out
    assert "Error:" in said.err
    assert "Traceback" not in said.all


def test_a_worker_sends_letters_too(at_home: Post, newsletter: Newsletter) -> None:
    number = at_home.write(LetterKind.ACCESS)
    at_home.close()
    assert newsletter("worker", "--drain").code == 0
    assert at_home.row(number).state == "sent"
