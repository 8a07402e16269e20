"""Whose message came back, and what follows: by proof, once, and never by who says so (items 76, 77, 83-85, 88)."""

import pytest
import sqlalchemy as sa

from newsletter.database.outside import EventKind, letter
from newsletter.database.schema import delivery
from newsletter.errors import DatabaseUnavailableError
from newsletter.feedback.bounces.taking import Result
from newsletter.letters.queue import LetterKind, write_letter
from tests.bounces.returning import Sent, later
from tests.bounces.writing import QMAIL, complaint, group, plain, report
from tests.web.served import Project

ADA, GRACE = "ada@example.com", "grace@example.com"
UNKNOWN = group(ADA, "5.1.1", "550 5.1.1 user unknown")
FULL = group(ADA, "5.2.2", "552 5.2.2 mailbox full")


def test_a_hard_bounce_gives_the_address_up_once(project: Project) -> None:
    """On every database: known by the return path (item 76), written down once, however often it is read (88)."""
    sent = Sent(project, ADA, GRACE)
    content = report(UNKNOWN, Delivered_To=sent.return_path(ADA))
    taken = sent.take(content)
    assert (taken.result, taken.hard, taken.suppressed) == (Result.TAKEN, True, True)
    assert project.status(ADA) == "bounced"
    assert project.status(GRACE) == "active"
    before = project.rows()
    assert sent.take(content).result is Result.KNOWN
    assert sent.take(b"X-Spam: no\r\n" + content).result is Result.KNOWN
    assert project.rows() == before
    (event,) = sent.events()
    assert (event.kind, event.hard, event.status, event.delivery) == ("bounced", True, "5.1.1", sent.rows[ADA])
    assert event.reason.startswith("no such person: 550 5.1.1")


@pytest.mark.parametrize("field", ["Delivered-To", "X-Original-To", "Envelope-To", "To"])
def test_the_return_path_may_stand_in_several_fields(here: Project, field: str) -> None:
    sent = Sent(here, ADA)
    assert sent.take(report(FULL, **{field: f"<{sent.return_path(ADA).upper()}>"})).result is Result.TAKEN


def test_the_return_path_may_come_from_the_mail_server(here: Project) -> None:
    sent = Sent(here, ADA)
    assert sent.take(report(UNKNOWN), sent.return_path(ADA)).suppressed


def test_a_message_id_in_the_returned_message_is_a_proof_as_well(here: Project) -> None:
    """Item 77; in a report, in words, in whatever encoding."""
    sent = Sent(here, ADA, GRACE)
    original = f"From: news@example.org\nMessage-ID: {sent.message_id(ADA)}\n\nNews"
    assert sent.take(report(group("someone@example.net", "5.1.1"), original=original)).suppressed
    text = QMAIL.replace("From: news@example.org", f"Message-ID: {sent.message_id(GRACE)}\nFrom: news@example.org")
    assert sent.take(plain(text.replace("ada@", "grace@"))).suppressed
    assert {event.delivery for event in sent.events()} == {sent.rows[ADA], sent.rows[GRACE]}


def test_a_forged_return_path_is_ignored(here: Project) -> None:
    """Item 76."""
    sent = Sent(here, ADA)
    real = sent.return_path(ADA)
    forged = f"{real[:8]}{'1' if real[8] == '0' else '0'}{real[9:]}"
    before = here.rows()
    assert sent.take(report(UNKNOWN, Delivered_To=forged)).result is Result.FORGED
    assert here.rows() == before


def test_what_only_names_an_address_gives_nobody_up(here: Project) -> None:
    """Anybody can write a report that names a reader: it counts as a soft bounce, and a complaint not at all."""
    sent = Sent(here, ADA, GRACE)
    assert sent.take(report(UNKNOWN)).result is Result.TAKEN
    assert sent.take(complaint(f"Feedback-Type: abuse\nOriginal-Rcpt-To: {GRACE}")).result is Result.TAKEN
    assert [(event.kind, event.hard) for event in sent.events()] == [("bounced", False), ("other", None)]
    assert sent.suppressed() == 0
    assert here.status(GRACE) == "active"


def test_who_was_sent_nothing_lately_is_not_meant(here: Project) -> None:
    sent = Sent(here, ADA)
    later(here, days=31)
    assert sent.take(report(UNKNOWN)).result is Result.STRANGER
    assert sent.take(report(group("nobody@example.net", "5.1.1"))).result is Result.STRANGER
    assert not sent.events()


def test_nobody_is_known_by_the_from_field(here: Project) -> None:
    """Item 77."""
    sent = Sent(here, ADA)
    assert sent.take(plain("550 5.1.1 user unknown", headers=[f"Reply-To: {ADA}"])).result is Result.STRANGER
    assert sent.take(f"From: {ADA}\nSubject: unsubscribe\n\n".encode()).result is Result.STRANGER
    assert here.status(ADA) == "active"


def test_a_test_message_that_comes_back_concerns_nobody(here: Project) -> None:
    sent = Sent(here, ADA)
    assert sent.take(report(UNKNOWN, Delivered_To=sent.return_path(ADA, trial=True))).result is Result.TEST
    original = f"Message-ID: {sent.message_id(ADA, 'test-message')}\n\nNews"
    assert sent.take(report(UNKNOWN, original=original)).result is Result.TEST
    assert not sent.events()


