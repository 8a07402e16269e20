"""Moves the deliveries of a person to the one they are merged into, so that nobody gets an edition twice."""

import sqlalchemy as sa

from newsletter.database.schema import NEVER_GOT_IT, DeliveryState, delivery
from newsletter.sending.ledger import leave_out


def merge_deliveries(connection: sa.Connection, gone: int, kept: int) -> None:
    """Give `kept` the deliveries of `gone`; call it before `newsletter.audience.changing.merge`.

    Of an edition that both were to get, what has not left yet is skipped for one of them. What both have, or may have,
    stays in the ledger as it was: the row of `gone` then belongs to nobody, and counts as before.
    """
    other = delivery.alias("other")

    def shared(person: int, twin: int) -> sa.ColumnElement[bool]:
        """The condition on `delivery` that it is for one, of an edition which another row holds for the other."""
        held = sa.select(other.c.id).where(
            other.c.subscriber_id == twin,
            other.c.edition == delivery.c.edition,
            other.c.state.not_in(NEVER_GOT_IT),
        )
        return sa.and_(delivery.c.subscriber_id == person, held.correlate(delivery).exists())

    not_left = (DeliveryState.PLANNED, DeliveryState.DEFERRED)
    # First what is still to leave for the one who is gone, then for the one who is kept: one of two planned remains.
    for person, twin in ((gone, kept), (kept, gone)):
        leave_out(connection, shared(person, twin), delivery.c.state.in_(not_left), reason="merged")
    both_hold = sa.and_(shared(gone, kept), delivery.c.state.not_in(NEVER_GOT_IT))
    mine = sa.update(delivery).where(delivery.c.subscriber_id == gone, sa.not_(both_hold))
    connection.execute(mine.values(subscriber_id=kept))
