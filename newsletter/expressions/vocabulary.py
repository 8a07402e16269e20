"""Knows what people write where the small language says something else, and tells them what it says.

The errors made here have no place yet; the caller knows it and raises them.
"""

import difflib

from jinja2 import nodes

from newsletter.errors import ExpressionError
from newsletter.expressions.slips import WORDS, quoted
from newsletter.expressions.tree import FIELDS, FILTERS

_NAMES = {
    "name": "first_name", "fname": "first_name", "forename": "first_name", "given_name": "first_name",
    "lname": "last_name", "surname": "last_name", "family_name": "last_name",
    "mail": "email", "address": "email", "email_address": "email", "lang": "language", "locale": "language",
    "tag": "tags", "topics": "tags", "groups": "tags", "date": "joined", "subscribed": "joined", "signup": "joined",
    "null": "none", "nil": "none", "undefined": "none", "none": "none",
    "true": "true", "yes": "true", "false": "false", "no": "false",
}  # fmt: skip
_FILTERS = {
    "capitalize": "title", "capitalise": "title", "titlecase": "title", "uppercase": "upper", "lowercase": "lower",
    "d": "default", "fallback": "default", "format_date": "date", "strftime": "date", "dateformat": "date",
}  # fmt: skip
_ESCAPING = frozenset({"safe", "escape", "e", "forceescape", "striptags", "urlencode"})
_JOINING = frozenset({"join", "list", "sort"})


def unknown_name(name: str) -> ExpressionError:
    """The error for a name that is no field."""
    if name in WORDS or name == "is":
        return ExpressionError(f"A value is missing before «{name}».", fix='For example "researcher" in tags.')
    if name == "attributes":
        return ExpressionError("An own field needs its name.", fix="Write attributes.NAME with the name of the field.")
    low = name.lower()[:60]
    near = (
        [low]
        if low in FIELDS
        else [_NAMES[low]]
        if low in _NAMES
        else difflib.get_close_matches(low, FIELDS, n=1, cutoff=0.7)
    )
    fix = f"Did you mean {near[0]}?" if near else _ways_to_write(name[:30])
    return ExpressionError(f"{quoted(name)} is not a name known here.", fix=fix)


def _ways_to_write(word: str) -> str:
    known = ", ".join(FIELDS)
    return f'A text stands in quotes: "{word}". An own field is written attributes.{word}. Known names: {known}.'


def unknown_filter(name: str) -> ExpressionError:
    """The error for a filter that does not exist."""
    low = name.lower()[:60]
    near = [_FILTERS[low]] if low in _FILTERS else difflib.get_close_matches(low, FILTERS, n=1)
    if low in _ESCAPING:
        fix = "Leave it out: every value is made safe for the place where it stands."
    elif low in _JOINING:
        fix = "Leave it out: tags are shown with commas between them."
    else:
        fix = f"Did you mean {near[0]}?" if near else f"Known filters: {', '.join(FILTERS)}."
    return ExpressionError(f"There is no filter {quoted(name)}.", fix=fix)


def unknown_construct(tree: nodes.Node) -> ExpressionError:  # noqa: PLR0911 - one answer for each construct
    """The error for a construct of Jinja's that the small language does not have."""
    match tree:
        case nodes.Call(node=called, args=arguments):
            return ExpressionError("Calls are no part of this language.", fix=_instead_of_call(called, arguments))
        case nodes.Test(name="none"):
            return ExpressionError("«is none» is no part of this language.", fix="Write == none, or != none.")
        case nodes.Test(name=name):
            fix = "A name alone is true when there is a value; to compare write == or !=."
            return ExpressionError(f"{quoted(f'is {name}')} is no part of this language.", fix=fix)
        case nodes.Concat() | nodes.Add():
            fix = "Write two slots next to each other: {{ first_name }} {{ last_name }}."
            return ExpressionError("Values cannot be added.", fix=fix)
        case nodes.BinExpr() | nodes.UnaryExpr():
            fix = 'A name with a hyphen is written attributes["my-field"], a text stands in quotes.'
            return ExpressionError("Values can be compared, not computed.", fix=fix)
        case nodes.Dict():
            return ExpressionError(
                "Curly brackets are no part of an expression.", fix='A list is written ["KE", "UG"].'
            )
        case _:
            return ExpressionError(
                "This is no part of this language.", fix='Write a value, or a condition such as country == "KE".'
            )


def _instead_of_call(called: nodes.Expr, arguments: list[nodes.Expr]) -> str:
    match called, arguments:
        case nodes.Name(name=name), [nodes.Name(name=value), *_] if name in FILTERS:
            return f"Write {value} | {name}."
        case nodes.Getattr(node=nodes.Name(name=value), attr=name), _ if name in FILTERS:
            return f"Write {value} | {name}."
        case nodes.Getattr(node=nodes.Name(name="attributes")), _:
            return "Write attributes.NAME."
        case nodes.Getattr(), _:
            return 'To look inside a text write "@example.org" in email; among the tags, "researcher" in tags.'
    return "Filters stand behind the value: first_name | upper."
