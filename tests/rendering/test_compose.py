"""Composing: the same input makes the same bytes, what is stored reads back whole, what is hidden was never there."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from newsletter.errors import CompileError, EditionInvalidError
from newsletter.rendering import compose as compose_module
from newsletter.rendering import composition as composition_module
from newsletter.rendering.checking import check
from newsletter.rendering.compose import compose
from newsletter.rendering.composition import Composition
from newsletter.rendering.mjml import compile_mjml
from tests.rendering.composing import EVERY_KIND, NOBODY, Bench, Blocks, page_of, text_of, words

SLOTS: Blocks = [
    {"kind": "text", "body": "Dear {{ first_name | default('you') }}, [see](https://www.example.org/?n={{ email }})"},
    {"kind": "text", "body": "For researchers.", "when": '"researcher" in tags'},
    {"kind": "image", "src": "images/a.png", "alt": "A"},
]

# The digest


PROGRAM = """
import sys
from pathlib import Path
from newsletter.edition.files import read_edition
from newsletter.project import open_project
from newsletter.rendering.compose import compose
root = Path(sys.argv[1])
print(compose(read_edition(root / "editions/demo/edition.yaml", root), open_project(root, {})).digest)
"""


def test_another_process_makes_the_same_composition(bench: Bench) -> None:
    """Whatever the order of Python's sets may be there."""
    project = bench.project()
    file = bench.written(
        "title: T\nsubject: S\nblocks:\n  - {kind: text, body: 'Hello {{ first_name }}'}\n"
        "  - {kind: spotlight, organisation: O, topics: [b, a], image: {src: images/a.png, alt: A}, when: tags}\n"
    )
    ours = compose(file, project).digest
    for seed in ("1", "2"):
        environ = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(bench.root)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ours


def change_text(bench: Bench) -> Blocks:
    return [{**SLOTS[0], "body": "Dear {{ first_name | default('all') }}."}, *SLOTS[1:]]


def change_condition(bench: Bench) -> Blocks:
    return [SLOTS[0], {**SLOTS[1], "when": '"researchers" in tags'}, SLOTS[2]]


def change_alt(bench: Bench) -> Blocks:
    return [*SLOTS[:2], {**SLOTS[2], "alt": "B"}]


def change_picture(bench: Bench) -> Blocks:
    bench.picture("a.png", "#e8735b")
    return SLOTS


def change_template(bench: Bench) -> Blocks:
    bench.template("blocks/text.mjml.j2", "<mj-text padding='1px'>{{ block.body }}</mj-text>")
    return SLOTS


def change_text_template(bench: Bench) -> Blocks:
    bench.template("blocks/text.txt.j2", "> {{ block.body }}")
    return SLOTS


def change_words(bench: Bench) -> Blocks:
    bench.template("words/en.toml", 'unsubscribe = "Leave"')
    return SLOTS


def change_color(bench: Bench) -> Blocks:
    bench.toml = bench.toml.replace("#0f4c5c", "#0f4c5d")
    return SLOTS


def change_footer(bench: Bench) -> Blocks:
    bench.toml += '\n[footer]\ntext = "Join us."\n'
    return SLOTS


def change_images(bench: Bench) -> Blocks:
    bench.environ = {"NEWSLETTER_SENDING__IMAGES": "embed"}
    return SLOTS


@pytest.mark.parametrize(
    "change",
    [
        change_text,
        change_condition,
        change_alt,
        change_picture,
        change_template,
        change_text_template,
        change_words,
        change_color,
        change_footer,
        change_images,
    ],
)
def test_whatever_readers_could_notice_changes_the_digest(bench: Bench, change: Callable[[Bench], Blocks]) -> None:
    before = bench.compose(SLOTS).digest
    assert bench.compose(SLOTS).digest == before
    assert bench.compose(change(bench)).digest != before


@pytest.mark.parametrize(
    "envelope",
    [
        {"subject": "Other"},
        {"title": "Other"},
        {"preheader": "Other"},
        {"series": "Other"},
        {"language": "fr"},
        {"date": "2026-03-31"},
        {"public": False},
        {"from": "Other <other@example.org>"},
        {"reply_to": "other@example.org"},
    ],
    ids=lambda envelope: next(iter(envelope)),
)
def test_the_envelope_counts_too(bench: Bench, envelope: dict[str, Any]) -> None:
    assert bench.compose(SLOTS, **envelope).digest != bench.compose(SLOTS).digest


