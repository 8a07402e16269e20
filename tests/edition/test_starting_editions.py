"""How a new edition begins: a fresh file with notes, a copy of another one, and the name of its folder."""

import pytest

from newsletter.edition.files import check_text
from newsletter.edition.starting import edition_from, slug_of, starter_edition
from newsletter.errors import EditionInvalidError


@pytest.mark.parametrize(
    "title", ["Data Sharing", 'Say "hi": it\'s {x} & #1', "C:\\Data", "数据", "{% raw", "- a", "Yes"]
)
def test_a_fresh_edition_is_right_as_it_is(title):
    if title.startswith("{%"):
        title = title.replace("{%", "{ %")
    edition, _, findings = check_text(starter_edition(title, language="fr"), "f")
    assert findings == []
    assert (edition.title, edition.subject, edition.language) == (title, title, "fr")
    assert {block.kind for block in edition.blocks} >= {"text", "heading", "spotlight", "button"}


def test_its_notes_name_its_folder():
    assert "newsletter check data-sharing " in starter_edition("Data Sharing")
    assert "newsletter check data-sharing-2 " in starter_edition("Data Sharing", slug="data-sharing-2")


@pytest.mark.parametrize("title", ["", "  ", "a\nb", "Hi {{ first_name }}", "x" * 201, "a\u202eb"])
def test_what_cannot_be_a_title_is_refused(title):
    for begin in (starter_edition, lambda text: edition_from("title: A\n", text)):
        with pytest.raises(EditionInvalidError, match="title: "):
            begin(title)


def test_a_copy_has_a_new_title_and_subject_and_no_date_and_keeps_everything_else():
    text = """\
# Our March edition
title: Old   # the name
series:  'Meet the Data Champions'
date: 2026-03-31   # when
subject: >-
  Old
  subject
blocks:
  - kind: text     # opening
    body: |
      title: not this one
      date: nor this
"""
    assert edition_from(text, 'New "one"') == text.replace("Old   #", '"New \\"one\\""   #').replace(
        "date: 2026-03-31   # when\n", ""
    ).replace(">-\n  Old\n  subject", '"New \\"one\\""')


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("{title: a, date: 2026-01-01, subject: b}", '{title: "N", date: null, subject: "N"}'),
        (
            '{"title": "a",\n "date": "2026-01-01",\n "subject": "b"}',
            '{"title": "N",\n "date": null,\n "subject": "N"}',
        ),
        ("title: a\r\ndate: 2026-01-01\r\nsubject: b\r\n", 'title: "N"\nsubject: "N"\n'),
        ("title: a\ndate:\n  2026-01-01\nsubject: b", 'title: "N"\nsubject: "N"'),
        ("title: a\nsubject: b\ndate: 2026-01-01", 'title: "N"\nsubject: "N"\n'),
        ("title: a\nsubject: b", 'title: "N"\nsubject: "N"'),
        ("title:\ndate:\nsubject: b\n", 'title: "N"\nsubject: "N"\n'),
        ("title: # none\nsubject: b\ndate: # none\n", 'title: "N" # none\nsubject: "N"\n'),
    ],
)
def test_copies_of_files_in_other_styles(text, copy):
    assert edition_from(text, "N") == copy


@pytest.mark.parametrize("text", ["title: {{ x }}, y\n", "- a\n", "", "title: [a"])
def test_what_cannot_be_read_cannot_be_copied(text):
    with pytest.raises(EditionInvalidError, match="cannot be read"):
        edition_from(text, "N")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Data Sharing", "data-sharing"),
        ("Collection & Use", "collection-use"),
        ("  What's new?  ", "whats-new"),
        ("L’été à Zürich – Straße", "lete-a-zurich-strasse"),
        ("Øl & ærø, Łódź", "ol-aero-lodz"),
        ("Việt Nam", "viet-nam"),
        ("AI / ML", "ai-ml"),
        ("2026", "2026"),
        ("Data データ", "data"),
        ("x" * 99, "x" * 60),
        ("word " * 30, "-".join(["word"] * 12)),
    ],
)
def test_slugs(title, slug):
    assert slug_of(title) == slug


@pytest.mark.parametrize("title", ["データ共有", "Обмен данными", "مشاركة البيانات", "!!!", "🎉"])
def test_a_title_without_latin_letters_gets_a_name_that_is_always_the_same(title):
    assert slug_of(title) == slug_of(title)
    assert slug_of(title).startswith("edition-")
    assert slug_of(title) != slug_of(title + "!")


def test_a_number_in_a_title_of_another_script_is_kept():
    assert slug_of("Обмен данными 2026").startswith("2026-edition-")
