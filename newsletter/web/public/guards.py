"""Keeps robots out of the forms, without a picture puzzle, a cookie or another company.

Each form that anybody may send brings a *challenge*, and is *judged* when it comes back:

- **A trap**: a field that people do not see. Who fills it in gets the same friendly answer, and nothing happens.
- **A stamp**: says, signed, which form it is for and when it was made. It is good once and for a day, and not before a
  person could have filled in the form (`[web] patience`).
- **Work**: the visitor's machine looks for a number that makes a hash begin with enough zero bits (`[web] work`);
  `assets/work.js` does it while they type. A second of one machine is nothing, a second for each of a million is much.
- **Limits**: so many forms an hour from one network, and in all (`[web] sign_ups`, `all_sign_ups`). What is counted
  is named by a keyed hash: no address of a visitor is kept.

**Nobody needs JavaScript.** A form that comes without a proof, too quickly, from another web site, or with a stamp
that was used, has expired or is missing, is not refused: the visitor sees it again, with what they typed, and is asked
to wait five seconds and to press the button once more. The new stamp says that they were asked to. Waiting costs a
robot less than work does, so such forms share a quarter of the limits.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from newsletter.audience.allowances import Use
from newsletter.errors import TokenError
from newsletter.web.public.site import Site

STAMP: Final = "form-stamp"
PROOF: Final = "form-proof"
TRAP: Final = "web-page"
"""The guards' own fields; the hyphen keeps them apart from the questions of any form."""

LASTS: Final = timedelta(hours=24)
"""How long a stamp is good."""

WAIT: Final = 5
"""Seconds that somebody waits whose machine proves nothing."""

SHARE: Final = 4
"""Forms without proof have one part in so many of the limits."""

EVEN: Final = 0.1
"""Seconds after which a form is answered that is about an address; the work takes some thousandths."""

_HOUR: Final = timedelta(hours=1)
_LONGEST_PROOF: Final = 20


class Verdict(StrEnum):
    """What is to be done with a form that came."""

    ACCEPTED = "accepted"
    ROBOT = "robot"
    """Give the friendly answer, and do nothing."""
    AGAIN = "again"
    """Show the form again, with what was typed and the challenge of the judgement."""
    REFUSED = "refused"
    """Give the response of the judgement: there were too many."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a form brings along; the template `guard.html.j2` puts it there.

    Attributes:
        stamp: The signed time.
        work: Zero bits that the hash must begin with.
        patience: Seconds before the form may come back.
        again: Whether the visitor is asked to wait and to press the button once more.
    """

    stamp: str
    work: int
    patience: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the guards say of a form that came.

    Attributes:
        verdict: What is to be done.
        challenge: For `AGAIN`.
        response: For `REFUSED`.
    """

    verdict: Verdict
    challenge: Challenge | None = None
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a stamp that came back says.

    Attributes:
        text: The token.
        nonce: The number that makes it one of its own.
        age: Seconds since it was made.
        waited: Whether the visitor was asked to wait.
        proven: Whether the work was done for it.
    """

    text: str
    nonce: int
    age: float
    waited: bool
    proven: bool


async def _read_form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").lower().replace('"', "")
    if "charset" in kind.replace("charset=utf-8", ""):  # what Python reads by it may be no text, or take seconds
        raise HTTPException(400)
    try:
        return await request.form(max_files=0, max_fields=200)
    except ClientDisconnect:  # it went away, or the shell read no further
        raise HTTPException(413) from None


Posted = Annotated[FormData, Depends(_read_form)]
"""What a form sent, for handlers that are plain functions."""


