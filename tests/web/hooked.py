"""A project that SendGrid reports to, and posts signed as it signs them, by a key of the tests' own."""

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from newsletter.audience.subscribers import read_address
from newsletter.database.outside import event
from newsletter.database.schema import DeliveryState, delivery, suppression
from newsletter.tokens import Signer
from tests.feedback.arranged import Sent, send, state
from tests.web.served import NOW, Project

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
ADA, BEN = "ada@example.org", "ben@example.org"
AT = int(NOW.timestamp())
SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"


class Hooked:
    """A project that SendGrid reports to.

    Attributes:
        project: The project.
        sent: A mailing of it to Ada and Ben, through SendGrid.
    """

    def __init__(self, root: Path, database_url: str) -> None:
        self.project = Project(root, database_url, more=f'\n[feedback]\nsendgrid_public_key = "{PUBLIC}"\n')
        for person in (ADA, BEN):
            self.project.add_person(person, "community", "donors")
        with self.project.newsletter.database() as database:
            self.sent: Sent = send(database, ADA, BEN, at=NOW - dt.timedelta(hours=1))

    def event(self, what: str, person: str = ADA, **more: object) -> dict[str, object]:
        """What SendGrid says about a person's message."""
        token = Signer(self.project.newsletter.project.secret_key()).sign("events", self.sent.mailing)
        return {
            "email": person,
            "timestamp": AT - 60,
            "event": what,
            "sg_event_id": f"{what}-{person.partition('@')[0]}",
            "sg_message_id": "abc.filter0001",
            "nl_delivery": f"{token}.{self.sent.rows[person]}",
            "nl_attempt": "attempt1",
            **more,
        }

    def set_unknown(self, **values: object) -> None:
        """Let nobody know whether the messages left."""
        with self.project.newsletter.database() as database, database.write() as connection:
            connection.execute(sa.update(delivery).values(state=DeliveryState.UNKNOWN, **values))

    def state(self, person: str) -> str:
        """The state of a person's delivery."""
        with self.project.newsletter.database() as database:
            return state(database, self.sent.rows[person])

    def suppressed(self, person: str) -> str | None:
        """Why a person's address is suppressed."""
        with self.project.newsletter.database() as database, database.read() as connection:
            hashed = read_address(person).hashed(self.project.newsletter.project.secret_key())
            return connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed))

    def events(self) -> list[Any]:
        """All events."""
        with self.project.newsletter.database() as database, database.read() as connection:
            return list(connection.execute(sa.select(event).order_by(event.c.id)))


def signed(raw: bytes, *, at: int = AT, key: ec.EllipticCurvePrivateKey = KEY) -> dict[str, str]:
    """The headers by which SendGrid signs a body."""
    signature = key.sign(str(at).encode() + raw, ec.ECDSA(SHA256()))
    return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: str(at)}


def post(client: TestClient, *events: object, raw: bytes | None = None, **headers: str) -> Any:
    """Post events as SendGrid does."""
    body = json.dumps(list(events), ensure_ascii=False).encode() + b"\r\n" if raw is None else raw
    return client.post("/hooks/sendgrid", content=body, headers={**signed(body), **headers})
