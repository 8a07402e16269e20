"""A project for the tests of this room."""

from pathlib import Path

import pytest

from tests.rendering.composing import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A project of its own for one test."""
    return Bench(tmp_path)
