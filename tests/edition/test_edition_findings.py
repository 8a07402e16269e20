"""Every mistake of an edition's file is told at once: file, line, column, block in words, what is wrong, what to do."""

from pathlib import Path

import pytest

from newsletter.edition.blocks import KINDS
from newsletter.edition.files import read_edition
from newsletter.errors import EditionInvalidError, EditionNotFoundError, Severity

BROKEN = """\
title: Data: Sharing
subject: Hi {{ frist_name }}
serie: Meet the Data Champions
language: english
blocks:
  - kind: text
    body: |
      Dear {{ first_name }},

      # Heading
      a [link](www.example.org)
  - kind: spotligth
    organisation: X
  - kind: spotlight
    organization: ECPAT International
    link: {label: Read, url: "javascript:alert(1)"}
    image: {src: ../x.png}
  - just text
  - kind: columns
    columns:
      - - kind: text
          body: >
            folded *text* with
            {{ countryy }} here
      - - kind: heading
          text: Ours
          level: 4
        - kind: stats
          items:
            - value: 12
              label: [a]
  - body: nothing
  - kind: event
    title: Issue #5
    starts: 2026-03-05
    ends: 2026-03-04
"""


def test_all_mistakes_of_a_file_are_told_at_once_in_order(findings):
    assert [f"{f.line}:{f.column} {f.rule} {f.block or ''}".rstrip() for f in findings(BROKEN)] == [
        "1:12 yaml",
        "2:16 expression",
        "3:1 unknown-field",
        "4:11 language",
        "10:7 markdown block 1, text",
        "11:16 address block 1, text",
        "12:11 unknown-kind block 2",
        "15:5 unknown-field block 3, spotlight",
        "16:31 address block 3, spotlight",
        "17:5 missing-field block 3, spotlight",
        "17:18 picture-path block 3, spotlight",
        "18:5 not-fields block 4",
        "24:16 expression block 5, columns, column 1, block 1, text",
        "27:18 choice block 5, columns, column 2, block 1, heading «Ours»",
        "31:15 not-a-text block 5, columns, column 2, block 2, stats",
        "32:5 missing-kind block 6",
        "34:18 comment block 7, event «Issue»",
        "36:11 event-time block 7, event «Issue»",
    ]
    assert {f.file for f in findings(BROKEN)} == {"editions/demo/edition.yaml"}


def test_the_error_shows_all_of_them(read):
    with pytest.raises(EditionInvalidError) as error:
        read(BROKEN)
    assert str(error.value).count("\n") == len(error.value.findings) - 1
    assert "editions/demo/edition.yaml:3:1: There is no field «serie» in an edition. Write series." in str(error.value)


