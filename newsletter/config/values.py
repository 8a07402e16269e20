"""The kinds of values that settings hold, each read strictly and refused in words that say what to write instead."""

import base64
import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from newsletter.config.nearest import nearest
from newsletter.errors import ExpressionError
from newsletter.expressions import parse_expression

_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3_600),
    **dict.fromkeys(("d", "day"), 86_400),
}
_DURATION = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})? ?[a-z]+(?:[ ,]+(?=\d)|$|(?=\d)))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)", re.ASCII)
_RATE = re.compile(r"(\d{1,7}) ?(?:/|per) ?(s|sec|second|min|minute|h|hour)", re.ASCII)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.ASCII | re.IGNORECASE)
# RFC 5646 section 2.1: language, script, region, variants; extensions and private use have no use in a newsletter
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*",
    re.ASCII | re.IGNORECASE,
)
_FONT = re.compile(r"-?[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*", re.ASCII | re.IGNORECASE)

LONGEST_HOLD: Final = dt.timedelta(days=7)
FONT_STACKS: Final = {
    "sans": "Helvetica Neue, Helvetica, Arial, sans-serif",
    "system": "-apple-system, BlinkMacSystemFont, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
    "humanist": "Seravek, Gill Sans Nova, Optima, Candara, Verdana, sans-serif",
    "geometric": "Avenir Next, Avenir, Century Gothic, Futura, Arial, sans-serif",
    "rounded": "ui-rounded, Arial Rounded MT Bold, Nunito, Trebuchet MS, Arial, sans-serif",
    "serif": "Georgia, Cambria, Times New Roman, Times, serif",
    "bookish": "Iowan Old Style, Palatino Linotype, Palatino, Book Antiqua, Georgia, serif",
    "slab": "Rockwell, Rockwell Nova, Roboto Slab, Georgia, serif",
}
"""Names for fonts that readers' machines have already; nothing is ever fetched."""

_GENERIC: Final = frozenset({"serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui"})
_COLOUR_NAMES: Final = {"black": "#000000", "white": "#ffffff", "red": "#c62828", "green": "#2e7d32", "blue": "#1565c0"}


def refuse(what: str, fix: str = "", rule: str = "setting") -> PydanticCustomError:
    """The error that a validator raises.

    Args:
        what: What is wrong; the setting's name is put before it, so it begins with a verb or a colon.
        fix: What to write instead.
        rule: For the finding.
    """
    return PydanticCustomError("refused", "{what}", {"what": what, "fix": fix, "rule": rule})


def shown(text: str) -> str:
    """A value as an error may show it: short, and with nothing that moves the cursor."""
    safe = "".join(character if character.isprintable() else "�" for character in text)
    return f"«{safe if len(safe) <= 60 else f'{safe[:59]}…'}»"


def _text(most: int, *, lines: bool = False, empty: bool = False) -> Callable[[str], str]:
    """Reads plain text: composed (NFC), stripped, with nothing invisible in it."""

    def read(value: str) -> str:
        text = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
        if not text and not empty:
            raise refuse("is empty.", "Write something between the quotes.", "empty")
        if "\n" in text and not lines:
            raise refuse("has more than one line.", "Write it on one line.")
        if match := UNSEEN.search(text):
            raise refuse(f"holds an invisible character (U+{ord(match[0]):04X}).", "Type the words around it anew.")
        if "\t" in text and not lines:
            raise refuse("holds a tab.", "Use a blank instead.")
        if len(text) > most:
            raise refuse(f"has {len(text):,} characters; {most:,} are the most.", "Shorten it.")
        return text

    return read


def parse_duration(text: str) -> dt.timedelta:
    """Read `60 s`, `2 min`, `1 h 30 min` or `1 day`; also `0`.

    Raises:
        ValueError: It is none; the message says what to write.
    """
    cleaned = text.strip().lower()
    if cleaned == "0":
        return dt.timedelta()
    advice = "Write a number and a unit, like 60 s, 2 min or 1 h."
    if not _DURATION.fullmatch(cleaned):
        raise ValueError(f"{shown(text)} is not a length of time. {advice}")
    seconds = 0.0
    for number, unit in _PART.findall(cleaned):
        name = unit if unit in _UNITS else unit.removesuffix("s")
        if name not in _UNITS:
            raise ValueError(f"{shown(unit)} is not a unit of time. {advice}")
        seconds += float(number) * _UNITS[name]
    return dt.timedelta(seconds=seconds)


