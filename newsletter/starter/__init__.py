"""How a project and an edition begin: a folder that works as it is, and a file that teaches its own format."""

import difflib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from newsletter.edition.starting import edition_from, slug_of, starter_edition
from newsletter.errors import EditionNotFoundError, UsageError
from newsletter.project import Project

_RENAMED = {"gitignore": ".gitignore"}  # a file of its true name would act in this repository, and wheels may drop it


def start_project(directory: Path) -> list[str]:
    """Make a project in a folder that is new or empty.

    Returns:
        The files made, relative to the folder.

    Raises:
        UsageError: The folder has something in it, or is no folder.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"«{directory}» is there already and is not an empty folder. Choose another name.")
    made: list[str] = []
    _copy(files("newsletter") / "starter", directory, made, directory)
    return sorted(made)


def start_edition(project: Project, title: str, *, copy_from: str | None = None, slug: str | None = None) -> Path:
    """Make a new edition's file, from nothing or from an earlier edition with its pictures.

    Returns:
        The file.

    Raises:
        UsageError: The title is empty, there is such an edition already, or the one to copy is not UTF-8.
        EditionNotFoundError: There is no edition to copy from.
    """
    if not title.strip():
        raise UsageError('The title is empty. Give one in quotes:  newsletter new "Data Sharing"')
    name = slug or slug_of(title)
    path = project.edition_file(name)
    if path.parent.exists():
        raise UsageError(f"There is an edition «{name}» already. Choose another title, or give --slug NAME.")
    if copy_from is None:
        text = starter_edition(title)
    else:
        source = project.edition_file(copy_from)
        if not source.is_file():
            known = project.edition_slugs()
            near = difflib.get_close_matches(copy_from, known, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Editions here: {', '.join(known) or 'none yet'}."
            raise EditionNotFoundError(f"There is no edition «{copy_from}». {fix}")
        try:
            text = edition_from(source.read_text(encoding="utf-8-sig"), title)
        except UnicodeDecodeError as error:
            raise UsageError(f"«{copy_from}» is not UTF-8. Run:  newsletter check {copy_from}") from error
        _copy_pictures(source.parent / "images", path.parent / "images")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _copy(source: Traversable, target: Path, made: list[str], root: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        if item.name.endswith(".py") or item.name == "__pycache__":
            continue
        destination = target / _RENAMED.get(item.name, item.name)
        if item.is_dir():
            _copy(item, destination, made, root)
        else:
            destination.write_bytes(item.read_bytes())
            made.append(destination.relative_to(root).as_posix())


def _copy_pictures(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for picture in sorted(source.iterdir()):
        if picture.is_file() and not picture.is_symlink():
            (target / picture.name).write_bytes(picture.read_bytes())
