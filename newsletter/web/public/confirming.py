"""The page behind the link by which somebody who signed up says yes."""

from fastapi import APIRouter

from newsletter.web.public.site import Site


def router(site: Site) -> APIRouter:  # noqa: ARG001 - stands here until its pages do
    """The routes."""
    return APIRouter()
