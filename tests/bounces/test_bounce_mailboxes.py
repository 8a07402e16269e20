"""Messages that come back are read from a mailbox or a Maildir, and put away only when they were taken (item 85)."""

import os
from pathlib import Path

import pytest

from newsletter.config.pages import MailboxTable
from newsletter.errors import DatabaseUnavailableError, MailboxError, UsageError
from newsletter.feedback.bounces import mailboxes
from newsletter.feedback.bounces.mailboxes import waiting_at
from newsletter.feedback.bounces.maildirs import waiting_in
from tests.bounces.imap_server import PASSWORD, USER, Mailbox, serving
from tests.bounces.returning import Sent
from tests.bounces.writing import group, report
from tests.senders.certificates import make_authority
from tests.web.served import Project

ADA = "ada@example.com"
PERSON = f"From: {ADA}\nSubject: Thank you\n\nLovely.".encode()


def read_all(settings: MailboxTable, password: str | None = PASSWORD) -> list[bytes]:
    """Read and put away all that waits."""
    found = []
    for waiting in waiting_at(settings, password):
        found.append(waiting.content)
        waiting.put_away(for_people=waiting.content == PERSON)
    return found


@pytest.mark.parametrize("abilities", ["IMAP4rev1", "IMAP4rev1 UIDPLUS", "IMAP4rev1 UIDPLUS MOVE"])
@pytest.mark.parametrize("done", ["", "done"])
def test_messages_are_moved_or_deleted_and_letters_of_people_are_left(abilities: str, done: str) -> None:
    box = Mailbox(abilities=abilities)
    box.put(b"one", PERSON, b"two")
    with serving(box) as settings:
        with_folder = settings.model_copy(update={"done": done})
        assert read_all(with_folder) == [b"one", PERSON, b"two"]
        assert read_all(with_folder) == []
    assert [(each.content, each.flags) for each in box.left()] == [(PERSON, {r"\Flagged"})]
    assert [each.content for each in box.left("done")] == ([b"one", b"two"] if done else [])


def test_only_the_first_million_bytes_are_fetched() -> None:
    box = Mailbox()
    box.put(b"a" * 3_000_000)
    with serving(box) as settings:
        assert [len(content) for content in read_all(settings)] == [1_000_000]


def test_a_folder_may_have_any_name() -> None:
    """RFC 3501 section 5.1.3."""
    box = Mailbox(folders={"R&APw-ckl&AOQ-ufer &- mehr": []})
    box.put(b"one", folder="R&APw-ckl&AOQ-ufer &- mehr")
    with serving(box) as settings:
        assert read_all(settings.model_copy(update={"folder": "Rückläufer & mehr"})) == [b"one"]


def test_what_was_not_taken_waits_for_the_next_time() -> None:
    """A crash between the commit and the putting away reads a message twice, and loses none."""
    box = Mailbox()
    box.put(b"one", b"two")
    with serving(box) as settings:
        waiting = waiting_at(settings, PASSWORD)
        assert next(waiting).content == b"one"
        waiting.close()  # type: ignore[attr-defined]
        assert read_all(settings) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("habit", "says"),
    [
        ("drop", "broke the connection off"),
        ("huge", "far too large"),
        ("endless", "far too large"),
        ("garbage", "cannot be reached|no success|does not speak|broke"),
        ("no move", "no success"),
    ],
)
def test_a_server_that_misbehaves_is_told_in_a_sentence(habit: str, says: str) -> None:
    box = Mailbox(habit=habit)
    box.put(b"one", b"two")
    with serving(box) as settings, pytest.raises(MailboxError, match=says) as told:
        read_all(settings.model_copy(update={"done": "done"}))
    assert PASSWORD not in str(told.value)


def test_what_was_read_before_the_connection_broke_is_away() -> None:
    box = Mailbox(habit="drop", fetches_until_drop=1)
    box.put(b"one", b"two")
    with serving(box) as settings, pytest.raises(MailboxError):
        read_all(settings)
    assert [each.content for each in box.left()] == [b"two"]


def test_a_wrong_password_is_told_and_not_shown() -> None:
    with serving(Mailbox()) as settings, pytest.raises(MailboxError, match="NEWSLETTER_IMAP_PASSWORD") as told:
        read_all(settings, "hunter2 is wrong")
    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None


def test_no_password_no_folder_and_no_server_are_told() -> None:
    with serving(Mailbox()) as settings:
        with pytest.raises(MailboxError, match=r"is missing\. Set NEWSLETTER_IMAP_PASSWORD"):
            read_all(settings, None)
        with pytest.raises(MailboxError, match="no folder «Bounces»"):
            read_all(settings.model_copy(update={"folder": "Bounces"}))
    with pytest.raises(MailboxError, match="cannot be reached"):
        read_all(settings)


