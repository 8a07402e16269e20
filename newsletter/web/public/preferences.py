"""What a reader chooses: lists, name, language, a pause.

Whoever has a message has the link in it, also somebody to whom it was forwarded. So the link alone lets one leave and
choose, and shows nothing of the reader but a masked address and the lists; the rest comes by a fresh letter
(`themselves.py`), which has the same form with everything filled in.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING, Final

from babel.dates import format_date
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from newsletter.errors import AudienceError
from newsletter.feedback.choosing import Wishes
from newsletter.rendering.view import locale_of
from newsletter.sending.links import PREFERENCES, ReaderLink
from newsletter.web.public.guards import Posted
from newsletter.web.public.site import NO_STORE, Site
from newsletter.web.public.words import Words, languages, words_of

if TYPE_CHECKING:
    from newsletter.audience.choosing import Chosen
    from newsletter.audience.leaving import Left

MONTHS: Final = (1, 2, 3, 6)
"""How long pauses to choose from are."""

_KEEP, _END, _DAY = "keep", "end", "day"
_LONGEST_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Filled:
    """What somebody filled in, to be shown again if something is wrong with it.

    Attributes:
        first_name: Their name.
        last_name: And the family's.
        language: The tag; empty where they said nothing.
        pause: One of the choices.
        until: A day.
        lists: The lists that are ticked.
    """

    first_name: str = ""
    last_name: str = ""
    language: str = ""
    pause: str = _KEEP
    until: str = ""
    lists: tuple[str, ...] = ()


def router(site: Site) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    readers = site.newsletter.readers

    @routes.get("/p/{token}")
    def ask(request: Request, token: str) -> Response:
        return _page(site, request, readers.link(PREFERENCES, token), token)

    @routes.post("/p/{token}")
    def act(request: Request, token: str, form: Posted) -> Response:
        link = readers.link(PREFERENCES, token)
        chosen = readers.reach(link).chosen
        done = form.get("do")
        if chosen is None:  # a test, or nobody any more
            return _page(site, request, link, token)
        if done == "link":
            readers.send_access_to(chosen.subscriber)
            saved = Saved(notes=[site.words(request, chosen.language)("preferences.sent")])
        elif done == "undo":
            saved = Saved(notes=take_back(site, request, chosen, form, link))
        else:
            saved = save(site, request, chosen, form, link=link)
        return _page(site, request, link, token, saved)

    return routes


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of a form.

    Attributes:
        notes: What was changed, in sentences.
        undo: Tokens that bring back to the lists that were left.
        problems: What is wrong, by the id of the field; then nothing was changed.
        filled: What was filled in, if something is wrong.
    """

    notes: Sequence[str] = ()
    undo: Sequence[str] = ()
    problems: Mapping[str, str] | None = None
    filled: Filled | None = None


def save(  # noqa: PLR0913 who wants what, by which link
    site: Site,
    request: Request,
    chosen: "Chosen",
    form: FormData,
    *,
    link: ReaderLink | None = None,
    full: bool = False,
) -> Saved:
    """Do what a form of choices says.

    Args:
        site: The pages.
        request: What brought it.
        chosen: Who it is, and how they had chosen.
        form: Its fields.
        link: The link of a message that they came with, if they did.
        full: Whether the form had shown everything, so that an empty field clears what was there.
    """
    readers = site.newsletter.readers
    filled = _read(form)
    words = site.words(request, chosen.language)
    details = {"first_name": filled.first_name, "last_name": filled.last_name}
    if "language" in form and filled.language in {*languages(), chosen.language, ""}:
        details["language"] = filled.language
    if not full:
        details = {name: value for name, value in details.items() if value}
    problems = {name: words("preferences.name_wrong") for name in readers.mistakes(details)}
    pauses, until = False, None
    try:
        pauses, until = _pause(site, filled)
    except (AudienceError, ValueError):
        problems["until"] = words("preferences.day_wrong")
    if problems:
        return Saved(problems=problems, filled=filled)
    before = set(map(str, form.getlist("was")))
    wishes = Wishes(
        joins=[slug for slug in filled.lists if slug not in before],
        leaves=[slug for slug in sorted(before) if slug not in filled.lists],
        details=details,
        pauses=pauses,
        paused_until=until,
    )
    joined, left = readers.choose(
        chosen.subscriber, wishes, wording=lambda title: words("preferences.consent", list=title), link=link
    )
    undo = [token for each in left if (token := readers.undo_token(each)) is not None]
    now = readers.chosen(chosen.subscriber)
    return Saved(notes=_told(site, words, chosen, now, joined=joined, left=left), undo=undo)


def take_back(
    site: Site, request: Request, chosen: "Chosen", form: FormData, link: ReaderLink | None = None
) -> list[str]:
    """Bring somebody back to the lists that they left on this page; what is to be told."""
    words = site.words(request, chosen.language)
    tokens = list(map(str, form.getlist("undo")))
    back = site.newsletter.readers.undo(chosen.subscriber, tokens, words("leaving.consent"), link)
    return [words("preferences.joined", list=title) for title in back] or [words("leaving.not_returned")]


