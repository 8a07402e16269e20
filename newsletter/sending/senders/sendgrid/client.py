"""Talks to SendGrid through its official package, without that package's traps: no time-out, redirects, logging.

Left to itself it waits for ever; it follows a redirect to any host and takes the key there; it puts key and addresses
into words for a log, even where nobody keeps one. What happened to a request is told as a `Reply`.
"""

import http.client
import json
import logging
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

from newsletter.config.addresses import is_loopback

TIMEOUT: Final = 60.0
"""Seconds that each step of a request may take; long, because a request without an answer may have been carried out."""

_LONGEST_ERROR: Final = 300


class Fate(Enum):
    """What became of a request."""

    ANSWERED = "answered"
    """There is a whole answer; its status says what became of it."""
    UNSENT = "unsent"
    """The server cannot have got all of it."""
    CUT = "cut"
    """The connection broke while it left: the server cannot have got all of it, and may have found it too large."""
    LOST = "lost"
    """The server may have got all of it, and there is no answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request.

    Attributes:
        fate: Whether there is an answer, and whether the server may have got the request.
        status: Of the answer; 0 without one.
        headers: Of the answer, names in small letters.
        body: Of the answer.
        reason: What went wrong, in a few words, where there is no answer.
        certificate: Whether the server's certificate is what was wrong.
    """

    fate: Fate
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    reason: str = ""
    certificate: bool = False

    def json(self) -> Any:
        """The answer's body as values; None where it is no JSON (a gateway's page)."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def errors(self) -> list[tuple[str, str]]:
        """What the answer complains about: field (may be empty) and sentence."""
        found = self.json()
        listed = found.get("errors") if isinstance(found, dict) else None
        entries = listed if isinstance(listed, list) else []
        return [
            (str(entry.get("field") or ""), _one_line(str(entry.get("message") or "")))
            for entry in entries
            if isinstance(entry, dict)
        ]

    def complaint(self) -> str:
        """What the answer complains about, for people."""
        return "; ".join(dict.fromkeys(sentence for _, sentence in self.errors() if sentence)) or "no reason given"


class Client:
    """Asks SendGrid.

    Args:
        key: The API key.
        region: Where the account is.
        api_url: Another place, for tests.
        timeout: Seconds that each step of a request may take.
    """

    def __init__(
        self, key: str, *, region: str = "global", api_url: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._key = key
        self._region = region
        self._api_url = api_url
        self._timeout = timeout
        self._here = threading.local()

    def __repr__(self) -> str:
        """Where it asks; never the key."""
        return f"Client(region={self._region!r}, api_url={self._api_url!r})"

    def post(self, path: str, body: bytes) -> Reply:
        """Send a request with a JSON body, such as `mail/send`."""
        return self._request("POST", path, body)

    def get(self, path: str) -> Reply:
        """Ask for something."""
        return self._request("GET", path, None)

    def _request(self, method: str, path: str, body: bytes | None) -> Reply:
        from python_http_client.exceptions import (  # type: ignore[import-untyped] # noqa: PLC0415 - slow, and few need it
            HTTPError,
        )

        try:
            response = self._connected().ask(method, path, body, self._timeout)
        except HTTPError as error:
            return Reply(Fate.ANSWERED, error.status_code, _named(error.headers), error.body or b"")
        except urllib.error.URLError as error:  # raised only until the last byte of the request has left
            return self._unsent(error)
        except TimeoutError:
            return Reply(Fate.LOST, reason="it did not answer in time")
        except http.client.IncompleteRead:
            return Reply(Fate.LOST, reason="its answer was cut short")
        except (OSError, http.client.HTTPException) as error:
            return Reply(Fate.LOST, reason=f"the connection broke without an answer ({type(error).__name__})")
        return Reply(Fate.ANSWERED, response.status_code, _named(response.headers), response.body or b"")

    def _unsent(self, error: urllib.error.URLError) -> Reply:
        reason = error.reason
        if isinstance(reason, ConnectionError) and not isinstance(reason, ConnectionRefusedError):
            return Reply(Fate.CUT, reason="it closed the connection early")
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        return Reply(
            Fate.UNSENT,
            reason=_one_line(words.replace(self._key, "…")),
            certificate=isinstance(reason, ssl.SSLCertVerificationError),
        )

    def _connected(self) -> Any:
        """The package's client; one for each thread, because its parts share a dict without a lock."""
        if not hasattr(self._here, "client"):
            self._here.client = _make_client(self._key, self._region, self._api_url)
        return self._here.client


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as the answer that it is."""

    def redirect_request(self, *_: object) -> None:
        return None


def _make_client(key: str, region: str, api_url: str | None) -> Any:
    """The package's client with our opener in it."""
    import python_http_client  # type: ignore[import-untyped] # noqa: PLC0415 - slow, and few need it
    import sendgrid  # type: ignore[import-untyped] # noqa: PLC0415

    logging.getLogger("python_http_client.client").disabled = True  # it would write down the key and every address
    place = sendgrid.SendGridAPIClient(key)
    place.set_sendgrid_data_residency(region)
    host = api_url or place.host
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if is_loopback(urlsplit(host).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy leads to this machine itself
    opener = urllib.request.build_opener(*handlers)

    class Careful(python_http_client.Client):  # type: ignore[misc]
        """The package's client, which asks through our opener and puts no request into words for a log."""

        def ask(self, method: str, path: str, body: bytes | None, timeout: float) -> Any:
            request = urllib.request.Request(  # noqa: S310 the host is the settings'
                self._build_versioned_url(f"/{path}"),
                data=body,
                headers={**self.request_headers, "Content-Type": "application/json"},
                method=method,
            )
            return python_http_client.client.Response(self._make_request(opener, request, timeout=timeout))

    return Careful(host=host, request_headers=dict(place.client.request_headers), version=3)


def _named(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (headers.items() if headers else ())}


def _one_line(text: str) -> str:
    """Text from elsewhere as an error may show it: short, and with nothing that moves the cursor."""
    shown = "".join(character if character.isprintable() else " " for character in text).strip()
    return shown if len(shown) <= _LONGEST_ERROR else f"{shown[: _LONGEST_ERROR - 1]}…"
