"""Figures for those who watch over the server, in the text format of Prometheus 0.0.4: counts, and nothing personal.

They are for a program on this very machine, or one that comes with a token; for everybody else there is no such page.
What a proxy passes on comes from this machine too, so that whoever has any mark of a proxy is taken to be a stranger.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter import __version__
from newsletter.config.addresses import is_loopback
from newsletter.errors import AccessRefusedError, TooManyAttemptsError
from newsletter.programs.access_tokens import Scope
from newsletter.web.public.counting import Counts
from newsletter.web.public.site import NO_STORE, Site

if TYPE_CHECKING:
    from newsletter.programs.figures import Figures

KEPT_FOR: Final = 10.0
"""Seconds for which the database is not counted again."""

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MARKS: Final = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via")
_Rows = Iterable[tuple[Mapping[str, str], float]]


def router(site: Site) -> APIRouter:
    """The route that Prometheus asks."""
    routes = APIRouter()
    turn = threading.Lock()
    kept: list[tuple[float, Figures]] = []

    def figures() -> "Figures":
        with turn:  # one counts, and the others wait for what it finds
            if not kept or time.monotonic() - kept[0][0] > KEPT_FOR:
                kept[:] = [(time.monotonic(), site.newsletter.access.figures())]
            return kept[0][1]

    @routes.get("/metrics")
    def metrics(request: Request) -> Response:
        if not (_is_beside_us(request) or _has_token(site, request)):
            raise HTTPException(404)
        return Response(render(figures(), site.counts), media_type=_TYPE, headers=NO_STORE)

    return routes


def render(figures: "Figures", counts: Counts) -> str:
    """The figures as text."""
    people = [({"list": slug, "status": status}, number) for (slug, status), number in figures.subscriptions.items()]
    answered = [({"route": route, "status": status}, number) for (route, status), number in counts.requests.items()]
    took = [({"route": route}, seconds) for route, seconds in counts.seconds.items()]
    routes: dict[str, int] = {}
    for (route, _), number in counts.requests.items():
        routes[route] = routes.get(route, 0) + number
    lines = [
        *_family("newsletter_build_info", "gauge", "The version.", [({"version": __version__}, 1)]),
        *_family("newsletter_subscriptions", "gauge", "People by list and status.", people),
        *_family("newsletter_suppressed_addresses", "gauge", "Addresses never mailed.", [({}, figures.suppressed)]),
        *_family("newsletter_mailings", "gauge", "Mailings by state.", _by("state", figures.mailings)),
        *_family(
            "newsletter_open_deliveries",
            "gauge",
            "Deliveries by state, of mailings that are not over.",
            _by("state", figures.deliveries),
        ),
        *_family("newsletter_letters", "gauge", "Letters by state.", _by("state", figures.letters)),
        *_family("newsletter_webhook_calls", "gauge", "Calls of webhooks by state.", _by("state", figures.calls)),
        *_family("newsletter_webhooks_off", "gauge", "Webhooks switched off.", [({}, figures.webhooks_off)]),
        *_family("newsletter_events_24h", "gauge", "Events of the last day by kind.", _by("kind", figures.events)),
        *_family("newsletter_http_requests_total", "counter", "Requests to this process.", answered),
        "# HELP newsletter_http_request_seconds How long requests to this process took.",
        "# TYPE newsletter_http_request_seconds summary",
        *_samples("newsletter_http_request_seconds_sum", took),
        *_samples("newsletter_http_request_seconds_count", _by("route", routes)),
    ]
    return "\n".join(lines) + "\n"


def _by(label: str, numbers: Mapping[str, int]) -> list[tuple[Mapping[str, str], float]]:
    return [({label: name}, number) for name, number in numbers.items()]


def _family(name: str, kind: str, about: str, rows: _Rows) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *_samples(name, rows)]


def _samples(name: str, rows: _Rows) -> list[str]:
    return sorted(f"{name}{_labels(labels)} {number:.10g}" for labels, number in rows)


def _labels(labels: Mapping[str, str]) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _is_beside_us(request: Request) -> bool:
    """Whether a program on this machine asks, itself and for nobody else."""
    if any(mark in request.headers for mark in _MARKS) or request.client is None:
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return is_loopback(request.client.host) and is_loopback(host)


def _has_token(site: Site, request: Request) -> bool:
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    try:
        visitor = site.newsletter.access.admit(presented.strip(), network=site.network(request))
    except (AccessRefusedError, TooManyAttemptsError):
        return False
    return Scope.METRICS_READ in visitor.scopes
