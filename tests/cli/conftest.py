"""A project made by `newsletter init`, and a way to run commands in it and read what they say."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import run


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


Newsletter = Callable[..., Said]


@pytest.fixture
def newsletter(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Newsletter:
    for name in list(os.environ):
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)

    def say(*arguments: object) -> Said:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return say


@pytest.fixture
def project(tmp_path: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, in which we are."""
    root = tmp_path / "project"
    assert newsletter("init", root).code == 0
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def people(project: Path, newsletter: Newsletter) -> Path:
    """The project with the twelve example people on its list."""
    assert newsletter("subscribers", "import", "subscribers/example.csv", "--list", "community").code == 0
    return project


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is there to answer."""
    monkeypatch.setattr("newsletter.cli.printing.is_terminal", lambda: True)
