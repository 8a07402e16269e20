"""Writes the pages that everybody may read as files, for a web server that runs no program.

They are the same pages as those that are served. A page becomes `index.html` in a folder of its name, so that its
address works on any web server. What an earlier run wrote and is not public any more is removed; nothing else is.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from newsletter.app import Newsletter
from newsletter.errors import UsageError
from newsletter.sending.archive import Archive
from newsletter.web.public.assets import own_files
from newsletter.web.public.feeds import Feeds
from newsletter.web.public.reading import Reading
from newsletter.web.public.site import Site
from newsletter.web.public.words import choose_language

LISTING: Final = ".newsletter-archive"
"""The file that names all that was written, so that a later run knows what is its own."""

_HEADING: Final = "Written by `newsletter archive build`, which replaces and removes these files:\n"
_OURS: Final = re.compile(r"(?:[a-z0-9-]+/)*[a-z0-9.-]+\.[a-z]+", re.ASCII)
_USED: Final = (".css", ".svg")
"""Of the pages' own files, those that pages to read use."""


@dataclass(frozen=True, slots=True)
class Written:
    """What building the archive did.

    Attributes:
        editions: How many editions it shows.
        files: How many files there are now.
        changed: How many of them are new or not as they were.
        removed: The files that are gone, sorted.
    """

    editions: int
    files: int
    changed: int
    removed: tuple[str, ...]


def build_archive(newsletter: Newsletter, out: Path) -> Written:
    """Write all pages into a folder.

    Args:
        newsletter: The project.
        out: The folder: a new or empty one, or one that this wrote before.

    Raises:
        UsageError: The folder holds other things, or cannot be written.
    """
    site = Site(newsletter)
    publications = newsletter.publications
    archive = publications.archive()
    files = _pages(site, archive)
    for name in {name for each in archive.publications for name in each.article.pictures}:
        if (picture := publications.picture(name)) is not None:
            files[f"images/{name}"] = picture[1]
    try:
        changed, removed = _write(out, files)
    except OSError as error:
        raise UsageError(f"The folder {out} cannot be written ({error.strerror}). Choose another one.") from None
    return Written(len(archive.publications), len(files), changed, removed)


def _pages(site: Site, archive: Archive) -> dict[str, bytes]:
    """Everything but the pictures, by its path."""
    reading = Reading(site, live=site.base_url)
    words = choose_language(None, "", site.settings.newsletter.language)
    pages = {
        "index.html": reading.home(archive, words),
        "archive/index.html": reading.page(archive, 1, words),
        "404.html": site.render("refusal.html.j2", words, live=site.base_url, what="not_found"),
    }
    for number in range(2, reading.last_page(archive) + 1):
        pages[f"archive/{number}/index.html"] = reading.page(archive, number, words)
    for series in archive.series.values():
        pages[f"series/{series.slug}/index.html"] = reading.series(series, words)
    for each in archive.publications:
        pages[f"e/{each.article.slug}/index.html"] = reading.edition(archive, each)
    for name, (_, made) in Feeds(site, reading).files.items():
        pages[name] = made(archive)
    own = {f"assets/{name}": content for name, content in own_files(site).items() if name.endswith(_USED)}
    return own | {name: page.encode() for name, page in pages.items()}


def _write(out: Path, files: dict[str, bytes]) -> tuple[int, tuple[str, ...]]:
    """Make the folder hold these files; says how many changed, and which are gone."""
    before = _before(out)
    for name in files:
        path = out / name
        if name not in before and (path.exists() or path.is_symlink()):
            raise UsageError(f"{path} is there already, and was not written by this command. Move it away.")
    changed = 0
    for name, content in files.items():
        path = out / name
        if path.is_file() and path.read_bytes() == content:
            continue  # its date stays, for those who copy only what is new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        changed += 1
    gone = sorted(before - files.keys())
    for name in gone:
        (out / name).unlink(missing_ok=True)
        for folder in list(PurePosixPath(name).parents)[:-1]:
            if not any((out / folder).iterdir()):
                (out / folder).rmdir()
    (out / LISTING).write_text(_HEADING + "".join(f"{name}\n" for name in sorted(files)), encoding="utf-8")
    return changed, tuple(gone)


def _before(out: Path) -> set[str]:
    """What an earlier run wrote.

    Raises:
        UsageError: The folder holds other things.
    """
    listing = out / LISTING
    if out.is_dir() and listing.is_file():
        text = listing.read_text(encoding="utf-8", errors="replace")
        names = text.removeprefix(_HEADING).splitlines()
        if text.startswith(_HEADING) and all(map(_OURS.fullmatch, names)):
            return set(names)
        raise UsageError(f"{listing} was changed. Delete the folder {out}, or build into a new one.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} holds other things, which might be lost. Name a new or an empty folder, or one that this command "
            "wrote before."
        )
    return set()
