"""Every kind of block takes the fields that the file format promises, and no others."""

import datetime as dt

import pytest
from pydantic import ValidationError

from newsletter.edition.blocks import KINDS, ColumnsBlock
from newsletter.edition.model import Edition

WHOLE = {
    "text": "body: Hello **you**",
    "heading": "text: A heading\nlevel: 3",
    "spotlight": "organisation: ECPAT International\nheadline: H\ntopics: [One, Two]\nbody: B\n"
    'link: {label: Read, url: "https://www.example.org"}\nimage: {src: images/a.png, alt: A picture}',
    "image": "src: images/a.png\nalt: A picture\ncaption: C\nurl: https://www.example.org",
    "button": "label: Go\nurl: https://www.example.org",
    "quote": "text: Words\nname: N\nrole: R",
    "links": "title: T\nitems:\n  - {label: L, url: 'https://www.example.org', note: N}",
    "event": "title: T\nstarts: 2026-03-31 14:00\nends: 2026-03-31 15:00\nplace: P\n"
    "url: https://www.example.org\nbody: B",
    "stats": "items:\n  - {value: 12, label: L}",
    "video": "url: https://www.example.org\nthumbnail: images/a.png\ntitle: T",
    "callout": "title: T\nbody: B\ntone: warning",
    "columns": "columns:\n  - - {kind: text, body: L}\n  - - {kind: text, body: R}",
    "divider": "",
}
LEAST = {
    "text": "body: B",
    "heading": "text: T",
    "spotlight": "organisation: O",
    "image": 'src: images/a.png\nalt: ""',
    "button": "label: L\nurl: mailto:a@example.org",
    "quote": "text: T",
    "links": "items: [{label: L, url: 'tel:+41-22-555-0100'}]",
    "event": "title: T\nstarts: 2026-03-31",
    "stats": "items: [{value: '3 in 4', label: L}]",
    "video": "url: https://www.example.org\nthumbnail: images/a.png\ntitle: T",
    "callout": "body: B",
    "columns": "columns: [[{kind: divider}], [{kind: divider}], [{kind: divider}]]",
    "divider": "",
}


def test_these_are_the_kinds():
    assert set(KINDS) == set(WHOLE) == set(LEAST)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_block_takes_all_its_fields(kind, block):
    made = block(f"kind: {kind}\n{WHOLE[kind]}\nwhen: '\"researcher\" in tags'\nsilence: [image-alt, link]")
    assert made.kind == kind
    assert made.when == '"researcher" in tags'
    assert made.silence == ("image-alt", "link")
    left_out = set(type(made).model_fields) - made.model_fields_set
    assert not left_out


@pytest.mark.parametrize("kind", LEAST)
def test_a_block_needs_no_more_than_this(kind, block):
    assert block(f"kind: {kind}\n{LEAST[kind]}").kind == kind


@pytest.mark.parametrize("kind", LEAST)
def test_each_of_these_fields_is_needed(kind, told):
    lines = [line for line in LEAST[kind].split("\n") if line]
    for line in lines:
        name = line.partition(":")[0]
        others = "\n".join(other for other in lines if other != line)
        assert told(f"kind: {kind}\n{others}")[0].startswith(f"1:1 The field «{name}» is missing")


@pytest.mark.parametrize("kind", LEAST)
def test_a_field_of_another_kind_is_refused(kind, told):
    assert "There is no field «colour»" in " ".join(told(f"kind: {kind}\n{LEAST[kind]}\ncolour: red"))


def test_optional_fields_have_these_defaults(block, read):
    assert block("kind: heading\ntext: T").level == 2
    assert block("kind: callout\nbody: B").tone == "info"
    spotlight = block("kind: spotlight\norganisation: O")
    assert (spotlight.headline, spotlight.topics, spotlight.body, spotlight.link, spotlight.image) == (
        None,
        (),
        None,
        None,
        None,
    )
    assert (spotlight.when, spotlight.silence) == (None, ())
    edition = read("title: T\nsubject: S\nblocks: [{kind: divider}]").edition
    assert edition.public is True
    assert (edition.series, edition.preheader, edition.language, edition.date, edition.from_, edition.reply_to) == (
        None,
    ) * 6


def test_an_optional_field_left_empty_is_as_good_as_none(block, read):
    assert block('kind: spotlight\norganisation: O\nheadline:\ntopics:\nlink: ~\nbody: ""').headline is None
    assert read('title: T\nsubject: S\npreheader: ""\nseries:\nblocks: [{kind: divider}]').edition.preheader is None


def test_an_edition_takes_all_its_fields(read):
    edition = read(
        "title: T\nseries: Meet the Data Champions\nsubject: S\npreheader: P\nlanguage: PT-br\ndate: 2026-03-31\n"
        'public: false\nfrom: "Équipe, data <team@example.org>"\nreply_to: reply@example.org\n'
        "blocks:\n  - kind: divider\n"
    ).edition
    assert edition.series == "Meet the Data Champions"
    assert edition.language == "pt-BR"
    assert edition.date == dt.date(2026, 3, 31)
    assert edition.public is False
    assert edition.from_ == "Équipe, data <team@example.org>"
    assert edition.reply_to == "reply@example.org"


