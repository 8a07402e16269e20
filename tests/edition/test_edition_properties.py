"""Whatever bytes an edition's file holds, it is read as it was meant or refused with findings."""

import json
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.edition.files import check_text, read_edition
from newsletter.edition.reading import read_document
from newsletter.edition.starting import edition_from, slug_of, starter_edition
from newsletter.edition.tree import Mapping, Scalar, Sequence
from newsletter.errors import EditionInvalidError, Severity

HEAD = "title: T\nsubject: S\nblocks:\n"
FIELDS = {
    "title": "title: {}\nsubject: S\nblocks: [{{kind: divider}}]",
    "subject": "title: T\nsubject: {}\nblocks: [{{kind: divider}}]",
    "preheader": "title: T\nsubject: S\npreheader: {}\nblocks: [{{kind: divider}}]",
    "series": "title: T\nsubject: S\nseries: {}\nblocks: [{{kind: divider}}]",
    **{
        f"{kind}.{field}": f"title: T\nsubject: S\nblocks:\n  - kind: {kind}\n    {field}: {{}}\n{rest}"
        for kind, field, rest in [
            ("heading", "text", ""),
            ("spotlight", "organisation", ""),
            ("spotlight", "headline", "    organisation: O\n"),
            ("image", "caption", "    src: a.png\n    alt: A\n"),
            ("image", "alt", "    src: a.png\n"),
            ("button", "label", "    url: https://example.org\n"),
            ("quote", "text", ""),
            ("quote", "name", "    text: T\n"),
            ("quote", "role", "    text: T\n"),
            ("links", "title", "    items: [{{label: L, url: 'tel:112'}}]\n"),
            ("event", "title", "    starts: 2026-03-31\n"),
            ("event", "place", "    title: T\n    starts: 2026-03-31\n"),
            ("video", "title", "    url: https://example.org\n    thumbnail: a.png\n"),
            ("callout", "title", "    body: B\n"),
        ]
    },
}
PIECES = st.sampled_from(
    [
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        ": ",
        ":",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        "{{",
        "}}",
        "|",
        ">",
        "#",
        " #",
        "\t",
        "&a",
        "*a",
        "!t",
        "%",
        "@",
        "? ",
        ",",
        "\\",
        "---",
        "...",
        "~",
        "kind",
        "text",
        "body",
        "blocks",
        "title",
        "é",
        "\u2028",
        "\0",
        "**",
        "](",
        "<b>",
        "é",
        " ",
    ]
)


def value_of(edition, name):
    kind, _, field = name.rpartition(".")
    return getattr(edition.blocks[0] if kind else edition, field)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(FIELDS)),
    st.text(max_size=40) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40),
)
def test_a_text_in_double_quotes_is_read_as_it_is_or_refused(name, text):
    """JSON strings are YAML's double-quoted texts."""
    written = json.dumps(text)
    edition, _, findings = check_text(FIELDS[name].format(written), "f")
    if edition is None:
        assert findings
        assert all(finding.line and finding.column for finding in findings)
    else:
        assert (value_of(edition, name) or "") == unicodedata.normalize("NFC", text)


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.lists(PIECES, max_size=60).map("".join).map(str.encode)
)
def test_any_bytes_are_an_edition_or_invalid(data):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "editions" / "demo" / "edition.yaml"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        try:
            read_edition(path, Path(folder))
        except EditionInvalidError as error:
            assert error.findings  # noqa: PT017 both ends are right


@settings(deadline=None)
@given(st.data())
def test_mistakes_in_a_good_file_are_told_inside_it(data):
    text = starter_edition("Data Sharing")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(PIECES) + text[at + data.draw(st.sampled_from([0, 0, 1, 3, 30])) :]
    edition, _, findings = check_text(text, "f")
    assert edition is not None or any(finding.severity is Severity.MUST_FIX for finding in findings)
    lines = text.split("\n")
    for finding in findings:
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= max(map(len, lines)) + 1
        assert finding.what


@settings(deadline=None)
@given(
    st.text(st.sampled_from("ab \n'\"\\:#é日-"), max_size=40),
    st.sampled_from(["plain", "'", '"', "|", ">"]),
    st.integers(0, 40),
)
def test_every_visible_character_of_a_text_is_found_in_its_file(text, style, offset):
    text = " ".join(text.split()) if style in {"plain", "'"} else text
    written = {
        "'": "'" + text.replace("'", "''") + "'",
        '"': json.dumps(text),
        "|": "|2-\n" + "\n".join("  " + line for line in text.split("\n")),
        ">": ">2-\n" + "\n".join("  " + line for line in text.split("\n")),
    }.get(style, text)
    document, flaws = read_document(f"a: {written}\nb: c\n", frozenset())
    if (
        flaws
        or not isinstance(document.root, Mapping)
        or not isinstance(scalar := document.root.entries["a"].value, Scalar)
    ):
        return
    if offset < len(scalar.text) and not scalar.text[offset].isspace():
        found = document.text[document.inside(scalar, offset) :]
        assert found.startswith((scalar.text[offset], "\\"))


def spans(node):
    yield node
    if isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from spans(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from spans(item)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_the_tree_lies_inside_its_file(text):
    document, _ = read_document(text.replace("\0", ""), frozenset({"title", "kind"}))
    for node in spans(document.root) if document.root else ():
        assert 0 <= node.start <= node.end <= len(document.text)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_title_begins_an_edition_or_is_refused(title):
    try:
        fresh = starter_edition(title)
        copied = edition_from(
            "title: A  # keep\nsubject: >\n  B\n  C\ndate: 2026-01-01\nblocks: [{kind: divider}]\n", title
        )
    except EditionInvalidError as error:
        assert error.findings  # noqa: PT017 both ends are right
        return
    for text in (fresh, copied):
        edition, _, findings = check_text(text, "f")
        assert findings == []
        assert edition.title == edition.subject == unicodedata.normalize("NFC", title)


@given(st.text(max_size=200))
def test_a_slug_is_a_safe_name(title):
    slug = slug_of(title)
    assert 1 <= len(slug) <= 60
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not slug.startswith("-")
    assert not slug.endswith("-")
    assert slug == slug_of(unicodedata.normalize("NFD", title))
