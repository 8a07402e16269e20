"""Random conditions, each with what a second, simpler interpreter says about it, and random people to ask about."""

from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import strategies as st

Person = dict[str, Any]
Spoken = tuple[str, Callable[[Person], Any]]
"""An expression as written, and what it is for a person, by the reference."""

# Few values, so that random people and random expressions meet.
TEXTS = st.sampled_from(
    ["", "KE", "ke", "K", "É", "e\u0301", "ß", "ΑΣ", "it's", 'say "x"', "\\", "a b", "𝒜", "\uffff", "}}", "{{"]
)
NUMBERS = st.sampled_from([0, 1, -1, 36, 36.5, 1.0, -0.5])
DAYS = st.sampled_from([date(2026, 1, 31), date(2026, 2, 1), date(1999, 12, 31)])
ATTRIBUTES = ["a", "b", "x y", "é"]

people = st.fixed_dictionaries(
    {},
    optional={
        "email": TEXTS,
        "first_name": st.none() | TEXTS,
        "country": st.none() | TEXTS,
        "tags": st.lists(TEXTS, max_size=3).map(tuple),
        "joined": st.none() | DAYS,
        "attributes": st.dictionaries(st.sampled_from(ATTRIBUTES), st.none() | TEXTS | NUMBERS | st.booleans()),
    },
)


def wrote(value: object) -> st.SearchStrategy[str]:
    """The ways to write a constant."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\")
        return st.sampled_from(['"' + escaped.replace('"', '\\"') + '"', "'" + escaped.replace("'", "\\'") + "'"])
    if isinstance(value, date):
        return st.just(f'"{value.isoformat()}"')
    return st.just(str(value).lower() if isinstance(value, bool) else str(value))


@st.composite
def constants(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Spoken:
    value = draw(values)
    return draw(wrote(value)), lambda _: value


@st.composite
def names(draw: st.DrawFn, kind: str) -> Spoken:
    """A name of a kind, perhaps filtered."""
    if kind == "text":
        name = draw(st.sampled_from(["email", "first_name", "country"]))
        source, value = name, lambda person: person.get(name)
    elif kind == "date":
        return "joined", lambda person: person.get("joined")
    else:
        name = draw(st.sampled_from(ATTRIBUTES))
        plain = f"attributes.{name}" if name.isidentifier() else f'attributes["{name}"]'
        source, value = (
            draw(st.sampled_from([plain, f"attributes['{name}']"])),
            lambda person: person.get("attributes", {}).get(name),
        )
    for chosen in draw(st.lists(st.sampled_from(["default", "upper", "lower"]), max_size=2)):
        value = change(chosen, value, default := draw(TEXTS))
        source += f" | {chosen}" + (f"({draw(wrote(default))})" if chosen == "default" else "")
    return source, value


def change(chosen: str, inner: Callable[[Person], Any], default: str) -> Callable[[Person], Any]:
    def changed(person: Person) -> Any:
        value = inner(person)
        if chosen == "default":
            return default if value in (None, "") else value
        return getattr(value, chosen)() if isinstance(value, str) else value

    return changed


def sort(value: object) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def compare(order: str, a: Any, b: Any) -> bool:
    """The reference for two values."""
    if order == "!=":
        return not compare("==", a, b)
    if a is None or b is None or sort(a) != sort(b):
        return False
    if order == "==":
        return bool(a == b)
    if isinstance(a, bool):
        return False
    signs = {-1: ("<", "<="), 0: ("<=", ">="), 1: (">", ">=")}
    if isinstance(a, str):  # by code point, spelt out
        a, b = [ord(c) for c in a], [ord(c) for c in b]
    return order in signs[(a > b) - (a < b)]


ORDERS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def comparisons(draw: st.DrawFn) -> Spoken:
    kind = draw(st.sampled_from(["text", "date", "any"]))
    left = draw(names(kind))
    written = {"text": TEXTS, "date": DAYS, "any": TEXTS | NUMBERS}[kind]
    same = names("text") | names("any") if kind != "date" else names("date")
    right = draw(constants(written) | same)
    order = draw(ORDERS)
    if draw(st.booleans()):
        left, right = right, left
    return f"{left[0]} {order} {right[0]}", lambda person: compare(order, left[1](person), right[1](person))


@st.composite
def nothings(draw: st.DrawFn) -> Spoken:
    name = draw(names("text") | names("date") | names("any"))
    if draw(st.booleans()):
        return f"{name[0]} == none", lambda person: name[1](person) is None
    return f"{name[0]} != None", lambda person: name[1](person) is not None


@st.composite
def memberships(draw: st.DrawFn) -> Spoken:
    kind = draw(st.sampled_from(["text", "date", "any"]))
    if draw(st.booleans()):
        name = draw(names(kind))
        written = {"text": TEXTS, "date": DAYS, "any": TEXTS | NUMBERS | st.booleans()}[kind]
        values = draw(st.lists(written, max_size=3))
        source = f"{name[0]} %s [{', '.join(draw(wrote(value)) for value in values)}]"
        return negatable(draw, source, lambda person: any(compare("==", name[1](person), value) for value in values))
    needle = draw(constants(TEXTS) | names("text") | names("any"))
    if draw(st.booleans()):
        return negatable(draw, f"{needle[0]} %s tags", lambda person: needle[1](person) in person.get("tags", ()))
    hay = draw(names("text") | names("any"))

    def inside(person: Person) -> bool:
        small, large = needle[1](person), hay[1](person)
        return isinstance(small, str) and isinstance(large, str) and large.find(small) >= 0

    return negatable(draw, f"{needle[0]} %s {hay[0]}", inside)


def negatable(draw: st.DrawFn, source: str, test: Callable[[Person], bool]) -> Spoken:
    if draw(st.booleans()):
        return source.replace("%s", "in", 1), test
    return source.replace("%s", "not in", 1), lambda person: not test(person)


@st.composite
def alone(draw: st.DrawFn) -> Spoken:
    bare = st.just(("tags", lambda person: person.get("tags")))
    source, value = draw(names("text") | names("date") | names("any") | bare | constants(st.booleans()))
    return source, lambda person: bool(value(person))


def joined_up(inner: st.SearchStrategy[Spoken]) -> st.SearchStrategy[Spoken]:
    def join(word: str, parts: list[Spoken]) -> Spoken:
        how = any if word == "or" else all
        return f" {word} ".join(f"({source})" for source, _ in parts), lambda person: how(
            [test(person) for _, test in parts]
        )

    def negate(part: Spoken) -> Spoken:
        return f"not ({part[0]})", lambda person: not part[1](person)

    return inner.map(negate) | st.builds(join, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))


conditions = st.recursive(alone() | comparisons() | nothings() | memberships(), joined_up, max_leaves=5)