def test_texts_stay_what_was_typed(read):
    """YAML would make numbers and truth values of them; a newsletter must show what its writer typed."""
    edition = read(
        "title: Yes\nsubject: 007\npreheader: 1e3\nblocks:\n  - kind: stats\n    items:\n"
        "      - {value: 12, label: on}\n      - {value: 0x1F, label: 2026-03-31}\n"
        "      - {value: 1_000.50, label: true}\n"
    ).edition
    assert (edition.title, edition.subject, edition.preheader) == ("Yes", "007", "1e3")
    assert [(stat.value, stat.label) for stat in edition.blocks[0].items] == [
        ("12", "on"),
        ("0x1F", "2026-03-31"),
        ("1_000.50", "true"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-31", dt.date(2026, 3, 31)),
        ("2026-03-31 14:00", dt.datetime(2026, 3, 31, 14)),  # noqa: DTZ001 without a zone it is the project's
        ("2026-03-31T14:00:30", dt.datetime(2026, 3, 31, 14, 0, 30)),  # noqa: DTZ001
        ("2026-03-31T14:00Z", dt.datetime(2026, 3, 31, 14, tzinfo=dt.UTC)),
        ("2026-03-31 14:00 +02:00", dt.datetime(2026, 3, 31, 14, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
    ],
)
def test_events_start_on_a_day_or_at_a_moment(written, meant, block):
    starts = block(f"kind: event\ntitle: T\nstarts: {written}").starts
    assert starts == meant
    assert type(starts) is type(meant)


@pytest.mark.parametrize(
    "written", ["31.3.2026", "2026-3-1", "20260331", "2026-W10-1", "1700000000", "0", "2026-03-31 2pm", "[a]"]
)
def test_what_is_no_date_is_refused(written, told):
    assert "2026-03-31" in told(f"kind: event\ntitle: T\nstarts: {written}")[0]


@pytest.mark.parametrize("written", ["31.3.2026", "20260331", "2026-02-30", "2026-03-31 14:00", "0", "[a]"])
def test_the_date_of_an_edition_is_a_day(written, findings):
    found = findings(f"title: T\nsubject: S\ndate: {written}\nblocks: [{{kind: divider}}]")
    assert [(f.rule, f.line) for f in found] == [("date", 3)]


@pytest.mark.parametrize(
    ("starts", "ends", "sentence"),
    [
        ("2026-03-31", "2026-03-30", "before it starts"),
        ("2026-03-31 14:00", "2026-03-31 13:59", "before it starts"),
        ("2026-03-31 14:00", "2026-03-30", "before it starts"),
        ("2026-03-31 14:00Z", "2026-03-31 14:30+02:00", "before it starts"),
        ("2026-03-31 14:00", "2026-03-31 15:00Z", "one has a time zone"),
    ],
)
def test_events_end_after_they_start(starts, ends, sentence, told):
    found = told(f"kind: event\ntitle: T\nstarts: {starts}\nends: {ends}")
    assert len(found) == 1
    assert found[0].startswith("4:7 ends: ")
    assert sentence in found[0]


def test_an_event_may_end_on_the_day_it_starts(block):
    assert block("kind: event\ntitle: T\nstarts: 2026-03-31 14:00\nends: 2026-03-31").ends == dt.date(2026, 3, 31)


def test_columns_hold_any_block_but_columns(block, told):
    made = block("kind: columns\ncolumns:\n  - - kind: divider\n    - {kind: text, body: B}\n  - - kind: divider")
    assert isinstance(made, ColumnsBlock)
    assert [[inner.kind for inner in column] for column in made.columns] == [["divider", "text"], ["divider"]]
    inner = "  - - kind: columns\n      columns: [[{kind: divider}], [{kind: divider}]]\n  - - kind: divider"
    assert told(f"kind: columns\ncolumns:\n{inner}") == [
        "3:13 Columns cannot stand inside columns. Write the blocks of the inner columns one after the other."
    ]


@pytest.mark.parametrize("number", [0, 1, 4])
def test_there_are_two_or_three_columns(number, told):
    columns = ", ".join(["[{kind: divider}]"] * number)
    assert "there can be two or three" in told(f"kind: columns\ncolumns: [{columns}]")[0]


def test_walking_visits_columns_after_the_block_that_holds_them(read):
    edition = read(
        "title: T\nsubject: S\nblocks:\n  - kind: divider\n  - kind: columns\n    columns:\n"
        "      - - kind: heading\n          text: A\n      - - kind: heading\n          text: B\n"
        "        - kind: divider\n"
    ).edition
    assert [(loc, part.kind) for loc, part in edition.walk()] == [
        (("blocks", 0), "divider"),
        (("blocks", 1), "columns"),
        (("blocks", 1, "columns", 0, 0), "heading"),
        (("blocks", 1, "columns", 1, 0), "heading"),
        (("blocks", 1, "columns", 1, 1), "divider"),
    ]


def test_an_edition_never_changes(read):
    edition = read("title: T\nsubject: S\nblocks: [{kind: divider}]").edition
    with pytest.raises(ValidationError, match="frozen"):
        edition.title = "U"
    assert hash(edition) == hash(edition.model_copy())


def test_an_edition_survives_json(read):
    """A mailing keeps the edition it was made from."""
    text = "title: T\nsubject: S\nfrom: Me <me@example.org>\ndate: 2026-03-31\nblocks:\n"
    text += "  - {kind: event, title: T, starts: 2026-03-31 14:00+02:00}\n  - {kind: heading, text: H, level: 3}\n"
    edition = read(text).edition
    assert Edition.model_validate_json(edition.model_dump_json(by_alias=True)) == edition


def test_numbers_are_never_taken_for_dates():
    with pytest.raises(ValidationError, match="not a date"):
        Edition.model_validate({"title": "T", "subject": "S", "date": 20260331, "blocks": [{"kind": "divider"}]})
