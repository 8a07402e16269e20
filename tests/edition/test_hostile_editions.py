"""Files that no writer means to write are refused within a second, and nothing outside the project is read."""

import os
import time

import pytest

from newsletter.edition.files import LARGEST, read_edition, read_text
from newsletter.errors import EditionInvalidError, EditionNotFoundError

HEAD = "title: T\nsubject: S\nblocks:\n"
FULL = LARGEST - 1_000


def filled(part: str, head: str = HEAD, end: str = "") -> str:
    """A file as large as may be, made of one part again and again."""
    return head + part * ((FULL - len(head) - len(end)) // len(part.encode())) + end


def bodies(part: str) -> str:
    return HEAD + "".join(
        f"  - kind: text\n    body: |\n      {part * (9_000 // len(part))}\n" for _ in range(FULL // 9_100)
    )


HOSTILE = {
    "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
    "deep brackets": "[" * 10_000,
    "deep braces": "{a: " * 10_000,
    "deep dashes": "- " * 10_000,
    "deep questions": "? " * 10_000,
    "deep fields": "".join(" " * n + "a:\n" for n in range(400)),
    "many blocks": filled("  - kind: divider\n"),
    "many wrong blocks": filled("  - kind: txt\n    bdy: x\n"),
    "many anchors": filled("  - &a x\n"),
    "many aliases": filled("  - *a\n"),
    "many slots": bodies("{{ email }} "),
    "many bad slots": bodies("{{ x }} "),
    "many slots without quotes": filled("  - {{ a }}\n"),
    "many colons": filled("  - kind: text\n    body: a: b\n"),
    "many tabs": filled("\t- kind: text\n"),
    "many quotes": filled('  - "a\n'),
    "many signs": filled("  - @a\n"),
    "many fields twice": filled("kind: x\n"),
    "many documents": filled("--- a\n", head=""),
    "many orders": filled("%YAML 9.9\n", head=""),
    "many unknown fields": HEAD + "  - kind: text\n    body: B\n" + "".join(f"    f{n}: x\n" for n in range(4_000)),
    "many words without a colon": filled("title x\n", head=""),
    "wrong indentation": filled("  - kind: text\n      body: x\n"),
    "emphasis": bodies("*_"),
    "brackets": bodies("["),
    "pictures": bodies("!["),
    "angles": bodies("<a "),
    "code": bodies("`a"),
    "entities": bodies("&#x202e;"),
    "list": HEAD + "  - kind: text\n    body: |\n" + "      1. a\n" * 1_800,
    "one long line": filled("a ", head=HEAD + "  - kind: text\n    body: "),
    "one long word": filled("a", head=HEAD + "  - kind: text\n    body: "),
    "quotes in quotes": filled("a''", head="title: '", end="'"),
    "escapes": filled("\\u0041", head='title: "', end='"'),
    "control characters": filled("\x01"),
    "accents": filled("a\u0301\u0327", head=HEAD + "  - kind: text\n    body: "),
    "hash signs": filled("#", head="title: a "),
    "empty lines": filled("\n", head=""),
    "blanks in a line": "title: a: b" + " " * FULL + "c",
    "tabs in a line": "title: a: b" + "\t" * FULL + "c",
    "blanks after a line": "title: a: b" + " " * FULL,
    "blanks": filled(" ", head=""),
    "conditions": filled("  - kind: divider\n    when: '" + " and ".join(['"x" in tags'] * 50) + "'\n"),
    "hosts": filled("  - kind: button\n    label: a\n    url: https://" + "a." * 900 + "\n"),
    "a language": filled("aa-", head="language: "),
    "a tag": "a: !" + "x" * 100_000,
    "an anchor": "a: &" + "x" * 100_000,
    "a key": "? " + "x" * 100_000 + "\n: a",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly(name, findings):
    start = time.process_time()
    found = findings(HOSTILE[name])
    assert time.process_time() - start < 3  # also of the threads that other tests left; a bomb takes minutes
    assert found or name == "list"  # which is only odd


def test_the_largest_file_that_is_right_is_read_quickly(read):
    line = "Words with *emphasis* and a [link](https://example.org/a_b), again and again. "
    body = "\n".join("      " + line for _ in range(60))
    text = HEAD + "".join(f"  - kind: text\n    body: |\n{body}\n" for _ in range(24))
    text += "  - kind: text\n    body: |\n" + "      plain words without any sign\n" * ((FULL - len(text)) // 34 // 10)
    assert len(text) > LARGEST * 0.9
    start = time.process_time()
    assert read(text).edition.blocks
    assert time.process_time() - start < 1


@pytest.mark.parametrize("size", [LARGEST + 1, 50 * 1024 * 1024, 1 << 40])
def test_a_file_that_is_too_large_is_never_read(size, root):
    path = root / "editions" / "demo" / "edition.yaml"
    with path.open("wb") as file:
        file.truncate(size)
    with pytest.raises(EditionInvalidError, match=f"This file has {size:,} bytes"):
        read_edition(path, root)


@pytest.mark.parametrize(
    ("data", "sentence", "line", "column"),
    [
        ("title: é\n".encode("utf-16"), "saved as UTF-16", 1, None),
        (b"\xfe\xff" + "title: é\n".encode("utf-16-be"), "saved as UTF-16", 1, None),
        ("title: é\n".encode("utf-32"), "saved as UTF-32", 1, None),
        ("title: Data\n".encode("utf-16-le"), "as if it was saved as UTF-16", 1, None),
        ("title: Data\n".encode("utf-16-be"), "as if it was saved as UTF-16", 1, None),
        ("title: T\nsubject: Café\n".encode("cp1252"), "In the older encoding of Windows it would be «é».", 2, 13),
        ("title: T\nsubject: “x” – “y”\n".encode("cp1252"), "nor can 4 more in this file", 2, 10),
        (b"title: T\nsubject: a\xed\xa0\x80b\n", "cannot be read as UTF-8", 2, 11),
        (b"title: T\nsubject: a\xc0\x80b\n", "cannot be read as UTF-8", 2, 11),
        (b"title: T\nsubject: a\x00b\n", "U+0000", 2, 11),
        ("title: T\nsubject: a\u2028b\n".encode(), "U+2028", 2, 11),
        ("title: T\n# \u202e note\n".encode(), "U+202E", 2, 3),
        (b"\x7fELF\x01\x01\x01", "U+007F", 1, 1),
    ],
)
def test_wrong_encodings_are_told_with_what_to_do(data, sentence, line, column, findings):
    found = next(finding for finding in findings(data) if sentence in finding.what)
    assert (found.line, found.column) == (line, column)
    if "saved" in sentence or "Windows" in sentence:
        assert "UTF-8" in found.fix


def test_other_mistakes_of_a_file_in_a_wrong_encoding_are_told_too(findings):
    found = findings("title: Café\nsubjekt: S\nblocks: [{kind: divider}]\n".encode("latin-1"))
    assert [f.rule for f in found] == ["encoding", "unknown-field"]


def test_a_mark_at_the_start_of_a_file_is_no_matter(read):
    assert read(b"\xef\xbb\xbftitle: T\r\nsubject: S\r\nblocks:\r\n  - kind: divider\r\n").edition.title == "T"


def test_what_is_no_file_is_refused_without_waiting(root):
    path = root / "editions" / "demo" / "edition.yaml"
    os.mkfifo(path)
    with pytest.raises(EditionInvalidError, match="not a file that holds text"):
        read_edition(path, root)
    path.unlink()
    path.mkdir()
    with pytest.raises(EditionInvalidError, match="is a folder"):
        read_edition(path, root)


def test_nothing_outside_the_project_is_read(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "edition.yaml"
    outside.write_text("title: secret", encoding="utf-8")
    path = root / "editions" / "demo" / "edition.yaml"
    path.symlink_to(outside)
    with pytest.raises(EditionInvalidError, match="lies outside of the project") as error:
        read_edition(path, root)
    assert "secret" not in str(error.value)
    (root / "editions" / "linked").symlink_to(outside.parent)
    with pytest.raises(EditionInvalidError, match="lies outside of the project"):
        read_edition(root / "editions" / "linked" / "edition.yaml", root)
    with pytest.raises(EditionInvalidError, match="lies outside of the project"):
        read_edition(root / "editions" / ".." / ".." / outside.parent.name / "edition.yaml", root)


def test_a_link_inside_the_project_is_followed(root):
    path = root / "editions" / "demo" / "edition.yaml"
    (root / "shared.yaml").write_text(HEAD + "  - kind: divider\n", encoding="utf-8")
    path.symlink_to(root / "shared.yaml")
    assert read_edition(path, root).slug == "demo"


@pytest.mark.parametrize("link", ["nowhere.yaml", "edition.yaml"])
def test_a_link_to_nothing_is_told(link, root):
    path = root / "editions" / "demo" / "edition.yaml"
    path.symlink_to(link)
    with pytest.raises((EditionNotFoundError, EditionInvalidError)):
        read_edition(path, root)


def test_a_name_that_no_file_can_have_is_not_found(root):
    for slug in ("x" * 300, "a\0b"):
        with pytest.raises((EditionNotFoundError, EditionInvalidError)):
            read_edition(root / "editions" / slug / "edition.yaml", root)


def test_a_file_that_may_not_be_read_is_told(root, monkeypatch):
    path = root / "editions" / "demo" / "edition.yaml"
    path.write_text("x", encoding="utf-8")

    def refuse(*args: object) -> int:  # the superuser, as whom tests may run, is refused nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(EditionInvalidError, match="permission denied"):
        read_edition(path, root)


def test_the_text_of_a_file_can_be_read_for_itself(root):
    path = root / "editions" / "demo" / "edition.yaml"
    path.write_bytes("\ufefftitle: e\u0301\r\nno edition".encode())
    assert read_text(path, root) == "title: é\nno edition"
    path.write_bytes(b"title: \xff")
    with pytest.raises(EditionInvalidError, match="UTF-8"):
        read_text(path, root)
