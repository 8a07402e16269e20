"""What is too heavy is told before anybody waits for it: HTML that Gmail would cut, and pictures that weigh much."""

import random

import pytest
from PIL import Image

from newsletter.errors import Finding, Severity
from newsletter.rendering.checking import check_composed
from newsletter.rendering.compose import compose
from newsletter.rendering.weight import weigh
from tests.rendering.composing import Bench, Blocks, page_of


def filler(bench: Bench, size: int) -> Blocks:
    """Blocks that make just so many bytes of HTML."""

    def blocks(characters: int) -> Blocks:
        lengths = [19_000] * (characters // 19_000) + [characters % 19_000 or 1]
        return [{"kind": "text", "body": "x" * length} for length in lengths]

    few, rows = 0, 0
    while (rows := len(page_of(bench.compose(blocks(max(1, size - few)))).encode())) != size:
        few += rows - size
    return blocks(size - few)


def told(bench: Bench, size: int) -> list[Finding]:
    composition = bench.compose(filler(bench, size))
    # The slots of the footer count with what they are filled with on average, which is not what the test fills in.
    return list(weigh(composition, bench.written(YAML), bench.project()))


YAML = "title: T\nsubject: S\nblocks: [{kind: divider}]\n"


@pytest.mark.parametrize(
    ("size", "severity"),
    [
        (70_000, None),
        (79_500, None),
        (81_000, Severity.SHOULD_FIX),
        (101_500, Severity.SHOULD_FIX),
        (103_000, Severity.MUST_FIX),
    ],
)
def test_gmail_cuts_what_is_longer_than_102_kb(bench: Bench, size: int, severity: Severity | None) -> None:
    found = told(bench, size)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert (finding.rule, finding.file) == ("weight", "editions/demo/edition.yaml")
        assert f"{size // 1000 - 1} KB" in finding.what or f"{size // 1000} KB" in finding.what
        assert "102 KB" in finding.what


def test_the_heaviest_variant_counts(bench: Bench) -> None:
    """A reader for whom everything shows must be able to unsubscribe, too."""
    hidden: Blocks = [{"kind": "text", "body": "x" * 19_500, "when": f'"{n}" in tags'} for n in range(6)]
    (finding,) = weigh(bench.compose(hidden), bench.written(YAML), bench.project())
    assert finding.severity is Severity.MUST_FIX


def noise(bench: Bench, name: str, size: tuple[int, int], seed: int) -> None:
    """A picture that no method makes small."""
    image = Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))
    image.save(bench.folder / "images" / name, "JPEG", quality=98)


def test_a_heavy_picture_is_told_where_it_stands(bench: Bench) -> None:
    noise(bench, "heavy.jpg", (1072, 2600), 1)
    yaml = """title: T
subject: S
blocks:
  - {kind: image, src: images/a.png, alt: A}
  - kind: columns
    columns:
      - - {kind: text, body: Left.}
      - - kind: image
          src: images/heavy.jpg
          alt: B
  - kind: spotlight
    organisation: ECPAT
    image: {src: images/heavy.jpg, alt: C}
"""
    file, project = bench.written(yaml), bench.project()
    composition = compose(file, project)
    found = [finding for finding in check_composed(file, project, composition) if finding.rule == "heavy-picture"]
    assert [(f.severity, f.line, f.block) for f in found] == [
        (Severity.SHOULD_FIX, 13, "block 3, spotlight «ECPAT»")
    ]  # in the column it is shown small, and is light enough
    assert "«images/heavy.jpg»" in found[0].what


def test_a_heavy_logo_is_told_at_its_setting(bench: Bench) -> None:
    noise(bench, "logo.jpg", (1200, 2400), 2)
    bench.toml = bench.toml.replace("[brand]\n", '[brand]\nlogo = "editions/demo/images/logo.jpg"\nlogo_width = 600\n')
    file, project = bench.written(YAML), bench.project()
    (finding,) = [f for f in check_composed(file, project, compose(file, project)) if f.rule == "heavy-picture"]
    assert (finding.file, finding.line, finding.severity) == ("newsletter.toml", 13, Severity.SHOULD_FIX)
