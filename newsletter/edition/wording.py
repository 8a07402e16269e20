"""Tells a writer what is wrong with an edition, in the writer's words and at the writer's line.

Pydantic finds what the models do not allow; here each of its errors becomes one finding, or several, or none where
another finding says the same better.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from newsletter.config.nearest import nearest
from newsletter.edition.blocks import KINDS, AnyBlock, ImageRef, Link, LinkItem, Stat
from newsletter.edition.model import Edition, Loc
from newsletter.edition.problems import Problem
from newsletter.edition.tree import Document, Mapping, Node, Scalar, Sequence, Unread
from newsletter.errors import Finding, Severity

_LISTED_KINDS: Final = f"{', '.join(list(KINDS)[:-1])} or {list(KINDS)[-1]}"
_PARTS: Final[dict[str, type[BaseModel]]] = {"link": Link, "image": ImageRef}
_EXAMPLES: Final = {
    "kind": "kind: text",
    "starts": "starts: 2026-03-31",
    "url": "url: https://…",
    "src": "src: images/name.png",
}
_LONGEST_NAME: Final = 40
MOST_ERRORS: Final = 500
"""Errors that are told about one file; whoever made more has other problems."""


@dataclass(frozen=True)
class Place:
    """Where findings about one file are: the file's name for its writer, and what was read of it."""

    file: str
    document: Document

    def finding(  # noqa: PLR0913 the place and the words
        self,
        loc: Loc,
        rule: str,
        what: str,
        fix: str = "",
        severity: Severity = Severity.MUST_FIX,
        *,
        offset: int | None = None,
        on_name: bool = False,
    ) -> Finding:
        """A finding about the part that `loc` leads to.

        Args:
            loc: The way to the part; where it leads to nothing, the finding is about what should hold it.
            rule: The rule's name.
            what: What is wrong.
            fix: What to do.
            severity: How much it matters.
            offset: Which character of the part's text is meant.
            on_name: Whether the field's name is meant and not its value.
        """
        node, at = self.document.at(loc)
        if on_name and loc:
            holder, _ = self.document.at(loc[:-1])
            if isinstance(holder, Mapping) and loc[-1] in holder.entries:
                at = holder.entries[str(loc[-1])].start
        elif offset is not None and isinstance(node, Scalar):
            at = self.document.inside(node, offset)
        line, column = self.document.position(at)
        return Finding(
            rule=rule,
            what=what,
            fix=fix,
            severity=severity,
            file=self.file,
            line=line,
            column=column,
            block=block_in_words(self.document, loc),
        )


def block_in_words(document: Document, loc: Loc) -> str | None:
    """The block that a way leads through, like `block 4, columns, column 2, block 1, text`; None outside of blocks."""
    words: list[str] = []
    for length, step in enumerate(loc, 1):
        if not isinstance(step, int):
            continue
        holder = loc[length - 2] if length > 1 else None
        if holder == "blocks" or (length > 2 and loc[length - 3] == "columns" and isinstance(holder, int)):
            words.append(f"block {step + 1}")
            words += _kind_in_words(document.at(loc[:length])[0])
        elif holder == "columns":
            words.append(f"column {step + 1}")
    return ", ".join(words) or None


def _kind_in_words(node: Node | None) -> list[str]:
    kind = _text(node, "kind")
    if kind is None or kind not in KINDS:
        return []
    name = _text(node, KINDS[kind].named_by or "")
    if not name or not name.strip():
        return [kind]
    name = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in name)).strip()
    return [f"{kind} «{name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + '…'}»"]


def _text(node: Node | None, name: str) -> str | None:
    entry = node.entries.get(name) if isinstance(node, Mapping) else None
    return entry.value.value if entry and isinstance(entry.value, Scalar) else None


def tell(errors: Iterable[AnyMapping[str, Any]], place: Place) -> list[Finding]:
    """Pydantic's errors about an edition as findings.

    Args:
        errors: What `ValidationError.errors()` gives, with contexts.
        place: The file.
    """
    return _Teller(place, list(itertools.islice(errors, MOST_ERRORS))).tell()


