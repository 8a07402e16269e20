"""The front door to the doctor: looks at everything in turn, makes DKIM keys, and prints what DNS must say."""

import datetime as dt
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from newsletter.config.addresses import ascii_host, is_loopback
from newsletter.doctor.diagnosis import Check, Diagnosis, State
from newsletter.doctor.domain import (
    Sendership,
    author_domain,
    envelope_domain,
    examine_author,
    examine_domain,
    examine_reverse,
)
from newsletter.doctor.here import examine_database, examine_settings
from newsletter.doctor.names import Address, Names, NotAskedError, is_example, own_address
from newsletter.doctor.sender import examine_other, examine_outbox, examine_sendgrid, examine_smtp
from newsletter.doctor.web import examine_address, examine_leaving, examine_pages, is_near
from newsletter.errors import ConfigError, UsageError
from newsletter.project import Project
from newsletter.sending.dkim import DkimKey, read_keys
from newsletter.sending.dkim_keys import Kind, kind_of, make_key, record_name, record_strings, record_text
from newsletter.sending.testing import TrialSigner, trial_number

_DOMAIN: Final = "Domain"
_SELECTOR: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Record:
    """What to publish in DNS.

    Attributes:
        name: Where.
        strings: The TXT record, in strings of at most 255 characters, which readers join.
        kind: Of the key.
    """

    name: str
    strings: list[str]
    kind: Kind

    @property
    def text(self) -> str:
        """The record as one string, as most web forms for DNS take it."""
        return "".join(self.strings)


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key.

    Attributes:
        path: Its file.
        record: What to publish.
        lines: What to write into newsletter.toml, below `[dkim]`.
    """

    path: Path
    record: Record
    lines: list[str]


class Doctor:
    """Looks after one project.

    Args:
        project: The project.
        clock: Tells the time.
    """

    def __init__(self, project: Project, clock: Callable[[], dt.datetime]) -> None:
        self._project = project
        self._clock = clock

    def examine(
        self,
        *,
        network: bool = True,
        dns_server: str | None = None,
        leaves_from: Address | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[Diagnosis, ...]:
        """Look at everything, and say of each thing that it is good, or what to do. Nothing is sent or changed.

        Args:
            network: Whether to ask the network: the DNS, the mail server, the web pages.
            dns_server: Whom to ask about names (`192.0.2.1:53`); None for the system's servers.
            leaves_from: The address that letters leave this machine from, where it delivers them itself.
            context: How to encrypt; None for what the system trusts.

        Raises:
            UsageError: `dns_server` is no address.
        """
        names = Names(dns_server) if network else None
        return tuple(self._lines(names, leaves_from, context))

    def make_dkim(self, *, domain: str | None = None, selector: str | None = None, kind: Kind = "rsa") -> MadeKey:
        """Make a key pair, for its owner alone to read; nothing that is there is ever overwritten.

        Args:
            domain: Whose signature it will be; None for the one in From.
            selector: The key's name in DNS; None for one with the year and month.
            kind: `rsa`, which all know, or `ed25519` for a second signature beside it.

        Raises:
            ConfigError: The file is there already, or cannot be written.
            UsageError: The domain or the selector is none.
        """
        settings = self._project.settings
        configured = settings.dkim
        domain = domain or (configured.domain if configured else author_domain(settings))
        selector = selector or f"news{self._clock():%Y%m}{'-ed' if kind == 'ed25519' else ''}"
        host = ascii_host(domain)
        if host is None or "." not in host:
            raise UsageError(f"«{domain[:60]}» is not a domain. Write it like example.org.")
        domain = host
        if not _SELECTOR.fullmatch(selector):
            raise UsageError(f"«{selector[:60]}» cannot name a key. Use letters, digits and hyphens, like news2026.")
        place = Path("subscribers") / f"dkim-{selector}.key"  # where nothing gets into git
        key = make_key(self._project.root / place, kind)
        if kind == "rsa":
            lines = [f'domain = "{domain}"', f'selector = "{selector}"', f'key_file = "{place.as_posix()}"']
        else:
            lines = [f'ed25519_selector = "{selector}"', f'ed25519_key_file = "{place.as_posix()}"']
        return MadeKey(self._project.root / place, _record(DkimKey(selector, key), domain), lines)

    def dkim_records(self) -> list[Record]:
        """What DNS must say for the keys that newsletter.toml names.

        Raises:
            UsageError: It names none.
            ConfigError: A key cannot be used.
        """
        dkim = self._project.settings.dkim
        if dkim is None:
            raise UsageError("newsletter.toml has no [dkim]. Make a key first, with: newsletter doctor --make-dkim")
        return [_record(key, dkim.domain) for key in read_keys(self._project)]

    def _lines(
        self, names: Names | None, leaves_from: Address | None, context: ssl.SSLContext | None
    ) -> Iterator[Diagnosis]:
        yield from examine_settings(self._project)
        yield from examine_database(self._project)
        yield from self._sender(context, network=names is not None)
        yield from self._domain(names, leaves_from)
        yield from self._web(context, network=names is not None)

    def _sender(self, context: ssl.SSLContext | None, *, network: bool) -> Iterator[Diagnosis]:
        sender = self._project.settings.sender
        if sender.kind == "outbox":
            yield from examine_outbox(self._project)
        elif sender.kind == "sendgrid":
            yield from examine_sendgrid(self._project, network=network)
        elif sender.kind != "smtp":
            yield from examine_other(self._project)
        elif network:
            yield from examine_smtp(self._project, self._clock(), context)
        else:
            yield Check("Sender", "smtp").unasked(f"The mail server {sender.smtp.host} was not asked.")

    def _domain(self, names: Names | None, leaves_from: Address | None) -> Iterator[Diagnosis]:
        settings = self._project.settings
        author = author_domain(settings)
        yield from examine_author(author)
        keys, lines = self._keys()
        yield from lines
        if names is None:
            yield Check(_DOMAIN, "dns").unasked(f"The DNS was not asked about {author}.")
            return
        if is_example(author) and not names.chosen:
            yield Check(_DOMAIN, "dns").note(
                f"{author} is a domain for examples, so the DNS was not asked about it.",
                "Write your own address in newsletter.toml, [identity] from, before you send.",
            )
            return
        signs = settings.dkim is not None and settings.sender.kind != "sendgrid"
        who = Sendership(
            author=author,
            envelope=None if settings.sender.kind == "sendgrid" else envelope_domain(settings),
            signer=settings.dkim.domain if signs and settings.dkim else None,
            keys=keys,
            sources=self._sources(names),
        )
        found = examine_domain(names, who)
        # While letters only become files, what is wrong out there stops nothing.
        yield from (_milder(line) for line in found) if settings.sender.kind == "outbox" else found
        if settings.sender.kind == "smtp" and is_loopback(settings.sender.smtp.host):  # it may deliver by itself
            address = leaves_from or own_address()
            if address is not None and address.is_global:
                yield from examine_reverse(names, address)

    def _keys(self) -> tuple[tuple[DkimKey, ...], list[Diagnosis]]:
        """The keys that sign, and what is to be said about them."""
        check = Check(_DOMAIN, "dkim-key")
        settings = self._project.settings
        if settings.sender.kind == "sendgrid":
            return (), [check.note("SendGrid signs your letters.", "See that «Domain Authentication» is done there.")]
        if settings.dkim is None:
            if settings.sender.kind == "outbox":
                return (), []
            what = "Your letters are not signed (DKIM) here; large mailbox providers ask for a signature."
            fix = "Make a key with: newsletter doctor --make-dkim. If your mail server signs, all is well."
            return (), [check.should(what, fix)]
        try:
            keys = tuple(read_keys(self._project))
        except ConfigError as error:
            what, _, fix = str(error).partition(". ")
            return (), [check.must(f"{what.rstrip('.')}.", fix)]
        kinds = " and ".join({"rsa": "RSA", "ed25519": "Ed25519"}[kind_of(key.key)] for key in keys)
        return keys, [check.good(f"The DKIM key can be used and is closed to others ({kinds}).")]

    def _sources(self, names: Names) -> tuple[Address, ...]:
        """The addresses of the mail server that gets our letters, unless it is this machine."""
        sender = self._project.settings.sender
        if sender.kind != "smtp":
            return ()
        try:
            found = names.addresses(sender.smtp.host)
        except NotAskedError:
            return ()
        return tuple(address for address in found if address.is_global)

    def _web(self, context: ssl.SSLContext | None, *, network: bool) -> Iterator[Diagnosis]:
        base_url = self._project.settings.newsletter.base_url
        host = urlsplit(base_url).hostname or ""
        lines = examine_address(base_url)
        yield from (_milder(line) for line in lines) if self._project.settings.sender.kind == "outbox" else lines
        check = Check("Web pages", "unsubscribe-page")
        if is_example(host) and not is_near(base_url):
            yield check.note(
                f"{host} is an address for examples, so it was not asked.",
                "Write your own in newsletter.toml, [newsletter] base_url, before you send.",
            )
        elif not network:
            yield check.unasked(f"{host} was not asked.")
        else:
            pages = list(examine_pages(base_url, self._clock(), context))
            yield from pages
            if pages[0].state in {State.GOOD, State.NOTE}:
                token = TrialSigner(self._project.secret_key()).sign("unsubscribe", 0, 0, trial_number(self._clock()))
                lines = examine_leaving(base_url, token, context)
                milder = self._project.settings.sender.kind == "outbox"
                yield from (_milder(line) for line in lines) if milder else lines


def _milder(line: Diagnosis) -> Diagnosis:
    return replace(line, state=State.SHOULD) if line.state is State.MUST else line


def _record(key: DkimKey, domain: str) -> Record:
    return Record(record_name(key.selector, domain), record_strings(record_text(key.key)), kind_of(key.key))
