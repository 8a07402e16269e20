"""Subscribers: seen, added, changed, taken off lists, erased; by number, since paths stand in the logs of proxies."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, model_validator

from newsletter.database.schema import SubscriptionStatus, SuppressionReason
from newsletter.programs.access_tokens import Scope
from newsletter.programs.subscribers import Confirmation, Newcomer
from newsletter.web.public.api.door import needs, needs_body, visitor_of
from newsletter.web.public.api.values import (
    LARGEST,
    AttributeName,
    Email,
    Moment,
    NumberPaging,
    OnlyThese,
    Sent,
    Slug,
    Text,
    Words,
)
from newsletter.web.public.site import Site

if TYPE_CHECKING:
    from newsletter.programs.subscribers import Profile

_Person = Annotated[int, Path(ge=1, le=LARGEST, alias="number", description="The subscriber's number.")]
_Attributes = Annotated[dict[AttributeName, Text], Field(max_length=50, json_schema_extra=OnlyThese)]
_Tags = Annotated[list[Annotated[Text, Field(min_length=1)]], Field(max_length=50)]
_Language = Annotated[str, Field(max_length=35, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
_Country = Annotated[str, Field(pattern="^[A-Za-z]{2}$", description="Two letters, such as KE.")]


class Filters(NumberPaging):
    """Whom to list."""

    list: Annotated[Slug | None, Field(description="Only those who are, or were, on this list.")] = None
    status: Annotated[
        Literal["pending", "active", "unsubscribed", "bounced", "complained", "mailable"] | None,
        Field(description="Only those who stand so to the list; `mailable`: who would be mailed. Needs `list`."),
    ] = None
    where: Annotated[
        str | None,
        Field(min_length=1, max_length=1_000, description='A condition, as in editions: `country == "KE"`.'),
    ] = None
    text: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Only those with this in address or name.")
    ] = None

    @model_validator(mode="after")
    def _status_of_a_list(self) -> Self:
        if self.status is not None and self.list is None:
            raise ValueError("a status is that of a list: say which, with `list`")
        return self


class Standing(BaseModel):
    """How somebody stands to a list."""

    list: str
    status: SubscriptionStatus
    since: Moment


class Subscriber(BaseModel):
    """A person."""

    number: int = Field(description="Never used for somebody else.")
    email: str
    first_name: str | None
    last_name: str | None
    language: str | None
    country: str | None
    joined: date
    tags: list[str]
    attributes: dict[str, Any]
    lists: list[Standing]
    suppressed: SuppressionReason | None = Field(description="Why the address must never be mailed; null if it may.")


class SubscriberPage(BaseModel):
    """Some subscribers, in the order of their numbers."""

    items: list[Subscriber]
    next: int | None = Field(description="For `after`, to get the next page; null at the end.")


class Lookup(Sent):
    """Who is looked for."""

    email: Email


class Creation(Sent):
    """Who is added, and in which words they agreed."""

    email: Email
    list: Slug
    consent: Annotated[Words, Field(description="The words that they agreed to, kept as proof.")]
    status: Annotated[
        Literal["pending", "confirmed"],
        Field(
            description="`pending`: they are sent a letter with a link to confirm. `confirmed`: they confirmed it "
            "elsewhere; say where in `consent`."
        ),
    ] = "pending"
    first_name: Text | None = None
    last_name: Text | None = None
    language: _Language | None = None
    country: _Country | None = None
    joined: date | None = None
    tags: _Tags = Field(default=[])
    attributes: _Attributes = Field(default={})


class Created(BaseModel):
    """What adding somebody did."""

    subscriber: Subscriber
    confirmation: Confirmation = Field(
        description="Whether a letter asks them to confirm: `sent`; `limited`: they had too many lately; `not needed`."
    )


class Alteration(Sent):
    """What is changed; what is not said stays, and null clears."""

    first_name: Text | None = None
    last_name: Text | None = None
    language: _Language | None = None
    country: _Country | None = None
    attributes: Annotated[
        dict[AttributeName, Text | None],
        Field(max_length=50, description="Those named here; the others stay.", json_schema_extra=OnlyThese),
    ] = Field(default={})
    add_tags: _Tags = Field(default=[])
    remove_tags: _Tags = Field(default=[])


class Departure(Sent):
    """From where."""

    lists: Annotated[list[Slug], Field(max_length=50, description="The lists; none for all of them.")] = Field(
        default=[]
    )


class Departed(BaseModel):
    """From where they are gone."""

    left: list[str] = Field(description="The lists that they were on.")


class Erased(BaseModel):
    """What erasing did."""

    remains: list[str] = Field(description="What this program cannot reach, in sentences for people.")


def add_routes(routes: APIRouter, site: Site) -> None:
    """The routes."""
    _add_reading(routes, site)
    _add_changing(routes, site)


def _add_reading(routes: APIRouter, site: Site) -> None:
    @routes.get("/subscribers", summary="List subscribers", **needs(Scope.SUBSCRIBERS_READ, 404))
    def list_subscribers(filters: Annotated[Filters, Query()]) -> SubscriberPage:
        """Subscribers in the order of their numbers, a page at a time."""
        people, access = site.newsletter.subscribers, site.newsletter.access
        status = "any" if filters.list and filters.status is None else filters.status
        search = people.search(
            list_slug=filters.list,
            status=None if status == "mailable" else status,
            where=filters.where,
            text=filters.text,
        )
        found = access.people(search, after=filters.after, limit=filters.limit + 1)
        shown = [_shown(each) for each in found[: filters.limit]]
        return SubscriberPage(items=shown, next=shown[-1].number if len(found) > filters.limit else None)

    @routes.post("/subscribers/find", summary="Find a subscriber", **needs_body(Scope.SUBSCRIBERS_READ, 404))
    def find_subscriber(sought: Lookup) -> Subscriber:
        """The subscriber with an address."""
        return _shown(site.newsletter.access.look_up(sought.email))

    @routes.get("/subscribers/{number:int}", summary="Show a subscriber", **needs(Scope.SUBSCRIBERS_READ, 404))
    def show_subscriber(number: _Person) -> Subscriber:
        """One subscriber."""
        return _shown(site.newsletter.access.person(number))


def _add_changing(routes: APIRouter, site: Site) -> None:
    created = needs_body(Scope.SUBSCRIBERS_WRITE, 404, 409)
    created["responses"][200] = {"model": Created, "description": "They were known already."}

    @routes.post("/subscribers", summary="Add a subscriber", status_code=201, **created)
    def create_subscriber(request: Request, response: Response, said: Creation) -> Created:
        """Put somebody on a list. A second time nothing changes, and the answer is 200."""
        newcomer = Newcomer(
            email=said.email,
            list_slug=said.list,
            consent=said.consent,
            said=_fields(said),
            tags=said.tags,
            confirmed=said.status == "confirmed",
        )
        arrival, profile = site.newsletter.access.add_person(newcomer, token=visitor_of(request).token)
        if not arrival.is_new:
            response.status_code = 200
        return Created(subscriber=_shown(profile), confirmation=arrival.confirmation)

    @routes.patch(
        "/subscribers/{number:int}",
        summary="Change a subscriber",
        **needs_body(Scope.SUBSCRIBERS_WRITE, 404, 409),
    )
    def change_subscriber(number: _Person, said: Alteration) -> Subscriber:
        """Change what is known of somebody: all that is said, or nothing of it."""
        changed = site.newsletter.access.change_person(
            number, _changes(said), add_tags=said.add_tags, remove_tags=said.remove_tags
        )
        return _shown(changed)

    @routes.post(
        "/subscribers/{number:int}/unsubscribe",
        summary="Unsubscribe somebody",
        **needs_body(Scope.SUBSCRIBERS_WRITE, 404),
    )
    def unsubscribe(number: _Person, said: Departure) -> Departed:
        """Take somebody off lists, or off all. Only they themselves can come back, and must confirm it."""
        return Departed(left=site.newsletter.access.take_off(number, said.lists))

    @routes.delete("/subscribers/{number:int}", summary="Erase a subscriber", **needs(Scope.SUBSCRIBERS_ERASE, 404))
    def erase_subscriber(number: _Person) -> Erased:
        """Forget somebody for good; the address is never added again but by the person. It cannot be taken back."""
        email = site.newsletter.access.person(number).subscriber.email
        return Erased(remains=list(site.newsletter.erase_person(email).remains))


def _fields(said: Creation) -> dict[str, str]:
    """What is said about somebody new, as the command line says it."""
    plain = {name: getattr(said, name) for name in ("first_name", "last_name", "language", "country")}
    plain["joined"] = None if said.joined is None else said.joined.isoformat()
    plain |= {f"attributes.{name}": value for name, value in said.attributes.items()}
    return {name: value for name, value in plain.items() if value}


def _changes(said: Alteration) -> dict[str, str]:
    """What is changed, as the command line says it: nothing clears."""
    named = [name for name in ("first_name", "last_name", "language", "country") if name in said.model_fields_set]
    plain = {name: getattr(said, name) or "" for name in named}
    return plain | {f"attributes.{name}": value or "" for name, value in said.attributes.items()}


def _shown(profile: "Profile") -> Subscriber:
    person = profile.subscriber
    standings = [Standing(list=each.list_slug, status=each.status, since=each.since) for each in profile.standings]
    return Subscriber(
        number=person.id,
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        language=person.language,
        country=person.country,
        joined=person.joined,
        tags=list(person.tags),
        attributes=dict(person.attributes),
        lists=standings,
        suppressed=profile.suppressed,
    )
