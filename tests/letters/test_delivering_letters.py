"""How letters leave: by every sender the same, once by many, again after a crash, later after a no."""

import datetime as dt
import itertools
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import unsubscribe
from newsletter.audience.subscribers import suppress
from newsletter.database.outside import LetterState
from newsletter.database.schema import SuppressionReason, subscriber
from newsletter.letters.delivering import Delivered
from newsletter.letters.taking import LOST_AFTER, Ending, record, take
from tests.letters.conftest import Posted
from tests.letters.correspondence import ALL, NOW, WITH_LINK, LetterKind, Post, by_smtp, part, read
from tests.senders.mailserver import MailServer
from tests.senders.sendgrid_server import KEY, SendgridServer

WAIT = dt.timedelta(minutes=2)
"""Longer than the first wait after a failure."""

MORE = "[sending]\nbounces = 'bounces@news.example.org'\n"


# By every sender


@pytest.mark.parametrize("kind", ALL)
def test_every_sender_shows_the_same_letter(posted: Posted, kind: LetterKind) -> None:
    """Outbox, mail server and SendGrid; to SendGrid nothing of it names a delivery of the ledger."""
    with MailServer() as mailserver, SendgridServer() as sendgrid:
        senders = {
            "outbox": "",
            "smtp": by_smtp(mailserver.port),
            "sendgrid": f'[sender]\nkind = "sendgrid"\n[sender.sendgrid]\napi_url = "{sendgrid.url}"\n',
        }
        for name, more in senders.items():
            post = posted(MORE + more, name, SENDGRID_API_KEY=KEY)
            post.write(kind, language="fr")
            assert post.letters.deliver_due() == Delivered(sent=1)
            if name == "outbox":
                (message,) = post.messages()
        (mail,) = mailserver.mails
        (accepted,) = sendgrid.accepted
    by_mail = read(mail.content)
    assert (mail.sender, mail.recipient) == (b"bounces@news.example.org", str(message["To"]).encode())
    assert [*by_mail.items()] == [*message.items()]
    text, html = part(message, "plain"), part(message, "html")
    assert (part(by_mail, "plain"), part(by_mail, "html")) == (text, html)
    assert (accepted.text.rstrip(), accepted.html.rstrip()) == (text.rstrip(), html.rstrip())
    assert (accepted.to, accepted.subject) == (message["To"], message["Subject"])
    assert accepted.reply_to == message["Reply-To"].addresses[0].addr_spec
    assert accepted.headers == {"Auto-Submitted": "auto-generated"}
    assert set(accepted.custom_args) == {"nl_attempt"}


def test_sendgrid_gets_letters_of_one_kind_in_one_request(posted: Posted) -> None:
    with SendgridServer() as sendgrid:
        settings = f'[sender]\nkind = "sendgrid"\n[sender.sendgrid]\napi_url = "{sendgrid.url}"\n'
        post = posted(settings, SENDGRID_API_KEY=KEY)
        post.write_many(20, LetterKind.CONFIRM)
        assert post.letters.deliver_due() == Delivered(sent=20)
        assert sendgrid.counts == [20]
        assert len({re.findall(r"/confirm/(\S+)", each.text)[0] for each in sendgrid.accepted}) == 20


def test_a_letter_that_sendgrid_refuses_is_given_up_and_the_others_leave(posted: Posted) -> None:
    """One letter proves nothing about another, so none of them can hold the others up."""
    with SendgridServer() as sendgrid:
        sendgrid.refuse = lambda body: (
            [("bad content", "content")] if any("bad" in str(each["to"]) for each in body["personalizations"]) else []
        )
        settings = f'[sender]\nkind = "sendgrid"\n[sender.sendgrid]\napi_url = "{sendgrid.url}"\n'
        post = posted(settings, SENDGRID_API_KEY=KEY)
        bad = post.write(LetterKind.ACCESS, email="bad@example.com")
        assert post.letters.deliver_due() == Delivered(failed=1)
        post.write(LetterKind.ACCESS, email="ü@example.com")  # SendGrid reaches no such address
        post.write(LetterKind.ACCESS, email="good@example.com")
        assert post.letters.deliver_due() == Delivered(sent=1, failed=1)
        assert "SendGrid refused it" in post.row(bad).reason
        assert [each.to for each in sendgrid.accepted] == ["good@example.com"]


