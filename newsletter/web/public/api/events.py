"""Events: what came back about messages, in the order in which it reached us."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from newsletter.database.outside import EventKind
from newsletter.programs.access_tokens import Scope
from newsletter.web.public.api.door import needs, visitor_of
from newsletter.web.public.api.values import Moment, Number, NumberPaging
from newsletter.web.public.site import Site


class Filters(NumberPaging):
    """Which events."""

    mailing: Annotated[Number | None, Field(description="Only those about this mailing.")] = None
    kind: Annotated[EventKind | None, Field(description="Only those of this kind.")] = None


class Event(BaseModel):
    """Something that came back: without addresses, and without anybody's words."""

    number: int
    kind: EventKind
    provider: str = Field(description="Who told.")
    at: Moment = Field(description="When it happened.")
    received_at: Moment = Field(description="When it reached us.")
    mailing: int | None
    subscriber: int | None = Field(description="Whom it is about; null without the scope subscribers:read.")
    status: str | None = Field(description="The enhanced status code (RFC 3463).")
    hard: bool | None = Field(description="Of a bounce: whether the address will not work again.")


class EventPage(BaseModel):
    """Some events, oldest first."""

    items: list[Event]
    next: int | None = Field(description="For `after`, to get the next page; null at the end.")


def add_routes(routes: APIRouter, site: Site) -> None:
    """The route."""

    @routes.get("/events", summary="List events", **needs(Scope.EVENTS_READ))
    def list_events(request: Request, filters: Annotated[Filters, Query()]) -> EventPage:
        """What came back, oldest first, a page at a time. To learn what is new, keep the number of the last one."""
        found = site.newsletter.returns.events(
            after=filters.after, limit=filters.limit + 1, mailing=filters.mailing, kind=filters.kind
        )
        may_know = Scope.SUBSCRIBERS_READ in visitor_of(request).scopes
        shown = [
            Event(
                number=each.id,
                kind=each.kind,
                provider=each.provider,
                at=each.at,
                received_at=each.received_at,
                mailing=each.mailing,
                subscriber=each.subscriber if may_know else None,
                status=each.status,
                hard=each.hard,
            )
            for each in found[: filters.limit]
        ]
        return EventPage(items=shown, next=shown[-1].number if len(found) > filters.limit else None)
