"""Our own editions, seen by the original MJML: our MJML is valid, and our compiler makes the same page of it."""

import re
import shutil
from pathlib import Path

import pytest

from newsletter.app import Newsletter
from newsletter.rendering.composition import Composition, Variant
from newsletter.rendering.mjml import compile_mjml, join
from newsletter.starter import start_project
from tests.oracle.dom import differences
from tests.oracle.programs import NpmMjml

ROOT = Path(__file__).parents[2]
EDITIONS = sorted(
    path.parent for folder in ("editions", "tests/fixtures/editions") for path in ROOT.glob(f"{folder}/*/edition.yaml")
)


@pytest.fixture
def composition(request: pytest.FixtureRequest, tmp_path: Path) -> Composition:
    """An edition, composed in a fresh project."""
    edition: Path = request.param
    start_project(tmp_path / "project")
    shutil.copytree(edition, tmp_path / "project" / "editions" / edition.name)
    return Newsletter.open(tmp_path / "project", {}).compose(edition.name)[0]


def variants(composition: Composition) -> list[Variant]:
    """What readers see for whom every condition holds, and for whom none does."""
    count = len(composition.conditions)
    return [composition.variant((shown,) * count) for shown in ((True, False) if count else (True,))]


@pytest.mark.parametrize("composition", EDITIONS, ids=lambda path: path.name, indirect=True)
def test_our_mjml_is_valid(composition: Composition, npm_mjml: NpmMjml) -> None:
    for variant in variants(composition):
        _, errors = npm_mjml(variant.mjml)
        assert errors == []


@pytest.mark.parametrize("composition", EDITIONS, ids=lambda path: path.name, indirect=True)
def test_our_page_is_the_one_that_npm_mjml_makes(composition: Composition, npm_mjml: NpmMjml) -> None:
    for key in {(True,) * len(composition.conditions), (False,) * len(composition.conditions)}:
        shown = [s for s in composition.html_segments if all(key[condition] for condition in s.conditions)]
        ours = compile_mjml(shown, language=composition.language, direction=composition.direction)
        # Ours says the preheader's language too, which npm mjml leaves out.
        ours = re.sub(r'<div lang="[^"]*" dir="[^"]*" style="display:none', '<div style="display:none', ours, count=1)
        theirs, _ = npm_mjml(join(shown))
        assert "\n".join(differences(ours, theirs)) == ""
