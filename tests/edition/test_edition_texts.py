"""What plain texts, languages, mailboxes, conditions and names of rules may be."""

import pytest

PLAIN = {  # every field that holds plain text on one line
    "subject": "{}",
    "preheader": "{}",
    "title": "{}",
    "series": "{}",
}


@pytest.mark.parametrize("field", PLAIN)
@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (r'"one\ntwo"', "line-break"),
        (r'"one\ttwo"', "character"),
        (r'"one\rtwo"', "character"),
        (r'"a\0b"', "character"),
        (r'"a\x07b"', "character"),
        (r'"a\x7Fb"', "character"),
        (r'"a\x85b"', "character"),
        (r'"a\u2028b"', "character"),
        (r'"a\u2029b"', "character"),
        (r'"a\uD800b"', "character"),
        (r'"a\uFEFFb"', "character"),
        (r'"a\uFFFFb"', "character"),
        (r'"a\u202Eb"', "character"),
        (r'"a\u2066b\u2069"', "character"),
        (r'" a"', "blank"),
        (r'"a "', "blank"),
        (r'"   "', "empty"),
    ],
)
def test_no_invisible_sign_gets_into_a_text_on_one_line(field, written, rule, findings):
    values = {"subject": "S", "title": "T", field: written}
    found = findings("\n".join(f"{name}: {value}" for name, value in values.items()) + "\nblocks: [{kind: divider}]")
    assert [finding.rule for finding in found if finding.what.startswith(field)][:1] == [rule]
    assert all(finding.what.startswith(field) for finding in found)