def test_a_composition_reads_back_whole(bench: Bench) -> None:
    """What is frozen for a mailing is what is sent, days later, by another process."""
    subject = "For {{ first_name | default('you') }}"
    made = bench.compose([*EVERY_KIND, *SLOTS], subject=subject, date="2026-03-31", preheader="P {{ email }}")
    read = Composition.load(made.dump())
    assert read == made
    assert read.digest == made.digest
    assert read.dump() == made.dump()
    for key in [(True,), (False,)]:
        assert read.variant(key) == made.variant(key)
    assert read.pictures[0].content == made.pictures[0].content


@pytest.mark.parametrize("stored", [b"", b"{}", b"[]", b"\xff", b'{"marks": 1}', b"null"])
def test_what_is_no_composition_is_refused(stored: bytes) -> None:
    with pytest.raises(CompileError, match="cannot be read"):
        Composition.load(stored)


# Variants


def hiding(when: str, block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "when": when}


def test_a_hidden_block_was_never_there(bench: Bench) -> None:
    """Both parts are, byte for byte, those of an edition without it."""
    around: Blocks = [{"kind": "text", "body": "Before."}, {"kind": "heading", "text": "After"}]
    without = bench.compose(around)
    for block in EVERY_KIND:
        if block["kind"] in {"spotlight", "image", "event", "video", "columns", "stats"}:
            continue  # they begin a row of their own, which is seen in the text alone
        made = bench.compose([around[0], hiding("tags", block), around[1]])
        assert page_of(made, (False,)) == page_of(without)
        assert text_of(made, (False,)) == text_of(without)
        assert page_of(made, (True,)) != page_of(without)


def test_hidden_blocks_of_every_kind_leave_no_trace(bench: Bench) -> None:
    around: Blocks = [{"kind": "text", "body": "Before."}, {"kind": "text", "body": "After."}]
    without = bench.compose(around)
    hidden = [hiding(f'country == "{number}"', block) for number, block in enumerate(EVERY_KIND)]
    made = bench.compose([around[0], *hidden, around[1]])
    key = (False,) * len(EVERY_KIND)
    assert text_of(made, key) == text_of(without)
    assert words(page_of(made, key)) == words(page_of(without))
    assert "images/" not in page_of(made, key)
    assert page_of(made, key).count("<table") - page_of(without).count("<table") <= 4  # one more row, never one each


def test_blocks_in_columns_hide_too(bench: Bench) -> None:
    def columns(*left: dict[str, Any]) -> Blocks:
        return [{"kind": "columns", "columns": [list(left), [{"kind": "text", "body": "Right."}]]}]

    always = {"kind": "text", "body": "Always."}
    made = bench.compose(columns(always, hiding("tags", {"kind": "button", "label": "B", "url": "https://e.example"})))
    without = bench.compose(columns(always))
    assert page_of(made, (False,)) == page_of(without)
    assert text_of(made, (False,)) == text_of(without)
    assert "B" in words(page_of(made, (True,)))


def test_columns_of_which_nothing_is_left_leave_no_row(bench: Bench) -> None:
    text = {"kind": "text", "body": "Always."}
    inside = hiding("tags", {"kind": "text", "body": "Sometimes."})
    made = bench.compose([text, {"kind": "columns", "columns": [[inside], [inside]]}])
    without = bench.compose([text])
    assert text_of(made, (False,)) == text_of(without)
    assert words(page_of(made, (False,))) == words(page_of(without))
    assert 'class="sf sn"' not in page_of(made, (False,))


def test_conditions_inside_conditions_must_all_hold(bench: Bench) -> None:
    inner = hiding('country == "KE"', {"kind": "text", "body": "Inner."})
    other = {"kind": "text", "body": "Other."}
    made = bench.compose([hiding("tags", {"kind": "columns", "columns": [[inner], [other]]})])
    assert made.conditions == ("tags", 'country == "KE"')
    seen = {key: words(page_of(made, key)) for key in [(True, True), (True, False), (False, True), (False, False)]}
    assert [("Inner." in text, "Other." in text) for text in seen.values()] == [
        (True, True),
        (False, True),
        (False, False),
        (False, False),
    ]
    for key, text in seen.items():
        assert ("Inner." in text_of(made, key), "Other." in text_of(made, key)) == ("Inner." in text, "Other." in text)


def test_the_same_condition_twice_is_one(bench: Bench) -> None:
    made = bench.compose([hiding("tags", block) for block in EVERY_KIND])
    assert made.conditions == ("tags",)
    assert made.key_for({**NOBODY, "tags": ("ngo",)}) == (True,)
    assert made.key_for(NOBODY) == (False,)


