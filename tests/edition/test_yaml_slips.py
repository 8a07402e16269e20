"""Slips in YAML are told in words, at their place, and the rest of the file is read all the same."""

import pytest

from newsletter.edition.files import FIELD_NAMES
from newsletter.edition.reading import read_document
from newsletter.edition.tree import plain


def read(text):
    """What could be read, and what was told: line, column, sentences."""
    document, flaws = read_document(text, FIELD_NAMES)
    return plain(document.root), [(flaw.line, flaw.column, f"{flaw.what} {flaw.fix}") for flaw in flaws]


REST = "subject: S\nblocks:\n  - kind: text\n    body: B\n"
READ_REST = {"subject": "S", "blocks": [{"kind": "text", "body": "B"}]}


@pytest.mark.parametrize(
    ("value", "column", "sign", "written"),
    [
        ("Data: the story", 12, "colon", '"Data: the story"'),
        ("Hello:", 13, "colon", '"Hello:"'),
        ("{{ first_name }}, hello", 8, "curly bracket", '"{{ first_name }}, hello"'),
        ('{{ first_name | default("you") }}!', 8, "curly bracket", "'{{ first_name | default(\"you\") }}!'"),
        ("{x} y", 8, "curly bracket", '"{x} y"'),
        ("[Draft] Data", 8, "square bracket", '"[Draft] Data"'),
        ("*bold* move", 8, "asterisk", '"*bold* move"'),
        ("@home", 8, "«@»", '"@home"'),
        ("%off", 8, "«%»", '"%off"'),
        ("`code`", 8, "«`»", '"`code`"'),
        ("- a dash", 8, "«-»", '"- a dash"'),
        ("? why", 8, "«?»", '"? why"'),
        (", and", 8, "«,»", '", and"'),
        ('"Hello" world', 8, "goes on after the closing one", "'\"Hello\" world'"),
        ("'It's me'", 8, "goes on after the closing one", '"It\'s me"'),
        ('"say "hi" now"', 8, "goes on after the closing one", "'say \"hi\" now'"),
    ],
)
def test_a_text_that_needs_quotes(value, column, sign, written):
    root, told = read(f"title: {value}\n{REST}")
    assert len(told) == 1
    assert told[0][:2] == (1, column)
    assert sign in told[0][2]
    assert f"Put the whole text in quotes: title: {written}" in told[0][2]
    assert {name: root[name] for name in READ_REST} == READ_REST
    assert read(f"title: {written}\n{REST}") == ({"title": root["title"], **READ_REST}, [])


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        ("{{ first_name }}", "curly bracket"),
        ("&amp more", "«&»"),
        ("!important news", "exclamation mark"),
        ("*alias", "asterisk"),
        ("!!python/object/apply:os.system [ls]", "exclamation mark"),
        ("&anchor [a, b]", "«&»"),
    ],
)
def test_a_sign_that_yaml_would_have_accepted(value, sign):
    """These are no mistakes to a YAML reader, which would make an alias, an anchor, a tag or a mapping of them."""
    root, told = read(f"title: {value}\n{REST}")
    assert len(told) == 1
    assert told[0][:2] == (1, 8)
    assert sign in told[0][2]
    assert root == {"title": None, **READ_REST}


def test_a_condition_keeps_its_own_quotes():
    root, told = read('blocks:\n  - kind: divider\n    when: "a" in tags or tags == "b"\n')
    assert told[0][:2] == (3, 11)
    assert 'when: \'"a" in tags or tags == "b"\'' in told[0][2]
    assert root["blocks"][0]["when"] == '"a" in tags or tags == "b"'


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ('title: "Data\n' + REST, 1, 8, 'The quote " that opens here is never closed.'),
        ("title: 'Data\n" + REST, 1, 8, "The quote ' that opens here is never closed."),
        (
            'title: "Data\nsubject: "S"\nblocks:\n  - kind: text\n    body: B\n',
            1,
            8,
            'The quote " that opens here is never closed.',
        ),
        ("title:Data\n" + REST, 1, 1, "A blank is missing after the colon. Write title: Data"),
        ("title Data\n" + REST, 1, 1, "A colon is missing after «title». Write title: Data"),
        ("subject: S\ntitle:Data\nblocks:\n  - kind: text\n    body: B\n", 2, 1, "A blank is missing after the colon."),
        ("title: Data\n subject: S\nblocks:\n  - kind: text\n    body: B\n", 2, 2, "begin in column 1"),
        ("title: Data\nsubject: S\nblocks:\n  - kind: text\n   body: B\n", 5, 4, "begin in column 5"),
        ("title: Data\nsubject: S\nblocks:\n  - kind: text\n      body: B\n", 5, 7, "begin in column 5"),
        ("title: Data\nsubject: S\nblocks:\n  -kind: text\n    body: B\n", 4, 3, "A blank is missing after the dash."),
        ("title: Data\nsubject: S\nblocks:\n\t- kind: text\n\t  body: B\n", 4, 1, "begins with a tab"),
        ("title:\tData\n" + REST, 1, 7, "There is a tab here."),
        ('title: "C:\\Data"\n' + REST, 1, 11, "Use single quotes: title: 'C:\\Data'"),
        ("title: | Data\n" + REST, 1, 10, "After | the text begins on the next line."),
    ],
)
def test_lines_that_do_not_fit(text, line, column, sentence):
    root, told = read(text)
    assert len(told) == 1
    assert told[0][:2] == (line, column)
    assert sentence in told[0][2]
    assert {name: root[name] for name in READ_REST} == READ_REST
    assert "Data" in root["title"]


