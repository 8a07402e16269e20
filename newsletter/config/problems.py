"""Turns what Pydantic finds wrong with settings into findings: the place, plain words, the nearest name that exists."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from newsletter.config.environment import bare
from newsletter.config.nearest import nearest
from newsletter.config.places import Path, Places
from newsletter.config.settings import Settings
from newsletter.config.values import shown
from newsletter.errors import Finding

_WANTED: Final = {
    "string": ("a text", 'Write it between quotation marks: "…".'),
    "int": ("a whole number", "Write digits only."),
    "bool": ("true or false", "Write true or false, without quotation marks."),
    "tuple": ("a list", 'Write it between brackets: ["…", "…"].'),
    "dict": ("a table", "Give it a heading of its own in brackets, and its settings below."),
    "model": ("a table", "Give it a heading of its own in brackets, and its settings below."),
}


_MOST: Final = 50  # mistakes told at once; more would only hide the first


def explain(error: ValidationError, places: Places, model: type[BaseModel] = Settings) -> Iterator[Finding]:
    """Each mistake that Pydantic found in a file of settings, or in another with a model of its own, at its place."""
    unmade = "default_factory_not_called"  # follows from another mistake, which is told
    details_of_all = [details for details in error.errors(include_url=False) if details["type"] != unmade]
    for details in details_of_all[:_MOST]:
        path = tuple(details["loc"])
        if path[-1:] == ("[key]",):  # a name of a table with free names: the path holds it already
            path = path[:-1]
        context: Mapping[str, Any] = details.get("ctx", {})
        rule, what, fix = _words(details, path, context, model)
        yield places.finding(path, rule=rule, what=what, fix=fix)
    if more := len(details_of_all[_MOST:]):
        what = f"There are {more:,} more mistakes in this file."
        yield Finding(rule="more", what=what, fix="Set these right first.", file=places.file)


def _words(  # noqa: PLR0911 one sort of mistake each
    details: ErrorDetails, path: Path, context: Mapping[str, Any], model: type[BaseModel]
) -> tuple[str, str, str]:
    """Rule, what is wrong, and what to do."""
    sort, name, value = details["type"], label(path), details["input"]
    if sort == "refused":
        what = context["what"]
        return context["rule"], f"{name}{what if what.startswith(':') else f' {what}'}", context["fix"]
    if sort == "extra_forbidden":
        return _unknown(path, value, model)
    if sort == "missing":
        return "missing", *_missing(path)
    if sort == "literal_error":
        known = _choices(path, model)
        guess = nearest(str(value), known) if isinstance(value, str) else None
        fix = f"{f'Did you mean «{guess}»? ' if guess else ''}Write one of: {', '.join(known)}."
        return "choice", f"{name}: {_seen(value)} is not one of the words known here.", fix
    if bound := next((key for key in ("ge", "le", "gt", "lt") if key in context), None):
        side = "at least" if bound in {"ge", "gt"} else "at most"
        return "range", f"{name}: {_seen(value)} is out of range.", f"It must be {side} {context[bound]}."
    if sort == "too_short":
        return "missing", "There is no list that people can subscribe to.", f"Add a table {_EXAMPLES['lists']}"
    wanted = next((key for key in _WANTED if sort.startswith(key)), "string")
    kind, fix = _WANTED[wanted]
    return "kind", f"{name} must be {kind}; {_seen(value)} is not.", fix


def label(path: Path) -> str:
    """A setting in words: `base_url in [newsletter]`, `url of entry 2 of links in [footer]`."""
    if len(path) == 1:
        return f"[{path[0]}]"
    names = list(path)
    number = next((at for at, key in enumerate(names) if isinstance(key, int)), None)
    end = len(names) - 1 if number is None else number - 1
    table = ".".join(str(key) for key in names[:end])
    words = str(names[end])[:60]
    for key in names[end + 1 :]:
        words = f"entry {key + 1} of {words}" if isinstance(key, int) else f"{key} of {words}"
    return f"{words} in [{table}]" if table else words


_EXAMPLES: Final = {
    "newsletter": '[newsletter] with name = "…" and base_url = "https://…".',
    "identity": '[identity] with from = "Name <name@example.org>" and postal_address = "…".',
    "lists": '[lists.community] with title = "…".',
}
_MISSING: Final = {
    ("newsletter", "name"): 'Add: name = "…", as readers know the newsletter.',
    ("newsletter", "base_url"): 'Add: base_url = "https://news.example.org", where its pages answer.',
    ("identity", "from"): 'Add: from = "Name <name@example.org>".',
    ("identity", "postal_address"): 'Add: postal_address = "street, town, country"; the law asks for it.',
}


def _missing(path: Path) -> tuple[str, str]:
    if len(path) == 1:
        return f"The table [{path[0]}] is missing.", f"Add a table {_EXAMPLES.get(str(path[0]), f'[{path[0]}].')}"
    return f"{label(path)} is missing.", _MISSING.get(cast("Any", path), f'Add: {path[-1]} = "…".')


def _seen(value: object) -> str:
    """A value in an error: short, and only if it is plain."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, bool | int | float):
        return f"{value}".lower()
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else "this"


def _unknown(path: Path, value: object, model: type[BaseModel]) -> tuple[str, str, str]:
    table, key = path[:-1], str(path[-1])
    known = fields(table, model)
    kind = "table" if isinstance(value, dict) else "setting"
    inside = f" in {_table(table)}" if table else ""
    what = f"There is no {kind} «{shown(key)[1:-1]}»{inside}."
    if guess := nearest(key, known):
        return f"unknown-{kind}", what, f"Did you mean «{guess}»?"
    homes = _homes(key, model)
    within = [home for home in homes if table and home[: len(table)] == table]  # [sender.smtp] before [web]
    if homes:
        names = [f"[{'.'.join(str(part) for part in home)}]" for home in within or homes]
        return f"unknown-{kind}", what, f"It belongs in {' or '.join(names)}."
    return f"unknown-{kind}", what, f"Known here: {', '.join(known)}."


def _table(path: Path) -> str:
    return label(path) if any(isinstance(key, int) for key in path) else f"[{'.'.join(str(key) for key in path)}]"


def _annotation(path: Path, model: type[BaseModel]) -> Any:
    """The type of a setting."""
    annotation: Any = model
    for key in path:
        annotation = bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            by_name = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
            annotation = by_name.get(str(key))
        elif get_origin(annotation) in {dict, tuple}:
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
        else:
            return None
    return bare(annotation)


def fields(path: Path, model: type[BaseModel] = Settings) -> list[str]:
    """The settings that a table knows."""
    table = _annotation(path, model)
    if isinstance(table, type) and issubclass(table, BaseModel):
        return [field.alias or name for name, field in table.model_fields.items()]
    return []


def _choices(path: Path, model: type[BaseModel]) -> list[str]:
    return [str(choice) for choice in get_args(_annotation(path, model))]


def _homes(key: str, model: type[BaseModel]) -> list[Path]:
    """The tables that do know a setting of this name."""
    tables: list[Path] = [(name,) for name in fields((), model)]
    tables += [(*table, name) for table in tables for name in fields(table, model) if fields((*table, name), model)]
    return [table for table in tables if key in fields(table, model)]
