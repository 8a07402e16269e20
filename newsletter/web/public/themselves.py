"""What a reader sees of what is held about them, takes along, or has deleted.

A link in a newsletter is passed on with it; so whoever wants to see or delete anything asks for a letter to their own
address first. Its link works for half an hour. Deleting takes a second letter: nobody else at the same screen does it.
"""

import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babel.dates import format_date
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from newsletter.errors import TokenError
from newsletter.readers import ACCESS, ERASE, LetterLink
from newsletter.rendering.view import locale_of
from newsletter.web.public.guards import Challenge, Guards, Posted, Verdict, answer_evenly
from newsletter.web.public.preferences import Saved, choices, contact_of, in_words, save, take_back
from newsletter.web.public.site import NO_STORE, Site
from newsletter.web.public.words import Words

if TYPE_CHECKING:
    from newsletter.audience.choosing import Chosen

_LOG: Final = logging.getLogger(__name__)
_LONGEST_SHOWN: Final = 320

_FACTS: Final = ("email", "first_name", "last_name", "language", "country")


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    _add_asking(routes, site)
    _add_seeing(routes, site)
    _add_deleting(routes, site)
    return routes


def _add_asking(routes: APIRouter, site: Site) -> None:
    guards = Guards(site)

    def form(request: Request, *, email: str = "", problem: str = "", challenge: Challenge | None = None) -> Response:
        return site.page(
            request,
            "access.html.j2",
            status=422 if problem else 200,
            headers=NO_STORE,
            email=email[:_LONGEST_SHOWN],
            problems={"email": problem} if problem else {},
            challenge=challenge or guards.challenge(ACCESS),
            sent=False,
            contact=contact_of(site),
        )

    @routes.get("/access")
    def ask(request: Request) -> Response:
        return form(request)

    def sent(request: Request, posted: FormData) -> Response:
        email = str(posted.get("email", "")).strip()
        if not site.newsletter.readers.is_address(email):
            return form(request, email=email, problem=site.words(request)("themselves.email_wrong"))
        judged = guards.judge(request, ACCESS, posted)
        if judged.response is not None:
            return judged.response
        if judged.verdict is Verdict.AGAIN:
            return form(request, email=email, challenge=judged.challenge)
        if judged.verdict is Verdict.ACCEPTED:
            site.newsletter.readers.send_access(email)
        return site.page(
            request, "access.html.j2", headers=NO_STORE, sent=True, contact=contact_of(site)
        )  # whoever has it, or nobody

    @routes.post("/access")
    async def send(request: Request, posted: Posted) -> Response:
        return await answer_evenly(partial(sent, request, posted))


def _add_seeing(routes: APIRouter, site: Site) -> None:
    readers = site.newsletter.readers

    def person(token: str) -> "tuple[LetterLink, Chosen]":
        link = readers.letter_link(ACCESS, token)
        known = readers.chosen(link.subscriber)
        if known is None:
            raise TokenError("Nothing is held about this person any more.")
        return link, known

    @routes.get("/me/{token}")
    def see(request: Request, token: str) -> Response:
        return _own(site, request, person(token)[1], token, Saved())

    @routes.post("/me/{token}")
    def change(request: Request, token: str, form: Posted) -> Response:
        link, known = person(token)
        return _own(site, request, known, token, _changed(site, request, link, known, form))

    @routes.get("/me/{token}/data.json")
    def take(token: str) -> Response:
        report = readers.report(person(token)[1].subscriber)
        content = json.dumps(report, ensure_ascii=False, indent=1, default=str).encode()
        headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="what-is-held-about-me.json"'}
        return Response(content, media_type="application/json", headers=headers)


def _changed(site: Site, request: Request, link: LetterLink, known: "Chosen", form: FormData) -> Saved:
    """Do what somebody wants on the page of their own."""
    words = site.words(request, known.language)
    done = form.get("do")
    if done == "erase":
        sent = site.newsletter.readers.ask_erasure(link)
        return Saved(notes=[words("themselves.erase_sent" if sent else "themselves.erase_not_sent")])
    if done == "undo":
        return Saved(notes=take_back(site, request, known, form))
    return save(site, request, known, form, full=True)


def _own(site: Site, request: Request, known: "Chosen", token: str, saved: Saved) -> Response:
    """The page that shows everything."""
    words = site.words(request, known.language)
    chosen = site.newsletter.readers.chosen(known.subscriber)
    report = site.newsletter.readers.report(known.subscriber)
    if chosen is None or report is None:  # erased between two questions
        raise TokenError("Nothing is held about this person any more.")
    return site.page(
        request,
        "own.html.j2",
        status=422 if saved.problems else 200,
        headers=NO_STORE,
        language=chosen.language,
        action=f"{site.root}/me/{token}",
        **choices(site, words, chosen, saved, full=True),
        **_shown(site, words, report),
    )


def _add_deleting(routes: APIRouter, site: Site) -> None:
    readers = site.newsletter.readers

    def page(request: Request, state: str, token: str) -> Response:
        contact = contact_of(site)
        return site.page(request, "erase.html.j2", headers=NO_STORE, state=state, token=token, contact=contact)

    @routes.get("/erase/{token}")
    def ask(request: Request, token: str) -> Response:
        link = readers.letter_link(ERASE, token)
        return page(request, "ask" if readers.chosen(link.subscriber) else "nobody", token)

    @routes.post("/erase/{token}")
    def act(request: Request, token: str) -> Response:
        done = readers.erase(readers.letter_link(ERASE, token))
        for sentence in () if done is None else done.remains:
            _LOG.warning("Somebody had everything about them deleted. %s", sentence)  # the team's part of the work
        return page(request, "nobody" if done is None else "done", token)


def _shown(site: Site, words: Words, report: Mapping[str, Any]) -> dict[str, object]:
    """Everything that is held, in the words of people."""
    title = site.newsletter.readers.list_title

    def day(moment: str | None) -> str:
        return in_words(site, words, dt.datetime.fromisoformat(moment)) if moment else ""

    facts = [(words(f"themselves.{name}"), report[name]) for name in _FACTS if report[name]]
    joined = format_date(dt.date.fromisoformat(report["joined"]), "long", locale=locale_of(words.language))
    facts.append((words("themselves.joined"), joined))
    facts += [(words("themselves.tags"), ", ".join(report["tags"]))] if report["tags"] else []
    facts += list(report["attributes"].items())
    return {
        "facts": facts,
        "standings": [
            (title(each["list"]), words(f"themselves.status_{each['status']}"), day(each["changed"]))
            for each in report["lists"]
        ],
        "agreements": [
            (day(each["at"]), title(each["list"]), words(f"themselves.method_{each['method']}"), each["wording"])
            for each in report["consent"]
        ],
        "messages": [
            (each["title"], words(f"themselves.state_{each['state']}"), day(each["answered_at"] or each["left_at"]))
            for each in report["messages"]
        ],
        "returns": [
            (day(each["at"]), words(f"themselves.event_{each['what']}"), each["reason"] or "")
            for each in report["events"]
        ],
        "entries": [(each["form"], day(each["at"]), _answers(each["answers"])) for each in report["forms"]],
    }


def _answers(answers: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    return [(name, str(value)) for name, value in answers.items()]
