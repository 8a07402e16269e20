"""What is on this machine: the settings, the secret key, the database."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from newsletter.database.connection import Database, open_database
from newsletter.database.schema import list_
from newsletter.doctor.diagnosis import Check, Diagnosis
from newsletter.errors import ConfigError, DatabaseError
from newsletter.project import SETTINGS_FILE, Project

_MB: Final = 1_000_000
_TOO_LITTLE: Final = 100 * _MB
_LITTLE: Final = 1_000 * _MB


def examine_settings(project: Project) -> Iterator[Diagnosis]:
    """The file of settings, and the key that signs links."""
    yield Check("Settings", "settings").good(f"{SETTINGS_FILE} can be read and has no mistake.")
    yield from _forms(project)
    check = Check("Settings", "secret-key")
    given = bool(project.environ.get("NEWSLETTER_SECRET_KEY"))
    if not given and not (project.root / "subscribers" / "secret.key").exists():
        yield check.good("The secret key is made when it is first needed, for you alone to read.")
        return
    try:
        project.secret_key()
    except ConfigError as error:
        yield _told(check, error)
        return
    where = "the variable NEWSLETTER_SECRET_KEY" if given else "subscribers/secret.key, which others cannot read"
    yield check.good(f"The secret key is in {where}.")


def _forms(project: Project) -> Iterator[Diagnosis]:
    """Forms on the public pages whose visitors could not be answered."""
    for slug, form in project.settings.forms.items():
        if not any(ask.kind == "email" for ask in form.fields):
            yield Check("Settings", "form-answer").should(
                f"The form «{form.title}» asks for no address, so nobody who fills it in can be answered.",
                f'Add to [forms.{slug}]: {{ name = "email", label = "Your email address", kind = "email" }}',
            )


def examine_database(project: Project) -> Iterator[Diagnosis]:
    """Whether people and mailings are kept well."""
    check = Check("Database", "database")
    url = sa.make_url(project.database_url)
    path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    if path is not None:
        yield _room(path.parent)
        if not path.exists():
            yield check.good("There is no database yet; it is made when it is first needed.")
            return
        if mode := _open_to_others(path):
            yield Check("Database", "database-private").should(
                f"Others on this machine could read the database {path.name} until now (mode {mode:o}).",
                "It was closed just now; see who has an account on this machine.",
            )
    try:
        with open_database(project.database_url) as database:
            _try_to_write(database)
    except DatabaseError as error:
        yield _told(check, error)
        return
    kept = "on the PostgreSQL server" if path is None else f"in {path.name}, which others cannot read"
    yield check.good(f"The database ({kept}) opens, is up to date and can be written to.")


def _told(check: Check, error: Exception) -> Diagnosis:
    """An error's sentences: what is wrong, and what to do."""
    what, _, fix = str(error).partition(". ")
    return check.must(f"{what.rstrip('.')}.", fix)


def _try_to_write(database: Database) -> None:
    """Take the writer's turn and change nothing."""
    with database.write() as connection:
        connection.execute(sa.update(list_).where(sa.false()).values(slug=list_.c.slug))


def _open_to_others(path: Path) -> int:
    """The file's mode if others can read or write it, else 0."""
    if os.name != "posix":
        return 0
    mode = stat.S_IMODE(path.stat().st_mode)
    return mode if mode & 0o077 else 0


def _room(folder: Path) -> Diagnosis:
    """Whether the disk has room for what sending writes."""
    check = Check("Database", "free-space")
    while not folder.exists():
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return check.unasked(f"How much room the disk has could not be asked: {error.strerror}.")
    amount = f"{free / 1000 / _MB:.1f} GB" if free >= 1000 * _MB else f"{free // _MB} MB"
    if free < _TOO_LITTLE:
        return check.must(f"The disk with the database is full: {amount} are left.", "Make room before you send.")
    if free < _LITTLE:
        return check.should(f"The disk with the database is nearly full: {amount} are left.", "Make room soon.")
    return check.good(f"The disk with the database has room ({amount}).")


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the one where it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with contextlib.suppress(OSError):
        probe = folder / f".doctor-{os.getpid()}"
        probe.touch(exist_ok=False)
        probe.unlink()
        return True
    return False
