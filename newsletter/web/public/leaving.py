"""Leaving a list: one click by the mail program, one button for people, and a way back."""

from fastapi import APIRouter

from newsletter.web.public.site import Site


def router(site: Site) -> APIRouter:  # noqa: ARG001 - stands here until its pages do
    """The routes."""
    return APIRouter()