class _Teller:
    """Tells the errors of one file."""

    def __init__(self, place: Place, errors: list[AnyMapping[str, Any]]) -> None:
        self.place = place
        self.document = place.document
        self.errors = [(str(error["type"]), self._loc(error["loc"]), error.get("ctx", {})) for error in errors]
        self.meant: set[Loc] = set()  # fields that are there under a wrong name

    def tell(self) -> list[Finding]:
        found: list[Finding] = []
        for kind, loc, _ in self.errors:
            if kind == "extra_forbidden" and not self._unread(loc):
                found.append(self._unknown_field(loc))
        for kind, loc, context in self.errors:
            if kind != "extra_forbidden" and not self._unread(loc):
                found += self._tell(kind, loc, context)
        return found

    def _loc(self, loc: tuple[str | int, ...]) -> Loc:
        """The way to a part, without the kinds that Pydantic puts into it after each block's number."""
        way: list[str | int] = []
        tag = False
        for step in loc:
            if tag and isinstance(step, str):
                tag = False
                continue
            way.append(step)
            tag = isinstance(step, int) and (way[-2:-1] == ["blocks"] or way[-3:-2] == ["columns"])
        return tuple(way)

    def _unread(self, loc: Loc) -> bool:
        """Whether this part was wrong in itself, and has been told so."""
        return any(isinstance(self.document.at(loc[:length])[0], Unread) for length in range(len(loc) + 1))

    # One error each

    def _tell(self, kind: str, loc: Loc, context: AnyMapping[str, Any]) -> list[Finding]:
        node = self.document.at(loc)[0]
        if kind == "edition_text":
            return self._problems(loc, context["problems"])
        if kind == "missing":
            return self._missing(loc)
        if kind in {"too_short", "too_long"}:
            return self._number_of_parts(kind, loc, node, context)
        if kind == "literal_error":
            return [self._choice(loc, str(context.get("expected", "")), node)]
        if isinstance(node, Scalar) and node.value is None and _field(loc) and not kind.startswith("union"):
            return [self._one(loc, "empty", f"{_field(loc) or 'This'} is empty.", _what_to_write(loc))]
        ways: dict[str, Callable[[Loc, Node | None], Finding]] = {
            "union_tag_not_found": self._kind,
            "union_tag_invalid": self._kind,
            "model_attributes_type": self._not_fields,
            "model_type": self._not_fields,
            "tuple_type": self._not_a_list,
            "string_type": self._not_a_text,
            "bool_type": self._not_true_or_false,
            "bool_parsing": self._not_true_or_false,
        }
        return [ways.get(kind, self._unusable)(loc, node)]

    def _problems(self, loc: Loc, problems: Iterable[Problem]) -> list[Finding]:
        name = f"{_field(loc)}: "
        return [self.place.finding(loc, p.rule, name + p.what, p.fix, offset=p.offset) for p in problems]

    def _not_true_or_false(self, loc: Loc, _: Node | None) -> Finding:
        return self._one(loc, "choice", f"{_field(loc)} can only be true or false.", "Write true or false.")

    def _unusable(self, loc: Loc, _: Node | None) -> Finding:
        what = f"{_field(loc) or 'This'} cannot be used as it is."
        return self._one(loc, "value", what, "Compare it with `newsletter schema`.")

    def _one(self, loc: Loc, rule: str, what: str, fix: str, *, on_name: bool = False) -> Finding:
        return self.place.finding(loc, rule, what, fix, on_name=on_name)

    def _unknown_field(self, loc: Loc) -> Finding:
        name, holder = str(loc[-1]), self._model(loc[:-1])
        known = _names(holder)
        what = f"There is no field «{name[:60]}» in {_called(holder)}."
        node, _ = self.document.at(loc[:-1])
        there = set(node.entries) if isinstance(node, Mapping) else set()
        start = name.partition(":")[0].strip()
        near = nearest(name, [known_name for known_name in known if known_name not in there])
        if ":" in name and start in known:
            self.meant.add((*loc[:-1], start))
            return self._one(
                loc, "unknown-field", "A blank is missing after the colon.", f"Write {start}: …", on_name=True
            )
        if name.startswith("-") and name.lstrip("- ") in known:
            fix = "Write a blank after the dash; each block begins with a dash: - kind: …"
            return self._one(loc, "unknown-field", "A blank is missing after the dash.", fix, on_name=True)
        if near:
            self.meant.add((*loc[:-1], near))
            return self._one(loc, "unknown-field", what, f"Write {near}.", on_name=True)
        fix = f"Its fields are {', '.join(known)}."
        return self._one(loc, "unknown-field", what, fix, on_name=True)

    def _missing(self, loc: Loc) -> list[Finding]:
        if loc in self.meant:
            return []
        name = str(loc[-1])
        holder = _called(self._model(loc[:-1]))
        what = f"The field «{name}» is missing: {holder} needs it."
        return [self._one(loc, "missing-field", what, f"Add a line {_EXAMPLES.get(name, f'{name}: …')}")]

    def _kind(self, loc: Loc, node: Node | None) -> Finding:
        after = "What else may be wrong in this block shows after that."
        if not isinstance(node, Mapping):
            return self._not_fields(loc, node)
        entry = node.entries.get("kind")
        if entry is None:
            near = next((name for name in node.entries if nearest(name, ["kind", "type"])), None)
            if near:
                return self._one(
                    (*loc, near),
                    "missing-kind",
                    f"The field «{near[:60]}» is called kind.",
                    f"Write kind: … {after}",
                    on_name=True,
                )
            fix = f"Begin it with - kind: and one of {_LISTED_KINDS}. {after}"
            return self._one(loc, "missing-kind", "This block does not say what kind it is.", fix)
        loc = (*loc, "kind")
        kind = entry.value.value if isinstance(entry.value, Scalar) else None
        if kind == "columns" and "columns" in loc[:-2]:
            fix = "Write the blocks of the inner columns one after the other."
            return self._one(loc, "unknown-kind", "Columns cannot stand inside columns.", fix)
        if kind is None:
            return self._one(
                loc, "unknown-kind", "The kind of this block must be one word.", f"Write {_LISTED_KINDS}. {after}"
            )
        near = nearest(kind, KINDS)
        fix = f"Write kind: {near}." if near else f"Write {_LISTED_KINDS}."
        return self._one(loc, "unknown-kind", f"There is no kind of block «{kind[:60]}».", f"{fix} {after}")

    def _not_fields(self, loc: Loc, node: Node | None) -> Finding:
        name = _field(loc)
        if not loc:
            what = "This file holds no fields." if node else "This file is empty."
            return self._one(loc, "not-fields", what, "Begin it with title: …, subject: … and blocks:")
        if name:
            known = _names(self._model(loc))
            what = f"{name} must have fields of its own, but there is {_sort(node)}."
            lines = " and ".join(f"{field}: …" for field in known[:2])
            return self._one(
                loc, "not-fields", what, f"Write under it {lines}, each on its own line with two more blanks before it."
            )
        what = f"A block must have fields, but there is {_sort(node)}."
        shown = (
            f" For a text write - kind: text and under it body: {node.text[:40]}"
            if isinstance(node, Scalar) and node.value
            else ""
        )
        return self._one(loc, "not-fields", what, f"Begin it with - kind: and one of {_LISTED_KINDS}.{shown}")

    def _not_a_list(self, loc: Loc, node: Node | None) -> Finding:
        name = _field(loc) or "This column"
        what = f"{name} must be a list, but there is {_sort(node)}."
        fix = "Write a dash and a blank before each part, each on its own line."
        if loc[-1] == "blocks":
            fix = "Begin each block with a dash: - kind: …"
        elif isinstance(loc[-1], int):
            fix = "Write one more dash before each of its blocks: - - kind: …"
        elif loc[-1] in {"topics", "silence"} and isinstance(node, Scalar):
            fix = f"Write {loc[-1]}: [{node.text[:60]}]"
        return self._one(loc, "not-a-list", what, fix, on_name=True)

    def _not_a_text(self, loc: Loc, node: Node | None) -> Finding:
        name = _field(loc) or "This"
        what = f"{name} must be a text, but there is {_sort(node)}."
        fix = "Write the text right after the colon."
        if isinstance(node, Mapping) and len(node.entries) == 1 and (line := self.document.line_at(node.start)):
            if "{" not in line:
                fix = f'If the colon belongs to the text, put the text in quotes: "{line[:80]}"'
        elif isinstance(node, Sequence):
            fix = "Write one text without a dash or square brackets; if they belong to the text, put it in quotes."
        return self._one(loc, "not-a-text", what, fix)

    def _number_of_parts(self, kind: str, loc: Loc, node: Node | None, context: AnyMapping[str, Any]) -> list[Finding]:
        least, most = context.get("min_length", 0), context.get("max_length")
        there = len(node.items) if isinstance(node, Sequence) else 0
        if kind == "too_short" and there >= least:
            return []  # Pydantic counts only the parts that are right, and the others have been told
        return [self._wrong_number(loc, there, least, most)]

    def _wrong_number(self, loc: Loc, there: int, least: int, most: object) -> Finding:
        name = _field(loc) or "This column"
        if loc[-1] == "columns":
            what = f"There {'is 1 column' if there == 1 else f'are {there} columns'}; there can be two or three."
            return self._one(
                loc, "number-of-parts", what, "Each column is a list of blocks, with a dash of its own.", on_name=True
            )
        if there < least:
            fix = (
                "Begin a block with - kind: …" if loc[-1] == "blocks" or not _field(loc) else f"Write at least {least}."
            )
            return self._one(loc, "empty", f"{name} is empty.", fix, on_name=True)
        what = f"{name} has more than {most} parts."
        return self._one(loc, "number-of-parts", what, "Take some out, or make two of it.", on_name=True)

    def _choice(self, loc: Loc, expected: str, node: Node | None) -> Finding:
        choices = re.findall(r"[\w-]+", expected.replace(" or ", " "))
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        written = node.text[:60] if isinstance(node, Scalar) else ""
        near = nearest(written, choices)
        what = f"{_field(loc)} cannot be «{written}»." if written else f"{_field(loc)} must be one word."
        return self._one(loc, "choice", what, f"Write {near}." if near else f"Write {listed}.")

    def _model(self, loc: Loc) -> type[BaseModel] | None:
        """The model of the part that a way leads to; None if it is not known."""
        if not loc:
            return Edition
        if isinstance(loc[-1], str):
            return _PARTS.get(loc[-1])
        if loc[-2] == "items":
            return LinkItem if _text(self.document.at(loc[:-2])[0], "kind") == "links" else Stat
        return KINDS.get(_text(self.document.at(loc)[0], "kind") or "")


