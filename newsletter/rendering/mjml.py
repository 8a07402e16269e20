"""The only place that talks to the MJML compiler, because it silently corrupts input that breaks its unwritten rules.

`serialise` re-reads what the templates made with a strict parser, checks it against the vocabulary and writes it again
in the one form that the compiler gets right. `compile_mjml` runs the compiler, turns its panics into errors and then
checks the result against what went in, every time: nothing that was written may be missing, changed or hidden.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from mjml import mjml2html

from newsletter.errors import CompileError
from newsletter.rendering.slots import Marks
from newsletter.rendering.vocabulary import (
    CHILDREN,
    COMPONENTS,
    HEAD_TAGS,
    HOLDS_HTML,
    HOLDS_TEXT,
    HTML_ATTRIBUTES,
    HTML_TAGS,
    OUTPUT_ATTRIBUTES,
    VOID_TAGS,
)

MAX_BYTES: Final = 2_000_000
MAX_DEPTH: Final = 60  # the compiler recurses: some thousand levels would end the whole process

_UNSAFE = re.compile(r"[^ !#-%'-;=?-\[\]-~]")
_BARE_AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-fA-F]+;|[a-zA-Z][a-zA-Z0-9]*;)")
_ENTITY = re.compile(r"&([a-zA-Z][a-zA-Z0-9]*);")
_VOID = re.compile(r"<(br|hr|img|meta|wbr)\b([^<>]*?)\s*/?>")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLANK = " \t\r\n\f"
_BARE_ZERO = re.compile(r"(?<![\w.#-])0(?![\w.%])")
_SHORT_HEX = re.compile(r"#([0-9a-fA-F])([0-9a-fA-F])([0-9a-fA-F])\Z")
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})

_TAG = re.compile(r"<[^>]*>")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ATTRIBUTE = re.compile(r'([a-zA-Z:-]+)="([^"]*)"')
_HREF = re.compile(r' href="([^"]*)"')
_BODY_START = re.compile(r"<body[^>]*>")
_EMPTY_ROW = re.compile(r"<mj-section[^>]*>(?:<mj-column[^>]*></mj-column>)+</mj-section>")
_PREVIEW = '<div style="display:none;font-size:1px;'


def attribute(value: str) -> str:
    """An attribute's value in the only form that the compiler does not corrupt: printable ASCII, all else as `&#N;`."""
    value = _SPACE.sub(" ", value)
    return _UNSAFE.sub(lambda match: f"&#{ord(match[0])};", value)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of MJML that is shown, or not, as a whole.

    Attributes:
        conditions: Numbers of the conditions that must all hold.
        mjml: In the form that the compiler gets right.
        words: The visible text without any white space, for the check of the result.
        links: The targets of links, in order.
    """

    conditions: tuple[int, ...]
    mjml: str
    words: str
    links: tuple[str, ...]


class StructureError(Exception):
    """What a template made is not MJML as the vocabulary has it."""

    def __init__(self, what: str, fix: str, block: int | None, tag: str) -> None:
        self.what = what
        self.fix = fix
        self.block = block
        self.tag = tag
        super().__init__(what)


@dataclass
class _Serialiser:
    """Reads events of the strict parser and writes segments."""

    marks: Marks
    stack: list[str] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    inside: str = ""  # the component whose content is HTML or text, while in it
    in_attributes: bool = False
    in_head: bool = False

    def fail(self, what: str, fix: str = "", tag: str = "") -> NoReturn:
        raise StructureError(what, fix, self.blocks[-1] if self.blocks else None, tag)

    # The tags

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self.fail(f"The tags are nested more than {MAX_DEPTH} deep.", "Use fewer layers.", tag)
        if self.inside:
            self._start_html(tag, attributes)
        elif self.in_attributes:
            self._start_default(tag, attributes)
        else:
            self._start_component(tag, attributes)
        self.stack.append(tag)

    def end(self, tag: str) -> None:
        self.stack.pop()
        if tag == self.inside:
            self.inside = ""
        elif tag == "mj-attributes":
            self.in_attributes = False
        elif tag == "mj-head":
            self.in_head = False
        if tag in VOID_TAGS:
            return
        self.out.append(f"</{tag}>")

    def _start_component(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self.stack[-1] if self.stack else ""
        if tag not in COMPONENTS:
            self.fail(f"<{tag}> is not a component that this product knows.", "See docs/reference/theme.md.", tag)
        if parent and tag not in CHILDREN.get(parent, ()):
            self.fail(f"<{tag}> cannot stand inside <{parent}>.", "Move it, or wrap it as MJML asks.", tag)
        if not parent and tag != "mjml":
            self.fail(f"The template must make one <mjml>, not <{tag}>.", "", tag)
        for name in attributes:
            if name not in COMPONENTS[tag]:
                self.fail(
                    f"<{tag}> has no attribute «{name}» here.", "Remove it, or use style in the HTML inside.", tag
                )
        if tag == "mj-image" and "alt" not in attributes:
            self.fail("<mj-image> needs an alt text.", 'Write alt="" for a picture that only decorates.', tag)
        if len(attributes.get("mj-class", "").split()) > 1:
            self.fail("Only one mj-class fits on a component.", "Make one class of the two.", tag)
        if "href" in attributes:
            self.links.append(attributes["href"])
        self._open(tag, {name: self._length(tag, name, value) for name, value in attributes.items()})
        self.in_attributes = tag == "mj-attributes"
        self.in_head = self.in_head or tag == "mj-head"
        if tag in HOLDS_HTML or tag in HOLDS_TEXT:
            self.inside = tag

    def _start_default(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in COMPONENTS and tag not in {"mj-all", "mj-class"}:
            self.fail(f"<{tag}> cannot stand inside <mj-attributes>.", "", tag)
        self._open(tag, {name: self._length(tag, name, value) for name, value in attributes.items()})

    def _start_html(self, tag: str, attributes: dict[str, str]) -> None:
        if self.inside in HOLDS_TEXT:
            self.fail(f"<{self.inside}> takes text without tags, but has <{tag}>.", "Take the tag out.", tag)
        if tag not in (HEAD_TAGS if self.in_head else HTML_TAGS):
            self.fail(f"<{tag}> does not work in mail.", "Use another tag.", tag)
        for name in attributes:
            if name not in HTML_ATTRIBUTES:
                self.fail(f"The attribute «{name}» of <{tag}> does not work in mail.", "Take it out.", tag)
        if tag == "img" and "alt" not in attributes:
            self.fail("<img> needs an alt text.", 'Write alt="" for a picture that only decorates.', tag)
        if "href" in attributes:
            self.links.append(attributes["href"])
        self._open(tag, attributes, close=tag in VOID_TAGS)

    def _open(self, tag: str, attributes: dict[str, str], *, close: bool = False) -> None:
        written = "".join(f' {name}="{attribute(value)}"' for name, value in attributes.items())
        self.out.append(f"<{tag}{written}{' /' if close else ''}>")

    def _length(self, tag: str, name: str, value: str) -> str:
        """Lengths with a unit and colours with six digits: the compiler miscounts all others."""
        if "padding" in name:
            if "%" in value:
                self.fail(f"{name} of <{tag}> cannot be in percent.", "Give it in px.", tag)
            return _BARE_ZERO.sub("0px", value)
        if name.endswith("color") and (match := _SHORT_HEX.match(value)):
            return "#" + "".join(digit * 2 for digit in match.groups())
        return value

    # The text

    def text(self, data: str) -> None:
        if not self.inside:
            self._between(data)
        elif self.marks.prefix in data and self.marks.block.search(data):
            self.fail(f"A finished block stands inside <{self.inside}>.", "Put it into a row or a column.", self.inside)
        elif self.inside == "mj-style":
            if not data.isascii() or "<" in data:
                self.fail(
                    "The styles hold a character that the compiler cannot take.", "Use ASCII, no «<».", "mj-style"
                )
            if "@import" in data or "url(" in data:
                self.fail("The styles would load something from the web.", "Take out @import and url().", "mj-style")
            self.out.append(data)
        elif self.inside == "mj-title":
            self.out.append(attribute(data))
        else:
            data = _SPACE.sub(" ", data)
            self.out.append(html.escape(data, quote=False))
            if not self.in_head or self.inside == "mj-preview":
                self.words.append(data)

    def _between(self, data: str) -> None:
        """Between components only our own marks may stand: where a block begins and ends."""
        rest = data
        while rest := rest.strip(_BLANK):
            match = self.marks.block.match(rest)
            if match is None:
                word = rest.split(maxsplit=1)[0][:30]
                self.fail(f"«{word}» stands between two components.", "Put text into <mj-text>.", word)
            number = int(match[2])
            if match[1] == "b":
                self.cut()
                self.blocks.append(number)
            else:
                self.cut()
                self.blocks.pop()
            rest = rest[match.end() :]

    def cut(self) -> None:
        """End a segment; another one begins."""
        if self.out:
            words = "".join("".join(self.words).split())
            conditions = self.marks.conditions_of(self.blocks)
            self.segments.append(Segment(conditions, "".join(self.out), words, tuple(self.links)))
            self.out, self.words, self.links = [], [], []

    def comment(self, data: str) -> None:
        if self.inside == "mj-raw" and data.startswith("[if "):
            if not data.endswith("<![endif]") or not data.isascii():
                self.fail("A comment for Outlook must end with <![endif] and be ASCII.", "", "mj-raw")
            self.out.append(f"<!--{data}-->")


def serialise(source: str, marks: Marks) -> tuple[Segment, ...]:
    """The MJML that templates made, checked and written again by the compiler's unwritten rules, cut at its blocks.

    Raises:
        StructureError: The templates made something that is not MJML as the vocabulary has it.
    """
    if len(source) > MAX_BYTES:
        what = f"The edition makes more than {MAX_BYTES:,} characters of MJML."
        raise StructureError(what, "Make it shorter.", None, "")
    writer = _Serialiser(marks)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.CommentHandler = writer.comment
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(_well_formed(source), True)  # noqa: FBT003 that it is the whole
    except expat.ExpatError as error:
        tag = writer.stack[-1] if writer.stack else ""
        line = marks.readable(source.split("\n")[error.lineno - 1]).strip()[:80]
        reason = expat.ErrorString(error.code).removeprefix("not well-formed (").rstrip(")")
        raise StructureError(
            f"The MJML is not well-formed: {reason}.",
            f"Close every tag, quote every attribute, and write a bare < as &lt;; look near «{line}».",
            writer.blocks[-1] if writer.blocks else None,
            tag,
        ) from None
    writer.cut()
    return tuple(writer.segments)


def _no_doctype(*_: object) -> NoReturn:
    raise StructureError("A doctype has no place in a template.", "Take it out.", None, "")


def _well_formed(source: str) -> str:
    """HTML's conveniences (void tags, named entities, bare ampersands) as XML has them."""

    def named(match: re.Match[str]) -> str:
        name = match[1]
        if name in _XML_ENTITIES:
            return match[0]
        text = html.unescape(match[0])
        return match[0].replace("&", "&amp;") if text == match[0] else "".join(f"&#{ord(c)};" for c in text)

    source = _BARE_AMPERSAND.sub("&amp;", source)
    source = _ENTITY.sub(named, source)
    return _VOID.sub(r"<\1\2/>", source)


