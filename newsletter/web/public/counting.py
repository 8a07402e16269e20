"""Counts the requests of one process by route and outcome; never by what was asked for, which may hold a token."""

import time
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ELSEWHERE: Final = "none"
"""The route of what nobody answers."""


class Counts:
    """What this process has answered since it began.

    Attributes:
        requests: How many requests came, by route and class of status, such as `2xx`.
        seconds: How long they took together, by route.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, float] = {}

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests[route, f"{status // 100}xx"] += 1
        self.seconds[route] = self.seconds.get(route, 0.0) + seconds


class Counting:
    """ASGI middleware: counts every request when it is answered."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()  # an answer that never comes is one of ours that failed

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = scope.get("route")
            name = getattr(route, "path_format", None) or ELSEWHERE
            self._counts.add(name, status, time.perf_counter() - began)
