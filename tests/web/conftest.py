"""Fixtures of the pages' tests."""

import pytest

from newsletter.web.public import guards
from tests.database.opened import database_url, empty_file, server, template
from tests.web.programs import program
from tests.web.served import here, project

__all__ = ["database_url", "empty_file", "here", "program", "project", "server", "template"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms are answered as soon as they can be: what waits to tell nothing by its time has a test of its own."""
    monkeypatch.setattr(guards, "EVEN", 0.0)