@pytest.mark.parametrize(
    "written", ['"Zürich 東京 مرحبا שלום"', "👩‍🚀 in space", '"‎left-to-right mark"', "a\u00a0b", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
)  # noqa: RUF100
def test_letters_of_all_scripts_and_their_joiners_are_welcome(written, read):
    subject = read(f"title: T\nsubject: {written}\nblocks: [{{kind: divider}}]").edition.subject
    assert subject == written.strip('"')


def test_texts_are_composed(read):
    assert read('title: T\nsubject: "e\u0301 \\u0065\\u0301"\nblocks: [{kind: divider}]').edition.subject == "é é"


def test_json_halves_of_a_character_are_put_together(read):
    assert read('{"title": "\\ud83d\\ude00", "subject": "S", "blocks": [{"kind": "divider"}]}').edition.title == "😀"


def test_a_long_text_is_refused_where_it_gets_too_long(findings):
    found = findings(f"title: {'a' * 201}\nsubject: S\nblocks: [{{kind: divider}}]")
    assert [(f.rule, f.line, f.column) for f in found] == [("too-long", 1, 208)]


def test_quotes_may_have_lines_and_keep_them(block):
    assert block("kind: quote\ntext: |\n  One\n  two\n\n  three").text == "One\ntwo\n\nthree"


def test_the_line_end_of_a_folded_text_is_no_part_of_it(read):
    assert read("title: T\nsubject: >\n  One\n  two\nblocks: [{kind: divider}]").edition.subject == "One two"


@pytest.mark.parametrize("field", ["title", "series"])
def test_what_is_the_same_for_all_takes_no_slot(field, findings):
    values = {"subject": "S", "title": "T", field: '"Hi {{ first_name }}"'}
    found = findings("\n".join(f"{name}: {value}" for name, value in values.items()) + "\nblocks: [{kind: divider}]")
    assert [finding.rule for finding in found] == ["slot"]


def test_every_bad_slot_of_a_text_is_told_at_its_column(findings):
    text = 'title: T\nsubject: "{{ frist_name }} and {{ email | uper }} and {{ tags }}"\nblocks: [{kind: divider}]'
    found = findings(text)
    assert [(f.rule, f.line, f.column) for f in found] == [("expression", 2, 14), ("expression", 2, 43)]
    assert "first_name" in found[0].fix
    assert "upper" in found[1].fix


@pytest.mark.parametrize("text", ["{% if x %}", "{# note #}", "{{ first_name", "}}", "{{ }}"])
def test_other_template_signs_are_refused(text, findings):
    found = findings(f'title: T\nsubject: "a {text}"\nblocks: [{{kind: divider}}]')
    assert [(f.rule, f.line) for f in found] == [("expression", 2)]


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("en", "en"),
        ("FR", "fr"),
        ("pt-br", "pt-BR"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("zh-Hant", "zh-Hant"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH-1996"),
        ("gsw", "gsw"),
        ("ar-u-nu-latn", "ar-u-nu-latn"),
        ("en-x-plain", "en-x-plain"),
    ],
)
def test_language_codes(tag, canonical, read):
    assert read(f"title: T\nsubject: S\nlanguage: {tag}\nblocks: [{{kind: divider}}]").edition.language == canonical


@pytest.mark.parametrize(
    ("tag", "advice"),
    [
        ("english", "Write en."),
        ("eng", "Write en."),
        ("en_US", "Write en-US."),
        ("fra", "Write fr."),
        ("xx", "such as en"),
        ("e", "such as en"),
        ("en-", "such as en"),
        ("French", "Write fr."),
        ("en US", "such as en"),
        ('"en\\n"', "Join"),
    ],
)
def test_what_is_no_language_code_is_refused_with_advice(tag, advice, findings):
    found = findings(f"title: T\nsubject: S\nlanguage: {tag}\nblocks: [{{kind: divider}}]")
    assert len(found) == 1
    assert advice in found[0].fix


@pytest.mark.parametrize(
    "mailbox",
    [
        "team@example.org",
        "Team <team@example.org>",
        "<team@example.org>",
        "Data, Safe & Co. <team@example.org>",
        "Équipe <é@exämple.org>",
        "Dr. Who (x) <team@example.org>",
        "😀 <team@example.org>",
        '"Name, more" <team@example.org>',
        "عربي <a@example.org>",
    ],
)
def test_mailboxes(mailbox, read):
    quoted = mailbox.replace('"', '\\"')
    edition = read(f'title: T\nsubject: S\nfrom: "{quoted}"\nreply_to: "{quoted}"\nblocks: [{{kind: divider}}]').edition
    assert edition.from_ == edition.reply_to == mailbox


@pytest.mark.parametrize(
    "mailbox",
    [
        "team",
        "team@",
        "@example.org",
        "a@b@example.org",
        "a@example.org, b@example.org",
        "A <a@example.org>, B <b@example.org>",
        "A <a@example.org",
        "A <>",
        "A < a@example.org>",
        'A " <a@example.org>',
        "a b@example.org",
        "a@localhost",
        r"A\r\nBcc: b@example.org <a@example.org>",
        r"A\nB <a@example.org>",
        "A <a@example.org> B",
        "{{ email }}",
        "a@[127.0.0.1]",
        "A <a@example..org>",
        f"a@{'b' * 64}.org",
    ],
)
def test_what_is_not_one_mailbox_is_refused(mailbox, findings):
    quoted = mailbox.replace('"', '\\"')
    found = findings(f'title: T\nsubject: S\nfrom: "{quoted}"\nblocks: [{{kind: divider}}]')
    assert {f.line for f in found} == {3}
    assert found[0].what.startswith("from: ")


def test_a_bad_condition_is_told_at_its_column(told):
    assert told("kind: divider\nwhen: '\"researcher\" in tgas'")[0].startswith("2:24 when: «tgas» is not a name")
    assert "curly brackets" in told("kind: divider\nwhen: '{{ tags }}'")[0]


def test_a_long_condition_may_be_folded(block):
    assert (
        block('kind: divider\nwhen: >\n  "researcher" in tags\n  and country == "KE"').when
        == '"researcher" in tags and country == "KE"'
    )


@pytest.mark.parametrize("name", ["Image-Alt", "image alt", "-x", "x--y", "é"])
def test_names_of_rules_are_in_kebab_case(name, told):
    assert "not the name of a rule" in told(f"kind: divider\nsilence: ['{name}']")[0]


@pytest.mark.parametrize("written", ["maybe", "[a]", "2"])
def test_public_is_true_or_false(written, findings):
    found = findings(f"title: T\nsubject: S\npublic: {written}\nblocks: [{{kind: divider}}]")
    assert [f.what for f in found] == ["public can only be true or false."]
