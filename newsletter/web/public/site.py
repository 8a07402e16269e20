"""What every page needs: the project, its templates in the visitor's language, and answers in its look."""

import datetime as dt
import ipaddress
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from newsletter.app import Newsletter
from newsletter.config import Settings
from newsletter.tokens import Signer
from newsletter.web.public.counting import Counts
from newsletter.web.public.words import Words, choose_language, direction_of

_HERE: Final = Path(__file__).parent

NO_STORE: Final = {"Cache-Control": "no-store"}
"""For pages that show, or whose address says, anything about a person."""


class Site:
    """The public pages of one project.

    Attributes:
        newsletter: The project, with its database kept open.
        settings: Its settings.
        base_url: Where the pages answer, no slash at the end; for addresses that leave these pages.
        root: Its path alone, for links between pages: they also work on this machine, before there is a proxy.
        companions: What runs as long as the application does; a router adds to it.
        counts: How many requests this process has answered.
    """

    def __init__(self, newsletter: Newsletter) -> None:
        self.newsletter = newsletter
        self.settings: Settings = newsletter.project.settings
        self.base_url = self.settings.newsletter.base_url
        self.root = urlsplit(self.base_url).path
        self.companions: list[Callable[[], AbstractAsyncContextManager[None]]] = []
        self.counts = Counts()
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @cached_property
    def signer(self) -> Signer:
        """Signs and reads the tokens in links."""
        return Signer(self.newsletter.project.secret_key())

    def now(self) -> dt.datetime:
        """The time, in UTC."""
        return self.newsletter.now()

    def network(self, request: Request) -> str:
        """The network that a visitor comes from: /24 of IPv4, /56 of IPv6; never kept but as a keyed hash.

        The server puts the visitor's address in place of a trusted proxy's before this is asked.
        """
        host = request.client.host if request.client else ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "somewhere"
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return str(ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False))

    def words(self, request: Request, language: str | None = None) -> Words:
        """The words of the pages: in a language that is asked for, that the browser prefers, or the project's."""
        wanted = language or request.query_params.get("lang")
        accepted = request.headers.get("accept-language", "")
        return choose_language(wanted, accepted, self.settings.newsletter.language)

    def page(
        self,
        request: Request,
        name: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        language: str | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """A page in the project's look.

        Args:
            request: What is answered.
            name: The template, such as `confirm.html.j2`.
            status: The HTTP status.
            headers: More headers.
            language: The reader's language, where it is known.
            values: What the template sees beside the site's own: `t` (words), `site`, `brand`, `language`, `direction`.
        """
        words = self.words(request, language)
        shown = self.render(name, words, **values)
        return HTMLResponse(shown, status, {"Content-Language": words.language, **(headers or {})})

    def render(self, name: str, words: Words, *, live: str | None = None, **values: Any) -> str:
        """The HTML of a page, also for files that are served without a request.

        Args:
            name: The template.
            words: In which language.
            live: What stands before the paths of pages that need a server; `root` if not given.
            values: What the template sees beside the site's own.
        """
        settings = self.settings
        return self._templates.get_template(name).render(
            t=words,
            language=words.language,
            direction=direction_of(words.language),
            site={
                "name": settings.newsletter.name,
                "organisation": settings.newsletter.organisation,
                "base_url": self.base_url,
                "root": self.root,
                "live": self.root if live is None else live,
                "postal_address": settings.identity.postal_address.strip().splitlines(),
                "privacy_url": settings.web.privacy_url,
                "answers": settings.identity.reply_to or settings.identity.from_,
                "lists": {slug: kept for slug, kept in settings.lists.items() if kept.sign_up},
                "forms": settings.forms,
                "footer": settings.footer,
            },
            **values,
        )

    def refusal(
        self, request: Request, status: int, what: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page that says why not, and what to do; `what` names its words in `words/*/site.toml`."""
        name = what or {404: "not_found", 405: "not_so", 413: "too_large", 429: "too_many", 503: "busy"}.get(
            status, "failed" if status >= 500 else "not_understood"
        )
        kept = {**NO_STORE, **(headers or {})}
        return self.page(request, "refusal.html.j2", status=status, headers=kept, what=name)
