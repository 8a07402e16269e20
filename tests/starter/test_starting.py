"""How a project and an edition begin: whole or not at all, and never over what is there."""

from pathlib import Path

import pytest

from newsletter.errors import EditionNotFoundError, UsageError
from newsletter.project import Project, open_project
from newsletter.rendering.checking import check
from newsletter.starter import start_edition, start_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    start_project(tmp_path / "project")
    return open_project(tmp_path / "project", {})


def test_a_project_is_told_file_by_file(tmp_path: Path) -> None:
    made = start_project(tmp_path / "deep" / "project")
    root = tmp_path / "deep" / "project"
    assert made == sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert made[0] == ".gitignore"
    assert not any(name.endswith(".py") or "__pycache__" in name for name in made)


def test_an_empty_folder_will_do_and_a_full_one_will_not(tmp_path: Path) -> None:
    start_project(tmp_path)
    with pytest.raises(UsageError, match="not an empty folder"):
        start_project(tmp_path)


def test_the_starter_is_without_fault(project: Project) -> None:
    assert check("welcome", project) == ()
    assert project.settings.sender.kind == "outbox"
    assert list(project.settings.lists) == ["community"]
    lines = (project.root / "subscribers" / "example.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 12
    assert all("@example." in line for line in lines[1:])


def test_a_copy_carries_pictures_but_no_links(project: Project, tmp_path: Path) -> None:
    images = project.edition_file("welcome").parent / "images"
    (tmp_path / "secret.txt").write_text("secret")
    (images / "link.png").symlink_to(tmp_path / "secret.txt")
    file = start_edition(project, "Next", copy_from="welcome")
    assert {path.name for path in (file.parent / "images").iterdir()} == {"letter.svg"}
    assert check("next", project) == ()


def test_a_copy_of_a_broken_edition_leaves_no_half_an_edition(project: Project) -> None:
    source = project.edition_file("welcome")
    source.write_text("title: [", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read"):
        start_edition(project, "Next", copy_from="welcome")
    assert not project.edition_file("next").parent.exists()


def test_a_copy_of_what_is_not_utf8_is_a_sentence(project: Project) -> None:
    project.edition_file("welcome").write_bytes(b"title: \xe9\xff\n")
    with pytest.raises(UsageError, match="UTF-8"):
        start_edition(project, "Next", copy_from="welcome")


def test_a_folder_without_an_edition_is_not_written_over(project: Project) -> None:
    (project.editions / "next").mkdir()
    with pytest.raises(UsageError, match="There is an edition «next» already"):
        start_edition(project, "Next")


def test_nothing_to_copy_from(project: Project) -> None:
    with pytest.raises(EditionNotFoundError, match="Did you mean welcome"):
        start_edition(project, "Next", copy_from="welcomes")
