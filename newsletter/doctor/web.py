"""Whether the newsletter's own pages answer, where readers unsubscribe; and what their clock says about ours."""

import datetime as dt
import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from newsletter.config.addresses import is_loopback
from newsletter.doctor.diagnosis import Check, Diagnosis

_PATIENCE: Final = 10.0
_MOST_OFF: Final = dt.timedelta(minutes=5)
"""A Date further ahead than this makes letters look forged (email-standards 34)."""
_FIX: Final = "See that base_url in newsletter.toml, [newsletter], is right and that the web server runs."


@dataclass(frozen=True, slots=True)
class _Page:
    """What the web server said."""

    status: int
    location: str
    date: str


def examine_address(base_url: str) -> Iterator[Diagnosis]:
    """Whether readers could follow a link to it at all."""
    check = Check("Web pages", "base-url")
    parts = urlsplit(base_url)
    if parts.scheme != "https":
        yield check.must(
            f"The newsletter's pages are at {base_url}, which only this machine can open: nobody can unsubscribe.",
            "Write the address that readers can open, with https, in newsletter.toml, [newsletter] base_url.",
        )
    else:
        yield check.good(f"Links for unsubscribing begin with https ({base_url}).")


def examine_pages(base_url: str, now: dt.datetime, context: ssl.SSLContext | None = None) -> Iterator[Diagnosis]:
    """Whether the pages answer, and what time it is there."""
    check = Check("Web pages", "unsubscribe-page")
    host = urlsplit(base_url).netloc
    try:
        page = _ask(base_url, context)
    except ssl.SSLCertVerificationError as error:
        yield check.must(
            f"The certificate of {host} does not hold: {error.verify_message}. Browsers would warn readers.",
            "Ask whoever runs the web server to renew it.",
        )
        return
    except (socket.gaierror, TimeoutError):
        yield check.unasked(
            f"{host} could not be found, or does not answer in time.", f"If others can open it, all is well. {_FIX}"
        )
        return
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        yield check.must(f"{host} does not answer ({reason}), so nobody could unsubscribe.", _FIX)
        return
    yield _judged(check, base_url, page)
    yield from _clock(page.date, now)


def examine_leaving(base_url: str, token: str, context: ssl.SSLContext | None = None) -> Iterator[Diagnosis]:
    """Whether a link for unsubscribing leads to our page; the link is a test's, and changes nothing.

    Args:
        base_url: Where the pages answer.
        token: Of a test link.
        context: For the certificate.
    """
    check = Check("Web pages", "unsubscribe-link")
    try:
        page = _ask(f"{base_url}/u/{token}", context)
    except (OSError, http.client.HTTPException):
        yield check.unasked("A link for unsubscribing could not be tried.")
        return
    if page.status == 200:
        yield check.good("A link for unsubscribing works (a test link was tried, which changes nothing).")
    else:
        yield check.must(
            f"A link for unsubscribing does not work there (it answers {page.status}): nobody could leave.",
            "Run newsletter serve --public there, with this project's secret key, and let the web server in front pass "
            "on all of base_url: docs/how-to/deploy.md",
        )


def _ask(base_url: str, context: ssl.SSLContext | None) -> _Page:
    """HEAD, and GET where a server does not know HEAD; neither changes anything, and no redirect is followed."""
    parts = urlsplit(base_url)
    for method in ("HEAD", "GET"):
        if parts.scheme == "https":
            tls = context or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=_PATIENCE, context=tls
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        try:
            connection.request(method, parts.path or "/", headers={"User-Agent": "newsletter-doctor"})
            response = connection.getresponse()
            page = _Page(response.status, response.getheader("Location", ""), response.getheader("Date", ""))
        finally:
            connection.close()
        if page.status not in {405, 501}:
            break
    return page


def _judged(check: Check, base_url: str, page: _Page) -> Diagnosis:
    if 300 <= page.status < 400:
        target = urlsplit(page.location)
        better = f"{target.scheme}://{target.netloc}" if target.netloc else "the address where it leads"
        return check.must(
            f"{base_url} sends visitors on to {page.location[:80] or 'elsewhere'}; mail programs that unsubscribe "
            "with one click do not follow.",
            f"Write {better} as base_url in newsletter.toml, [newsletter], or switch the redirect off.",
        )
    if page.status >= 500:
        return check.must(
            f"{base_url} has a problem of its own (it answers {page.status}).", "Look into the web server's log."
        )
    if page.status >= 400:
        return check.note(
            f"{base_url} answers, with no page at its top ({page.status}).",
            "Open a link for unsubscribing from a test letter, and see that its page comes.",
        )
    return check.good(f"{base_url} answers.")


def _clock(date: str, now: dt.datetime) -> Iterator[Diagnosis]:
    check = Check("Clock", "clock")
    try:
        there = parsedate_to_datetime(date)
        off = now - there
    except (TypeError, ValueError):  # no date, one that is none, or one without a zone
        yield check.unasked("The web server does not say what time it is, so the clock could not be compared.")
        return
    if abs(off) > _MOST_OFF:
        minutes = round(abs(off).total_seconds() / 60)
        yield check.must(
            f"This machine's clock is {minutes:,} minutes {'ahead' if off > dt.timedelta() else 'behind'}; letters "
            "with a wrong date look forged.",
            "Let the system set its clock by the network (NTP).",
        )
    else:
        yield check.good("This machine's clock agrees with the web server's.")


def is_near(base_url: str) -> bool:
    """Whether the pages are on this machine, so that they can be asked without a network."""
    return is_loopback(urlsplit(base_url).hostname or "")
