"""Our own editions, seen by the original MJML: our MJML is valid, and our compiler makes the same page of it."""

import re
import shutil
from pathlib import Path

import pytest

from newsletter.app import Newsletter
from newsletter.rendering.composition import Composition
from newsletter.rendering.mjml import Segment, compile_mjml, join
from newsletter.starter import start_project
from tests.oracle.dom import differences
from tests.oracle.programs import NpmMjml

ROOT = Path(__file__).parents[2]
EDITIONS = sorted(
    path.parent for folder in ("editions", "tests/fixtures/editions") for path in ROOT.glob(f"{folder}/*/edition.yaml")
)
NAMES = [edition.name for edition in EDITIONS]


@pytest.fixture(scope="module")
def compositions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Composition]:
    """Every edition with this repository's settings, and the one that a new project begins with in its own."""
    folder = tmp_path_factory.mktemp("oracle")
    start_project(folder / "new")
    start_project(folder / "ours")
    shutil.copy(ROOT / "newsletter.toml", folder / "ours")
    shutil.copytree(ROOT / "templates" / "images", folder / "ours" / "templates" / "images")
    for edition in EDITIONS:
        shutil.copytree(edition, folder / "ours" / "editions" / edition.name)
    ours = Newsletter.open(folder / "ours", {})
    new = Newsletter.open(folder / "new", {})
    return {name: ours.compose(name)[0] for name in NAMES} | {"welcome": new.compose("welcome")[0]}


def shown(composition: Composition) -> list[list[Segment]]:
    """What is compiled for readers for whom every condition holds, for whom none does, and every second one."""
    count = len(composition.conditions)
    keys = {(True,) * count, (False,) * count, tuple(number % 2 == 0 for number in range(count))}
    return [
        [s for s in composition.html_segments if all(key[number] for number in s.conditions)] for key in sorted(keys)
    ]


@pytest.mark.parametrize("name", [*NAMES, "welcome"])
def test_our_mjml_is_valid(compositions: dict[str, Composition], npm_mjml: NpmMjml, name: str) -> None:
    for segments in shown(compositions[name]):
        _, errors = npm_mjml(join(segments))
        assert errors == []


@pytest.mark.parametrize("name", [*NAMES, "welcome"])
def test_our_page_is_the_one_that_npm_mjml_makes(
    compositions: dict[str, Composition], npm_mjml: NpmMjml, name: str
) -> None:
    """For everyone but Outlook, and for Outlook."""
    composition = compositions[name]
    for segments in shown(composition):
        ours = compile_mjml(segments, language=composition.language, direction=composition.direction)
        # Ours says the preheader's language too, which npm mjml leaves out.
        ours = re.sub(r'<div lang="[^"]*" dir="[^"]*" style="display:none', '<div style="display:none', ours, count=1)
        theirs, _ = npm_mjml(join(segments))
        assert "\n".join(differences(ours, theirs)) == ""
