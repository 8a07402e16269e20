"""The reference pages are what the code says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script() -> ModuleType:
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands", "settings", "api"])
def test_a_reference_page_says_what_the_code_says(page: str) -> None:
    """After a change of a command, a setting or the API, scripts/reference.py writes the page again."""
    written = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    assert written == getattr(script(), page)()


def test_every_command_and_every_option_has_help() -> None:
    """A line of the page that ends without a sentence is an option that nobody explained."""
    bare = [line for line in script().commands().splitlines() if line.startswith("- `--") and "`: " not in line]
    assert bare == []
