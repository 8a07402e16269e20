"""Thinks up readers for whom conditions answer differently, so that a test can show what each of them would see.

An expression says itself which values matter to it (`worth.py`): the texts it compares with, the tags it asks for, the
days before and after a date. These are tried in all combinations, for the conditions that look at the same fields
together.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.expressions.expression import Expression
from newsletter.expressions.supposed import Change, changed, now_of
from newsletter.expressions.tree import (
    Attribute,
    Choices,
    Comparison,
    Constant,
    Either,
    Every,
    Field,
    Filtered,
    Membership,
    Negation,
    Node,
    Operand,
    Person,
)
from newsletter.expressions.worth import Worth, root_of

MOST_TRIED: Final = 20_000
"""Combinations tried for conditions that hang together; where there are more, `_PICKED` of them."""

_PICKED: Final = 4_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """Conditions that look at the same fields, so that the answer of one limits those of the others.

    Attributes:
        members: Which conditions, by their number.
        answers: Each combination of answers that somebody can give, with what makes a reader give it.
        complete: Whether all combinations of values that matter were tried.
    """

    members: tuple[int, ...]
    answers: Mapping[tuple[bool, ...], tuple[Change, ...]]
    complete: bool


def clusters(conditions: Sequence[Expression], like: Person) -> list[Cluster]:
    """The conditions in groups that know nothing of each other, each with the answers that somebody can give.

    Args:
        conditions: Any number of them.
        like: A reader from whom those thought up differ as little as can be.
    """
    worth = Worth()
    for condition in conditions:
        worth.walk(condition.tree)
    values = worth.values(like)
    fields = [_fields_of(condition, values) for condition in conditions]
    groups = _connected(fields)
    return [_cluster(members, conditions, fields, values, like) for members in groups]


def _cluster(
    members: tuple[int, ...],
    conditions: Sequence[Expression],
    fields: Sequence[frozenset[str]],
    values: Mapping[str, Sequence[object]],
    like: Person,
) -> Cluster:
    names = sorted(frozenset[str]().union(*(fields[member] for member in members)))
    domains = [values[name] for name in names]
    count = 1
    for domain in domains:
        count *= len(domain)
    complete = count <= MOST_TRIED
    tried = itertools.product(*domains) if complete else _picked(domains)
    tests = [conditions[member].test for member in members]
    answers: dict[tuple[bool, ...], tuple[Change, ...]] = {}
    for combination in tried:
        changes = tuple(zip(names, combination, strict=True))
        person = changed(like, changes)
        key = tuple(test(person) for test in tests)
        if key not in answers:
            before = {name: now_of(like, name) for name in names}
            answers[key] = tuple(change for change in changes if not _same(change[1], before[change[0]]))
            if len(answers) == 2 ** len(members):
                break
    return Cluster(members, answers, complete)


def _picked(domains: Sequence[Sequence[object]]) -> Iterator[tuple[object, ...]]:
    """Some of all combinations: each value alone, then as many as may be tried, always the same ones."""
    first = tuple(domain[0] for domain in domains)
    yield first
    for place, domain in enumerate(domains):
        for value in domain[1:]:
            yield (*first[:place], value, *first[place + 1 :])
    dice = random.Random(0)  # noqa: S311 - no secret: the same every time
    for _ in range(_PICKED):
        yield tuple(dice.choice(domain) for domain in domains)


def _connected(fields: Sequence[frozenset[str]]) -> list[tuple[int, ...]]:
    """The numbers of those that share a field, directly or by way of others."""
    groups: list[tuple[set[int], set[str]]] = []
    for number, names in enumerate(fields):
        members, all_names = {number}, set(names)
        rest = []
        for others, their_names in groups:
            if their_names & all_names:
                members |= others
                all_names |= their_names
            else:
                rest.append((others, their_names))
        groups = [*rest, (members, all_names)]
    return sorted(tuple(sorted(members)) for members, _ in groups)


def _fields_of(condition: Expression, values: Mapping[str, Sequence[object]]) -> frozenset[str]:
    """What a condition looks at, each tag for itself where it only asks for certain tags."""
    names = {name for name in condition.names if name != "tags"}
    if "tags" in condition.names:
        asked, certain = _tags_asked(condition.tree)
        every = {name for name in values if name.startswith("tag:")}
        names |= {f"tag:{tag}" for tag in asked} if certain else every
    return frozenset(names)


def _tags_asked(node: Node) -> tuple[set[str], bool]:
    """The tags that an expression asks for, and whether it asks nothing else of the tags."""
    match node:
        case Membership(Constant(str(tag)), Field("tags")):
            return {tag}, True
        case Negation(part):
            return _tags_asked(part)
        case Every(parts) | Either(parts):
            found = [_tags_asked(part) for part in parts]
            return set[str]().union(*(tags for tags, _ in found)), all(certain for _, certain in found)
        case _:
            return set(), "tags" not in {name for operand in _operands(node) for name in root_of(operand)}


def _operands(node: Node) -> tuple[Operand, ...]:
    match node:
        case Comparison(_, left, right):
            return (left, right)
        case Membership(value, container):
            return (value,) if isinstance(container, Choices) else (value, container)
        case Field() | Attribute() | Constant() | Filtered():
            return (node,)
        case _:
            return ()


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