def test_a_mail_server_gets_letters_signed_by_dkim(posted: Posted, tmp_path: Path) -> None:
    from tests.dkim.signing import dkimpy_takes, keys

    key = tmp_path / "dkim.pem"
    key.write_bytes(pem(keys()[0]))
    key.chmod(0o600)
    with MailServer() as server:
        settings = f'[dkim]\ndomain = "example.org"\nselector = "{keys()[0].selector}"\nkey_file = "{key}"\n'
        post = posted(settings + by_smtp(server.port))
        post.write(LetterKind.CONFIRM)
        assert post.letters.deliver_due().sent == 1
        assert dkimpy_takes(server.mails[0].content, 0)


def pem(key: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined,no-any-return]


# Once by many, again after a crash


def test_several_processes_send_no_letter_twice(either: Post) -> None:
    with MailServer() as server:
        either.write_many(60)
        with (either.root / "newsletter.toml").open("a", encoding="utf-8") as settings:
            settings.write(by_smtp(server.port))
        doors = [either.again().letters for _ in range(3)]
        sums: list[Delivered] = []
        threads = [threading.Thread(target=lambda door=door: sums.append(door.deliver_due())) for door in doors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(each.sent for each in sums) == 60
        assert len({read(mail.content)["Message-ID"] for mail in server.mails}) == len(server.mails) == 60
    assert set(either.states()) == {"sent"}


def test_a_letter_of_a_lost_process_leaves_again_with_the_same_message_id(posted: Posted) -> None:
    with MailServer() as server:
        post = posted(by_smtp(server.port))
        number = post.write(LetterKind.ERASE)
        post.letters.deliver_due()
        lost = {"state": "leaving", "email": "erase@example.com", "worker": "gone", "next_try": NOW + LOST_AFTER}
        post.change(number, **lost)
        post.clock.pass_(minutes=9)
        assert post.letters.deliver_due() == Delivered()
        post.clock.pass_(minutes=1)
        assert post.letters.deliver_due().sent == 1
        first, second = (read(mail.content) for mail in server.mails)
        assert first["Message-ID"] == second["Message-ID"]
    assert post.row(number).tries == 2


def test_the_outbox_never_has_a_letter_twice(post: Post) -> None:
    number = post.write(LetterKind.ERASE)
    post.letters.deliver_due()
    (path,) = (post.root / "outbox" / "letters").glob("*.eml")
    before = path.read_bytes()
    post.change(number, state="leaving", email="erase@example.com", worker="gone", next_try=NOW)
    post.clock.pass_(minutes=1)
    assert post.letters.deliver_due().sent == 1
    assert [each.read_bytes() for each in path.parent.glob("*.eml")] == [before]


def test_a_late_answer_changes_nothing_about_a_letter_that_another_has_taken(either: Post) -> None:
    number = either.write(LetterKind.ACCESS)
    with either.newsletter.database() as database:
        taken = []
        for worker, now in (("first", NOW), ("second", NOW + LOST_AFTER)):
            with database.write() as connection:
                taken += take(connection, now=now, worker=worker, signer=either.signer, most=10)
        with database.write() as connection:
            record(connection, [Ending(taken[0], LetterState.FAILED, "late")], worker="first", now=NOW)
    assert (either.row(number).state, either.row(number).worker) == ("leaving", "second")


def test_a_letter_that_is_lost_again_and_again_is_given_up(post: Post) -> None:
    number = post.write(LetterKind.ACCESS)
    post.change(number, tries=20)
    post.letters.deliver_due()
    assert (post.row(number).state, post.row(number).email) == ("failed", None)


# When somebody says no


def test_a_letter_refused_for_now_leaves_later_with_growing_waits(posted: Posted) -> None:
    with MailServer() as server:
        post = posted(by_smtp(server.port))
        server.at("rcpt", "451 4.7.1 <access@example.com>: Greylisted, come again", times=2)
        number = post.write(LetterKind.ACCESS)
        waits = []
        for _ in range(2):
            assert post.letters.deliver_due() == Delivered(waiting=1)
            row = post.row(number)
            assert (row.state, row.worker) == ("queued", None)
            assert "Greylisted" in row.reason
            assert "example.com" not in row.reason
            assert post.letters.deliver_due() == Delivered()
            waits.append(row.next_try - post.clock.now)
            post.clock.now = row.next_try
        assert dt.timedelta(minutes=5) <= waits[0] < waits[1]
        assert post.letters.deliver_due() == Delivered(sent=1)
        token = re.findall(rb"/me/(\S+)", server.mails[0].content.replace(b"=\r\n", b""))[0].decode()
        assert post.signer.read("access", token, now=post.clock.now + dt.timedelta(minutes=29))
    row = post.row(number)
    assert (row.state, row.email, row.reason, row.answered_at) == ("sent", None, None, post.clock.now)


def test_a_letter_refused_for_good_is_given_up_and_its_address_forgotten(posted: Posted) -> None:
    with MailServer() as server:
        post = posted(by_smtp(server.port))
        server.at("rcpt", "550 5.1.1 <access@example.com>: No such user ACCESS@EXAMPLE.COM here", times=1)
        number = post.write(LetterKind.ACCESS)
        assert post.letters.deliver_due() == Delivered(failed=1)
        row = post.row(number)
        assert (row.state, row.email) == ("failed", None)
        assert "No such user" in row.reason
        assert "example.com" not in row.reason.lower()
        post.clock.pass_(days=3)
        assert post.letters.deliver_due() == Delivered()


def test_after_a_day_of_no_a_letter_is_given_up(posted: Posted) -> None:
    with MailServer() as server:
        post = posted(by_smtp(server.port))
        server.at("rcpt", "451 4.3.0 Not now")
        number = post.write(LetterKind.ACCESS)
        tries = 0
        while post.row(number).state == "queued":
            tries += 1
            post.clock.now = post.row(number).next_try
            post.letters.deliver_due()
        assert post.clock.now - NOW < dt.timedelta(hours=36)
        assert 5 < tries < 15
    assert (post.row(number).state, post.row(number).email) == ("failed", None)


def test_an_unreachable_sender_is_left_alone_for_growing_times(posted: Posted) -> None:
    with MailServer() as server:
        port = server.port
    post = posted(by_smtp(port))
    post.write_many(3)
    asked = []
    for _ in range(100):
        if (done := post.letters.deliver_due()) != Delivered():
            assert done.problem
            assert (done.sent, done.failed) == (0, 0)
            asked.append(post.clock.now)
        post.clock.pass_(seconds=6)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(asked) < 8
    assert gaps[-1] > gaps[0]
    with MailServer(port=port):
        post.clock.pass_(minutes=30)
        assert post.letters.deliver_due() == Delivered(sent=3)
    assert post.states() == ["sent"] * 3


def test_what_keeps_letters_from_leaving_is_in_the_log(posted: Posted, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks after a server sees it there; nobody is named."""
    with MailServer() as server:
        post = posted(by_smtp(server.port))
    post.write(LetterKind.ACCESS, email="ana@example.com")
    post.letters.attend()
    assert "letters wait, and are tried again: The mail server" in caplog.text
    assert "ana@" not in caplog.text


def test_a_server_that_hangs_up_after_the_letter_gets_it_three_times_at_most(posted: Posted) -> None:
    """Nobody knows whether it arrived: rather twice than never, and not for a whole day."""
    with MailServer() as server:
        post = posted(by_smtp(server.port))
        server.at("dot", "take", "drop")
        number = post.write(LetterKind.ACCESS)
        for _ in range(6):
            post.letters.deliver_due()
            post.clock.pass_(hours=3)
        assert len(server.mails) == 3
    assert post.row(number).state == "failed"


# Who gets none


def left(post: Post, person: int) -> None:
    with post.newsletter.database() as database, database.write() as connection:
        unsubscribe(connection, person, "community", now=NOW)


def suppressed(post: Post, person: int) -> None:
    with post.newsletter.database() as database, database.write() as connection:
        email = connection.execute(sa.select(subscriber.c.email).where(subscriber.c.id == person)).scalar_one()
        suppress(connection, email, SuppressionReason.COMPLAINED, secret=post.secret, now=NOW)


def moved(post: Post, person: int) -> None:
    with post.newsletter.database() as database, database.write() as connection:
        new = {"email": "new@example.com", "email_key": "new@example.com", "address_hash": b"n" * 32}
        connection.execute(sa.update(subscriber).where(subscriber.c.id == person).values(new))


@pytest.mark.parametrize(
    ("kind", "happened"),
    [
        (LetterKind.CONFIRM, left),
        (LetterKind.ALREADY, left),
        *((kind, suppressed) for kind in WITH_LINK),
        *((kind, moved) for kind in WITH_LINK),
    ],
)
def test_who_should_not_get_it_any_more_gets_none(
    post: Post, kind: LetterKind, happened: Callable[[Post, int], None]
) -> None:
    person = post.person(f"{kind}@example.com", "pending" if kind is LetterKind.CONFIRM else "active")
    number = post.write(kind, person=person)
    happened(post, person)
    assert post.letters.deliver_due() == Delivered()
    assert (post.row(number).state, post.row(number).email) == ("failed", None)
    assert post.messages() == []


def test_an_entry_that_is_gone_is_told_to_nobody(post: Post) -> None:
    number = post.write(LetterKind.ENTRY, details={"entry": 999})
    assert post.letters.deliver_due() == Delivered()
    assert post.row(number).state == "failed"
