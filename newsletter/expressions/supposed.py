"""Readers as they are and as they could be: what somebody has in a field, and the same with other values."""

from collections.abc import Iterable, Mapping

from newsletter.expressions.tree import Person

Change = tuple[str, object]
"""A field as one writes it, or `tag:NAME`, and what is there."""


def changed(person: Person, changes: Iterable[Change]) -> dict[str, object]:
    """The same reader with other values in some fields."""
    made = dict(person)
    attributes = dict(_mapping(made.get("attributes")))
    tags = list(tags_of(made))
    for name, value in changes:
        if name.startswith("tag:"):
            tag = name.removeprefix("tag:")
            tags = [kept for kept in tags if kept != tag] + ([tag] if value else [])
        elif name.startswith("attributes"):
            key = _attribute_name(name)
            attributes.pop(key, None)
            if value is not None:
                attributes[key] = value
        else:
            made[name] = value
    return made | {"tags": tuple(tags), "attributes": attributes}


def told(changes: Iterable[Change]) -> str:
    """What makes a reader answer so, in words: `country KE, tagged researcher, no first_name`."""
    words = []
    for name, value in changes:
        if name.startswith("tag:"):
            words.append(f"{'tagged' if value else 'not tagged'} {name.removeprefix('tag:')}")
        elif value is None:
            words.append(f"no {name}")
        else:
            words.append(f"{name} {str(value).lower() if isinstance(value, bool) else value}")
    return ", ".join(words)


def now_of(person: Person, name: str) -> object:
    """What a reader has in a field; None for a value that a real one could not have there."""
    if name.startswith("tag:"):
        return name.removeprefix("tag:") in tags_of(person)
    if name.startswith("attributes"):
        return _mapping(person.get("attributes")).get(_attribute_name(name))
    return person.get(name)


def tags_of(person: Person) -> tuple[str, ...]:
    """The tags that a reader has."""
    tags = person.get("tags")
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, tuple | list) else ()


def _attribute_name(name: str) -> str:
    """The name of an own field, from how one writes it: `attributes.NAME` or `attributes["NAME"]`."""
    if name.startswith("attributes."):
        return name.removeprefix("attributes.")
    inner = name.removeprefix('attributes["').removesuffix('"]')
    return inner.replace('\\"', '"').replace("\\\\", "\\")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