def test_no_sentence_speaks_of_programs(findings):
    for finding in findings(BROKEN):
        assert finding.what.endswith(".")
        text = f"{finding.what} {finding.fix}".lower()
        for word in (
            "pydantic",
            "validat",
            "mapping",
            "scalar",
            "dict",
            "str ",
            "tuple",
            "union",
            "token",
            "none",
            "parse",
            "input should",
        ):
            assert word not in text, text


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (
            "kind: spotlight\norganization: O",
            "2:1 There is no field «organization» in a spotlight block. Write organisation.",
        ),
        ("kind: text\nBody: B", "2:1 There is no field «Body» in a text block. Write body."),
        (
            "kind: divider\ncolour: red",
            "2:1 There is no field «colour» in a divider block. Its fields are kind, when, silence.",
        ),
        ("kind: button\nlabel: L\nurl: https://example.org\nurls: x", "4:1 There is no field «urls»"),
        ("kind: text", "1:1 The field «body» is missing: a text block needs it. Add a line body: …"),
        ("kind: text\nbody:", "2:1 body is empty. Write something after the colon."),
        ("kind: text\nbody: ''", "2:7 body: There is nothing in this text."),
        (
            "kind: image\nsrc: images/a.png\nalt:",
            '3:1 alt is empty. Say in words what the picture shows; write "" if it only decorates.',
        ),
        ("kind: texts\nbody: B", "1:7 There is no kind of block «texts». Write kind: text. What else"),
        ("kind: zzz", "1:7 There is no kind of block «zzz». Write text, heading,"),
        ("kind:", "1:1 The kind of this block must be one word."),
        ("kind: [a]", "1:1 The kind of this block must be one word."),
        ("type: text\nbody: B", "1:1 The field «type» is called kind."),
        ("Kind: text\nbody: B", "1:1 The field «Kind» is called kind."),
        ("body: B", "1:1 This block does not say what kind it is."),
        ("just words", "1:1 A block must have fields, but there is a text."),
        ("- kind: text", "1:1 A block must have fields, but there is a list."),
        ("", "1:0 A block must have fields, but there is nothing."),
        ("kind: text\nbody: [a, b]", "2:1 body must be a text, but there is a list."),
        ("kind: text\nbody: {a: b}", "2:1 body must be a text, but there is a part with fields of its own."),
        (
            "kind: spotlight\norganisation: O\ntopics: One, two",
            "3:1 topics must be a list, but there is a text. Write topics: [One, two]",
        ),
        (
            "kind: spotlight\norganisation: O\ntopics:\n  - Data: sharing",
            (
                "4:5 topics 1 must be a text, but there is a part with fields of its own. "
                'If the colon belongs to the text, put the text in quotes: "Data: sharing"'
            ),
        ),
        (
            "kind: spotlight\norganisation: O\nlink: https://example.org",
            "3:7 link must have fields of its own, but there is a text. Write under it label: … and url: …",
        ),
        (
            "kind: spotlight\norganisation: O\nlink: {lable: L, url: 'https://example.org'}",
            "3:8 There is no field «lable» in a link. Write label.",
        ),
        (
            "kind: spotlight\norganisation: O\nimage: {src:images/a.png, alt: A}",
            "3:9 A blank is missing after the colon. Write src: …",
        ),
        ("kind: links\nitems: []", "2:1 items is empty. Write at least 1."),
        (
            "kind: links\nitems: [{label: L}]",
            "2:9 The field «url» is missing: a line of links needs it. Add a line url: https://…",
        ),
        ("kind: stats\nitems: [{label: L}]", "2:9 The field «value» is missing: a figure needs it."),
        ("kind: callout\nbody: B\ntone: warnung", "3:7 tone cannot be «warnung». Write warning."),
        ("kind: callout\nbody: B\ntone: zzz", "3:7 tone cannot be «zzz». Write info, warning or success."),
        ("kind: heading\ntext: T\nlevel: 1", "3:8 level cannot be «1». Write 2 or 3."),
        (
            "kind: columns\ncolumns:\n  - kind: divider\n  - - kind: divider",
            "3:5 This column must be a list, but there is a part with fields of its own.",
        ),
        ("kind: columns\ncolumns: [[], [{kind: divider}]]", "2:11 This column is empty. Begin a block with - kind: …"),
        ("kind: divider\nwhen: [a]", "2:1 when must be a text, but there is a list."),
    ],
)
def test_what_is_told_about_one_mistake(block, sentence, told):
    found = told(block)
    assert len(found) == 1
    assert found[0].startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This file is empty."),
        ("# only a note\n", "This file is empty."),
        ("just words\n", "This file holds no fields."),
        ("- a\n- b\n", "This file holds no fields."),
    ],
)
def test_what_is_no_edition_at_all(text, sentence, findings):
    found = findings(text)
    assert [f.what for f in found] == [sentence]
    assert "title: …" in found[0].fix


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ("blocks:\n", "blocks is empty. Begin each block with a dash: - kind: …"),
        ("blocks: []\n", "blocks is empty. Begin a block with - kind: …"),
        (
            "blocks:\n  kind: text\n  body: B\n",
            (
                "blocks must be a list, but there is a part with fields of its own. "
                "Begin each block with a dash: - kind: …"
            ),
        ),
        ("", "The field «blocks» is missing: an edition needs it. Add a line blocks: …"),
    ],
)
def test_an_edition_without_blocks(blocks, sentence, findings):
    assert [f"{f.what} {f.fix}" for f in findings(f"title: T\nsubject: S\n{blocks}")] == [sentence]


def test_a_mistake_in_a_column_of_wrong_blocks_does_not_make_the_column_empty(findings):
    text = (
        "title: T\nsubject: S\nblocks:\n  - kind: columns\n    columns:\n      - - kind: txt\n      - - kind: divider\n"
    )
    assert [(f.rule, f.line) for f in findings(text)] == [("unknown-kind", 6)]


@pytest.mark.parametrize(
    ("style", "places"),
    [
        ("|\n      One\n      {{ x }}", (6, 10)),
        ("|2\n      One\n      {{ x }}", (6, 10)),
        (">-\n      One\n\n      two {{ x }}", (7, 14)),
        ("One {{ x }}", (4, 18)),
        ("One\n      two\n\n      {{ x }}", (7, 10)),
        ("'One''s {{ x }}'", (4, 22)),
        ("'One\n      it''s {{ x }}'", (5, 16)),
        ('"One {{ x }}"', (4, 19)),
        (r'"\"O\u00e9\" \x41\t\n{{ x }}"', (4, 35)),
        ('"One \\\n      two\\n\n      {{ x }}"', (6, 10)),
    ],
)
def test_a_mistake_inside_a_text_is_told_at_its_character(style, places, findings):
    found = [
        f
        for f in findings(f"title: T\nsubject: S\nblocks:\n  - body: {style}\n    kind: text\n")
        if f.rule == "expression"
    ]
    assert [(f.line, f.column) for f in found] == [places]


