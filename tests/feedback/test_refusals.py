"""What a mail server refused while we sent counts as what comes back later, once, and not twice in a report."""

import datetime as dt

import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, delivery, mailing
from newsletter.feedback.refusals import follow_refusals
from newsletter.feedback.report import report
from tests.database.opened import NOW
from tests.feedback.arranged import LATER, SETTINGS, Sent, events, join, send, suppressed

REFUSED = {
    "gone@example.org": ("The mail server refused the address: 550 5.1.1 No such user here", "bounced"),
    "nodomain@example.net": ("The mail server refused the address: 550 5.1.2 Host unknown", "bounced"),
    "full@example.org": ("The mail server refused the address: 552 5.2.2 Mailbox full", None),
    "policy@policy.example": ("The mail server refused the message: 550 5.7.26 DMARC", None),
    "other@policy.example": ("The mail server refused the address: 550 5.1.1 No such user here", None),
    "late@example.com": (
        "Given up after 12 tries. The mail server did not take the address now: 451 4.3.0 Try again later",
        None,
    ),
    "sender@example.edu": ("The mail server refused our address: 550 5.1.8 Sender rejected", None),
    "person@example.edu": ("A person found that it did not arrive.", None),
}


def refuse(database: Database, sender: str = "smtp") -> Sent:
    join(database, *REFUSED)
    sent = send(database, *REFUSED, state=DeliveryState.REFUSED)
    with database.write() as connection:
        connection.execute(sa.update(mailing).values(sender=sender))
        for email, row in sent.rows.items():
            connection.execute(sa.update(delivery).where(delivery.c.id == row).values(reason=REFUSED[email][0]))
    return sent


def test_item_81_what_was_refused_at_the_door_is_weighed_like_a_bounce(database: Database) -> None:
    sent = refuse(database)
    for expected in (6, 0):
        with database.write() as connection:
            done = follow_refusals(connection, settings=SETTINGS, now=LATER + dt.timedelta(days=6 - expected))
        assert done.new == expected
    assert {email: suppressed(database, email) for email in REFUSED} == {
        email: verdict for email, (_, verdict) in REFUSED.items()
    }
    assert {row.provider for row in events(database)} == {"refusal"}
    assert all(row.at == NOW for row in events(database))
    with database.read() as connection:
        found = report(connection, sent.mailing, now=LATER)
    assert (sum(each.people for each in found.refused), found.bounced, found.given_up) == (8, 0, 2)


def test_what_another_sender_refused_is_not_about_the_address(sqlite_database: Database) -> None:
    refuse(sqlite_database, "sendgrid")
    with sqlite_database.write() as connection:
        assert follow_refusals(connection, settings=SETTINGS, now=LATER).new == 0
