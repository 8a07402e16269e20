"""What somebody asks to be sent, and how that becomes a mailing, or finds the one that it began before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from newsletter.audience.lists import count, count_people, find_list, walk
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState
from newsletter.errors import AlreadySentError, AudienceError, SendError
from newsletter.expressions import Expression, parse_expression
from newsletter.rendering.composition import Picture
from newsletter.sending import ledger, mailings, publishing
from newsletter.sending.mailings import Mailing


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asked to be sent.

    Attributes:
        edition: The edition's slug.
        title: The edition's title.
        digest: Of the composition.
        composition: The composition itself, as it can be stored and read back.
        list_slug: To whom.
        where: An expression that chooses among the list; None for everybody.
        hold: How long it can be undone.
        at: When it may leave at the earliest; None for now.
        recipients_of: For a correction, the mailing that its readers must have had.
        recipients_state: And the state that their deliveries must be in.
        article: The edition as a web page, as it can be stored; None if it is not for everybody.
        pictures: What its messages and its web page fetch from us.
    """

    edition: str
    title: str
    digest: str
    composition: bytes
    list_slug: str
    where: str | None = None
    hold: timedelta = timedelta()
    at: datetime | None = None
    recipients_of: int | None = None
    recipients_state: str = DeliveryState.ACCEPTED
    article: bytes | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def had(self) -> tuple[int, str] | None:
        """For a correction, what its readers must have had."""
        return None if self.recipients_of is None else (self.recipients_of, self.recipients_state)


def parsed(where: str | None) -> Expression | None:
    """A choice among a list, ready to be used.

    Raises:
        ExpressionError: It cannot be understood.
    """
    return None if where is None else parse_expression(where)


def place(database: Database, order: Order, *, sender: str, now: datetime) -> int:
    """Write an order down as a mailing that is held; says which.

    The same order begun before is gone on with. One that is still held takes what is ordered now in its place.

    Raises:
        AlreadySentError: Everybody chosen has it already, or gets it by another mailing.
        AudienceError: Nobody is chosen.
        ListNotFoundError: There is no such list.
        ExpressionError: The choice cannot be understood.
        SendError: A mailing of it was stopped half-way, and something has changed since.
    """
    where = parsed(order.where)
    with database.read() as connection:
        if _begun(connection, order, sender) is None:
            _refuse_if_nobody(connection, order, where)
    fields = {
        "title": order.title,
        "digest": order.digest,
        "sender": sender,
        "created_at": now,
        "holds_until": max(now + order.hold, order.at or now),
    }
    with database.write() as connection:
        begun = _begun(connection, order, sender)  # again: another process may have begun it meanwhile
        if begun is None:
            fields |= {
                "edition": order.edition,
                "list_id": find_list(connection, order.list_slug),
                "where_source": order.where,
                "recipients_of": order.recipients_of,
                "recipients_state": None if order.recipients_of is None else order.recipients_state,
            }
            made = mailings.create_mailing(connection, fields, order.composition)
            _keep_page(connection, order, now)
            return made
        if begun.state is MailingState.HELD:
            mailings.change_order(connection, begun.id, fields, order.composition)
            _keep_page(connection, order, now)
        return begun.id


def _keep_page(connection: sa.Connection, order: Order, now: datetime) -> None:
    """Freeze the web page with the mailing."""
    publishing.keep(connection, order.edition, order.digest, data=order.article, pictures=order.pictures, now=now)


def count_chosen(database: Database, order: Order) -> tuple[int, int]:
    """How many people an order would send to, and how many of those chosen are left out, since they have it or will.

    Raises:
        ListNotFoundError: There is no such list.
        ExpressionError: The choice cannot be understood, or told for somebody.
    """
    where = parsed(order.where)
    with database.read() as connection:
        left = ledger.reachable(order.edition, find_list(connection, order.list_slug), order.had)
        people = count(connection, left, where)
        chosen = count_people(connection, order.list_slug, where) if order.had is None else people
        for mailing in mailings.unfinished(connection, order.edition):
            if _is_of(order, mailing):
                counts = ledger.counts(connection, mailing.id)
                people += counts[DeliveryState.PLANNED] + counts[DeliveryState.DEFERRED]
    return people, max(0, chosen - people)


