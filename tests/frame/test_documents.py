"""The documents cannot lie: links lead somewhere, and what they list is what there is."""

import itertools
import json
import re
import tomllib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from packaging.requirements import Requirement

from tests.frame.tree import ROOT, files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [path for path in files() if path.suffix == ".md"]


def tokens(path: Path) -> list[Token]:
    """The document's tokens, those inside paragraphs included."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        found += [token, *(token.children or [])]
    return found


def anchors(path: Path) -> set[str]:
    """The names by which headings can be linked, as code hosts make them."""
    found = tokens(path)
    headings = [after.content for token, after in itertools.pairwise(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    """Where the document's links and pictures lead."""
    return [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in tokens(path) if token.attrs]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    broken = []
    for link in links(document):
        if not link or re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_changelog_speaks_of_this_version() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(PROJECT['project']['version'])}\] - \d{{4}}-\d\d-\d\d", headings[1])


def test_every_dependency_has_its_reason_and_no_other_is_listed() -> None:
    groups = [
        PROJECT["project"]["dependencies"],
        *PROJECT["project"].get("optional-dependencies", {}).values(),
        *PROJECT["dependency-groups"].values(),
    ]
    used = {Requirement(line).name for group in groups for line in group}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    node = set(json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"])
    assert listed - node == used
    assert node <= listed


def test_every_script_is_explained() -> None:
    text = (ROOT / "scripts" / "README.md").read_text(encoding="utf-8")
    scripts = {path.name for path in files() if path.parent == ROOT / "scripts" and not path.suffix}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == scripts
