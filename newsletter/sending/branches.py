"""Finds one reader for each variant of an edition, so that every block can be seen shown and left out before sending.

Readers are thought up from the conditions themselves (`newsletter.expressions.examples`); a persona who sees a variant
goes before one thought up, and a subscriber is taken only for what nobody else would see.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from newsletter.audience.subscribers import Subscriber
from newsletter.expressions import parse_expression
from newsletter.expressions.examples import Cluster, clusters
from newsletter.expressions.supposed import Change, changed, told
from newsletter.rendering.composition import Composition, Person
from newsletter.sending.personas import Persona
from newsletter.sending.testing import View

MOST_SHOWN: Final = 32
"""Variants shown one by one; of more, as many are shown as it takes to see each block shown and left out."""

_MOST_COUNTED: Final = 4_096
"""Combinations of answers that are looked through."""

Shape = tuple[bool, ...]
"""For each set of conditions that stands over some block, whether all of them hold: what is on the page."""


@dataclass(frozen=True, slots=True)
class Branches:
    """The variants of an edition.

    Attributes:
        views: A reader for each, or for as many as it takes to see each block shown and left out.
        variants: How many were found.
        more: Whether there may be more, which were not looked through.
        never: Conditions under which no reader was found; those that must hold together stand together.
        always: Conditions that were found to hold for every reader.
    """

    views: tuple[View, ...]
    variants: int
    more: bool
    never: tuple[tuple[str, ...], ...]
    always: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Somebody who sees a variant."""

    name: str
    person: Person
    subscriber: int = 0


def find_branches(
    composition: Composition, personas: Sequence[Persona], subscribers: Iterable[Subscriber] = ()
) -> Branches:
    """One reader for each variant of an edition, the one who sees most of it first.

    Args:
        composition: The edition, rendered.
        personas: At least one; those thought up differ from the first as little as can be.
        subscribers: Real ones, for what nobody else would see.
    """
    blocks = _conditions_of_blocks(composition)
    groups = clusters([parse_expression(source) for source in composition.conditions], personas[0].person)
    found: dict[Shape, _Candidate] = {}

    def shape(key: Sequence[bool]) -> Shape:
        return tuple(all(key[number] for number in numbers) for numbers in blocks)

    for persona in personas:
        sees = shape(composition.key_for(persona.person))
        found.setdefault(sees, _Candidate(f"persona «{persona.name}»", persona.person))
    more = False
    for thought_up, (key, changes) in enumerate(_keys(groups, len(composition.conditions))):
        if thought_up == _MOST_COUNTED:
            more = True
            break
        if shape(key) not in found:
            who = _Candidate(told(changes) or personas[0].name, changed(personas[0].person, changes))
            found[shape(key)] = who
    for subscriber in subscribers:
        sees = shape(composition.key_for(subscriber.person))
        found.setdefault(sees, _Candidate(subscriber.email, subscriber.person, subscriber.id))
    shapes = sorted(found, key=lambda shown: (-sum(shown), [not yes for yes in shown]))
    if more or len(shapes) > MOST_SHOWN:
        shapes = _covering(shapes)
    views = [View(name=who.name, person=who.person, subscriber=who.subscriber) for who in map(found.get, shapes) if who]
    return Branches(
        views=tuple(
            replace(view, mark=f"[Test {number}/{len(views)}] ") if len(views) > 1 else view
            for number, view in enumerate(views, start=1)
        ),
        variants=len(found),
        more=more,
        never=_never(composition, groups, blocks, found),
        always=_always(composition, groups, blocks, found),
    )


def _conditions_of_blocks(composition: Composition) -> list[tuple[int, ...]]:
    """Each set of conditions that stands over some block, once."""
    pages = [segment.conditions for segment in composition.html_segments]
    texts = [segment.conditions for segment in composition.text_segments]
    return list(dict.fromkeys(tuple(sorted(conditions)) for conditions in (*pages, *texts) if conditions))


def _keys(groups: Sequence[Cluster], count: int) -> Iterator[tuple[list[bool], tuple[Change, ...]]]:
    """Each combination of answers that somebody can give, with what makes a reader give it.

    First come as few as have each answer of each group in them, some of them then once more.
    """
    ways = [list(group.answers.items()) for group in groups]
    most = max(map(len, ways), default=1)
    first = (tuple(each[turn % len(each)] for each in ways) for turn in range(most))
    for chosen in itertools.chain(first, itertools.product(*ways)):
        key = [False] * count
        for group, (answers, _) in zip(groups, chosen, strict=True):
            for number, answer in zip(group.members, answers, strict=True):
                key[number] = answer
        yield key, tuple(change for _, changes in chosen for change in changes)


def _covering(shapes: Sequence[Shape]) -> list[Shape]:
    """Few shapes that together show each block and leave each out, as far as any do."""
    wanted = {(place, yes) for shape in shapes for place, yes in enumerate(shape)}
    kept: list[Shape] = []
    while wanted and len(kept) < MOST_SHOWN:
        best = max(shapes, key=lambda shape: len(wanted & set(enumerate(shape))))
        wanted -= set(enumerate(best))
        kept.append(best)
    return kept


def _never(
    composition: Composition, groups: Sequence[Cluster], blocks: Sequence[tuple[int, ...]], found: Iterable[Shape]
) -> tuple[tuple[str, ...], ...]:
    """The conditions of blocks that nobody was found to see."""
    seen = {place for shape in found for place, yes in enumerate(shape) if yes}
    return tuple(
        tuple(composition.conditions[number] for number in numbers)
        for place, numbers in enumerate(blocks)
        if place not in seen and not all(_can_hold(group, numbers) for group in groups)
    )


def _can_hold(group: Cluster, numbers: tuple[int, ...]) -> bool:
    """Whether somebody can fulfil at once those of the conditions that belong to a cluster."""
    places = [place for place, member in enumerate(group.members) if member in numbers]
    return any(all(answers[place] for place in places) for answers in group.answers)


def _always(
    composition: Composition, groups: Sequence[Cluster], blocks: Sequence[tuple[int, ...]], found: Iterable[Shape]
) -> tuple[str, ...]:
    """The conditions that hold for everybody who was found."""
    unseen = {place for shape in found for place, yes in enumerate(shape) if not yes}
    left_out = {numbers[0] for place, numbers in enumerate(blocks) if place in unseen and len(numbers) == 1}
    return tuple(
        composition.conditions[member]
        for group in groups
        for place, member in enumerate(group.members)
        if member not in left_out and all(answers[place] for answers in group.answers)
    )