def _hold(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and value != 0:
        raise refuse(f": {value} has no unit.", f'Write one: "{value} s" or "{value} min".', "duration")
    if not isinstance(value, str | int | float):
        return value
    try:
        hold = parse_duration(str(value))
    except ValueError as error:
        what, _, fix = str(error).partition(". ")
        raise refuse(f": {what}.", fix, "duration") from None
    if hold > LONGEST_HOLD:
        raise refuse("is longer than 7 days.", "Send later with --at instead.", "duration")
    return hold


def _span(value: object) -> object:
    """A length of time in days or longer units, from an hour to ten years."""
    if isinstance(value, dt.timedelta):
        return value
    try:
        span = parse_duration(str(value))
    except ValueError as error:
        what, _, fix = str(error).partition(". ")
        raise refuse(f": {what}.", fix.replace("60 s, 2 min or 1 h", "90 days"), "duration") from None
    if not dt.timedelta(hours=1) <= span <= dt.timedelta(days=3660):
        raise refuse("is shorter than an hour, or longer than ten years.", "Write it like 90 days.", "duration")
    return span


def _public_key(value: str) -> str:
    """An ECDSA key as SendGrid shows it: Base64 of its SubjectPublicKeyInfo (RFC 5480), without lines around it."""
    text = "".join(line for line in value.split() if line)
    text = re.sub(r"-----(?:BEGIN|END)PUBLICKEY-----", "", text)
    fix = "Copy it from Settings, Mail Settings, Event Webhook, Signature Verification."
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise refuse(" is not a public key.", fix) from None
    if not 80 <= len(raw) <= 200:
        raise refuse(" is not a public key of this kind.", fix)
    return text


def _rate(value: object) -> float:
    text = str(value).strip().lower()
    match = _RATE.fullmatch(text)
    if not match or int(match[1]) == 0:
        raise refuse(f": {shown(text)} is not a rate.", 'Write messages per second or per hour: "14/s" or "3000/h".')
    return int(match[1]) / _UNITS[match[2]]


def _postal_address(value: str) -> str:
    text = "\n".join(line.strip() for line in _text(1_000, lines=True)(value).splitlines())
    if not any(character.isalpha() for character in text):
        raise refuse("holds no address.", "The law asks for the postal address of who sends: street, town, country.")
    return text


def _language(value: str) -> str:
    text = value.strip()
    if not _LANGUAGE.fullmatch(text):
        hyphens = text.replace("_", "-")
        fix = f"Write {_cased(hyphens)}." if _LANGUAGE.fullmatch(hyphens) else "Write a code like en, fr, pt-BR or ar."
        raise refuse(f": {shown(value)} is not the code of a language.", fix)
    return _cased(text)


def _cased(tag: str) -> str:
    """A language tag written as RFC 5646 section 2.1.1 recommends."""
    first, *rest = tag.lower().split("-")
    cased = (
        part.upper() if len(part) == 2 else part.title() if len(part) == 4 and part.isalpha() else part for part in rest
    )
    return "-".join([first, *cased])


def _timezone(value: str) -> str:
    text = value.strip()
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        from zoneinfo import available_timezones  # noqa: PLC0415 reads a folder; only for the advice

        names = available_timezones()
        towns = {name.rpartition("/")[2].lower(): name for name in sorted(names)}
        guess = towns.get(text.replace(" ", "_").lower()) or nearest(text, names)
        fix = f"Write {guess}." if guess else "Write it like Europe/Berlin, or UTC."
        raise refuse(f": {shown(value)} is not the name of a time zone.", fix) from None
    return text


def _colour(value: str) -> str:
    text = value.strip()
    match = _HEX.fullmatch(text)
    if match is None:
        example = _COLOUR_NAMES.get(text.lower(), "#0b5563")
        fix = f"Write # and six digits from 0 to f, like {example}."
        raise refuse(f": {shown(value)} is not a colour.", fix, "colour")
    digits = match[1].lower()
    return f"#{digits if len(digits) == 6 else ''.join(digit * 2 for digit in digits)}"


def _fonts(value: str) -> str:
    """A name of ours, or names of fonts; the result holds no quotes, so it can stand in any attribute."""
    text = value.strip()
    if text.lower() in FONT_STACKS:
        return FONT_STACKS[text.lower()]
    names = [name.strip().strip("\"'").strip() for name in text.split(",")]
    if wrong := next((name for name in names if not _FONT.fullmatch(name)), None):
        fix = f"Write font names with commas between, or one of: {', '.join(FONT_STACKS)}."
        raise refuse(f": {shown(wrong)} is not the name of a font.", fix)
    if len(names) == 1 and names[0].islower() and names[0] not in _GENERIC:
        guess = nearest(text, FONT_STACKS)
        if guess:
            raise refuse(f": there is no set of fonts named {shown(text)}.", f"Did you mean «{guess}»?")
    return ", ".join(names if names[-1].lower() in _GENERIC else [*names, "sans-serif"])


def _inside(value: str) -> str:
    """A path relative to the project that cannot leave it by name; links on disk are judged when it is opened."""
    text = value.strip()
    path = PurePosixPath(text)
    if "\\" in text or re.match(r"[A-Za-z]:", text):
        fix = "Use / between folders, and begin inside the project."
        raise refuse(f": {shown(value)} is written as Windows does.", fix)
    if "://" in text or text.startswith("data:"):
        raise refuse(f": {shown(value)} is on the web.", "Save the file in the project and write where it lies.")
    if not path.name or path.is_absolute() or text.startswith("~") or ".." in path.parts or UNSEEN.search(text):
        fix = "Write where it lies in the project, like images/logo.svg."
        raise refuse(f": {shown(value)} is not inside the project.", fix)
    return str(path)


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value) or len(value) > 50:
        plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
        guess = "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:50].strip("-")
        fix = f"Use small letters, digits and hyphens: {guess or 'community'}."
        raise refuse(f": {shown(value)} cannot stand in addresses.", fix, "slug")
    return value


