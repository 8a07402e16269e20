"""A project whose mailing has left, and what comes back of it."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from newsletter.audience.lists import find_list
from newsletter.audience.subscribers import read_address
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, MailingState, composition, delivery, mailing, suppression
from newsletter.feedback.bounces.taking import Taken
from newsletter.sending.return_path import ReturnPath
from newsletter.sending.testing import TrialSigner
from newsletter.tokens import Signer
from tests.web.served import Project

BOUNCES = "bounces@news.example.org"


@dataclass(frozen=True)
class Row:
    """What was written down about something that came back."""

    kind: EventKind
    hard: bool | None
    status: str | None
    reason: str
    delivery: int | None


class Sent:
    """A mailing that was sent to people.

    Attributes:
        project: Where.
        mailing: Its id.
        rows: The delivery of each person, by their address.
    """

    def __init__(self, project: Project, *emails: str, edition: str = "first") -> None:
        self.project = project
        self.rows: dict[str, int] = {}
        now = project.clock.now
        people = {email: project.add_person(email, "community") for email in emails}
        with project.newsletter.database() as database, database.write() as connection:
            composed = {"digest": f"digest of {edition}", "data": b""}
            connection.execute(sa.insert(composition).values(composed))
            fields = {
                "edition": edition,
                "title": edition.title(),
                "list_id": find_list(connection, "community"),
                "digest": composed["digest"],
                "sender": "smtp",
                "state": MailingState.SENT,
                "audience": len(emails),
                **dict.fromkeys(("created_at", "holds_until", "started_at", "finished_at"), now),
            }
            self.mailing = connection.scalars(sa.insert(mailing).values(fields).returning(mailing.c.id)).one()
            for email, person in people.items():
                row = {
                    "mailing_id": self.mailing,
                    "edition": edition,
                    "subscriber_id": person,
                    "state": DeliveryState.ACCEPTED,
                    "claimed_at": now,
                    "answered_at": now,
                    "address_hash": read_address(email).hashed(project.newsletter.project.secret_key()),
                }
                made = sa.insert(delivery).values(row).returning(delivery.c.id)
                self.rows[email] = connection.scalars(made).one()

    @property
    def signer(self) -> Signer:
        return Signer(self.project.newsletter.project.secret_key())

    def return_path(self, email: str, *, trial: bool = False) -> str:
        """The address that this person's message comes back to."""
        signer = TrialSigner(self.project.newsletter.project.secret_key()) if trial else self.signer
        return ReturnPath(BOUNCES, signer).address_for(self.rows[email])

    def message_id(self, email: str, purpose: str = "message") -> str:
        """The Message-ID of this person's message."""
        return f"<{self.signer.sign(purpose, self.mailing, self.rows[email])}@example.org>"

    def take(self, content: bytes, *recipients: str) -> Taken:
        """Let a message come back."""
        return self.project.newsletter.bounces.take(content, recipients=recipients)

    def events(self) -> list[Row]:
        """All that was written down about what came back by mail."""
        query = sa.select(event).where(event.c.provider == "smtp").order_by(event.c.id)
        with self.project.newsletter.database() as database, database.read() as connection:
            return [
                Row(EventKind(row.kind), row.hard, row.status, row.reason or "", row.delivery_id)
                for row in connection.execute(query)
            ]

    def suppressed(self) -> int:
        """How many addresses are mailed no more."""
        with self.project.newsletter.database() as database, database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(suppression)).scalar_one())


def later(project: Project, **length: float) -> str:
    """Let time pass; the date as a message tells it."""
    project.clock.pass_(**length)
    return project.clock.now.astimezone(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