def test_a_server_without_encryption_is_not_told_the_password() -> None:
    box = Mailbox()
    with serving(box) as settings:
        for security in ("tls", "starttls"):
            with pytest.raises(MailboxError):
                read_all(settings.model_copy(update={"security": security}))
    assert not any("LOGIN" in command for command in box.commands)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_the_certificate_of_the_server_is_checked(
    security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    box = Mailbox(abilities="IMAP4rev1 STARTTLS", encrypts=authority.context(), at_once=security == "tls")
    box.put(b"one")
    with serving(box) as plain:
        settings = plain.model_copy(update={"security": security})
        with pytest.raises(MailboxError, match="does not prove that it is that server"):
            read_all(settings)
        assert box.commands in ([], ["CAPABILITY", "STARTTLS"])
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert read_all(settings) == [b"one"]


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(mailboxes, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = MailboxTable(host="127.0.0.1", port=server.getsockname()[1], security="none", username=USER)
        with pytest.raises(MailboxError, match="took longer"):
            read_all(settings)


# Maildir


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_read_once(maildir: Path) -> None:
    (maildir / "new" / "1.host").write_bytes(b"one")
    (maildir / "new" / "2.host").write_bytes(PERSON)
    (maildir / "tmp" / "3.host").write_bytes(b"not whole yet")
    for waiting in waiting_in(maildir):
        waiting.put_away(for_people=waiting.content == PERSON)
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == ["1.host:2,S", "2.host:2,FS"]
    assert list(waiting_in(maildir)) == []


def test_only_files_are_read(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (maildir / "new" / "1.link").symlink_to(tmp_path / "secret")
    (maildir / "new" / "2.folder").mkdir()
    os.mkfifo(maildir / "new" / "3.pipe")
    (maildir / "new" / ".hidden").write_bytes(b"x")
    (maildir / "new" / "4.large").write_bytes(b"a" * 3_000_000)
    assert [len(waiting.content) for waiting in waiting_in(maildir)] == [1_000_000]


def test_what_is_no_maildir_is_told(tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match="holds a folder «new»"):
        list(waiting_in(tmp_path / "nowhere"))


# Both, as a project has them


def configured(here: Project, settings: MailboxTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the project's settings lead to both."""
    own = here.newsletter.project
    feedback = own.settings.feedback.model_copy(update={"maildir": "subscribers/bounces", "mailbox": settings})
    new = own.settings.model_copy(update={"feedback": feedback})
    here.newsletter.project = type(own)(own.root, new, {**own.environ, "NEWSLETTER_IMAP_PASSWORD": PASSWORD})
    (own.root / "subscribers" / "bounces" / "new").mkdir(parents=True)


def test_a_project_reads_all_that_waits(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(here, ADA, "grace@example.com")
    box = Mailbox()
    box.put(report(group(ADA, "5.1.1"), Delivered_To=sent.return_path(ADA)), PERSON, b"Subject: unsubscribe\n\n")
    with serving(box) as settings:
        configured(here, settings, monkeypatch)
        content = report(group("grace@example.com", "5.2.2"), To=sent.return_path("grace@example.com"))
        (here.root / "subscribers" / "bounces" / "new" / "1").write_bytes(content)
        done = here.newsletter.bounces.read()
        assert done.as_json() == {
            "read": 4,
            "taken": 2,
            "known": 0,
            "test": 0,
            "forged": 0,
            "stranger": 1,
            "letter": 1,
            "misread": 0,
            "suppressed": 1,
        }
        assert here.newsletter.bounces.read().read == 0
    assert [each.content for each in box.left()] == [PERSON]
    assert here.status(ADA) == "bounced"


def test_nothing_is_put_away_that_the_database_did_not_take(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is away only after the commit; while the database is busy, it waits."""
    from newsletter.database import connection as opening

    sent = Sent(here, ADA)
    box = Mailbox()
    box.put(report(group(ADA, "5.1.1"), Delivered_To=sent.return_path(ADA)))
    with serving(box) as settings:
        configured(here, settings, monkeypatch)
        monkeypatch.setattr(opening, "BUSY_SECONDS", 0)
        with here.newsletter.database() as database, database.write(), pytest.raises(DatabaseUnavailableError):
            here.newsletter.bounces.read()
        assert len(box.left()) == 1
        assert here.newsletter.bounces.read().suppressed == 1
    assert not box.left()


def test_a_mistake_of_ours_leaves_the_message_and_reads_the_others(
    here: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from newsletter.feedback.bounces import taking

    sent = Sent(here, ADA)
    box = Mailbox()
    box.put(b"breaks it", report(group(ADA, "5.1.1"), Delivered_To=sent.return_path(ADA)))
    real = taking.read_message

    def broken(content: bytes) -> object:
        if content == b"breaks it":
            raise IndexError("a mistake")
        return real(content)

    monkeypatch.setattr(taking, "read_message", broken)
    with serving(box) as settings:
        configured(here, settings, monkeypatch)
        done = here.newsletter.bounces.read()
    assert (done.misread, done.suppressed) == (1, 1)
    assert [each.flags for each in box.left()] == [{r"\Flagged"}]


def test_without_a_place_to_read_from_that_is_said(here: Project) -> None:
    with pytest.raises(UsageError, match="does not say where messages come back to"):
        here.newsletter.bounces.read()
