"""Fixtures of the letters' tests."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.database.opened import database_url, empty_file, server, template
from tests.letters.correspondence import Post

Posted = Callable[..., Post]
"""How a project with more settings is made."""

__all__ = ["database_url", "empty_file", "server", "template"]


@pytest.fixture
def posted(tmp_path: Path, empty_file: Path) -> Iterator[Posted]:
    """Makes projects on SQLite, with more settings and variables, in folders of their own."""
    with contextlib.ExitStack() as opened:

        def make(more: str = "", name: str = "project", **environ: str) -> Post:
            path = tmp_path / f"{name}.db"
            path.write_bytes(empty_file.read_bytes())
            return opened.enter_context(contextlib.closing(Post(tmp_path / name, f"sqlite:///{path}", more, environ)))

        yield make


@pytest.fixture
def post(posted: Posted) -> Post:
    """A project on SQLite."""
    return posted()


@pytest.fixture
def either(database_url: str, tmp_path: Path) -> Iterator[Post]:
    """A project on each kind of database."""
    with contextlib.closing(Post(tmp_path / "project", database_url)) as post:
        yield post
