"""`newsletter bounces …`: look at messages, take one from a mail server, read what waits, list what came back."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.mailings import Wish
from newsletter.sending.return_path import ReturnPath
from newsletter.tokens import Signer
from tests.bounces.returning import BOUNCES, Sent
from tests.bounces.writing import complaint, group, report
from tests.cli.conftest import Newsletter
from tests.web.served import Project

ADA = "ada@example.com"
KEY = "a key for tests that is long enough to be one"


class Piped(io.StringIO):
    """A standard input that is no terminal."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.buffer = io.BytesIO(content)


@pytest.fixture
def told(here: Project, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> Newsletter:
    """Commands in the project, some of them with a message on the standard input."""
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", KEY)
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", here.newsletter.project.database_url)
    monkeypatch.chdir(here.root)

    def say(*arguments: object, content: bytes | None = None):  # type: ignore[no-untyped-def]
        if content is not None:
            monkeypatch.setattr(sys, "stdin", Piped(content))
        return newsletter("bounces", *arguments)

    return say


def test_show_works_anywhere_and_changes_nothing(
    newsletter: Newsletter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a project and a database."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mail").mkdir()
    both = report(group(ADA, "5.1.1", "550 5.1.1 user unknown"), group("b@example.com", "5.2.2", "552 5.2.2 full"))
    (tmp_path / "mail" / "1.eml").write_bytes(both)
    (tmp_path / "mail" / "2.eml").write_bytes(complaint())
    (tmp_path / "mail" / "3.eml").write_bytes(b"Subject: Hello\n\nHello.")
    said = newsletter("bounces", "show", "mail", "--json")
    assert [(each["file"], each["kind"]) for each in said.json] == [
        ("mail/1.eml", "bounce"),
        ("mail/2.eml", "complaint"),
        ("mail/3.eml", "other"),
    ]
    assert said.json[0]["people"] == [
        {
            "address": ADA,
            "outcome": "failed",
            "status": "5.1.1",
            "reply": "550",
            "reason": "no such person",
            "hard": True,
            "said": "550 5.1.1 user unknown",
        },
        {
            "address": "b@example.com",
            "outcome": "failed",
            "status": "5.2.2",
            "reply": "552",
            "reason": "mailbox full",
            "hard": False,
            "said": "552 5.2.2 full",
        },
    ]
    table = newsletter("bounces", "show", "mail/1.eml", "mail/3.eml").out.splitlines()
    assert [line.split()[0] for line in table] == ["file", "mail/1.eml", "failed", "mail/3.eml"]
    assert "hard" in table[1]
    assert "mailbox full" in table[2]
    missing = newsletter("bounces", "show", "nothing.eml")
    assert (missing.code, "cannot be read" in missing.err) == (1, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "mail"]


def test_take_is_what_a_mail_server_calls(here: Project, told: Newsletter) -> None:
    sent = Sent(here, ADA)
    said = told("take", "--recipient", sent.return_path(ADA), "--json", content=report(group(ADA, "5.1.1")))
    assert (said.code, said.err) == (0, "")
    assert said.json == {
        "kind": "bounce",
        "result": "taken",
        "reason": "no such person",
        "hard": True,
        "suppressed": True,
    }
    listed = told("list", "--json").json
    assert [(each["who"], each["kind"], each["hard"], each["suppressed"]) for each in listed] == [
        ("a•••@e••••••.com", "bounced", True, "bounced")
    ]
    assert ADA not in json.dumps(listed)
    table = told("list").out
    assert "mailed no more (bounced)" in table
    assert ADA not in table


@pytest.mark.parametrize("content", [b"", b"\0" * 3_000_000, b"Subject: Hello\n\nHello."])
def test_take_is_content_with_anything(told: Newsletter, content: bytes) -> None:
    """Nothing that comes may make the mail server answer."""
    said = told("take", content=content)
    assert (said.code, said.out, said.err) == (0, "", "")


def test_take_lets_the_server_try_again(here: Project, told: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 75 (EX_TEMPFAIL): never a bounce for a bounce (item 85)."""
    from newsletter.database import connection as opening

    sent = Sent(here, ADA)
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0)
    content = report(group(ADA, "5.1.1"), To=sent.return_path(ADA))
    with here.newsletter.database() as database, database.write():
        said = told("take", content=content)
    assert said.code == 75
    assert "being written by another process" in said.err
    assert told("take", content=content).code == 0
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", "short")
    assert told("take", content=content).code == 75
    monkeypatch.chdir("/")
    assert told("take", content=content).code == 75


def test_take_as_a_process(here: Project) -> None:
    """As Postfix starts it: a pipe, an argument that looks like an option, and the whole message read."""
    sent = Sent(here, ADA)
    environ = {**os.environ, "NEWSLETTER_SECRET_KEY": KEY}
    environ["NEWSLETTER_DATABASE__URL"] = here.newsletter.project.database_url
    command = [sys.executable, "-c", "from newsletter.cli import main; main()", "bounces", "take"]
    command += [f"--recipient={sent.return_path(ADA)}", "--project", str(here.root)]
    content = report(group(ADA, "5.1.1")) + b"\r\nx" * 1_000_000
    done = subprocess.run(command, input=content, capture_output=True, env=environ, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sent.suppressed() == 1


def test_read_tells_what_it_did(here: Project, told: Newsletter) -> None:
    sent = Sent(here, ADA)
    with (here.root / "newsletter.toml").open("a") as file:
        file.write('\n[feedback]\nmaildir = "subscribers/bounces"\n')
    new = here.root / "subscribers" / "bounces" / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(report(group(ADA, "5.1.1"), To=sent.return_path(ADA)))
    (new / "2").write_bytes(b"Subject: Hello\n\nHello.")
    assert told("read").out.splitlines() == [
        "2 messages read.",
        "       1 about messages of ours, and written down",
        "       1 of people, perhaps: left there and marked. Please read them",
        "1 address is mailed no more.",
    ]
    assert told("read", "--json").json["read"] == 0


def test_read_without_a_place_and_an_empty_list_are_told(told: Newsletter) -> None:
    said = told("read")
    assert (said.code, "does not say where messages come back to" in said.err) == (2, True)
    assert "Nothing came back by mail so far" in told("list").out


@pytest.mark.slow
def test_what_was_really_sent_and_comes_back_is_known(here: Project, told: Newsletter) -> None:
    """The Message-ID of the message in the outbox, and the return path made for its delivery, name the same one."""
    here.add_edition("first")
    here.add_person(ADA, "community")
    here.newsletter.mailings.send(Wish(edition="first", list_slug="community"))
    (message,) = here.messages()
    original = f"Message-ID: {message['Message-ID']}\nFrom: news@example.org\n\nNews"
    taken = here.newsletter.bounces.take(report(group(ADA, "5.2.2"), original=original))
    path = ReturnPath(BOUNCES, Signer(KEY.encode())).address_for(1)
    again = here.newsletter.bounces.take(report(group(ADA, "5.2.2"), To=path, Message_ID="<9@mx.example.net>"))
    assert (taken.result, again.result) == ("taken", "taken")
    assert [each["mailing"] for each in told("list", "--json").json] == [1, 1]
