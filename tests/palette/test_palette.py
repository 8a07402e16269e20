"""Whatever colours a project chooses: each pair that the theme uses can be read, or a colour is told that could be."""

import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.config import load_settings
from newsletter.errors import ConfigError, Finding
from newsletter.rendering.colours import contrast, mix, nearest, to_hex, to_oklch
from newsletter.rendering.palette import LIGHT, PAIRS, READABLE, Palette, Tones, make_palette

FILE = """[newsletter]
name = "Our News"
base_url = "https://news.example.org"
[identity]
from = "Our News <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
"""
CHOICES = ("primary", "on_primary", "accent", "background", "surface", "text", "muted")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("properties")


def palette(folder: Path, light: dict[str, str], dark: dict[str, str] | None = None) -> Palette:
    path = folder / "newsletter.toml"
    tables = [("brand", light), ("brand.dark", dark or {})]
    lines = [
        line
        for name, tones in tables
        for line in (f"[{name}]", *(f'{key} = "{value}"' for key, value in tones.items()))
    ]
    path.write_text(FILE + "\n".join(lines) + "\n", encoding="utf-8")
    return make_palette(load_settings(path, {}))


def refused(folder: Path, light: dict[str, str], dark: dict[str, str] | None = None) -> tuple[Finding, ...]:
    with pytest.raises(ConfigError) as caught:
        palette(folder, light, dark)
    return caught.value.findings


def suggestion(finding: Finding) -> str:
    match = re.search(r"Use (#[0-9a-f]{6})", finding.fix)
    assert match
    return match[1]


def readable(tones: Tones) -> bool:
    return all(contrast(getattr(tones, ink), getattr(tones, ground)) >= READABLE for ink, ground in PAIRS)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#777777", "#ffffff") < 4.5  # the two greys that WCAG's authors use as examples


@given(st.integers(0, 0xFFFFFF))
def test_a_colour_survives_the_way_to_oklch_and_back(number):
    colour = f"#{number:06x}"
    back = to_hex(to_oklch(colour))
    assert max(abs(int(colour[at : at + 2], 16) - int(back[at : at + 2], 16)) for at in (1, 3, 5)) <= 1


def test_mixing_ends_at_both_colours():
    assert mix("#123456", "#ffffff", 1) == "#123456"
    assert mix("#123456", "#ffffff", 0) == "#ffffff"


def test_the_nearest_colour_is_the_colour_itself_if_it_passes():
    assert nearest("#123456", lambda _: True) == "#123456"
    with pytest.raises(ValueError, match="#123456"):
        nearest("#123456", lambda _: False)


def test_every_ink_is_paired_with_its_grounds():
    """A tone that is new must be judged, or be known to be no text."""
    paired = {name for pair in PAIRS for name in pair}
    assert {field.name for field in fields(Tones)} - paired == {"line"}


def test_our_own_colours_can_be_read(tmp_path):
    made = palette(tmp_path, {})
    assert readable(made.light)
    assert readable(made.dark)
    assert {name: getattr(made.light, name) for name in LIGHT} == LIGHT


def test_all_colours_are_six_digits_in_lower_case(tmp_path):
    made = palette(tmp_path, {"primary": "#05A", "background": "#FFF", "text": "#000"}, {"text": "#FFF"})
    for tones in (made.light, made.dark):
        assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in asdict(tones).values())


def test_chosen_colours_are_used_as_they_are(tmp_path):
    light = {
        "primary": "#5b2a86",
        "on_primary": "#fff7e0",
        "accent": "#8a1538",
        "background": "#f7f3ff",
        "text": "#111122",
    }
    dark = {"primary": "#c9b2f0", "surface": "#1c1824"}
    made = palette(tmp_path, light, dark)
    assert light.items() <= asdict(made.light).items()
    assert dark.items() <= asdict(made.dark).items()


