"""Reads an SPF record with everything that it includes, as a mailbox provider does (RFC 7208)."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from newsletter.doctor.names import Address, Names

MOST_LOOKUPS: Final = 10
"""Terms that ask the DNS (RFC 7208 section 4.6.4); with more the record counts for nothing."""
MOST_VOIDS: Final = 2
"""Of them, those to which there is no answer."""

_TERM: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/]+|[0-9A-Fa-f:.]+))?((?:/\d+)?(?://\d+)?)", re.IGNORECASE
)
_NETWORK: Final = re.compile(r"([+?~-]?)(ip4|ip6):([0-9A-Fa-f:.]+(?:/\d+)?)", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_RESULTS: Final = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists"})


@dataclass
class Spf:
    """What an SPF record comes to.

    Attributes:
        records: How many the domain has; there may be one.
        text: The record; empty if there is none.
        lookups: How many of its terms, and of those it includes, ask the DNS.
        voids: To how many of them there is no answer.
        problems: What makes the record worthless, in plain sentences.
        everybody: What it says of all others: `pass`, `fail`, `softfail`, `neutral`, or None if nothing.
        passes: Whether it lets the address send that was asked about.
        asks_reverse: Whether it uses `ptr`, which nobody should any more (RFC 7208 section 5.5).
    """

    records: int = 0
    text: str = ""
    lookups: int = 0
    voids: int = 0
    problems: list[str] = field(default_factory=list)
    everybody: str | None = None
    passes: bool = False
    asks_reverse: bool = False


def read_spf(names: Names, domain: str, sources: list[Address]) -> Spf:
    """The SPF record of a domain, looked through to its last branch.

    Args:
        names: The DNS.
        domain: The domain of the envelope's sender.
        sources: Addresses that mail comes from, of which one must pass; may be empty.

    Raises:
        NotAskedError: The DNS could not be asked about some of it.
    """
    return _Walk(names, sources).run(domain)


class _Walk:
    def __init__(self, names: Names, sources: list[Address]) -> None:
        self._names = names
        self._sources = sources
        self._spf = Spf()

    def run(self, domain: str) -> Spf:
        found = self._records(domain)
        self._spf.records = len(found)
        if len(found) == 1:
            self._spf.text = found[0]
            self._spf.passes = self._evaluate(domain, found[0], (domain,)) == "pass"
        return self._spf

    def _records(self, domain: str) -> list[str]:
        return [text for text in self._names.texts(domain) if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]

    def _evaluate(self, domain: str, record: str, above: tuple[str, ...]) -> str | None:
        """What a record says about the sources; every term is looked at, since each may be reached one day."""
        result: str | None = None
        redirect = ""
        for term in record.split()[1:]:
            if modifier := _MODIFIER.fullmatch(term):
                redirect = modifier[2] if modifier[1].lower() == "redirect" else redirect
                continue
            matched = _NETWORK.fullmatch(term) or _TERM.fullmatch(term)
            if matched is None:
                self._problem(f"«{term[:60]}» in the SPF record of {domain} is no term that SPF knows.")
                continue
            if matched.re is _TERM and not _is_size(matched[4]):
                self._problem(f"«{term[:60]}» in the SPF record of {domain} names a network of no possible size.")
                continue
            says = _RESULTS[matched[1]]
            if self._matches(domain, matched[2].lower(), matched, above) and result is None:
                result = says
            if matched[2].lower() == "all":
                self._spf.everybody = says if len(above) == 1 else self._spf.everybody
                redirect = ""  # RFC 7208 section 6.1: it counts only without `all`
                break
        if not redirect:
            return result
        self._count()
        behind = self._branch(redirect, above, "redirect")
        return behind if result is None else result

    def _matches(self, domain: str, kind: str, term: re.Match[str], above: tuple[str, ...]) -> bool:
        target = term[3] or domain
        if kind == "all":
            return True
        if kind in {"ip4", "ip6"}:
            return self._in_network(target, domain)
        self._count()
        if kind == "ptr":
            self._spf.asks_reverse = True
        if kind == "ptr" or "%" in target or self._spf.problems:
            return False  # what a macro becomes differs from message to message
        if kind == "include":
            return self._branch(target, above, kind) == "pass"
        found = self._addresses(kind, target)
        if kind == "exists":
            return bool(found)
        return any(_near(source, address, term[4]) for source in self._sources for address in found)

    def _addresses(self, kind: str, target: str) -> list[Address]:
        """The addresses that a term stands for."""
        if kind != "mx":
            found = self._names.addresses(target)
            self._spf.voids += not found
            return found
        machines = self._names.mail_servers(target)
        self._spf.voids += not machines
        return [one for machine in machines[:10] if machine != "." for one in self._names.addresses(machine)]

    def _branch(self, target: str, above: tuple[str, ...], kind: str) -> str | None:
        if "%" in target or self._spf.problems:
            return None
        if target in above:
            self._problem(f"The SPF record of {above[-1]} leads back to itself ({kind} {target}).")
            return None
        found = self._records(target)
        if len(found) != 1:
            self._spf.voids += not found
            how = "no SPF record" if not found else f"{len(found)} SPF records"
            self._problem(f"The SPF record of {above[-1]} names {target} ({kind}), which has {how}.")
            return None
        if kind == "redirect" and len(above) == 1:
            everybody = [
                term[:-3] for term in found[0].lower().split() if term in {"all", "+all", "-all", "~all", "?all"}
            ]
            self._spf.everybody = _RESULTS[everybody[0]] if everybody else None
        return self._evaluate(target, found[0], (*above, target))

    def _in_network(self, text: str, domain: str) -> bool:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            self._problem(f"«{text[:60]}» in the SPF record of {domain} is no address.")
            return False
        return any(source.version == network.version and source in network for source in self._sources)

    def _count(self) -> None:
        self._spf.lookups += 1
        if self._spf.lookups > 4 * MOST_LOOKUPS:  # far gone; asking more would only be rude
            self._problem("The SPF record includes so many others that nobody reads it to the end.")

    def _problem(self, sentence: str) -> None:
        if sentence not in self._spf.problems:
            self._spf.problems.append(sentence)


def _is_size(suffix: str) -> bool:
    """Whether `/24`, `//64` or `/24//64` are sizes of networks (RFC 7208 section 5.6); nothing is one too."""
    four, _, six = suffix.partition("//")
    return int(four.removeprefix("/") or 0) <= 32 and int(six or 0) <= 128


def _near(source: Address, address: Address, suffix: str) -> bool:
    """Whether two addresses are in the same network, whose size the term may say (`/24//64`)."""
    four, _, six = suffix.partition("//")
    length = six if address.version == 6 else four.removeprefix("/")
    if source.version != address.version:
        return False
    network = ipaddress.ip_network(f"{address}/{length or address.max_prefixlen}", strict=False)
    return source in network
