"""Signing up: the page, and forms on other web sites, which come to the same page.

A form on another web site is plain HTML (`newsletter lists embed LIST`): it brings no stamp, so the visitor comes to
our page, sees what they typed, and presses the button there. A script on a site that the list allows (`embed_on`) may
instead ask `/subscribe/challenge` for a stamp, do the work, and post the form without leaving its page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parseaddr
from functools import cache, partial
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from newsletter.web.public.guards import (
    STAMP,
    Challenge,
    Guards,
    Posted,
    Verdict,
    allow_origin,
    answer_evenly,
    answer_preflight,
    wants_json,
)
from newsletter.web.public.site import NO_STORE, Site
from newsletter.web.public.words import Words, languages, words_of

PURPOSE = "subscribe"
"""What the stamps of this form are made for."""

_MOST_SHOWN = 320
"""Characters of an answer that are shown again; an address has 254 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody typed and chose.

    Attributes:
        email: The address.
        first_name: The name.
        lists: The open lists that they chose, by slug.
        one: Whether the form was for one list alone.
    """

    email: str = ""
    first_name: str = ""
    lists: tuple[str, ...] = ()
    one: bool = False


def router(site: Site) -> APIRouter:
    """The routes."""
    routes, pages = APIRouter(), _Pages(site)

    @routes.get("/subscribe")
    def ask(request: Request) -> Response:
        asked = request.query_params.get("list")
        one = (asked,) if asked in site.newsletter.sign_ups.open_lists() else ()
        return pages.form(request, Typed(lists=one, one=bool(one)))

    @routes.post("/subscribe")
    async def send(request: Request, form: Posted) -> Response:
        return await answer_evenly(partial(pages.answer, request, form))

    @routes.get("/subscribe/challenge")
    def challenge(request: Request) -> Response:
        return pages.challenge(request)

    @routes.options("/subscribe")
    @routes.options("/subscribe/challenge")
    def may_ask(request: Request) -> Response:
        return answer_preflight(request, pages.holders(), "GET, POST")

    return routes


def agreement(site: Site, words: Words) -> str:
    """The sentence to which one agrees by pressing the button."""
    organisation = site.settings.newsletter.organisation
    return words("signing_up.agreement", button=words("signing_up.button"), organisation=organisation)


class _Pages:
    """Shows the form and judges what comes back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._guards = Guards(site)
        self._lists = site.newsletter.sign_ups.open_lists()

    def holders(self, chosen: Sequence[str] | None = None) -> set[str]:
        """The web sites that may hold the form for all the lists that were chosen; without a choice, for any."""
        if chosen is None:
            return {origin for kept in self._lists.values() for origin in kept.embed_on}
        each = [set(self._lists[slug].embed_on) for slug in chosen]
        return set.intersection(*each) if each else set()

    def form(
        self,
        request: Request,
        typed: Typed,
        *,
        words: Words | None = None,
        problems: Mapping[str, str] | None = None,
        challenge: Challenge | None = None,
    ) -> Response:
        """The page with the form, and what was typed."""
        if not self._lists:
            raise HTTPException(404)
        words = words or self._site.words(request)
        one = typed.one or len(self._lists) == 1
        shown = typed.lists if typed.one else tuple(self._lists)
        return self._site.page(
            request,
            "subscribe.html.j2",
            status=422 if problems else 200,
            headers=NO_STORE,
            language=words.language,
            one=one,
            lists=[{"slug": slug, **self._described(slug)} for slug in shown],
            ticked=typed.lists,
            email=typed.email[:_MOST_SHOWN],
            first_name=typed.first_name[:_MOST_SHOWN],
            problems=problems or {},
            challenge=challenge or self._guards.challenge(PURPOSE),
            agreement=agreement(self._site, words),
            languages=_languages(),
            confirms=any(self._lists[slug].opt_in == "double" for slug in shown),
            contact=self._contact,
            plain=request.method == "GET" and not request.query_params,  # the one that search engines may show
        )

    def answer(self, request: Request, form: FormData) -> Response:
        """What somebody gets who sent the form."""
        words = self._site.words(request, str(form.get("lang", "")))
        typed = self._read(request, form)
        allowed = self.holders(typed.lists)
        problems = self._problems(typed, words)
        if problems:
            return self._again(request, typed, words, problems=problems)
        judgement = self._guards.judge(request, PURPOSE, form, allowed=allowed)
        if judgement.response is not None:
            judgement.response.headers.update(allow_origin(request, allowed))
            return judgement.response
        if judgement.verdict is Verdict.AGAIN:
            return self._again(request, typed, words, challenge=judgement.challenge)
        if judgement.verdict is Verdict.ACCEPTED:
            self._site.newsletter.sign_ups.ask(
                typed.email,
                {slug: self._wording(request, slug, words) for slug in typed.lists},
                first_name=typed.first_name or None,
                language=words.language,
                network=self._site.network(request),
            )
        return self._thanks(request, typed, words)

    def challenge(self, request: Request) -> Response:
        """A stamp and the words to agree to, for a script on a web site that may hold the form."""
        words = self._site.words(request)
        named = request.query_params.getlist("list")
        asked = [slug for slug in named if slug in self._lists]
        if named and not asked:
            raise HTTPException(404)
        allowed = self.holders(asked) if asked else self.holders()
        made = self._guards.challenge(PURPOSE)
        told = {
            **_as_json(made),
            "language": words.language,
            "agreement": agreement(self._site, words),
            "lists": [{"list": slug, **self._described(slug)} for slug in asked or self._lists],
        }
        return JSONResponse(told, headers={**NO_STORE, **allow_origin(request, allowed)})

    def _read(self, request: Request, form: FormData) -> Typed:
        named = [str(slug) for slug in form.getlist("list")]
        chosen = tuple(dict.fromkeys(slug for slug in named if slug in self._lists))
        if not named and len(self._lists) == 1:
            chosen = tuple(self._lists)
        elsewhere = STAMP not in form or not self._guards.is_welcome(request)
        return Typed(
            email=str(form.get("email", "")).strip(),
            first_name=str(form.get("first_name", "")).strip(),
            lists=chosen,
            one=len(chosen) == 1 and ("only" in form or elsewhere),
        )

    def _problems(self, typed: Typed, words: Words) -> dict[str, str]:
        """What is wrong, by the id of the field."""
        wrong = self._site.newsletter.sign_ups.find_mistakes(typed.email, typed.first_name)
        problems = {}
        if not typed.lists:
            problems["lists"] = words("signing_up.lists_missing")
        if "email" in wrong:
            problems["email"] = words("signing_up.email_wrong" if typed.email else "signing_up.email_missing")
        if "first_name" in wrong:
            problems["first_name"] = words("signing_up.first_name_wrong")
        return problems

    def _again(
        self,
        request: Request,
        typed: Typed,
        words: Words,
        *,
        problems: Mapping[str, str] | None = None,
        challenge: Challenge | None = None,
    ) -> Response:
        """The form once more: with what is wrong, or to press the button with some patience."""
        if wants_json(request):
            told: dict[str, Any] = {"ok": False}
            if problems:
                told["problems"] = dict(problems)
            else:
                told |= {"message": words("signing_up.json_again"), "challenge": _as_json(challenge)}
            headers = {**NO_STORE, **allow_origin(request, self.holders(typed.lists))}
            return JSONResponse(told, 422 if problems else 403, headers)
        if not typed.one and not self._guards.is_welcome(request, self.holders(typed.lists)):
            typed = replace(typed, lists=())  # another web site may have ticked them, and not the visitor
        return self.form(request, typed, words=words, problems=problems, challenge=challenge)

    def _thanks(self, request: Request, typed: Typed, words: Words) -> Response:
        """The same for every address; what it says hangs on the lists alone."""
        confirms = any(self._lists[slug].opt_in == "double" for slug in typed.lists)
        if wants_json(request):
            told = {"ok": True, "message": words("signing_up.json_asked" if confirms else "signing_up.asked_single")}
            return JSONResponse(told, headers={**NO_STORE, **allow_origin(request, self.holders(typed.lists))})
        return self._site.page(
            request,
            "subscribed.html.j2",
            headers=NO_STORE,
            language=words.language,
            confirms=confirms,
            contact=self._contact,
        )

    def _wording(self, request: Request, slug: str, words: Words) -> str:
        """The exact words of the page that somebody agreed to, with its language and where it stood."""
        kept = self._lists[slug]
        about = f"{kept.title}: {kept.description}" if kept.description else kept.title
        place = "/subscribe"
        if wants_json(request) and request.headers.get("origin", "") in kept.embed_on:
            place = request.headers["origin"]
        return f"{about} | {agreement(self._site, words)} [{words.language}, {place}]"

    def _described(self, slug: str) -> dict[str, str]:
        kept = self._lists[slug]
        return {"title": kept.title, "description": kept.description}

    @property
    def _contact(self) -> str:
        """The address of the team."""
        identity = self._site.settings.identity
        return parseaddr(identity.reply_to or identity.from_)[1]


def _as_json(challenge: Challenge | None) -> dict[str, object]:
    if challenge is None:
        return {}
    return {"stamp": challenge.stamp, "work": challenge.work, "patience": challenge.patience}


@cache
def _languages() -> dict[str, str]:
    """The languages that the pages speak, each by its own name."""
    return {tag: words_of(tag)("signing_up.own_name") for tag in sorted(languages())}
