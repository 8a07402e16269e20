"""Mailings: how they stand and what became of them. Sending, pausing and undoing stay with people."""

import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from newsletter.database.schema import DeliveryState, MailingState
from newsletter.programs.access_tokens import Scope
from newsletter.web.public.api.door import needs
from newsletter.web.public.api.reports import Report
from newsletter.web.public.api.values import LARGEST, Moment, NumberPaging
from newsletter.web.public.site import Site

if TYPE_CHECKING:
    from newsletter.sending.mailings import Mailing as Row

_Mailing = Annotated[int, Path(ge=1, le=LARGEST, alias="number", description="The mailing's number.")]
_ADDRESS: Final = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")


class Mailing(BaseModel):
    """A sending of an edition to a list."""

    number: int
    edition: str
    title: str
    list: str
    where: str | None = Field(description="The condition that chose among the list; addresses in it are left out.")
    sender: str
    state: MailingState
    audience: int | None = Field(description="How many people it is for; null before it begins.")
    created_at: Moment
    holds_until: Moment = Field(description="When it may leave.")
    started_at: Moment | None
    finished_at: Moment | None
    recipients_of: int | None = Field(description="Of a correction: the mailing whose recipients get it.")
    paused_because: str | None = Field(description="Why it is paused, if somebody has to put something right.")


class Reason(BaseModel):
    """Why some did not get it; addresses in it are left out."""

    state: DeliveryState
    reason: str
    people: int


class MailingDetails(Mailing):
    """A mailing, and how its deliveries stand."""

    counts: dict[DeliveryState, int] = Field(description="Deliveries in each state; together, the audience.")
    reasons: list[Reason]
    next_try: Moment | None = Field(description="When the next of what was deferred is due.")


class MailingPage(BaseModel):
    """Some mailings, newest first."""

    items: list[Mailing]
    next: int | None = Field(description="For `after`, to get the next page; null at the end.")


def add_routes(routes: APIRouter, site: Site) -> None:
    """The routes."""

    @routes.get("/mailings", summary="List mailings", **needs(Scope.MAILINGS_READ))
    def list_mailings(filters: Annotated[NumberPaging, Query()]) -> MailingPage:
        """Mailings, newest first, a page at a time."""
        after = filters.after or LARGEST
        found = [each for each in site.newsletter.mailings.listed() if each.id < after]
        shown = [Mailing.model_validate(_plain(each)) for each in found[: filters.limit]]
        return MailingPage(items=shown, next=shown[-1].number if len(found) > filters.limit else None)

    @routes.get("/mailings/{number:int}", summary="Show a mailing", **needs(Scope.MAILINGS_READ, 404))
    def show_mailing(number: _Mailing) -> MailingDetails:
        """One mailing, and how its deliveries stand."""
        report = site.newsletter.mailings.report(number)
        reasons: dict[tuple[DeliveryState, str], int] = {}
        for state, reason, people in report.reasons:  # two that name different addresses become one
            said = (state, _without_addresses(reason))
            reasons[said] = reasons.get(said, 0) + people
        return MailingDetails.model_validate(
            {
                **_plain(report.mailing),
                "counts": report.counts,
                "reasons": [
                    {"state": state, "reason": reason, "people": people} for (state, reason), people in reasons.items()
                ],
                "next_try": report.next_try,
            }
        )

    @routes.get("/mailings/{number:int}/report", summary="Report on a mailing", **needs(Scope.MAILINGS_READ, 404))
    def report_mailing(number: _Mailing) -> Report:
        """What became of a mailing, and what came back: counts alone."""
        return Report.model_validate(site.newsletter.returns.report(number).as_json())


def _plain(mailing: "Row") -> dict[str, object]:
    return {
        "number": mailing.id,
        "edition": mailing.edition,
        "title": mailing.title,
        "list": mailing.list_slug,
        "where": mailing.where and _without_addresses(mailing.where),
        "sender": mailing.sender,
        "state": mailing.state,
        "audience": mailing.audience,
        "created_at": mailing.created_at,
        "holds_until": mailing.holds_until,
        "started_at": mailing.started_at,
        "finished_at": mailing.finished_at,
        "recipients_of": mailing.recipients_of,
        "paused_because": mailing.paused_because and _without_addresses(mailing.paused_because),
    }


def _without_addresses(said: str) -> str:
    return _ADDRESS.sub("…@…", said)
