"""Forms of the project, such as for community updates or people who want to talk.

A form on another web site is plain HTML (`newsletter forms embed FORM`): it brings no stamp, so the visitor comes to
our page, sees what they typed, and presses the button there. A script on a site that the form allows (`embed_on`) may
instead ask `/forms/<slug>/challenge` for a stamp, do the work, and post the form without leaving its page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from newsletter.config.pages import FormField, FormTable
from newsletter.entries.answering import Problem
from newsletter.errors import FormNotFoundError
from newsletter.web.public.guards import (
    Challenge,
    Guards,
    Posted,
    Verdict,
    allow_origin,
    answer_preflight,
    wants_json,
)
from newsletter.web.public.site import NO_STORE, Site
from newsletter.web.public.words import Words

_INPUTS: Final = {"text": "text", "email": "email", "url": "url", "phone": "tel"}
_KNOWN: Final = {
    "name": "name",
    "full_name": "name",
    "first_name": "given-name",
    "last_name": "family-name",
    "organisation": "organization",
    "organization": "organization",
    "job_title": "organization-title",
    "country": "country-name",
    "city": "address-level2",
}
"""What browsers may fill in by themselves, by the names of questions (WCAG 1.3.5)."""
_BY_KIND: Final = {"email": "email", "phone": "tel", "url": "url"}


@dataclass(frozen=True, slots=True)
class Question:
    """One question as the page shows it.

    Attributes:
        ask: As newsletter.toml has it.
        typed: What was typed; empty the first time.
        problem: What is wrong with it, in words; empty if nothing.
    """

    ask: FormField
    typed: str = ""
    problem: str = ""

    @property
    def id(self) -> str:
        """Of its element in the page."""
        return f"answer-{self.ask.name}"

    @property
    def first(self) -> str:
        """The id of the control to go to, where there are several."""
        return f"{self.id}-1" if self.has_buttons else self.id

    @property
    def told(self) -> str:
        """What is wrong, with the question that it is about."""
        between = " " if self.ask.label.endswith(("?", ":", "!", ".", "؟", "？")) else ": "
        return f"{self.ask.label}{between}{self.problem}"

    @property
    def has_buttons(self) -> bool:
        """Whether all choices stand side by side; more than a few are easier to find in a list."""
        return self.ask.kind == "choice" and len(self.ask.options) <= 6

    @property
    def input(self) -> str:
        """The type of its input element, which decides the keyboard of a phone."""
        return _INPUTS.get(self.ask.kind, "text")

    @property
    def direction(self) -> str:
        """Addresses and numbers are written from left to right in every language."""
        return "auto" if self.ask.kind == "text" else "ltr"

    @property
    def autocomplete(self) -> str:
        """What browsers may fill in."""
        return _BY_KIND.get(self.ask.kind, _KNOWN.get(self.ask.name, ""))


def router(site: Site) -> APIRouter:
    """The routes."""
    routes, pages = APIRouter(), _Pages(site)

    @routes.get("/forms/{slug}")
    def form(request: Request, slug: str) -> Response:
        return pages.form(request, slug)

    @routes.post("/forms/{slug}")
    def send(request: Request, slug: str, posted: Posted) -> Response:
        answer = pages.answer(request, slug, posted)
        answer.headers.update(allow_origin(request, pages.table(slug).embed_on))
        return answer

    @routes.get("/forms/{slug}/challenge")
    def challenge(request: Request, slug: str) -> Response:
        return pages.challenge(request, slug)

    @routes.options("/forms/{slug}")
    @routes.options("/forms/{slug}/challenge")
    def may_ask(request: Request, slug: str) -> Response:
        return answer_preflight(request, pages.table(slug).embed_on, "GET, POST")

    return routes


class _Pages:
    """Shows forms, and judges what comes back; in the language of the project, as the questions are."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._forms = site.newsletter.forms
        self._guards = Guards(site)
        self._language = site.settings.newsletter.language

    def table(self, slug: str) -> FormTable:
        """What newsletter.toml says of a form; that there is none is a page, too."""
        try:
            return self._forms.form(slug)
        except FormNotFoundError:
            raise HTTPException(404) from None

    def form(
        self,
        request: Request,
        slug: str,
        *,
        given: Mapping[str, str] | None = None,
        problems: Sequence[Problem] = (),
        challenge: Challenge | None = None,
    ) -> Response:
        """The page with a form: empty, or with what was typed and what is wrong with it."""
        table = self.table(slug)
        words = self._site.words(request, self._language)
        wrong = _in_words(problems, words)
        questions = [Question(ask, (given or {}).get(ask.name, ""), wrong.get(ask.name, "")) for ask in table.fields]
        return self._site.page(
            request,
            "form.html.j2",
            status=422 if problems else 200,
            headers=NO_STORE,
            language=self._language,
            slug=slug,
            form=table,
            text=_paragraphs(table.text),
            questions=questions,
            problems={each.first: each.told for each in questions if each.problem},
            challenge=challenge or self._guards.challenge(_purpose(slug)),
            days=max(1, round(table.keep.total_seconds() / 86_400)),
        )

    def answer(self, request: Request, slug: str, posted: FormData) -> Response:
        """What somebody gets who sent a form."""
        table = self.table(slug)
        given = {ask.name: _text(posted.get(ask.name)) for ask in table.fields}
        if problems := self._forms.check(slug, given):
            return self._again(request, slug, given, problems=problems)
        judgement = self._guards.judge(request, _purpose(slug), posted, allowed=table.embed_on)
        if judgement.response is not None:
            return judgement.response
        if judgement.challenge is not None:
            return self._again(request, slug, given, challenge=judgement.challenge)
        if judgement.verdict is Verdict.ACCEPTED:
            self._forms.take(slug, given, network=self._site.network(request))
        if wants_json(request):
            return JSONResponse({"ok": True, "message": table.thanks}, headers=NO_STORE)
        thanks = _paragraphs(table.thanks)
        return self._site.page(
            request, "form_sent.html.j2", headers=NO_STORE, language=self._language, form=table, thanks=thanks
        )

    def _again(
        self,
        request: Request,
        slug: str,
        given: Mapping[str, str],
        *,
        problems: Sequence[Problem] = (),
        challenge: Challenge | None = None,
    ) -> Response:
        """The form once more, for people; for a script, what it is to show or to do."""
        if not wants_json(request):
            return self.form(request, slug, given=given, problems=problems, challenge=challenge)
        words = self._site.words(request, self._language)
        if challenge is None:
            return JSONResponse({"ok": False, "problems": _in_words(problems, words)}, 422, NO_STORE)
        told = {"message": words("guards.again"), "challenge": _as_json(challenge)}
        return JSONResponse({"ok": False, **told}, 403, NO_STORE)

    def challenge(self, request: Request, slug: str) -> Response:
        """A stamp for a script on a web site that may hold the form."""
        headers = {**NO_STORE, **allow_origin(request, self.table(slug).embed_on)}
        return JSONResponse(_as_json(self._guards.challenge(_purpose(slug))), headers=headers)


def _in_words(problems: Sequence[Problem], words: Words) -> dict[str, str]:
    """What is wrong, by the names of the questions."""
    return {each.name: words(f"forms.problem_{each.what}", **each.gaps) for each in problems}


def _as_json(challenge: Challenge) -> dict[str, object]:
    return {"stamp": challenge.stamp, "work": challenge.work, "patience": challenge.patience}


def _purpose(slug: str) -> str:
    """What the guards' stamps of a form are good for: this form alone."""
    return f"entry-{slug}"


def _text(value: object) -> str:
    """A field's text, in signs that a page can show again; nothing for a file."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _paragraphs(text: str) -> list[str]:
    """Paragraphs as they are divided by empty lines."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]
