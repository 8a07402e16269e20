"""Begins editions: a fresh file to fill, a copy of one that exists, and the name under which either is kept."""

import hashlib
import json
import re
import unicodedata
from typing import Final

from pydantic import TypeAdapter, ValidationError

from newsletter.edition.fields import Name
from newsletter.edition.files import FIELD_NAMES
from newsletter.edition.reading import read_document
from newsletter.edition.tree import Document, Entry, Mapping, Scalar
from newsletter.errors import EditionInvalidError, Finding, Severity

LONGEST_SLUG: Final = 60

_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n"}
)
_STARTER: Final = """\
# An edition of the newsletter. Lines that begin with # are notes for you; readers never see them.
# To see every mistake:  newsletter check {slug}     To see how it looks:  newsletter build {slug} --out preview
# `newsletter schema` lists all kinds of blocks and their fields.

title: {title}
subject: {title}
preheader: "What inboxes show after the subject"
language: {language}
# date: 2026-03-31

blocks:
  - kind: text
    body: |
      Dear {{{{ first_name | default("friend") }}}},

      write the opening here. *Emphasis*, **strong words** and [links](https://www.example.org) work,
      and an empty line begins a new paragraph.

  - kind: heading
    text: A heading

  - kind: spotlight
    organisation: Name of the organisation
    headline: What it is about
    topics: [First topic, Second topic]
    body: |
      A few sentences about the work.
    link: {{label: Read the story, url: "https://www.example.org/story"}}
    # image: {{src: images/picture.png, alt: "What the picture shows"}}
    # when: '"researcher" in tags'          # shows this block only to readers with that tag

  - kind: button
    label: Read more on our web site
    url: https://www.example.org
"""


def slug_of(title: str) -> str:
    """The name of an edition's folder, made from its title: small ASCII letters, digits and hyphens, at most 60.

    A title in another script than the Latin one, which cannot be spelled in ASCII without knowing its language, gives
    `edition-` and eight digits that depend on the title alone.
    """
    title = unicodedata.normalize("NFC", title)
    plain = unicodedata.normalize("NFKD", title.lower().translate(_LETTERS).replace("'", "").replace("’", ""))
    words = re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)))
    lost = sum(character.isalpha() for character in title) - sum(c.isalpha() for word in words for c in word)
    if not words or lost > len(title) // 2:
        digest = hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return "-".join([*words[:3], "edition", digest])[-LONGEST_SLUG:].strip("-")
    slug: str = words[0][:LONGEST_SLUG]
    for word in words[1:]:
        if len(slug) + 1 + len(word) > LONGEST_SLUG:
            break
        slug += f"-{word}"
    return slug


def starter_edition(title: str, *, language: str = "en", slug: str | None = None) -> str:
    """The text of a fresh edition.yaml, right as it is, with notes on what to write.

    Args:
        title: The edition's title, also its first subject.
        language: The code of its language.
        slug: The name of its folder; made from the title unless given.

    Raises:
        EditionInvalidError: The title cannot be one.
    """
    return _STARTER.format(title=_quoted(title), language=language, slug=slug or slug_of(title))


def edition_from(text: str, title: str) -> str:
    """Another edition's text under a new title, which also becomes the subject; its notes stay, its date goes.

    Args:
        text: The text of an edition.yaml.
        title: The new title.

    Raises:
        EditionInvalidError: The title cannot be one, or the text cannot be read.
    """
    quoted = _quoted(title)
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    document, flaws = read_document(text, FIELD_NAMES)
    broken = [flaw for flaw in flaws if flaw.severity is Severity.MUST_FIX]
    if broken or not isinstance(document.root, Mapping):
        raise EditionInvalidError(
            "The edition to copy cannot be read. Mend it first, or copy another one.",
            findings=[Finding(rule=flaw.rule, what=flaw.what, fix=flaw.fix, line=flaw.line) for flaw in broken],
        )
    fields = document.root.entries
    changes = [_with_value(document, fields[name], quoted) for name in ("title", "subject") if name in fields]
    if "date" in fields:
        changes.append(_without_date(document, document.root))
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _quoted(title: str) -> str:
    """The title as a YAML text in double quotes.

    Raises:
        EditionInvalidError: It cannot be a title.
    """
    try:
        checked: str = TypeAdapter[str](Name).validate_python(title)
    except ValidationError as error:
        problems = [problem for each in error.errors(include_url=False) for problem in each["ctx"]["problems"]]
        findings = [Finding(rule=problem.rule, what=f"title: {problem.what}", fix=problem.fix) for problem in problems]
        raise EditionInvalidError(findings=findings) from None
    return str(json.dumps(checked, ensure_ascii=False))


def _with_value(document: Document, entry: Entry, value: str) -> tuple[int, int, str]:
    """What to change so that a field of the edition has another value: from where to where, and the new text."""
    node = entry.value
    if isinstance(node, Scalar) and not node.text and node.style is None:
        at = document.text.index(":", entry.start) + 1
        return at, at, f" {value}"
    return node.start, node.start + len(document.text[node.start : node.end].rstrip()), value


def _without_date(document: Document, root: Mapping) -> tuple[int, int, str]:
    """What to change so that there is no date: its lines go if nothing else stands there, else only its value."""
    entry = root.entries["date"]
    start, end, value = _with_value(document, entry, "null")
    line_start = document.text.rfind("\n", 0, entry.start) + 1
    line_end = document.text.find("\n", end)
    line_end = len(document.text) if line_end < 0 else line_end + 1
    alone = line_start == entry.start and document.text[end:line_end].strip()[:1] in {"", "#"}
    if alone and document.text[root.start] != "{":
        return line_start, line_end, ""
    return start, end, value