def _feedback_id(value: str) -> str:
    """Google's form, `a:b:c:SenderId`: at most 4 fields, the last 5 to 15 characters, no field twice."""
    fields = value.strip().split(":")
    good = all(re.fullmatch(r"[A-Za-z0-9._-]{1,40}", field) for field in fields[:-1])
    if len(fields) > 4 or not good or not re.fullmatch(r"[A-Za-z0-9._-]{5,15}", fields[-1]):
        fix = "Write up to three words, then who sends in 5 to 15 letters, like series:community:example-org."
        raise refuse(f": {shown(value)} is not a Feedback-ID.", fix)
    if len(set(fields)) < len(fields):
        raise refuse(f": {shown(value)} says the same twice.", "Use each word once.")
    return ":".join(fields)


def _segment(value: str) -> str:
    try:
        parse_expression(value)
    except ExpressionError as error:
        raise refuse(f": {error.what}", error.fix, "expression") from None
    return value


def _listed(value: Any) -> Any:
    """Lists come as tuples, so that settings stay as they were read."""
    return tuple(value) if isinstance(value, list) else value


def _name_pattern(pattern: str, example: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        text = value.strip()
        if not re.fullmatch(pattern, text, re.ASCII):
            raise refuse(
                f": {shown(value)} cannot be used as a name.", f"Use letters, digits and hyphens, like {example}."
            )
        return text

    return read


Line = Annotated[str, AfterValidator(_text(200))]
"""Text on one line, not empty."""
OptionalLine = Annotated[str, AfterValidator(_text(300, empty=True))]
"""Text on one line; may be empty."""
Lines = Annotated[str, AfterValidator(_text(5_000, lines=True, empty=True))]
"""Text on any number of lines; may be empty."""
Paragraph = Annotated[str, AfterValidator(_text(5_000, lines=True))]
"""Text on any number of lines, not empty."""
PostalAddress = Annotated[str, AfterValidator(_postal_address)]
"""Where the sender can be written to; one line for each line on the envelope."""
Language = Annotated[str, AfterValidator(_language)]
"""A BCP 47 tag."""
TimeZone = Annotated[str, AfterValidator(_timezone)]
"""A name of the IANA time zone database."""
Colour = Annotated[str, AfterValidator(_colour)]
"""`#` and six digits, in lower case."""
FontStack = Annotated[str, AfterValidator(_fonts)]
"""CSS font names with commas between and no quotes; the last is generic."""
PathInside = Annotated[str, AfterValidator(_inside)]
"""A path relative to the project, inside it, with forward slashes."""
Slug = Annotated[str, AfterValidator(_slug)]
"""Small letters, digits and hyphens, at most 50."""
FeedbackId = Annotated[str, AfterValidator(_feedback_id)]
"""`a:b:c:SenderId`, as Google's Feedback-ID wants it."""
Segment = Annotated[str, AfterValidator(_segment)]
"""An expression over subscribers."""
Hold = Annotated[dt.timedelta, BeforeValidator(_hold)]
"""A length of time, at most 7 days."""
Span = Annotated[dt.timedelta, BeforeValidator(_span)]
"""A length of time from an hour to ten years."""
PublicKey = Annotated[str, AfterValidator(_public_key)]
"""An ECDSA public key in Base64."""
FieldName = Annotated[str, AfterValidator(_name_pattern(r"[a-z][a-z0-9_]{0,39}", "first_name"))]
"""Small letters, digits and underscores."""
Rate = Annotated[float, BeforeValidator(_rate)]
"""Messages per second."""
SenderKind = Annotated[str, AfterValidator(_name_pattern(r"[a-z][a-z0-9_-]{0,49}", "outbox"))]
"""The name of a sender's entry point."""
Selector = Annotated[str, AfterValidator(_name_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "news2026"))]
"""The name under which a DKIM key stands in DNS (RFC 6376 section 3.1)."""
RuleName = Annotated[str, AfterValidator(_name_pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "image-alt"))]
"""The name of a check's rule."""
AsTuple = BeforeValidator(_listed)
"""Turns a list into a tuple."""