def test_the_dark_mode_is_dark_calm_and_of_the_same_hue(tmp_path):
    made = palette(tmp_path, {"primary": "#0057d9"})
    light, dark = to_oklch(made.light.primary), to_oklch(made.dark.primary)
    assert to_oklch(made.dark.background).lightness < to_oklch(made.dark.surface).lightness < 0.3
    assert dark.lightness > light.lightness
    assert dark.chroma < light.chroma
    assert abs(dark.hue - light.hue) < 0.3
    assert contrast(made.dark.text, made.dark.surface) > 10


def test_the_same_settings_give_the_same_palette(tmp_path):
    assert palette(tmp_path, {"primary": "#5b2a86"}) == palette(tmp_path, {"primary": "#5b2a86"})


def test_a_colour_that_cannot_be_read_is_told_with_both_colours_the_ratio_and_a_better_one(tmp_path):
    (finding,) = refused(tmp_path, {"surface": "#ffffff", "primary": "#ffd400"})
    assert (finding.file, finding.line, finding.column) == ("newsletter.toml", 11, 1)
    for word in ("brand.primary (#ffd400)", "the background (#f1f5f5)", "1.30:1", "4.5:1"):
        assert word in finding.what
    assert to_oklch(suggestion(finding)).hue == pytest.approx(to_oklch("#ffd400").hue, abs=0.15)


def test_a_ratio_that_just_fails_is_not_rounded_up(tmp_path):
    (finding,) = refused(tmp_path, {"background": "#ffffff", "text": "#777777"})
    assert "4.47:1" in finding.what


def test_a_failing_colour_of_the_dark_mode_is_told_at_its_own_line(tmp_path):
    (finding,) = refused(tmp_path, {"primary": "#0f4c5c"}, {"text": "#222222"})
    assert finding.line == 12
    assert "brand.dark.text (#222222)" in finding.what


def test_grounds_too_far_apart_are_told(tmp_path):
    (finding,) = refused(tmp_path, {"background": "#000000", "surface": "#ffffff"})
    assert "No text can be read on both" in finding.what


@pytest.mark.parametrize("ground", ["background", "surface"])
def test_one_dark_ground_makes_all_that_was_left_open_fit_to_it(tmp_path, ground):
    made = palette(tmp_path, {ground: "#101418"})
    assert readable(made.light)
    assert to_oklch(made.light.text).lightness > 0.9


@settings(max_examples=30, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={name: st.integers(0, 0xFFFFFF) for name in CHOICES}),
    st.fixed_dictionaries({}, optional={name: st.integers(0, 0xFFFFFF) for name in CHOICES}),
)
def test_any_colours_are_readable_or_refused_with_suggestions_that_are(folder, light, dark):
    chosen = {
        "brand": {k: f"#{v:06x}" for k, v in light.items()},
        "brand.dark": {k: f"#{v:06x}" for k, v in dark.items()},
    }
    try:
        made = palette(folder, chosen["brand"], chosen["brand.dark"])
    except ConfigError as error:
        for finding in error.findings:
            key = re.search(r"(brand(?:\.dark)?)\.(\w+) \(", finding.what)
            assert key
            assert chosen[key[1]][key[2]] in finding.what
            chosen[key[1]][key[2]] = suggestion(finding)
        made = palette(folder, chosen["brand"], chosen["brand.dark"])
    assert readable(made.light)
    assert readable(made.dark)
    assert chosen["brand"].items() <= asdict(made.light).items()
    assert chosen["brand.dark"].items() <= asdict(made.dark).items()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CHOICES), st.integers(0, 0xFFFFFF), st.booleans())
def test_any_one_colour_is_readable_or_refused_with_one_that_is(folder, name, number, in_dark):

    def made(colour: str) -> Palette:
        return palette(folder, {} if in_dark else {name: colour}, {name: colour} if in_dark else {})

    try:
        result = made(f"#{number:06x}")
    except ConfigError as error:
        (finding,) = error.findings
        result = made(suggestion(finding))
    assert readable(result.light)
    assert readable(result.dark)
