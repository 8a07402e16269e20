"""Finds the values that matter to expressions: those they compare with, their neighbours, and one of none of these."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from newsletter.expressions.supposed import now_of, tags_of
from newsletter.expressions.tree import (
    Attribute,
    Choices,
    Comparison,
    Constant,
    Either,
    Every,
    Field,
    Filtered,
    Kind,
    Membership,
    Negation,
    Node,
    Operand,
    Person,
    kind_of,
    written,
)

_DOMAINS: Final = ("example.org", "example.net", "example.com", "news.example")
_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": tuple(f"reader@{domain}" for domain in _DOMAINS),
    "first_name": ("Ada", "Wanjiru", "Mei"),
    "last_name": ("Lovelace", "Otieno", "Lin"),
    "language": ("en", "fr", "ar", "sw"),
    "country": ("KE", "BR", "IN", "FR", "JP"),
}
_ANY_TAG: Final = "some-other-tag"
_MOST_NEEDLES: Final = 5


@dataclass
class Worth:
    """Collects from expressions which values of which fields are worth trying."""

    found: dict[str, list[object]] = field(default_factory=dict)
    needles: dict[str, list[str]] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    """Fields that are compared with one another."""

    def walk(self, node: Node) -> None:
        """Take in an expression."""
        match node:
            case Negation(part):
                self.walk(part)
            case Every(parts) | Either(parts):
                for part in parts:
                    self.walk(part)
            case Comparison(_, left, right):
                self._pair(left, right)
                self._pair(right, left)
            case Membership(value, container):
                self._membership(value, container)
            case Field() | Attribute() | Constant() | Filtered():
                self._add(node, [])

    def _pair(self, one: Operand, other: Operand) -> None:
        if isinstance(other, Constant):
            self._add(one, list(_around(other.value)))
            return
        self._add(one, [])
        self.shared += [(name, twin) for name in root_of(one) for twin in root_of(other)]

    def _membership(self, value: Operand, container: Operand | Choices) -> None:
        if isinstance(container, Choices):
            self._add(value, list(container.values))
        elif container == Field("tags"):
            if isinstance(value, Constant):
                self.tags.append(str(value.value))
            self._add(value, [])
            self._add(container, [])
            self.shared += [(name, "tags") for name in root_of(value)]
        else:
            self._add(value, [])
            self._add(container, [])
            if isinstance(value, Constant):
                for name in root_of(container):
                    self.needles.setdefault(name, []).append(str(value.value))
            else:
                self.shared += [(name, twin) for name in root_of(value) for twin in root_of(container)]

    def _add(self, operand: Operand, values: list[object]) -> None:
        """Values for the field behind an operand, and those that its filters make equal."""
        more = list(values)
        walked = operand
        while isinstance(walked, Filtered):
            if walked.filter == "default":
                more.append(walked.argument)
            elif walked.filter in {"upper", "lower"}:
                texts = [value for value in more if isinstance(value, str)]
                more += [case for text in texts for case in (text.lower(), text.upper(), text.title())]
            walked = walked.value
        for name in root_of(operand):
            kind = kind_of(walked)
            self.found.setdefault(name, []).extend(value for value in more if _fits(value, kind))

    def values(self, like: Person) -> dict[str, list[object]]:
        """For each field the values to try, what the reader has first; for each tag whether it is there."""
        for _ in range(2):  # twice, so that what one field takes from another reaches a third
            for one, other in self.shared:
                self._share(one, other)
        tried: dict[str, list[object]] = {}
        for name, found in self.found.items():
            if name == "tags":
                continue
            needles = self.needles.get(name, ())
            values = [now_of(like, name), _other(name, found, needles), *found, *self._hay(name)]
            if name not in {"email", "joined"}:  # everybody has these
                values.append(None)
            else:
                values = [value for value in values if value is not None]
            tried[name] = each_once(values)
        tags = [*each_once(self.tags), _ANY_TAG] if "tags" in self.found or self.tags else []
        own = [tag for tag in tags_of(like) if tag not in tags]
        for tag in [*tags, *own]:
            has = str(tag) in tags_of(like)
            tried[f"tag:{tag}"] = [has, not has]
        return tried

    def _share(self, one: str, other: str) -> None:
        if "tags" in {one, other}:
            name = other if one == "tags" else one
            texts = [*self.found.get(name, ()), *_OTHERS.get(name, ("one",))[:2]]
            self.tags += [value for value in texts if isinstance(value, str)][:4]
            self.found[name] = [*self.found.get(name, ()), *self.tags]
            return
        both = [*self.found.get(one, ()), *self.found.get(other, ()), *_OTHERS.get(one, ("one", "two"))[:2]]
        self.found[one] = each_once(both)
        self.found[other] = each_once(both)

    def _hay(self, name: str) -> Iterator[str]:
        """Texts in which some of the looked-for parts stand."""
        needles = [str(needle) for needle in each_once(self.needles.get(name, ())) if needle]
        sizes = range(1, len(needles) + 1) if len(needles) <= _MOST_NEEDLES else (1, len(needles))
        for size in sizes:
            for some in itertools.combinations(needles, size):
                ordered = sorted(some, key=lambda needle: ("@" in needle, needles.index(needle)))
                text = "".join(ordered)
                if name != "email":
                    yield text
                elif "@" in text:
                    yield f"reader{text}" if text.startswith("@") else text
                else:
                    yield from (f"{text}@{domain}" for domain in _DOMAINS)


def _around(value: object) -> Iterator[object]:
    """A written value, and its neighbours on both sides."""
    yield value
    match value:
        case None:
            return
        case bool():
            yield not value
        case int() | float():
            yield from (value - 1, value + 1, value + 0.5)
        case date():
            yield from (value - timedelta(days=1), value + timedelta(days=1))
        case str():
            yield f"{value}0"
            if value:
                yield value[:-1]


def _fits(value: object, kind: Kind) -> bool:
    """Whether a field of a kind can hold a value; nothing always fits."""
    if value is None:
        return True
    if kind is Kind.TEXT:
        return isinstance(value, str)
    if kind is Kind.DATE:
        return isinstance(value, date)
    return kind is Kind.ANY


def _other(name: str, found: Sequence[object], needles: Sequence[str]) -> object:
    """A value that no expression speaks of, so that comparisons with a written one fail."""
    if name == "joined":
        return date(2020, 1, 31)
    free = [
        other
        for other in (*_OTHERS.get(name, ()), "other", "another", "~")
        if other not in found and not any(needle and needle in other for needle in needles)
    ]
    return free[0] if free else "~~"


def root_of(operand: Operand) -> tuple[str, ...]:
    """The name of the field that a value is made of; nothing for what is written down."""
    while isinstance(operand, Filtered):
        operand = operand.value
    if isinstance(operand, Field):
        return (operand.name,)
    return (written(operand),) if isinstance(operand, Attribute) else ()


def each_once(values: Iterable[object]) -> list[object]:
    """The values without repetitions; true is not 1."""
    seen: set[tuple[type, object]] = set()
    kept = []
    for value in values:
        if (type(value), value) not in seen:
            seen.add((type(value), value))
            kept.append(value)
    return kept
