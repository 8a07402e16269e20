"""One batch on its way: request after request, what is refused taken out, what is too large halved, doubts told."""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.protocol import Origin, Outcome, Verdict
from newsletter.sending.senders.sendgrid.client import Client
from newsletter.sending.senders.sendgrid.judging import Judgement, Meaning, judge
from newsletter.sending.senders.sendgrid.pace import Pace
from newsletter.sending.senders.sendgrid.requests import Letter, Request
from newsletter.sending.substitution import Template

_ENOUGH: Final = 10
"""Refusals before anything of a mailing was accepted, after which it is the letter and not its readers."""


class Round:
    """Brings out one batch.

    Args:
        client: Asks SendGrid.
        pace: When it may be asked; shared with other rounds.
        proven: The mailings of which SendGrid accepted something; shared likewise.
        shared: What a template is in a request.
        sandbox: Whether SendGrid only checks.
        new_id: Makes the ids of requests.
        now: The time.
    """

    def __init__(  # noqa: PLR0913 what a sender has
        self,
        *,
        client: Client,
        pace: Pace,
        proven: set[Origin],
        shared: Callable[[Template], str],
        sandbox: bool,
        new_id: Callable[[], uuid.UUID],
        now: datetime,
    ) -> None:
        self._client = client
        self._pace = pace
        self._proven = proven
        self._shared = shared
        self._sandbox = sandbox
        self._new_id = new_id
        self._now = now
        self._outcomes: dict[int, Outcome] = {}
        self._suspects: list[tuple[Letter, str]] = []
        self._waiting: deque[Request] = deque()

    def run(self, requests: Sequence[Request]) -> list[Outcome]:
        """Send the requests, and say what became of each message.

        Raises:
            SenderUnavailableError: None of the messages has left.
        """
        letters = [letter for request in requests for letter in request.letters]
        self._waiting.extend(requests)
        if self._pace.careful and self._waiting and len(self._waiting[0].letters) > 1:
            first = self._waiting.popleft()
            self._again(Request(first.letters[:1]), Request(first.letters[1:]))
        stop: SenderUnavailableError | None = None
        while self._waiting and stop is None:
            stop = self._send(self._waiting.popleft())
        stop = stop or self._resolve()
        if stop is not None and not any(
            outcome.verdict in {Verdict.ACCEPTED, Verdict.UNKNOWN} for outcome in self._outcomes.values()
        ):
            raise stop
        return [
            self._outcomes.get(letter.handover.delivery)
            or Outcome(letter.handover.delivery, Verdict.UNSENT, str(stop or "Nothing of it left."))
            for letter in letters
        ]

    def _send(self, request: Request) -> SenderUnavailableError | None:
        """Send one request; says why no other should follow, if none should."""
        attempt = self._new_id().hex
        reply = self._client.post("mail/send", request.body(self._shared(request.template), attempt))
        judgement = judge(reply, sandbox=self._sandbox, now=self._now)
        if judgement.meaning is Meaning.UNKNOWN:
            return self._in_doubt(request, judgement, attempt)
        if judgement.meaning in {Meaning.UNAVAILABLE, Meaning.BROKEN}:
            return self._stopped(judgement)
        if judgement.meaning is Meaning.TOO_LARGE:
            return self._too_large(request, judgement, answered=reply.status > 0)
        self._pace.answered()
        if judgement.meaning is Meaning.ACCEPTED:
            self._accept(request, judgement)
            return None
        return self._refuse(request, judgement)

    def _accept(self, request: Request, judgement: Judgement) -> None:
        reason = judgement.sentence or None
        for letter in request.letters:
            row = letter.handover.delivery
            self._outcomes[row] = Outcome(row, Verdict.ACCEPTED, reason, message_id=judgement.message_id)
        self._proven.add(request.letters[0].handover.origin)

    def _in_doubt(self, request: Request, judgement: Judgement, attempt: str) -> SenderUnavailableError:
        reason = f"{judgement.sentence} (request {attempt})."
        for letter in request.letters:
            row = letter.handover.delivery
            self._outcomes[row] = Outcome(row, Verdict.UNKNOWN, reason, message_id=attempt)
        self._pace.silent("SendGrid did not answer the last request.")
        return SenderUnavailableError("SendGrid did not answer the request before this one.")

    def _stopped(self, judgement: Judgement) -> SenderUnavailableError:
        if judgement.wait:
            self._pace.busy(judgement.wait, judgement.sentence)
        return SenderUnavailableError(judgement.sentence, lasting=judgement.meaning is Meaning.BROKEN)

    def _too_large(self, request: Request, judgement: Judgement, *, answered: bool) -> SenderUnavailableError | None:
        if len(request.letters) > 1:
            self._again(*request.halves())
            return None
        if not answered:
            return SenderUnavailableError(judgement.sentence)
        self._final(request.letters, judgement.sentence)
        return None

    def _refuse(self, request: Request, judgement: Judgement) -> SenderUnavailableError | None:
        letters = request.letters
        positions = {place: why for place, why in judgement.positions.items() if place < len(letters)}
        if positions:
            for place, why in positions.items():
                if place in judgement.addresses:
                    self._final([letters[place]], why)
                else:
                    self._suspects.append((letters[place], why))
            if rest := request.without(positions):
                self._again(rest)
        elif len(letters) > 1:
            self._again(*request.halves())
        else:
            self._suspects.append((letters[0], judgement.sentence))
        if len(self._suspects) >= _ENOUGH and letters[0].handover.origin not in self._proven:
            return self._resolve()
        return None

    def _resolve(self) -> SenderUnavailableError | None:
        """Refuse those of whom it is proven that others got the same message; else it is the message that is wrong.

        A letter to one person proves nothing about another, and must not keep the others from theirs.
        """
        stop = None
        for letter, why in self._suspects:
            if letter.handover.origin.letter or letter.handover.origin in self._proven:
                self._final([letter], why)
            else:
                stop = SenderUnavailableError(
                    f"SendGrid takes nothing of this mailing. {why}. Nobody is lost: put that right, and resume.",
                    lasting=True,
                )
        return stop

    def _final(self, letters: Iterable[Letter], why: str) -> None:
        for letter in letters:
            self._outcomes[letter.handover.delivery] = Outcome(letter.handover.delivery, Verdict.REFUSED, why)

    def _again(self, *requests: Request) -> None:
        self._waiting.extendleft(reversed(requests))