def refuse_other_sender(mailing: Mailing, sender: str) -> None:
    """Half of the readers must not get a mailing by one way and half by another.

    Raises:
        SendError: It was begun through another sender.
    """
    if mailing.sender != sender:
        raise SendError(
            f"Mailing {mailing.id} of this edition stopped half-way, and was begun through «{mailing.sender}», not "
            f"«{sender}». Set [sender] kind back to finish it, or end it:  newsletter mailings cancel {mailing.id}"
        )


def _is_of(order: Order, mailing: Mailing) -> bool:
    """Whether a mailing of the order's edition goes to the same people."""
    asked = (order.list_slug, order.where, order.recipients_of)
    return (mailing.list_slug, mailing.where, mailing.recipients_of) == asked


def _begun(connection: sa.Connection, order: Order, sender: str) -> Mailing | None:
    """The mailing that this order began before, if it is not finished.

    Raises:
        SendError: Going on would send something else than was begun.
    """
    for mailing in mailings.unfinished(connection, order.edition):
        if not _is_of(order, mailing):
            continue
        if mailing.state is MailingState.HELD:  # nothing has left: it can still become anything
            return mailing
        refuse_other_sender(mailing, sender)
        if mailing.digest != order.digest:
            raise SendError(
                f"Mailing {mailing.id} of this edition stopped half-way, and the edition has changed since. "
                f"Send the rest as it was:  newsletter mailings resume {mailing.id}\n"
                f"Or send the changed one to those who have none yet:  newsletter mailings cancel {mailing.id}  "
                "and the same command again."
            )
        return mailing
    return None


def _refuse_if_nobody(connection: sa.Connection, order: Order, where: Expression | None) -> None:
    """See that somebody is left to reach.

    Raises:
        AlreadySentError: Somebody is chosen, and all have it already or are about to get it.
        AudienceError: Nobody is chosen.
        ListNotFoundError: There is no such list.
    """
    edition, list_slug = order.edition, order.list_slug
    left = ledger.reachable(edition, find_list(connection, list_slug), order.had)
    if next(walk(connection, left, where), None) is not None:
        return
    chosen = count_people(connection, list_slug, where)
    if order.had is not None:
        _refuse_empty_correction(connection, order)
    if not chosen:
        among = " for whom the condition holds" if where is not None else ""
        raise AudienceError(
            f"There is nobody on the list «{list_slug}»{among} who may be mailed. "
            f"Bring people in:  newsletter subscribers import FILE --list {list_slug}"
        )
    others = [mailing.id for mailing in mailings.unfinished(connection, edition)]
    unless = f", or gets it by mailing {others[0]}, which is not finished" if others else ""
    raise AlreadySentError(
        f"Everybody chosen ({chosen:,}) has this edition already{unless}. "
        "Nothing was sent, so that nobody gets it twice."
    )


def _refuse_empty_correction(connection: sa.Connection, order: Order) -> None:
    """Say why a correction has nobody to go to.

    Raises:
        AlreadySentError: It is the edition that they have.
        AudienceError: Nobody had the other mailing in that way, or all of them have left since.
    """
    earlier = mailings.read_mailing(connection, order.recipients_of or 0)
    if earlier.edition == order.edition:
        raise AlreadySentError(
            f"The recipients of mailing {earlier.id} have «{earlier.edition}» already, and an edition reaches nobody "
            "twice. Write the correction as an edition of its own:  "
            f'newsletter new "Correction" --from {earlier.edition}'
        )
    number = ledger.counts(connection, earlier.id).get(DeliveryState(order.recipients_state), 0)
    if not number:
        raise AudienceError(
            f"Of mailing {earlier.id} no delivery is {order.recipients_state}: there is nobody to write to."
        )
    raise AudienceError(
        f"Of the {number:,} of mailing {earlier.id} whose delivery is {order.recipients_state}, all have this edition "
        "already, or have left the list since."
    )
