"""Finds the DMARC record that holds for a domain, and says whether two domains count as one (RFC 9989)."""

import re
from dataclasses import dataclass
from typing import Final

from newsletter.doctor.names import Names

_MOST_LABELS: Final = 8
"""Of a longer name the labels in the middle are passed over (RFC 9989 section 4.10)."""
_RECORD: Final = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The record that holds for a domain.

    Attributes:
        domain: Where it stands: the domain itself, or one above.
        tags: What it says.
        records: How many there are at that place; with more than one none counts.
    """

    domain: str
    tags: dict[str, str]
    records: int = 1

    def policy_for(self, domain: str) -> str:
        """What receivers are asked to do with forged mail of a domain."""
        own = self.tags.get("p", "none")
        return (own if domain == self.domain else self.tags.get("sp", own)).lower()

    def is_strict(self, tag: str) -> bool:
        """Whether `adkim` or `aspf` asks for the very same domain."""
        return self.tags.get(tag, "r").lower() == "s"


def find_dmarc(names: Names, domain: str) -> Dmarc | None:
    """The record at a domain or at the nearest one above it that has one.

    Raises:
        NotAskedError: The DNS could not be asked.
    """
    return next((record for place in _places(domain) if (record := _record(names, place))), None)


def organisation(names: Names, domain: str) -> str:
    """The domain of the organisation that a domain belongs to, found by walking up (RFC 9989 section 4.10.2).

    Raises:
        NotAskedError: The DNS could not be asked.
    """
    highest, below = domain, domain
    for place in _places(domain):
        record = _record(names, place)
        if record is not None and record.records == 1:
            mark = record.tags.get("psd", "u").lower()
            if mark == "n":
                return place
            if mark == "y" and place != domain:
                return below
            highest = place
        below = place
    return highest


def aligned(names: Names, one: str, other: str, *, strict: bool) -> bool:
    """Whether two domains count as one: the very same, or, unless strict, of the same organisation.

    Raises:
        NotAskedError: The DNS could not be asked.
    """
    if one.lower() == other.lower():
        return True
    return not strict and organisation(names, one.lower()) == organisation(names, other.lower())


def read_tags(text: str) -> dict[str, str]:
    """The tags of a record of DMARC or DKIM: `v=…; p=…` (RFC 6376 section 3.2)."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _record(names: Names, place: str) -> Dmarc | None:
    found = [text for text in names.texts(f"_dmarc.{place}") if _RECORD.match(text.lstrip())]
    return Dmarc(place, read_tags(found[0]), len(found)) if found else None


def _places(domain: str) -> list[str]:
    """The domain and those above it, without the last, which is a country's or the world's."""
    labels = domain.lower().rstrip(".").split(".")
    first = [".".join(labels)]
    rest = labels[-(_MOST_LABELS - 1) :] if len(labels) >= _MOST_LABELS else labels[1:]
    return first + [".".join(rest[start:]) for start in range(max(0, len(rest) - 1))]
