"""Editions: which there are, as their files say it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from newsletter.programs.access_tokens import Scope
from newsletter.web.public.api.door import needs
from newsletter.web.public.api.values import Paging
from newsletter.web.public.site import Site


class Filters(Paging):
    """Which page."""

    after: Annotated[str, Field(max_length=100, description="The `next` of the page before.")] = ""


class Edition(BaseModel):
    """An edition in a few words."""

    slug: str
    title: str | None = Field(description="Null if its file cannot be used.")
    series: str | None
    language: str | None
    date: str | None = Field(description="The day that readers see on it, such as 2026-03-31.")
    public: bool = Field(description="Whether everybody may read it on the web, once it was sent or published.")
    findings: int = Field(description="How many problems reading its file finds; `newsletter check` may find more.")


class EditionPage(BaseModel):
    """Some editions, in the order of their slugs."""

    items: list[Edition]
    next: str | None = Field(description="For `after`, to get the next page; null at the end.")


def add_routes(routes: APIRouter, site: Site) -> None:
    """The route."""

    @routes.get("/editions", summary="List editions", **needs(Scope.EDITIONS_READ))
    def list_editions(filters: Annotated[Filters, Query()]) -> EditionPage:
        """Editions in the order of their slugs, a page at a time."""
        found = site.newsletter.access.editions(after=filters.after, limit=filters.limit + 1)
        shown = [Edition.model_validate(each, from_attributes=True) for each in found[: filters.limit]]
        return EditionPage(items=shown, next=shown[-1].slug if len(found) > filters.limit else None)
