"""Lists: which there are, and how many people they reach."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from newsletter.programs.access_tokens import Scope
from newsletter.web.public.api.door import needs
from newsletter.web.public.site import Site


class MailingList(BaseModel):
    """A list."""

    slug: str
    title: str
    mailable: int = Field(description="How many would be mailed now.")


class Lists(BaseModel):
    """All lists."""

    items: list[MailingList]


def add_routes(routes: APIRouter, site: Site) -> None:
    """The route."""

    @routes.get("/lists", summary="List the lists", **needs(Scope.SUBSCRIBERS_READ))
    def list_lists() -> Lists:
        """All lists, with how many people each reaches."""
        found = site.newsletter.lists()
        return Lists(items=[MailingList(slug=each.slug, title=each.title, mailable=each.mailable) for each in found])
