"""Where providers report what became of messages: SendGrid's signed event webhook.

It is told 2xx only when what it said is on the disk: whatever else it hears, it says it again later.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from newsletter.errors import (
    DatabaseError,
    ReportForgedError,
    ReportMisreadError,
    ReportUnexpectedError,
)
from newsletter.web.public.site import Site

_LOG: Final = logging.getLogger(__name__)
_SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
_TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
_LATER: Final = {"Retry-After": "60"}
MOST_HELD: Final = 64 * 1024 * 1024
"""Bytes of all posts that are held at once: anybody can send long ones, and SendGrid comes again."""
_AT_ONCE: Final = 2
"""Posts that are written down at once; the others wait without taking the threads in which readers are answered."""


class _Complaints:
    """Says a thing to the log once, so that who knocks often does not fill it."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            _LOG.warning(sentence)


class _Posts:
    """Holds what is posted until it is done, but not more than fits."""

    def __init__(self) -> None:
        self._held = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a post; of a slow one only what has come counts."""
        pieces: list[bytes] = []
        try:
            async for piece in request.stream():
                pieces.append(piece)
                self._held += len(piece)
                if self._held > MOST_HELD:
                    raise HTTPException(503, "Too many reports come at once.", _LATER)
            yield b"".join(pieces)
        finally:
            self._held -= sum(map(len, pieces))


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    complaints = _Complaints()
    posts = _Posts()
    turn = asyncio.Semaphore(_AT_ONCE)

    @routes.post("/hooks/sendgrid")
    async def sendgrid(request: Request) -> Response:
        signature, timestamp = request.headers.get(_SIGNATURE, ""), request.headers.get(_TIMESTAMP, "")
        if not signature:
            raise HTTPException(403, "The report is not signed.")
        try:
            async with posts.read(request) as raw, turn:
                taken = await run_in_threadpool(site.newsletter.returns.take_sendgrid, raw, signature, timestamp)
        except ClientDisconnect:  # it went away, or said more than is read
            raise HTTPException(413, "That is too long.") from None
        except ReportUnexpectedError as error:
            complaints.say(str(error))
            raise HTTPException(503, "This server does not expect reports yet.", _LATER) from None
        except ReportForgedError as error:
            complaints.say(str(error))
            raise HTTPException(403, str(error)) from None
        except ReportMisreadError as error:
            complaints.say(str(error))
            raise HTTPException(400, str(error)) from None
        except DatabaseError as error:
            _LOG.warning("A report of SendGrid could not be written down, and will come again: %s", error)
            raise HTTPException(503, "The database is busy.", _LATER) from None
        return JSONResponse(dataclasses.asdict(taken))

    return routes
