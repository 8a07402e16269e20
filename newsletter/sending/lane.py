"""The lane: one loop of a worker over one mailing, which brings planned deliveries out one batch at a time.

Round and round: reserve some deliveries, write their messages, claim those that leave next (on the disk before the
first byte leaves), hand them over; the answers are written down together with the next claim.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from newsletter.database.schema import DeliveryState, MailingState
from newsletter.errors import CompileError, MisreadMessageError, NewsletterError, SenderError, UnsupportedFeatureError
from newsletter.sending import ledger, mailings
from newsletter.sending.ledger import Reserved
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.run import Progress, Run, Writer
from newsletter.sending.senders.protocol import Handover, Message, Origin, Outcome, Verdict

_TRY_AGAIN: Final = {Verdict.DEFERRED, Verdict.UNSENT}


class Lane:
    """One loop over one mailing.

    Args:
        run: Whose loop.
        mailing: It must be `sending`.
        writer: Writes its messages.
    """

    def __init__(self, run: Run, mailing: Mailing, writer: Writer) -> None:
        self._run = run
        self._mailing = mailing
        self._writer = writer
        self._origin = Origin(mailing.id, mailing.edition, mailing.created_at)
        self._answers: list[Outcome] = []
        """What the sender said, and the ledger does not know yet."""
        self._audience = self._done = 0

    def drive(self) -> None:
        """Bring out what is planned, until nothing is, the run is stopped, or the mailing is not sending any more.

        Raises:
            SenderError: The sender failed, or takes nothing for now; what it knows is in the ledger.
            DatabaseError: The ledger cannot be written.
        """
        with self._run.database.read() as connection:
            counts = ledger.counts(connection, self._mailing.id)
        self._audience = sum(counts.values())
        self._done = self._audience - counts[DeliveryState.PLANNED]
        try:
            while not self._run.stop() and (reserved := self._reserve()):
                if not self._bring_out(reserved):
                    break
        finally:
            with self._transaction() as connection:
                ledger.release(connection, self._mailing.id, self._run.worker)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A writing transaction that first writes down what the sender last said."""
        with self._run.database.write() as connection:
            ledger.record(connection, self._run.worker, self._answers, now=self._run.clock())
            yield connection
        self._answers = []  # not before they are on the disk

    def _reserve(self) -> list[Reserved]:
        with self._transaction() as connection:
            return ledger.reserve(connection, self._mailing.id, self._run.worker, self._run.chunk)

    def _bring_out(self, reserved: Sequence[Reserved]) -> bool:
        """Bring out reserved deliveries batch by batch; says whether the mailing is still sending."""
        size = self._run.sender.capabilities.batch
        for start in range(0, len(reserved), size):
            if self._run.stop():
                break
            part = reserved[start : start + size]
            messages, unwritten = self._write(part)
            with self._transaction() as connection:
                ledger.skip(connection, self._run.worker, unwritten)
                claimed = ledger.claim(
                    connection, self._mailing.id, self._run.worker, list(messages), now=self._run.clock()
                )
                state = mailings.read_mailing(connection, self._mailing.id).state
            if state is not MailingState.SENDING:
                return False
            self._hand_over([Handover(row, self._origin, messages[row]) for row in messages if row in claimed])
            self._done += len(part) - sum(answer.verdict in _TRY_AGAIN for answer in self._answers)
            self._run.progress(Progress(self._mailing.id, self._audience, self._done))
        return True

    def _write(self, part: Sequence[Reserved]) -> tuple[dict[int, Message], dict[int, str]]:
        """The messages of some deliveries, and for whom there is none, why."""
        messages: dict[int, Message] = {}
        unwritten: dict[int, str] = {}
        now = self._run.clock()
        for row in part:
            person = row.subscriber
            try:
                message = self._writer.write(Reader(person.id, row.delivery, person.email, person.person), now)
            except (CompileError, MisreadMessageError):
                raise  # ours, and the same for every reader: better to stop than to leave all of them out
            except NewsletterError as error:
                unwritten[row.delivery] = f"The message could not be written: {error}"
            except Exception as error:  # noqa: BLE001 - one reader's data must not keep the others from their message
                unwritten[row.delivery] = f"The message could not be written ({type(error).__name__})."
            else:
                if message.smtputf8 and not self._run.sender.capabilities.smtputf8:
                    unwritten[row.delivery] = f"The sender «{self._run.sender.kind}» cannot reach such an address."
                else:
                    messages[row.delivery] = message
        return messages, unwritten

    def _hand_over(self, batch: list[Handover]) -> None:
        """Deliver, and keep the answers for the ledger.

        Raises:
            SenderError: The sender failed, or takes nothing for now.
        """
        if not batch:
            return
        kind = self._run.sender.kind
        try:
            said = {outcome.delivery: outcome for outcome in self._run.sender.deliver(batch)}
        except UnsupportedFeatureError:
            self._answers = [Outcome(handover.delivery, Verdict.UNSENT) for handover in batch]
            raise
        except Exception as error:
            self._answers = [_unanswered(handover) for handover in batch]
            raise SenderError(
                f"The sender «{kind}» failed: {error}. The mailing is paused; of {len(batch):,} messages nobody knows "
                "whether they left. Run the same command again to go on with the others."
            ) from error
        self._answers = [said.get(handover.delivery, _unanswered(handover)) for handover in batch]
        if all(answer.verdict is Verdict.DEFERRED for answer in self._answers):
            raise SenderError(
                f"The sender «{kind}» takes no messages for now: {self._answers[0].reason} "
                "The mailing is paused and nobody is lost. Run the same command again when that is put right."
            )


def _unanswered(handover: Handover) -> Outcome:
    return Outcome(handover.delivery, Verdict.UNKNOWN, "The sender gave no answer.")
