"""Does what readers choose, all of it or nothing, and writes down where they left and joined."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from newsletter.audience.changing import set_details
from newsletter.audience.choosing import Chosen, join
from newsletter.audience.consent import Consent
from newsletter.audience.leaving import Leaving, Left
from newsletter.audience.lists import find_list
from newsletter.audience.pausing import pause
from newsletter.database.schema import ConsentMethod
from newsletter.feedback.leaving import leave_lists
from newsletter.webhooks.announcing import announce

_WORDING = "left on the page of choices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody changes about how they are mailed.

    Attributes:
        joins: Lists that they want to be on.
        leaves: Lists that they want to be off.
        details: Their first_name, last_name, language, as far as they change them; empty to clear one.
        pauses: Whether they say something about a pause.
        paused_until: Until when they want no mail; None for mail as usual.
    """

    joins: Sequence[str] = ()
    leaves: Sequence[str] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    pauses: bool = False
    paused_until: dt.datetime | None = None


def choose(  # noqa: PLR0913 who wants what, and what they may
    connection: sa.Connection,
    known: Chosen,
    wishes: Wishes,
    *,
    open_lists: Collection[str],
    wording: Callable[[str], str],
    mailings: Mapping[tuple[int, int], int],
    now: dt.datetime,
) -> tuple[list[str], list[Left]]:
    """Do as somebody wishes.

    Args:
        connection: A writing transaction.
        known: Who it is, and how they had chosen.
        wishes: What they want.
        open_lists: The lists that can be joined.
        wording: What they agreed to, for the name of a list.
        mailings: As for `leave_lists`.
        now: When.

    Returns:
        The lists that they joined, and how they left others.

    Raises:
        AudienceError: A name or the language cannot be right.
    """
    person = known.subscriber
    set_details(connection, known.email, wishes.details)
    if wishes.pauses:
        pause(connection, person, wishes.paused_until)
    mine = [slug for slug in wishes.leaves if slug in known.standings]
    leaving = [Leaving(person, find_list(connection, slug), _WORDING) for slug in mine]
    left = leave_lists(connection, leaving, mailings=mailings, now=now)
    joined = []
    for slug in dict.fromkeys(wishes.joins):
        agreed = Consent(wording(slug), ConsentMethod.FORM, now)
        if slug in open_lists and join(connection, person, slug, agreed):
            joined.append(slug)
    if joined:
        told = {"subscriber": person, "lists": joined, "how": "preferences"}
        announce(connection, "subscriber.confirmed", told, now=now, subscriber_id=person)
    return joined, left
