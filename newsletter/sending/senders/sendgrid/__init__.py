"""Hands messages to SendGrid: many readers a request, and an honest word about each of them afterwards.

SendGrid takes or refuses a request as a whole and has no way to repeat one safely, so a request without an answer makes
everybody in it `unknown`: it is never sent again without evidence. What was refused, or cannot have arrived, is told
apart from that, and the others of a refused request leave in a new one.
"""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from newsletter.errors import ConfigError, SenderUnavailableError, UnsupportedFeatureError
from newsletter.sending.senders.protocol import Capabilities, Handover, Origin, Outcome, Unknown, Verdict
from newsletter.sending.senders.sendgrid.client import Client
from newsletter.sending.senders.sendgrid.evidence import Evidence, evidence_of, settle
from newsletter.sending.senders.sendgrid.pace import Pace
from newsletter.sending.senders.sendgrid.requests import (
    MOST_PEOPLE,
    Letter,
    problem_of,
    problem_of_template,
    shared_part,
    split,
)
from newsletter.sending.senders.sendgrid.round import Round
from newsletter.sending.substitution import SubstitutedMessage, Template
from newsletter.tokens import Signer

if TYPE_CHECKING:
    from newsletter.project import Project

__all__ = ["Evidence", "SendgridSender", "evidence_of"]

_KEPT: Final = 64
"""Templates that are kept as they stand in requests."""


class SendgridSender:
    """Sends through SendGrid's API.

    Args:
        client: Asks SendGrid.
        signer: The project's; knows the ids that come back.
        sandbox: Whether SendGrid checks the requests and sends nothing.
        clock: Seconds that only ever grow.
        now: Tells the time, with its zone.
        new_id: Makes the ids of requests.
    """

    kind = "sendgrid"
    capabilities = Capabilities(batch=MOST_PEOPLE, settles=True, smtputf8=False, parallel=2, form="substitutions")

    def __init__(  # noqa: PLR0913 time and randomness come in
        self,
        client: Client,
        signer: Signer,
        *,
        sandbox: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._client = client
        self._signer = signer
        self._sandbox = sandbox
        self._now = now
        self._new_id = new_id
        self._pace = Pace(clock)
        self._proven: set[Origin] = set()
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, project: "Project") -> Self:
        """The account that a project's settings and SENDGRID_API_KEY name.

        Raises:
            ConfigError: There is no key, or it cannot be one.
        """
        key, place = project.sendgrid_key, project.settings.sender.sendgrid
        if key is None:
            raise ConfigError(
                "There is no key to SendGrid. Make one in SendGrid under Settings, API Keys, with the permission "
                "«Mail Send», and set the variable SENDGRID_API_KEY to it."
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError("What SENDGRID_API_KEY holds cannot be a key: it has blanks or strange characters in it.")
        client = Client(key, region=place.region, api_url=place.api_url)
        return cls(client, Signer(project.secret_key()), sandbox=place.sandbox)

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        """Send messages, as few requests as can be; several threads may do this at once.

        Raises:
            UnsupportedFeatureError: The batch is too large, or of finished bytes; nothing has left.
            SenderUnavailableError: SendGrid takes nothing for now; nothing has left.
        """
        if len(batch) > self.capabilities.batch:
            raise UnsupportedFeatureError(f"SendGrid takes at most {self.capabilities.batch:,} messages at a time.")
        if not batch:
            return []
        letters = [Letter(handover, _substituted(handover)) for handover in batch]
        self._pace.check()
        templates = {letter.message.template.key: letter.message.template for letter in letters}
        sizes = {key: self._part(template).size for key, template in templates.items()}
        refused: dict[int, Outcome] = {}
        good: list[Letter] = []
        for letter in letters:
            if problem := self._problem_of(letter.message):
                row = letter.handover.delivery
                refused[row] = Outcome(row, Verdict.REFUSED, problem)
            else:
                good.append(letter)
        going = Round(
            client=self._client,
            pace=self._pace,
            proven=self._proven,
            shared=lambda template: self._part(template).content,
            sandbox=self._sandbox,
            new_id=self._new_id,
            now=self._now(),
        )
        outcomes = {outcome.delivery: outcome for outcome in going.run(split(good, sizes))} | refused
        return [outcomes[handover.delivery] for handover in batch]

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        """Look for messages in SendGrid's Email Logs; what is not found there stays unknown."""
        if self._sandbox:
            return [Outcome(unknown.delivery, Verdict.UNKNOWN, "The sandbox keeps no logs.") for unknown in unknowns]
        return settle(self._client, self._signer, unknowns, now=self._now())

    def close(self) -> None:
        """Nothing is kept open: each request has a connection of its own."""

    def _problem_of(self, message: SubstitutedMessage) -> str | None:
        """Why SendGrid would refuse this reader's message.

        Raises:
            SenderUnavailableError: It would refuse everybody's.
        """
        problem = self._part(message.template).problem
        if problem and not message.template.single:
            raise SenderUnavailableError(f"SendGrid would take nothing of this mailing. {problem}", lasting=True)
        return problem or problem_of(message)

    def _part(self, template: Template) -> "_Part":
        """A template as it stands in requests."""
        part = self._parts.get(template.key)
        if part is None:
            content = shared_part(template, sandbox=self._sandbox)
            part = _Part(content, len(content), problem_of_template(template, len(content)))
            with self._lock:
                while len(self._parts) >= _KEPT:
                    del self._parts[next(iter(self._parts))]
                self._parts[template.key] = part
        return part


@dataclass(frozen=True, slots=True)
class _Part:
    """A template as it stands in requests.

    Attributes:
        content: The part of the body.
        size: Its bytes.
        problem: Why SendGrid would refuse it.
    """

    content: str
    size: int
    problem: str | None


def _substituted(handover: Handover) -> SubstitutedMessage:
    message = handover.message
    if not isinstance(message, SubstitutedMessage):
        raise UnsupportedFeatureError("SendGrid takes messages with substitutions only, not finished bytes.")
    return message
