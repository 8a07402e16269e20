"""A project folder in which tests write editions, and short ways to read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.edition.blocks import AnyBlock
from newsletter.edition.files import EditionFile, read_edition
from newsletter.errors import EditionInvalidError, Finding

HEAD = "title: Demo\nsubject: Demo\nblocks:\n"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with an edition's folder that holds a picture."""
    images = tmp_path / "editions" / "demo" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(PNG)
    return tmp_path


@pytest.fixture
def read(root: Path) -> Callable[[str | bytes], EditionFile]:
    """Reads an edition from its text."""

    def read(text: str | bytes) -> EditionFile:
        path = root / "editions" / "demo" / "edition.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_edition(path, root)

    return read


@pytest.fixture
def findings(read: Callable[[str | bytes], EditionFile]) -> Callable[[str | bytes], list[Finding]]:
    """What is told about a text, whether or not it is an edition."""

    def findings(text: str | bytes) -> list[Finding]:
        try:
            return list(read(text).findings)
        except EditionInvalidError as error:
            return list(error.findings)

    return findings


@pytest.fixture
def block(read: Callable[[str | bytes], EditionFile]) -> Callable[[str], AnyBlock]:
    """Reads one block, written without its dash and indentation."""

    def block(text: str) -> AnyBlock:
        return read(HEAD + in_list(text)).edition.blocks[0]

    return block


@pytest.fixture
def told(findings: Callable[[str | bytes], list[Finding]]) -> Callable[[str], list[str]]:
    """What is told about one block: the column and the line in the block, from 1, and the sentence."""

    def told(text: str) -> list[str]:
        found = findings(HEAD + in_list(text))
        return [f"{(f.line or 0) - 3}:{(f.column or 0) - 4} {f.what} {f.fix}".strip() for f in found]

    return told


def in_list(text: str) -> str:
    """The lines of a block as the first part of a list."""
    lines = text.strip("\n").split("\n")
    return "\n".join(["  - " + lines[0], *(f"    {line}" if line else "" for line in lines[1:])]) + "\n"
