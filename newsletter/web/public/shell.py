"""The shell around every page: whom we answer, how much we read, and the headers that keep a reader safe."""

import asyncio
import contextlib
import json
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.config.addresses import is_loopback
from newsletter.web.public.site import Site

LONGEST_BODY: Final = 64 * 1024
"""Bytes that a form may send."""
LONGEST_PATH: Final = 2_000
"""Characters of a path; ours have some hundred, and Python makes no number of some thousand digits."""
LEAVING: Final = "/u/"
"""Where mail programs say that their reader leaves: nothing but the token may keep anybody from it."""
LONGEST_REPORT: Final = 4 * 1024 * 1024
"""Bytes that a provider may report at once; SendGrid's posts have 768 kB at most."""
PATIENCE: Final = 60
"""Seconds in which a whole body must have come, so that who sends a byte at a time keeps nothing waiting."""

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; font-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
}
"""What every answer has, unless the page says otherwise."""

_SECURE: Final = "max-age=31536000"
_NUMBER: Final = re.compile("[0-9]{1,12}", re.ASCII)


class Shell:
    """ASGI middleware: host names, the path of `base_url`, sizes, HEAD, headers."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        own = urlsplit(site.base_url)
        self._root = site.root
        self._hosts = {own.hostname or "", *site.settings.web.hosts}
        self._headers = dict(HEADERS)
        if own.scheme == "https":
            self._headers["Strict-Transport-Security"] = _SECURE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_ours(asked.get("host", "")):
            await self._refuse(send, 421, "This server does not answer for that name.")
            return
        if self._root and scope["path"].startswith(f"{self._root}/"):  # the proxy leaves it in, or takes it off
            scope = {**scope, "path": scope["path"].removeprefix(self._root)}
        if len(scope["path"]) > LONGEST_PATH:
            await self._refuse(send, 414, "That address is too long.", in_json=scope["path"].startswith("/api/"))
            return
        if "content-length" in asked and "transfer-encoding" in asked:
            # Two lengths: a proxy may believe the other one, and take what follows for a request (RFC 9112, 6.1).
            await self._refuse(send, 400, "A request has one length.")
            return
        most = LONGEST_REPORT if scope["path"].startswith("/hooks/") else LONGEST_BODY
        length = asked.get("content-length", "0")
        leaves = scope["method"] == "POST" and scope["path"].startswith(LEAVING)  # whose body hardly matters
        if not leaves and not (_NUMBER.fullmatch(length) and int(length) <= most):
            await self._refuse(send, 413, "That is too long.", in_json=scope["path"].startswith("/api/"))
            return
        await self._answer(scope, receive, send, most)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        head = scope["method"] == "HEAD"
        if head:  # the same answer without its body (RFC 9110 section 9.3.2)
            scope = {**scope, "method": "GET"}
        taken, whole, cut = 0, False, False
        until = asyncio.get_running_loop().time() + PATIENCE

        async def bounded() -> Message:
            nonlocal taken, whole, cut
            message: Message = {}
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            cut = cut or not message or taken > most  # whatever it said its length was
            return {"type": "http.disconnect"} if cut else message

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                more = {**self._headers, "Connection": "close"} if cut else self._headers
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in more.items()
                        if name.lower().encode() not in present
                    ),
                ]
            elif head:
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        await self._app(scope, bounded, dressed)

    def _is_ours(self, host: str) -> bool:
        """Whether a name is one of this site; a page must never be made to show links to another (item 155)."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower().rstrip(".")
        return name in self._hosts or is_loopback(name)

    async def _refuse(self, send: Send, status: int, sentence: str, *, in_json: bool = False) -> None:
        body = json.dumps({"error": sentence}).encode() if in_json else f"{sentence}\n".encode()
        kind = "application/json" if in_json else "text/plain; charset=utf-8"
        headers = {**self._headers, "Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": told})
        await send({"type": "http.response.body", "body": body})