# The compiler


def join(segments: Iterable[Segment]) -> str:
    """These segments as one document; a row in which nothing is left, as its blocks are hidden, goes with them."""
    return _EMPTY_ROW.sub("", "".join(segment.mjml for segment in segments))


def compile_mjml(segments: list[Segment], *, language: str, direction: str) -> str:
    """The HTML of these segments, checked against what went in.

    Raises:
        CompileError: The compiler refused, panicked, or changed what was written.
    """
    try:
        page = mjml2html(join(segments), fonts={})
    except BaseException as error:
        # A panic of the compiler is a BaseException of a class that cannot be imported.
        if isinstance(error, ValueError) or type(error).__name__ == "PanicException":
            raise CompileError(f"The MJML compiler could not read the edition: {error}. Please report this.") from None
        raise
    page = page.replace("<![endif]--><!--[if mso | IE]>", "")  # about 3 % of the weight, with no effect
    page = page.replace(_PREVIEW, _PREVIEW.replace(" ", f' lang="{language}" dir="{direction}" ', 1), 1)
    _check(page, segments)
    return page


def _check(page: str, segments: list[Segment]) -> None:
    """Everything in `segments` is in `page`, visible, and nothing else is."""
    if "<mj-" in page:
        raise CompileError("A component of MJML was left uncompiled. Please report this.")
    shown = _COMMENT.sub("", page)
    start = _BODY_START.search(shown)
    body = shown[start.end() :] if start else ""
    tags = _TAG.findall(body)
    for tag in dict.fromkeys(tags):  # most occur many times
        _check_tag(tag)
    text = "".join(html.unescape(_TAG.sub("", body)).split())
    links = [html.unescape(href[1]) for tag in tags if tag.startswith("<a ") and (href := _HREF.search(tag))]
    _compare("text", text, "".join(segment.words for segment in segments))
    _compare("links", "\n".join(links), "\n".join(_SPACE.sub(" ", link) for s in segments for link in s.links))


def _check_tag(tag: str) -> None:
    if "\\" in tag:
        raise CompileError(f"The MJML compiler corrupted an attribute: {tag[:120]} Please report this.")
    names = {name for name, _ in _ATTRIBUTE.findall(tag)}
    if not names <= OUTPUT_ATTRIBUTES:
        strange = ", ".join(sorted(names - OUTPUT_ATTRIBUTES))
        raise CompileError(f"The MJML compiler made an attribute that nobody wrote: {strange}. Please report this.")
    if tag.startswith("<img") and not {"alt", "width"} <= names:
        raise CompileError(f"A picture has no alt text or no width: {tag[:120]}")


def _compare(kind: str, got: str, wanted: str) -> None:
    if got != wanted:
        at = next((n for n, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
        raise CompileError(
            f"The MJML compiler changed the {kind}: «{wanted[max(0, at - 20) : at + 30]}» "
            f"became «{got[max(0, at - 20) : at + 30]}». Please report this.",
        )
