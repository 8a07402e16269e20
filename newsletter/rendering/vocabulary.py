"""The MJML that templates may use: which tag stands where, and which attributes it takes.

The compiler itself checks nothing (an unknown tag stays in the mail, an unknown attribute vanishes), so these tables
do. Attribute names are those of MJML 5; what the compiler gets wrong is left out on purpose: carousel, accordion,
navbar, `gap` and `gutter`, one-sided borders of images, and a few more.
"""

from typing import Final


def _padded(*names: str) -> frozenset[str]:
    """These attributes and the ones that nearly every component takes."""
    sides = ("padding", "padding-top", "padding-right", "padding-bottom", "padding-left")
    return frozenset((*names, *sides, "css-class", "mj-class"))


_BORDERS: Final = ("border", "border-top", "border-right", "border-bottom", "border-left", "border-radius")
_FONT: Final = ("color", "font-family", "font-size", "font-style", "font-weight", "line-height", "letter-spacing")
_ROW: Final = (
    *("background-color", "background-url", "background-repeat", "background-size", "background-position"),
    *("direction", "full-width", "text-align"),
    *_BORDERS,
)

COMPONENTS: Final[dict[str, frozenset[str]]] = {
    "mjml": frozenset({"lang", "dir"}),
    "mj-head": frozenset(),
    "mj-title": frozenset(),
    "mj-preview": frozenset(),
    "mj-breakpoint": frozenset({"width"}),
    "mj-style": frozenset(),
    "mj-attributes": frozenset(),
    "mj-raw": frozenset({"position"}),
    "mj-body": frozenset({"width", "background-color", "css-class", "id"}),
    "mj-wrapper": _padded(*_ROW),
    "mj-section": _padded(*_ROW),
    "mj-group": frozenset({"background-color", "direction", "vertical-align", "width", "css-class", "mj-class"}),
    "mj-column": _padded(
        *("background-color", "inner-background-color", "inner-border", "inner-border-radius"),
        *("direction", "vertical-align", "width"),
        *_BORDERS,
    ),
    "mj-text": _padded("align", "container-background-color", "height", "text-decoration", *_FONT),
    "mj-image": _padded(
        *("alt", "href", "name", "src", "srcset", "title", "rel", "align", "border", "border-radius"),
        *("container-background-color", "fluid-on-mobile", "target", "width", "height", "max-height", "font-size"),
    ),
    "mj-button": _padded(
        *("align", "background-color", "container-background-color", "height", "href", "name", "inner-padding"),
        *("rel", "target", "text-align", "text-decoration", "vertical-align", "width"),
        *_FONT,
        *_BORDERS,
    ),
    "mj-divider": _padded(
        "border-color", "border-style", "border-width", "container-background-color", "width", "align"
    ),
    "mj-spacer": _padded("container-background-color", "height"),
    "mj-table": _padded(
        *("align", "border", "cellpadding", "cellspacing", "container-background-color", "table-layout", "width"),
        *("color", "font-family", "font-size", "font-weight", "line-height"),
    ),
}
"""Every component and its attributes."""

_CONTENT: Final = frozenset({"mj-text", "mj-image", "mj-button", "mj-divider", "mj-spacer", "mj-table", "mj-raw"})

CHILDREN: Final[dict[str, frozenset[str]]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-preview", "mj-breakpoint", "mj-style", "mj-attributes", "mj-raw"}),
    "mj-body": frozenset({"mj-wrapper", "mj-section", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column"}),
    "mj-column": _CONTENT,
}
"""Which components stand inside which."""

HOLDS_HTML: Final = frozenset({"mj-text", "mj-button", "mj-table", "mj-raw"})
"""Components whose content is HTML."""

HOLDS_TEXT: Final = frozenset({"mj-title", "mj-preview", "mj-style"})
"""Components whose content is text without any tag."""

HTML_TAGS: Final = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "blockquote",
        "br",
        "center",
        "cite",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "li",
        "ol",
        "p",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
        "wbr",
    }
)
"""HTML that mail programs show; no script, form, frame, object or media."""

HEAD_TAGS: Final = frozenset({"meta"})
"""HTML that may stand in a `mj-raw` of the head."""

VOID_TAGS: Final = frozenset({"br", "hr", "img", "meta", "wbr"})
"""HTML tags that never have content."""

HTML_ATTRIBUTES: Final = frozenset(
    {
        "align",
        "alt",
        "aria-hidden",
        "aria-label",
        "bgcolor",
        "border",
        "cellpadding",
        "cellspacing",
        "class",
        "color",
        "colspan",
        "content",
        "dir",
        "face",
        "headers",
        "height",
        "href",
        "hspace",
        "id",
        "lang",
        "name",
        "rel",
        "role",
        "rowspan",
        "scope",
        "size",
        "src",
        "start",
        "style",
        "summary",
        "target",
        "title",
        "type",
        "valign",
        "value",
        "vspace",
        "width",
    }
)
"""Attributes of HTML in templates; none that runs anything."""

OUTPUT_ATTRIBUTES: Final = HTML_ATTRIBUTES | frozenset(
    {"aria-roledescription", "background", "http-equiv", "media", "vertical-align", "xmlns", "xmlns:o", "xmlns:v"},
)
"""Attributes that may stand in the compiled HTML: ours, and those the compiler adds."""