def test_lines_are_counted_as_editors_do(findings):
    for end in ("\n", "\r\n", "\r"):
        text = end.join(
            ["\ufefftitle: é́", "subject: S", "blocks:", "  - kind: text", "    body: |", "      ä {{ x }}", ""]
        )
        assert [(f.line, f.column) for f in findings(text)] == [(6, 12)]


def test_a_block_is_named_by_what_its_writer_knows_it_by(findings):
    text = "title: T\nsubject: S\nblocks:\n"
    names = {kind: model.named_by for kind, model in KINDS.items() if model.named_by}
    for kind, field in names.items():
        text += f'  - {{kind: {kind}, {field}: "A  long\\nname {"x" * 60}", zzz: 1}}\n'
    for finding in findings(text):
        if finding.rule == "unknown-field":
            assert "«A long name xxxx" in finding.block
            assert finding.block.endswith("x…»")
            assert len(finding.block) < 70


def test_findings_can_be_made_for_any_part_of_a_file(read):
    file = read(
        "title: T\nsubject: S\nblocks:\n  - kind: divider\n  - kind: spotlight\n    organisation: ECPAT International\n"
        '    topics: [One, "Two"]\n    image: {src: images/a.png, alt: A}\n    body: |\n      One\n      two\n'
    )

    def place(*loc, **more):
        finding = file.finding(loc, "rule", "What.", "Fix.", Severity.SHOULD_FIX, **more)
        assert (finding.rule, finding.what, finding.fix, finding.severity) == (
            "rule",
            "What.",
            "Fix.",
            Severity.SHOULD_FIX,
        )
        return finding.line, finding.column, finding.block

    spotlight = "block 2, spotlight «ECPAT International»"
    assert place("title") == (1, 8, None)
    assert place("blocks", 0) == (4, 5, "block 1, divider")
    assert place("blocks", 1) == (5, 5, spotlight)
    assert place("blocks", 1, "image", "src") == (8, 18, spotlight)
    assert place("blocks", 1, "image") == (8, 5, spotlight)
    assert place("blocks", 1, "topics", 1) == (7, 19, spotlight)
    assert place("blocks", 1, "body", offset=4) == (11, 7, spotlight)
    assert place("blocks", 1, "link") == (5, 5, spotlight)
    assert place("blocks", 7) == (3, 1, "block 8")
    assert place("preheader") == (1, 1, None)
    assert place() == (1, 1, None)


def test_good_files_may_have_findings_too(read):
    file = read("title: Issue #5\nsubject: S\nblocks: [{kind: divider}]\n")
    assert [(f.rule, f.severity, f.line) for f in file.findings] == [("comment", Severity.SHOULD_FIX, 1)]
    assert (file.slug, file.folder, file.path.name) == ("demo", file.path.parent, "edition.yaml")


def test_too_many_findings_are_cut_short(findings):
    found = findings("title: T\nsubject: S\nblocks:\n" + "  - kind: txt\n" * 150)
    assert len(found) == 101
    assert found[-1].what == "There are 50 more problems."


def test_an_unknown_edition_is_told_with_the_nearest_name(root):
    from newsletter.edition.files import read_edition

    (root / "editions" / "demo" / "edition.yaml").write_text("x")
    with pytest.raises(EditionNotFoundError, match=r"There is no edition «dmo»\. Did you mean demo\?"):
        read_edition(root / "editions" / "dmo" / "edition.yaml", root)
    with pytest.raises(EditionNotFoundError, match=r"There are: demo\."):
        read_edition(root / "editions" / "something-else" / "edition.yaml", root)
    (root / "editions" / "demo" / "edition.yaml").unlink()
    with pytest.raises(EditionNotFoundError, match="newsletter new"):
        read_edition(root / "editions" / "demo" / "edition.yaml", root)
    with pytest.raises(EditionNotFoundError):
        read_edition(root / "nowhere" / "x" / "edition.yaml", root)


def test_a_missing_picture_is_told_even_when_other_things_are_wrong(tmp_path: Path) -> None:
    """All mistakes at once: nobody should fix nine things to learn of the tenth."""
    folder = tmp_path / "editions" / "first"
    folder.mkdir(parents=True)
    text = "title: T\nsubjekt: S\nblocks:\n  - {kind: image, src: images/none.png, alt: Nothing}\n"
    (folder / "edition.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(EditionInvalidError) as caught:
        read_edition(folder / "edition.yaml", tmp_path)
    told = {finding.rule: finding for finding in caught.value.findings}
    assert (told["missing-picture"].line, told["missing-picture"].block) == (4, "block 1, image «images/none.png»")
    assert len(told) > 1
