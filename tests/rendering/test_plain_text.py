"""The plain-text part is made to be read: short lines, whole addresses, and air in the right places."""

import re

import pytest

from newsletter.rendering.plaintext import finish, wrap
from tests.rendering.composing import EVERY_KIND, Bench, text_of

LONG = "https://www.example.org/" + "a-very-long-address/" * 6


def test_one_empty_line_under_a_heading_and_two_between_blocks(bench: Bench) -> None:
    columns = [[{"kind": "text", "body": "Left."}, {"kind": "text", "body": "More."}], [{"kind": "divider"}]]
    blocks = [
        {"kind": "text", "body": "One."},
        {"kind": "heading", "text": "Two"},
        {"kind": "text", "body": "Three."},
        {"kind": "columns", "columns": columns},
        {"kind": "text", "body": "Last."},
    ]
    text = text_of(bench.compose(blocks))
    assert "\n\nOne.\n\n\nTwo\n---\n\nThree.\n\n\nLeft.\n\nMore.\n\n* * *\n\n\nLast.\n\n\n----" in text


@pytest.mark.parametrize("language", ["en", "fr", "ar", "ru"])
def test_lines_are_short_and_addresses_whole(bench: Bench, language: str) -> None:
    long = {"kind": "links", "items": [{"label": "Words " * 30 + ".", "url": LONG, "note": "A note. " * 20 + "End."}]}
    text = text_of(bench.compose([*EVERY_KIND, long], language=language, preheader="Before the rest. " * 9 + "So."))
    assert LONG in text.split()
    assert [line for line in text.split("\n") if len(line) > 72 and " " in line.strip()] == []
    assert [line for line in text.split("\n") if line != line.rstrip()] == []
    assert "\n\n\n\n" not in text
    assert not re.search(r"<\w|&\w+;|qz\d", text)
    assert text.endswith("\n")


def test_each_line_of_a_quotation_stays_a_line() -> None:
    assert wrap("one\ntwo three", 8, indent="  ", first="> ") == "> one\n  two\n  three"


def test_finishing_takes_what_nobody_sees() -> None:
    assert finish("\n\na  \r\n\t\n\n\n\nb\n\n\n") == "a\n\n\nb\n"