def _field(loc: Loc) -> str:
    """The field that a way leads to, from its block on, like `link.url` or `items 2.label`; empty for a block."""
    start = 0
    for length, step in enumerate(loc, 1):
        if isinstance(step, int) and (
            loc[length - 2] in {"blocks", "columns"} or loc[length - 3 : length - 2] == ("columns",)
        ):
            start = length
    words = ""
    for step in loc[start:]:
        words += f" {step + 1}" if isinstance(step, int) else f".{step}" if words else step
    return words


def _names(model: type[BaseModel] | None) -> list[str]:
    """The names of a model's fields as files have them, those that every block has at the end."""
    names = (
        {field.alias or name: name in AnyBlock.model_fields for name, field in model.model_fields.items()}
        if model
        else {}
    )
    return sorted(names, key=lambda name: names[name])


def _called(model: type[BaseModel] | None) -> str:
    if model is None or model is Edition:
        return "an edition"
    if issubclass(model, AnyBlock):
        kind = next(kind for kind, known in KINDS.items() if known is model)
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} block"
    return {Link: "a link", ImageRef: "an image", LinkItem: "a line of links", Stat: "a figure"}[model]


def _what_to_write(loc: Loc) -> str:
    if loc and loc[-1] == "alt":
        return 'Say in words what the picture shows; write "" if it only decorates.'
    if loc and loc[-1] == "blocks":
        return "Begin each block with a dash: - kind: …"
    return "Write something after the colon."


def _sort(node: Node | None) -> str:
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a part with fields of its own"
        case Scalar() if node.value is not None:
            return "a text"
        case _:
            return "nothing"