def test_a_letter_that_comes_back_is_about_its_address(here: Project) -> None:
    """A link to confirm was sent to an address that does not exist: no delivery, but it is never mailed again."""
    sent = Sent(here)
    here.add_person(ADA, "community", status="pending")
    secret = here.newsletter.project.secret_key()
    with here.newsletter.database() as database, database.write() as connection:
        number = write_letter(connection, LetterKind.CONFIRM, ADA, secret=secret, now=here.clock.now)
        connection.execute(sa.update(letter).values(email=None))
    original = f"Message-ID: <{sent.signer.sign('letter', number)}@example.org>\n\nPlease confirm"
    assert sent.take(report(UNKNOWN, original=original)).suppressed
    (event,) = sent.events()
    assert event.delivery is None


def test_a_complaint_takes_the_reader_off(here: Project) -> None:
    """Item 83: also where the report withholds the address."""
    sent = Sent(here, ADA, GRACE)
    original = f"From: news@example.org\nTo: redacted\nMessage-ID: {sent.message_id(ADA)}\n\nNews"
    sent.take(complaint(original=original))
    assert here.status(ADA) == "complained"
    assert here.status(GRACE) == "active"


def test_a_request_to_be_taken_off_takes_them_off(here: Project) -> None:
    sent = Sent(here, ADA)
    sent.take(complaint("Feedback-Type: opt-out", original=f"Message-ID: {sent.message_id(ADA)}\n\nNews"))
    assert [event.kind for event in sent.events()] == [EventKind.UNSUBSCRIBED]
    assert here.status(ADA) == "unsubscribed"


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_that_accuses_nobody_changes_nothing(here: Project, kind: str) -> None:
    sent = Sent(here, ADA)
    sent.take(complaint(f"Feedback-Type: {kind}", original=f"Message-ID: {sent.message_id(ADA)}\n\nNews"))
    assert [event.kind for event in sent.events()] == [EventKind.OTHER]
    assert here.status(ADA) == "active"


def test_automatic_answers_and_delays_change_nothing(here: Project) -> None:
    """Items 78 and 84."""
    sent = Sent(here, ADA)
    away = f"From: {ADA}\nTo: {sent.return_path(ADA)}\nSubject: Out of office\n\nMy mailbox does not exist."
    assert sent.take(away.encode()).result is Result.TAKEN
    delayed = group(ADA, "5.1.1", "550 5.1.1 user unknown", action="delayed")
    assert sent.take(report(delayed, Delivered_To=sent.return_path(ADA))).result is Result.TAKEN
    assert [event.kind for event in sent.events()] == ["replied", "deferred"]
    assert here.status(ADA) == "active"


def test_a_letter_of_a_person_is_left_for_people(here: Project) -> None:
    sent = Sent(here, ADA)
    mine = f"From: {ADA}\nTo: {sent.return_path(ADA)}\nSubject: Thank you\n\nLovely."
    assert sent.take(mine.encode()).result is Result.LETTER
    assert not sent.events()


def test_policy_never_gives_anybody_up(here: Project) -> None:
    """Item 79: 5.7.x is about us."""
    sent = Sent(here, ADA)
    blocked = group(ADA, "5.7.1", "550 5.7.1 user unknown; you are blocked")
    assert not sent.take(report(blocked, Delivered_To=sent.return_path(ADA))).suppressed
    assert here.status(ADA) == "active"


def test_full_mailboxes_add_up(here: Project) -> None:
    """Item 80: five soft bounces of three editions over a month, when they happened, not when they were read."""
    contents = []
    for number in range(5):
        sent = Sent(here, *([ADA] if number == 0 else []), edition=f"edition-{number}")
        if number:
            with here.newsletter.database() as database, database.write() as connection:
                first = connection.execute(sa.select(delivery)).mappings().first()
                row = {**first, "id": None, "mailing_id": sent.mailing, "edition": f"edition-{number}"}
                row |= {"claimed_at": here.clock.now, "answered_at": here.clock.now}
                del row["id"]
                connection.execute(sa.insert(delivery).values(row))
                sent.rows[ADA] = connection.scalar(sa.select(sa.func.max(delivery.c.id))) or 0
        date = later(here, hours=1)
        contents.append(report(FULL, Delivered_To=sent.return_path(ADA), Date=date, Message_ID=f"<{number}@x.example>"))
        here.clock.pass_(days=8)
    assert [sent.take(content).suppressed for content in contents] == [False, False, False, False, True]
    assert here.status(ADA) == "bounced"


def test_members_behind_an_address_do_not_speak_for_it(here: Project) -> None:
    """A reader may be a list: that one of its members is gone says nothing about the list."""
    sent = Sent(here, ADA)
    members = (group("one@example.net", "5.1.1"), group("two@example.net", "5.2.2"))
    assert not sent.take(report(*members, Delivered_To=sent.return_path(ADA))).suppressed
    both = (group("one@example.net", "5.2.2"), group(ADA.upper(), "5.1.1"))
    assert sent.take(report(*both, Delivered_To=sent.return_path(ADA))).suppressed


def test_who_was_erased_is_not_written_down_again(here: Project) -> None:
    sent = Sent(here, ADA)
    path = sent.return_path(ADA)
    here.newsletter.erase_person(ADA)
    sent.take(report(UNKNOWN, Delivered_To=path))
    assert all("ada" not in str(row) for rows in here.rows().values() for row in rows if "suppression" not in str(row))


def test_a_busy_database_is_told_and_nothing_happens(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from newsletter.database import connection as opening

    sent = Sent(here, ADA)
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0)
    content = report(UNKNOWN, Delivered_To=sent.return_path(ADA))
    with here.newsletter.database() as database, database.write(), pytest.raises(DatabaseUnavailableError):
        sent.take(content)
    assert sent.take(content).suppressed
