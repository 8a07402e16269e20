"""Sends an edition to those who are to look at it first: the real message by the real way, except for declared fields.

What differs from the message that the same reader gets in a mailing, and nothing else:

- `Subject` begins with `[Test] `, or `[Test 2/5] ` where one of several variants is shown;
- `To`, and the envelope's recipient, are the address that the test goes to; the name in `To` stays the reader's;
- `Message-ID` and `Date` are its own;
- the tokens in links (`List-Unsubscribe`, and links to unsubscribe and to preferences in both parts) are test tokens;
- what else carries ids of the ledger for a sender (a return path, arguments for a provider) carries ids of no mailing.

Nothing of it is in the ledger, so a test reaches no mailing and no mailing a test, also while one is under way.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.audience.subscribers import Address, is_suppressed_address, read_address
from newsletter.errors import AddressError, NewsletterError, SenderUnavailableError, UnsupportedFeatureError
from newsletter.rendering.composition import Person
from newsletter.sending.message import Reader
from newsletter.sending.senders.protocol import Handover, Message, Origin, Outcome, Sender, Verdict
from newsletter.tokens import Signer

TEST: Final = "test-"
"""Stands before the purpose of every token in a test message."""

_TRIES: Final = 3
"""Times that a message is handed over of which the sender proves that it never left."""

_BETWEEN: Final = re.compile(r"[,;\n]")
_ANGLED: Final = re.compile(r'(?:"[^"]*"|[^<>"]*)<([^<>]*)>')


class TrialSigner(Signer):
    """Signs what stands in a test message, so that a link shows what it would do, and can never do it.

    A token's purpose is part of its signature, and here every purpose begins with `test-`: where a mailing signs
    `unsubscribe`, a test signs `test-unsubscribe`. So `Signer.read("unsubscribe", token)` refuses a test token like any
    forged one: a page that has never heard of tests cannot be made to act by one.

    For the pages (`/u/<token>`, `/p/<token>`, confirmation): read the token with the purpose itself; on `TokenError`
    read it with `TEST + purpose`; if that succeeds, answer to GET and POST alike that this is a test link, what it
    would do ("This would take Ada off the list Community. It is a test: nothing was changed."), and do nothing else,
    not even with one click (RFC 8058): answer 200 and change nothing. The ids are those of the purpose: subscriber
    (0 for a persona, who is nobody), list, and the number of the test, which is no mailing's. Whoever holds such a link
    need not be that subscriber: show nothing of them but the name and list that the message showed already.

    For what comes back by other ways (return path, provider's events): what reads only with `TEST + purpose`, or bears
    the number of a test (`is_test`), concerns no delivery and is dropped.
    """

    def sign(self, purpose: str, *ids: int, expires: datetime | None = None) -> str:
        """A token good for the test of this purpose alone."""
        return super().sign(TEST + purpose, *ids, expires=expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """As whom an edition is looked at.

    Attributes:
        name: Who that is, in words.
        person: What expressions see.
        subscriber: The id of a subscriber; 0 for a persona.
        mark: Stands before the subject.
    """

    name: str
    person: Person
    subscriber: int = 0
    mark: str = "[Test] "


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is to get a test.

    Attributes:
        typed: As it was typed.
        email: The address; empty if nothing may be sent there.
        problem: Why not.
    """

    typed: str
    email: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one test message.

    Attributes:
        to: The address.
        view: As whom it shows the edition.
        subject: Its subject; empty if no message could be written.
        verdict: What became of it; what was never handed over is `UNSENT`.
        reason: Why, for all but `ACCEPTED`.
        message_id: Under which it is known.
        size: Bytes of the message; 0 if there is none.
    """

    to: str
    view: View
    subject: str
    verdict: Verdict
    reason: str | None = None
    message_id: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class TrialWriter:
    """Writes test messages, and knows their subjects.

    Attributes:
        write: The message for one reader, in the form that the sender takes.
        subject_for: The subject line as this reader sees it.
    """

    write: Callable[[Reader, datetime], Message]
    subject_for: Callable[[Reader], str]


def trial_number(now: datetime) -> int:
    """The number of a test: microseconds since 1970, which no mailing's id ever reaches."""
    return round(now.timestamp() * 1_000_000)


def is_test(number: int) -> bool:
    """Whether a number that stands for a mailing is one of a test."""
    return number >= 10**12  # in 1970, after eleven days; no ledger counts that far


def read_addressees(connection: sa.Connection, typed: Iterable[str], *, secret: bytes) -> list[Addressee]:
    """Check the addresses that a test is to go to; each once, none dropped in silence.

    Args:
        connection: A transaction.
        typed: Addresses, several with commas between.
        secret: The project's, by which addresses that must never be mailed are known.
    """
    found: dict[str, Addressee] = {}
    for text in _split(typed):
        try:
            address = read_address(text)
        except AddressError as error:
            found.setdefault(text, Addressee(text, problem=str(error)))
        else:
            found.setdefault(address.key, _checked(connection, text, address, secret))
    return list(found.values())


def _split(typed: Iterable[str]) -> Iterator[str]:
    for text in typed:
        for part in _BETWEEN.split(text):
            angled = _ANGLED.fullmatch(part.strip())
            if address := (angled[1] if angled else part).strip():
                yield address


def _checked(connection: sa.Connection, text: str, address: Address, secret: bytes) -> Addressee:
    if is_suppressed_address(connection, text, secret=secret):
        return Addressee(text, problem="This address must never be mailed: its owner said so, or mail to it came back.")
    return Addressee(text, address.email)


def send_tests(  # noqa: PLR0913 who, what, by whom and when
    sender: Sender,
    writer_for: Callable[[str], TrialWriter],
    views: Sequence[View],
    addressees: Sequence[Addressee],
    origin: Origin,
    *,
    now: datetime,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Tried]:
    """Send one message for each view to each addressee, each handed over for itself, one after the other.

    Args:
        sender: Any sender; as one message at a time is handed over, it is never given more than it takes.
        writer_for: Makes the writer for a mark before the subject.
        views: As whom the edition is looked at.
        addressees: Who gets it.
        origin: A test's.
        now: The time of sending, with its zone.
        progress: Told how many messages are done, and of how many.

    Returns:
        What became of each, addressee by addressee.

    Raises:
        SenderUnavailableError: The sender does not work now, and nothing has left.
    """
    writers = {view.mark: writer_for(view.mark) for view in views}
    tried: list[Tried] = []
    broken: SenderUnavailableError | None = None
    number = 0
    for addressee in addressees:
        for view in views:
            number += 1
            reader = Reader(view.subscriber, number, addressee.email, view.person)
            if addressee.problem is not None:
                tried.append(
                    Tried(to=addressee.typed, view=view, subject="", verdict=Verdict.UNSENT, reason=addressee.problem)
                )
                continue
            subject, message, problem = _written(writers[view.mark], reader, sender, now)
            if message is None or broken is not None:
                why = problem or str(broken)
                tried.append(Tried(to=addressee.email, view=view, subject=subject, verdict=Verdict.UNSENT, reason=why))
                continue
            try:
                outcome = _handed_over(sender, Handover(number, origin, message))
            except SenderUnavailableError as error:
                if not any(before.verdict is not Verdict.UNSENT for before in tried):
                    raise
                broken, outcome = error, Outcome(number, Verdict.UNSENT, str(error))
            tried.append(_told(addressee, view, subject, message, outcome))
            progress(number, len(addressees) * len(views))
    return tried


def _told(addressee: Addressee, view: View, subject: str, message: Message, outcome: Outcome) -> Tried:
    return Tried(
        to=addressee.email,
        view=view,
        subject=subject,
        verdict=outcome.verdict,
        reason=outcome.reason,
        message_id=outcome.message_id or message.message_id,
        size=len(message.content),
    )


def _written(
    writer: TrialWriter, reader: Reader, sender: Sender, now: datetime
) -> tuple[str, Message | None, str | None]:
    """The subject, and the message or why there is none."""
    try:
        subject = writer.subject_for(reader)
        message = writer.write(reader, now)
    except NewsletterError as error:
        return "", None, f"The message could not be written: {error}"
    if message.smtputf8 and not sender.capabilities.smtputf8:
        return subject, None, f"The sender «{sender.kind}» cannot reach such an address."
    return subject, message, None


def _handed_over(sender: Sender, handover: Handover) -> Outcome:
    """What became of a message; one that provably never left is tried again at once.

    Raises:
        SenderUnavailableError: The sender does not work now, and the message has not left.
    """
    outcome = Outcome(handover.delivery, Verdict.UNKNOWN, "The sender gave no answer.")
    for _ in range(_TRIES):
        try:
            answers = sender.deliver([handover])
        except SenderUnavailableError:
            raise
        except UnsupportedFeatureError as error:
            return Outcome(handover.delivery, Verdict.UNSENT, str(error))
        except Exception as error:  # noqa: BLE001 - one address must not keep the others from their message
            why = f"The sender «{sender.kind}» failed ({type(error).__name__}: {error}): nobody knows whether it left."
            return Outcome(handover.delivery, Verdict.UNKNOWN, why)
        outcome = next((answer for answer in answers if answer.delivery == handover.delivery), outcome)
        if outcome.verdict is not Verdict.UNSENT:
            break
    return outcome