def test_twenty_conditions_cost_no_more_than_the_variants_that_are_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million variants are possible; those that some reader sees are compiled, each once."""
    compiled = []

    def counted(*arguments: Any, **named: Any) -> str:
        compiled.append(1)
        return compile_mjml(*arguments, **named)

    monkeypatch.setattr(composition_module, "compile_mjml", counted)
    made = bench.compose(
        [hiding(f'"t{number}" in tags', {"kind": "text", "body": f"Number {number}."}) for number in range(20)]
    )
    assert len(made.conditions) == 20
    assert compiled == []
    for tags in [("t3",), ("t3", "t19"), (), ("t3",)]:
        key = made.key_for({**NOBODY, "tags": tags})
        page, text = page_of(made, key), text_of(made, key)
        for number in range(20):
            assert (f"Number {number}." in page) is (f"Number {number}." in text) is (f"t{number}" in tags)
    assert len(compiled) == 3


# Pictures


def test_a_picture_has_an_address_on_the_web_or_in_the_message(bench: Bench) -> None:
    blocks: Blocks = [{"kind": "image", "src": "images/a.png", "alt": "A"}]
    linked = bench.compose(blocks)
    (picture,) = linked.pictures
    assert (picture.width, picture.height, picture.media_type) == (60, 40, "image/png")
    assert f'src="https://news.example.org/images/{picture.name}"' in page_of(linked)
    bench.environ = {"NEWSLETTER_SENDING__IMAGES": "embed"}
    embedded = bench.compose(blocks)
    assert f'src="cid:{picture.name}@stayintheloop"' in page_of(embedded)
    assert embedded.pictures == linked.pictures


def test_a_picture_used_twice_travels_once(bench: Bench) -> None:
    image = {"kind": "image", "src": "images/a.png", "alt": "A"}
    assert len(bench.compose([image, image, {**image, "alt": "B"}]).pictures) == 1


def test_every_picture_that_cannot_be_used_is_told_with_its_place(bench: Bench) -> None:
    (bench.folder / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (bench.folder / "images" / "words.jpg").write_text("not a picture")
    yaml = """title: T
subject: S
blocks:
  - kind: spotlight
    organisation: ECPAT International
    image: {src: images/broken.png, alt: A}
  - kind: columns
    columns:
      - - {kind: text, body: Left.}
      - - kind: image
          src: images/words.jpg
          alt: B
"""
    file = bench.written(yaml)
    with pytest.raises(EditionInvalidError) as caught:
        compose(file, bench.project())
    found = caught.value.findings
    assert [(f.rule, f.file, f.line, f.block) for f in found] == [
        ("image", "editions/demo/edition.yaml", 6, "block 1, spotlight «ECPAT International»"),
        ("image", "editions/demo/edition.yaml", 11, "block 2, columns, column 2, block 1, image «images/words.jpg»"),
    ]
    assert "«broken.png»" in found[0].what
    assert "«words.jpg»" in found[1].what


def test_pictures_that_are_not_there_or_elsewhere_are_told_together(bench: Bench) -> None:
    (bench.root / "secret.png").write_bytes((bench.folder / "images" / "a.png").read_bytes())
    (bench.folder / "images" / "link.png").symlink_to(bench.root / "secret.png")
    bench.project()
    (bench.folder / "edition.yaml").write_text(
        "title: T\nsubject: S\nblocks:\n"
        "  - {kind: image, src: images/b.png, alt: A}\n"
        "  - {kind: image, src: images/link.png, alt: A}\n"
    )
    found = check("demo", bench.project())
    assert [(f.rule, f.line) for f in found] == [("missing-picture", 4), ("picture-path", 5)]
    assert "images/a.png" in found[0].fix


def test_a_logo_that_cannot_be_used_is_told_at_its_setting(bench: Bench) -> None:
    (bench.root / "logo.png").write_text("no picture")
    bench.toml = bench.toml.replace("[brand]\n", '[brand]\nlogo = "logo.png"\n')
    with pytest.raises(EditionInvalidError) as caught:
        bench.compose(EVERY_KIND)
    (finding,) = caught.value.findings
    assert (finding.file, finding.line) == ("newsletter.toml", 13)


def test_an_edition_without_end_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler and no mail program should be asked to read it."""
    monkeypatch.setattr(compose_module, "MAX_BYTES", 10_000)
    with pytest.raises(EditionInvalidError, match="so long"):
        bench.compose(EVERY_KIND)