async def answer_evenly(do: Callable[[], Response]) -> Response:
    """What a form is answered, a fixed while after it came: how long the work took would tell who is known (item 132).

    Args:
        do: Does the work, in a thread; nobody waits in one.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + EVEN
    answer = await run_in_threadpool(do)
    await asyncio.sleep(until - clock())
    return answer


class Guards:
    """Looks after the forms of a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._web = site.settings.web

    def challenge(self, purpose: str) -> Challenge:
        """A new challenge; nothing is stored for it.

        Args:
            purpose: Which form it is for: small letters, digits, hyphens.
        """
        return self._challenge(purpose, again=False)

    def judge(
        self, request: Request, purpose: str, form: Mapping[str, object], *, allowed: Collection[str] = ()
    ) -> Judgement:
        """What to do with a form whose answers are all right; it counts, so ask once.

        Args:
            request: What came.
            purpose: As given to `challenge`.
            form: Its fields.
            allowed: Other web sites (scheme, host, port) from which it may come with a stamp.
        """
        if form.get(TRAP):
            return Judgement(Verdict.ROBOT)
        stamp = self._read(purpose, form)
        if stamp is None or not self.is_welcome(request, allowed):
            return self._again(purpose)
        if stamp.waited and not stamp.proven and stamp.age < max(WAIT, self._web.patience):  # the time goes on
            return Judgement(Verdict.AGAIN, Challenge(stamp.text, self._web.work, self._web.patience, again=True))
        if not (stamp.waited or stamp.proven) or stamp.age < self._web.patience:
            return self._again(purpose)
        return self._count(request, purpose, stamp)

    def _read(self, purpose: str, form: Mapping[str, object]) -> _Stamp | None:
        """The stamp of a form; None if it is not one of ours for this form, or too old."""
        text, now = str(form.get(STAMP, "")), self._site.now()
        try:
            nonce, made, waited = self._site.signer.read(_signed_for(purpose), text, now=now)
        except TokenError:
            return None
        proven = is_proof(text, str(form.get(PROOF, "")), self._web.work)
        return _Stamp(text, nonce, now.timestamp() - made, waited=bool(waited), proven=proven)

    def _count(self, request: Request, purpose: str, stamp: _Stamp) -> Judgement:
        """Use the stamp up, within the limits."""
        refused = self._site.newsletter.sign_ups.spend(self._uses(request, stamp))
        if refused is None:
            return Judgement(Verdict.ACCEPTED)
        if refused.use.what == "stamp":
            return self._again(purpose)
        seconds = max(1, int((refused.until - self._site.now()).total_seconds()))
        return Judgement(Verdict.REFUSED, response=self._too_many(request, seconds))

    def is_welcome(self, request: Request, allowed: Collection[str] = ()) -> bool:
        """Whether a form comes from our own pages, from no page that we know of, or from a web site that is allowed.

        Browsers name the site in `Origin`, and write «null» for pages that keep to themselves, as ours do (Fetch
        section 3.1); `Sec-Fetch-Site` then tells whether it was one of ours.
        """
        origin = request.headers.get("origin", "null")
        if origin == "null":
            return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
        ours = urlsplit(self._site.base_url)
        if origin in allowed or origin == f"{ours.scheme}://{ours.netloc}":
            return True
        return origin.partition("://")[2] == request.headers.get("host")

    def _challenge(self, purpose: str, *, again: bool) -> Challenge:
        now = self._site.now()
        ids = (secrets.randbits(64), int(now.timestamp()), int(again))
        stamp = self._site.signer.sign(_signed_for(purpose), *ids, expires=now + LASTS)
        return Challenge(stamp, self._web.work, self._web.patience, again)

    def _again(self, purpose: str) -> Judgement:
        return Judgement(Verdict.AGAIN, self._challenge(purpose, again=True))

    def _uses(self, request: Request, stamp: _Stamp) -> list[Use]:
        network = self._site.network(request)
        uses = [
            Use("stamp", str(stamp.nonce), 1, LASTS),
            Use("network", network, self._web.sign_ups, _HOUR),
            Use("all", "", self._web.all_sign_ups, _HOUR),
        ]
        if not stamp.proven:
            uses += [
                Use("network, no proof", network, max(1, self._web.sign_ups // SHARE), _HOUR),
                Use("all, no proof", "", max(1, self._web.all_sign_ups // SHARE), _HOUR),
            ]
        return uses

    def _too_many(self, request: Request, seconds: int) -> Response:
        headers = {"Retry-After": str(seconds)}
        if wants_json(request):
            words = self._site.words(request)
            return JSONResponse({"ok": False, "message": words("site.too_many")}, 429, headers)
        return self._site.refusal(request, 429, headers=headers)


def is_proof(stamp: str, proof: str, bits: int) -> bool:
    """Whether SHA-256 of `stamp:proof` begins with so many zero bits."""
    if not bits:
        return True
    if not proof.isascii() or not proof.isdigit() or len(proof) > _LONGEST_PROOF:
        return False
    digest = hashlib.sha256(f"{stamp}:{proof}".encode()).digest()
    return int.from_bytes(digest) >> (256 - bits) == 0


def wants_json(request: Request) -> bool:
    """Whether a script asks, and not a person's browser."""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def allow_origin(request: Request, allowed: Collection[str]) -> dict[str, str]:
    """The headers by which a script on an allowed web site may read the answer; never for any other, never cookies."""
    origin = request.headers.get("origin", "")
    headers = {"Vary": "Origin"}
    if origin in allowed:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def answer_preflight(request: Request, allowed: Collection[str], methods: str) -> Response:
    """What a browser wants to know before a script of another web site may ask (Fetch section 3.3)."""
    headers = allow_origin(request, allowed)
    if "Access-Control-Allow-Origin" in headers:
        headers |= {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "Accept, Content-Type",
            "Access-Control-Max-Age": "600",
        }
    return Response(None, 204, headers)


def _signed_for(purpose: str) -> str:
    return f"form-{purpose}"
