"""How well real bounces are read. They are not ours (Sisimai's set-of-emails, BSD 2-Clause) and are not copied here.

The folder is looked for where the variable BOUNCE_CORPUS says, and in `../shared/data/bounces` beside the checkout. The
other tests of this folder say rule by rule, with messages of our own, what is measured here as a whole.
"""

from pathlib import Path

import pytest

from benchmarks.bounces import corpus, measure


@pytest.fixture(scope="module")
def folder() -> Path:
    found = corpus()
    if found is None:
        pytest.skip("The corpus of bounces is not here. Set BOUNCE_CORPUS to the folder with its expected.json.")
    return found


def test_real_bounces_are_found_and_judged(folder: Path) -> None:
    """The goals of the issue; what is reached is more, and the benchmark prints it."""
    figures = measure(folder)
    assert figures.found >= 0.97
    assert figures.right >= 0.85
    assert figures.wrongly_hard <= 0.05