def test_a_text_that_slipped_out_of_its_indentation_is_put_back():
    root, told = read("blocks:\n  - kind: text\n    body: |\n      One\n    two three\n      four\n    when: tags\n")
    assert [found[:2] for found in told] == [(5, 5)]
    assert "must belong to «body» above" in told[0][2]
    assert root == {"blocks": [{"kind": "text", "body": "One\ntwo three\nfour", "when": "tags"}]}


def test_a_block_without_its_dash():
    root, told = read("blocks:\n  - kind: text\n    body: A\n  kind: text\n  body: B\n")
    assert told == [(4, 3, "A dash is missing before this block. Begin each block with a dash: - kind: …")]
    assert root == {"blocks": [{"kind": "text", "body": "A"}, {"kind": "text", "body": "B"}]}


def test_an_open_bracket():
    root, told = read("blocks:\n  - topics: [One, Two\n    kind: spotlight\n")
    assert told == [(2, 13, "The bracket [ that opens here is not closed. Write ] where it ends.")]
    assert root == {"blocks": [{"topics": ["One", "Two"], "kind": "spotlight"}]}


def test_a_colon_between_brackets():
    root, told = read('blocks:\n  - link: {label: Read: more, url: "https://example.org"}\n    kind: spotlight\n')
    assert [found[:2] for found in told] == [(2, 23)]
    assert root == {"blocks": [{"link": None, "kind": "spotlight"}]}


def test_a_field_that_stands_twice():
    root, told = read("title: A\nsubject: S\n\ntitle: B\n")
    assert told == [(4, 1, "«title» stands here a second time; the first is in line 1. Keep one of the two.")]
    assert root == {"title": "A", "subject": "S"}


def test_a_note_that_swallows_a_text():
    """The title would go out as `Issue`, and nobody would know why."""
    root, told = read("title: Issue #5\nsubject: S # a note\nblocks: #\n")
    assert [found[:2] for found in told] == [(1, 14)]
    assert "«#5» is left out" in told[0][2]
    assert root["title"] == "Issue"
    assert read('title: "Issue #5"\nsubject: a#b\n')[1] == []
    assert read("title: #5\n")[1][0][:2] == (1, 8)


@pytest.mark.parametrize("text", ["a: b\n---\nc: d\n", "a: b\n...\nc\n"])
def test_a_second_document(text):
    root, told = read(text)
    assert root == {"a": "b"}
    assert "a file holds one edition" in told[0][2]


@pytest.mark.parametrize("text", ["%YAML 1.1\n---\na: b\n", "%TAG ! tag:example.org,2000:\n---\na: b\n"])
def test_orders_to_the_yaml_reader(text):
    assert "begins with %" in read(text)[1][0][2]


def test_merging_is_unknown():
    assert read("<<: {a: b}\n")[0] == {"<<": {"a": "b"}}


def test_keys_are_texts():
    assert read("1: a\nyes: b\n~: c\n")[0] == {"1": "a", "yes": "b", "~": "c"}
    root, told = read("? [a, b]\n: c\n")
    assert root is None
    assert len(told) == 1


def test_only_these_plain_words_are_nothing():
    text = "a:\nb: ~\nc: null\nd: 'null'\ne: no\nf: ''\ng: NULL\nh: None\n"
    assert read(text)[0] == {"a": None, "b": None, "c": None, "d": "null", "e": "no", "f": "", "g": None, "h": "None"}


def test_many_slips_are_all_told():
    text = (
        "title: A: b\nsubject: {{ first_name }}, hi\nseries:X\npreheader: @x\nblocks:\n  - kind: text\n   body: *B* c\n"
    )
    root, told = read(text)
    assert [found[0] for found in told] == [1, 2, 3, 4, 7, 7]
    assert root == {
        "title": "A: b",
        "subject": "{{ first_name }}, hi",
        "series": "X",
        "preheader": "@x",
        "blocks": [{"kind": "text", "body": "*B* c"}],
    }


def test_columns_are_those_of_the_file_as_it_is():
    """What is told after a slip in the same line does not move by the quotes that would put it right."""
    document, _ = read_document("title: A: b #c\nblocks:\n - kind: text\n   body: B\n - kind:text\n", FIELD_NAMES)
    assert document.position(document.text.index("b #c")) == (1, 11)


def test_depth_and_number_of_parts_are_bounded():
    assert "too deep" in read("[" * 30 + "]" * 30)[1][0][2]
    assert "too many parts" in read("a: [" + "b," * 11_000 + "]")[1][0][2]
