"""Forms of the project, such as for community updates or people who want to talk."""

from fastapi import APIRouter

from newsletter.web.public.site import Site


def router(site: Site) -> APIRouter:  # noqa: ARG001 - stands here until its pages do
    """The routes."""
    return APIRouter()
