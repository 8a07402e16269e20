"""Dates are said as the edition's language says them, with its own commas and no doubt about the time zone."""

import pytest

from tests.rendering.composing import Bench, page_of, text_of, words


def said(bench: Bench, language: str, starts: str, ends: str | None = None) -> str:
    """When an event is, as its card has it."""
    event = {"kind": "event", "title": "TITLE", "starts": starts} | ({"ends": ends} if ends else {})
    made = bench.compose([event], language=language, public=False)
    shown = text_of(made).split("\n----", 1)[0]
    text = " ".join(shown.split("TITLE")[0].split("Demo")[-1].split()).lstrip("= ")
    assert text.split(": ", 1)[-1] in words(page_of(made)) or language == "fr"
    return text.split(": ", 1)[-1]


@pytest.mark.parametrize(
    ("language", "starts", "ends", "wanted"),
    [
        ("en-GB", "2026-04-15", None, "Wednesday, 15 April 2026"),
        ("en-GB", "2026-04-15", "2026-04-17", "Wednesday, 15 April 2026 – Friday, 17 April 2026"),
        ("en-GB", "2026-04-15 14:00", None, "Wednesday, 15 April 2026, 14:00 (GMT+02:00)"),
        ("en-GB", "2026-01-15 14:00", None, "Thursday, 15 January 2026, 14:00 (GMT+01:00)"),
        ("en-GB", "2026-04-15 14:00Z", "2026-04-15 15:30Z", "Wednesday, 15 April 2026, 14:00 – 15:30 (UTC)"),
        (
            "en-GB",
            "2026-04-15 14:00+02:00",
            "2026-04-15 16:30+03:00",
            "Wednesday, 15 April 2026, 14:00 – 15:30 (GMT+02:00)",
        ),
        (
            "en-GB",
            "2026-04-15 22:00Z",
            "2026-04-16 02:00Z",
            "Wednesday, 15 April 2026, 22:00 – Thursday, 16 April 2026, 02:00 (UTC)",
        ),
        ("de", "2026-04-15 14:00Z", None, "Mittwoch, 15. April 2026, 14:00 (UTC)"),
        ("sw", "2026-04-15 14:00Z", None, "Jumatano, 15 Aprili 2026 14:00 (UTC)"),
        ("ar", "2026-04-15 14:00Z", "2026-04-15 15:30Z", "الأربعاء، 15 أبريل 2026، 14:00 – 15:30 (UTC)"),
        ("tlh", "2026-04-15", None, "Wednesday, April 15, 2026"),
    ],
)
def test_when_an_event_is(bench: Bench, language: str, starts: str, ends: str | None, wanted: str) -> None:
    assert said(bench, language, starts, ends) == wanted


def test_an_edition_without_a_language_speaks_the_projects(bench: Bench) -> None:
    bench.toml = bench.toml.replace('timezone = "', 'language = "de"\ntimezone = "')
    made = bench.compose([{"kind": "event", "title": "T", "starts": "2026-04-15"}], date="2026-03-31")
    assert made.language == "de"
    for shown in (words(page_of(made)), text_of(made)):
        assert "Mittwoch, 15. April 2026" in shown
        assert "31. März 2026" in shown
