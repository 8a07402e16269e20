"""Compares two HTML documents as trees, so that only differences that a reader could meet are left.

`differences(ours, theirs)` looks twice: as every mail program but Outlook sees a document (conditional comments
removed), and as Outlook does (their content shown, what is hidden from Outlook removed). What is known to differ
between compilers and means nothing is made equal first: order of attributes, of classes and of style properties; an
absent and an empty alt; long and short colours; digits behind the point, and widths to the whole pixel or percent;
white space that is not shown; order of the column rules; generated ids; links to web fonts; on which of the two
outermost elements the body's class stands; the ending of classes that are for Outlook alone.
"""

import difflib
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Comment, Element

import html5lib

INLINE = frozenset({"a", "abbr", "b", "code", "em", "i", "img", "s", "small", "span", "strong", "sub", "sup", "u"})
SHOWN_BUT_TO_OUTLOOK = re.compile(r"<!--\[if !mso[^\]]*\]><!-->(.*?)<!--<!\[endif\]-->", re.DOTALL | re.IGNORECASE)
SHOWN_TO_OUTLOOK = re.compile(r"<!--\[if [^\]]*\]>(.*?)<!\[endif\]-->", re.DOTALL | re.IGNORECASE)


def differences(ours: str, theirs: str, *, outlook: bool = True) -> list[str]:
    """What differs, as a diff of the two trees from theirs (-) to ours (+); empty when nothing does."""
    found = [f"everyone: {line}" for line in _diff(for_everyone(theirs), for_everyone(ours))]
    if outlook:
        found += [f"outlook: {line}" for line in _diff(for_outlook(theirs), for_outlook(ours))]
    return found


def for_everyone(html: str) -> str:
    """The document as all but Outlook see it: what only Outlook reads is gone."""
    return SHOWN_TO_OUTLOOK.sub("", SHOWN_BUT_TO_OUTLOOK.sub(r"\1", html))


def for_outlook(html: str) -> str:
    """The document as Outlook sees it: what it alone reads is shown, what is hidden from it is gone."""
    return SHOWN_TO_OUTLOOK.sub(r"\1", SHOWN_BUT_TO_OUTLOOK.sub("", html))


def tree_lines(html: str) -> list[str]:
    """The normalised tree, a line for each tag and text, indented by depth."""
    return list(_lines(html5lib.parse(html, namespaceHTMLElements=False), 0))


def _diff(theirs: str, ours: str) -> list[str]:
    lines = difflib.unified_diff(tree_lines(theirs), tree_lines(ours), "theirs", "ours", lineterm="", n=1)
    return list(lines)[2:]


def _lines(element: Element, depth: int, *, alone: bool = True) -> Iterator[str]:
    if element.tag is Comment or _is_font_link(element):
        return
    indent = "  " * depth
    attributes = "".join(f" {name}={value!r}" for name, value in sorted(_attributes(element).items()))
    if element.tag == "style":
        rules = _rules(element.text or "")
        yield from (f"{indent}<style{attributes}> {rule}" for rule in rules)
        return
    yield f"{indent}<{element.tag}{attributes}>"
    at_edge = alone or element.tag not in INLINE
    nodes = _children(element, at_edge=at_edge)
    for node in nodes:
        if isinstance(node, str):
            yield f"{indent}  {node!r}"
        else:
            yield from _lines(node, depth + 1, alone=at_edge and len(nodes) == 1)


def _children(element: Element, *, at_edge: bool) -> list[str | Element]:
    """Tags and texts in order; white space that no reader sees is gone, at the element's own edges where told."""
    nodes: list[str | Element] = [element.text or ""]
    for child in element:
        if child.tag is not Comment and not _is_font_link(child):
            nodes += [child, ""]
        nodes[-1] = f"{nodes[-1]}{child.tail or ''}"
    kept: list[str | Element] = []
    for index, node in enumerate(nodes):
        if not isinstance(node, str):
            kept.append(node)
            continue
        text = re.sub(r"[ \t\r\n\f]+", " ", node)
        if _breaks(nodes, index - 1, at_edge=at_edge):
            text = text.removeprefix(" ")
        if _breaks(nodes, index + 1, at_edge=at_edge):
            text = text.rstrip(" \xa0") or text.strip(" ")  # JavaScript trims fixed blanks too
        if text:
            kept.append(text)
    return kept


def _breaks(nodes: list[str | Element], index: int, *, at_edge: bool) -> bool:
    """Whether white space beside that node is not shown: blocks and line breaks swallow it, and so does an edge."""
    if not 0 <= index < len(nodes):
        return at_edge
    node = nodes[index]
    return not isinstance(node, str) and node.tag not in INLINE


def _attributes(element: Element) -> dict[str, str]:
    found = {name: _value(value) for name, value in element.attrib.items() if name != "xmlns"}
    if element.tag == "body" or element.get("aria-roledescription") == "email":
        found.pop("class", None)  # mj-body's own: MJML 4 writes it on the one, MJML 5 on the other
    if element.tag == "img":
        found.setdefault("alt", "")
        found["style"] = found.get("style", "").replace("border:0;", "")  # the style sheet says it for all images
    if element.tag in {"td", "th"}:
        found.pop("vertical-align", None)  # not an attribute of HTML; MJML writes it beside the real one
    for name in ("id", "for"):
        if re.fullmatch(r"[0-9a-f]{16}|mj-\w+-[0-9a-f]+", found.get(name, "")):
            del found[name]
    if "class" in found:
        # On a table for Outlook each class gets this ending from npm, only the last one from us.
        found["class"] = " ".join(sorted(_column_class(found["class"]).replace("-outlook", "").split()))
    if "style" in found:
        found["style"] = _declarations(found["style"])
    return {name: value for name, value in found.items() if value or name not in {"class", "style"}}


def _value(value: str) -> str:
    value = re.sub(r"\s+", " ", value).strip()
    value = re.sub(
        r"#([0-9a-fA-F]{3,8})\b",
        lambda match: "#" + ("".join(2 * digit for digit in match[1]) if len(match[1]) == 3 else match[1]).lower(),
        value,
    )
    return re.sub(r"\d+\.\d+(?=px|%|em|\b)", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)


def _column_class(text: str) -> str:
    """Column classes carry a width with many digits: `mj-column-per-33-333332` becomes `mj-column-per-33-33`."""
    return re.sub(r"(mj-column-p(?:er|x)-\d+-\d{1,2})\d*", r"\1", text)


def _declarations(style: str) -> str:
    pairs = {}
    for declaration in style.split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if colon and name != "word-spacing":
            pairs[name.lower()] = _whole(value) if "width" in name else re.sub(r"\s*,\s*", ", ", value)
    return "; ".join(f"{name}: {value}" for name, value in sorted(pairs.items()))


def _whole(width: str) -> str:
    return re.sub(r"[\d.]+(?=px|%)", lambda match: str(round(float(match[0]))), width)


def _rules(sheet: str) -> list[str]:
    """The rules of a style sheet, blanks made equal; column rules in alphabetical order: theirs means nothing."""
    text = re.sub(r"/\*.*?\*/|@import[^;]*;", "", _column_class(_value(sheet)))
    text = re.sub(r"\s*([{};:,])\s*", r"\1", text).replace(";}", "}").strip()
    rules = re.findall(r"[^{}]+\{[^{}]*\}|[^{}]+\{|\}", text)
    columns = iter(sorted(rule for rule in rules if "mj-column" in rule))
    return [next(columns) if "mj-column" in rule else rule for rule in rules]


def _is_font_link(element: Element) -> bool:
    return element.tag == "link" and "stylesheet" in element.get("rel", "")