def choices(site: Site, words: Words, chosen: "Chosen | None", saved: Saved, *, full: bool) -> dict[str, object]:
    """What the template of the form needs.

    Args:
        site: The pages.
        words: In the reader's language.
        chosen: How they have chosen; None for nobody, as in a test.
        saved: What came of a form that was sent.
        full: Whether everything is shown.
    """
    filled = saved.filled or Filled(
        first_name=(chosen.first_name or "") if chosen and full else "",
        last_name=(chosen.last_name or "") if chosen and full else "",
        language=(chosen.language or "") if chosen and full else "",
    )
    standings = {} if chosen is None else chosen.standings
    offered = [slug for slug, kept in site.settings.lists.items() if kept.sign_up or standings.get(slug) == "active"]
    gone = [slug for slug in standings if slug not in site.settings.lists and standings[slug] == "active"]
    paused = chosen.paused_until if chosen and full else None
    if paused is not None and paused <= site.now():
        paused = None
    tags = sorted(languages() | ({chosen.language} if chosen and full and chosen.language else set()))
    return {
        "filled": filled,
        "full": full,
        "lists": [
            {
                "slug": slug,
                "title": site.newsletter.readers.list_title(slug),
                "description": site.settings.lists[slug].description if slug in site.settings.lists else "",
                "on": standings.get(slug) == "active",
                "ticked": slug in filled.lists if saved.filled else standings.get(slug) == "active",
                "closed": standings.get(slug) in {"bounced", "complained"},
                "pending": standings.get(slug) == "pending",
            }
            for slug in (*offered, *gone)
        ],
        "languages": {tag: words_of(tag)("signing_up.own_name") if tag in languages() else tag for tag in tags},
        "months": {str(number): words(f"preferences.pause_{number}") for number in MONTHS},
        "paused": None if paused is None else in_words(site, words, paused),
        "problems": saved.problems or {},
        "notes": saved.notes,
        "undo": saved.undo,
        "tomorrow": (site.newsletter.readers.local_day(site.now()) + dt.timedelta(days=1)).isoformat(),
    }


def _page(site: Site, request: Request, link: ReaderLink, token: str, saved: Saved | None = None) -> Response:
    reached = site.newsletter.readers.reach(link)
    saved = saved or Saved()
    language = reached.chosen.language if reached.chosen else None
    words = site.words(request, language)
    return site.page(
        request,
        "preferences.html.j2",
        status=422 if saved.problems else 200,
        headers=NO_STORE,
        language=language,
        reached=reached,
        test=link.test,
        action=f"{site.root}/p/{token}",
        contact=contact_of(site),
        **choices(site, words, reached.chosen, saved, full=False),
    )


def _read(form: FormData) -> Filled:
    def one(name: str) -> str:
        return str(form.get(name, "")).strip()[:_LONGEST_SHOWN]

    return Filled(
        first_name=one("first_name"),
        last_name=one("last_name"),
        language=one("language"),
        pause=one("pause") or _KEEP,
        until=one("until"),
        lists=tuple(dict.fromkeys(map(str, form.getlist("list")))),
    )


def _pause(site: Site, filled: Filled) -> tuple[bool, dt.datetime | None]:
    """Whether somebody says something about a pause, and until when.

    Raises:
        AudienceError: The day is past, or too far away.
        ValueError: It is no day.
    """
    readers = site.newsletter.readers
    if filled.pause == _DAY or (filled.pause == _KEEP and filled.until):
        return True, readers.pause_until(dt.date.fromisoformat(filled.until))
    if filled.pause in map(str, MONTHS):
        return True, readers.pause_for(int(filled.pause))
    return filled.pause == _END, None


def _told(  # noqa: PLR0913 before and after
    site: Site, words: Words, before: "Chosen", now: "Chosen | None", *, joined: Sequence[str], left: "Sequence[Left]"
) -> list[str]:
    """What was changed, in sentences."""
    title = site.newsletter.readers.list_title
    notes = [words("preferences.joined", list=each) for each in joined]
    notes += [words("preferences.left", list=title(each.list_slug)) for each in left]
    if now is not None:
        if (now.first_name, now.last_name) != (before.first_name, before.last_name):
            notes.append(words("preferences.named"))
        if now.language != before.language:
            notes.append(words("preferences.language_set"))
        if now.paused_until != before.paused_until:
            until = now.paused_until
            notes.append(
                words("preferences.paused", day=in_words(site, words, until)) if until else words("preferences.resumed")
            )
    return notes or [words("preferences.nothing")]


def contact_of(site: Site) -> str:
    """The address of the team."""
    identity = site.settings.identity
    return parseaddr(identity.reply_to or identity.from_)[1]


def in_words(site: Site, words: Words, moment: dt.datetime) -> str:
    """The day of a moment where the newsletter is at home, in the reader's language."""
    day = site.newsletter.readers.local_day(moment)
    return format_date(day, format="long", locale=locale_of(words.language))
