"""Where the things of a project are: its settings, editions, templates, database, outbox and secret key."""

import contextlib
import difflib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from newsletter.config import Settings, load_settings
from newsletter.errors import ConfigError, EditionNotFoundError, ProjectNotFoundError

SETTINGS_FILE: Final = "newsletter.toml"
EDITION_FILE: Final = "edition.yaml"
SHORTEST_KEY: Final = 32
"""Bytes of a secret key (email-standards 135)."""

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Project:
    """An opened project.

    Attributes:
        root: The folder with newsletter.toml, absolute.
        settings: What newsletter.toml and the environment say.
        environ: The environment it was opened with; holds secrets, so it is never shown.
    """

    root: Path
    settings: Settings
    environ: Mapping[str, str] = field(repr=False, compare=False, default_factory=dict)

    @property
    def editions(self) -> Path:
        """The folder of all editions."""
        return self.root / "editions"

    @property
    def templates(self) -> Path:
        """Where the project may put templates of its own; need not exist."""
        return self.root / "templates"

    @property
    def outbox(self) -> Path:
        """Where the outbox sender writes; need not exist."""
        return self.root / self.settings.sender.outbox.dir

    @property
    def database_url(self) -> str:
        """The database, as SQLAlchemy wants it; an SQLite file's path is absolute."""
        url = self.settings.database.url or "sqlite:///subscribers/newsletter.db"
        scheme, _, path = url.partition(":///")
        if scheme != "sqlite":
            return url
        return f"sqlite:///{self.root / path}"

    def edition_slugs(self) -> list[str]:
        """The names of all folders in editions/ that hold an edition, sorted."""
        try:
            folders = sorted(self.editions.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [folder.name for folder in folders if folder.name[0] not in "._" and (folder / EDITION_FILE).is_file()]

    def edition_file(self, slug: str) -> Path:
        """The file of an edition; need not exist.

        Raises:
            EditionNotFoundError: The name cannot be one of an edition, or leads out of the project.
        """
        if not _SLUG.fullmatch(slug) or len(slug) > 100:
            raise EditionNotFoundError(self._not_a_slug(slug))
        path = self.editions / slug / EDITION_FILE
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise EditionNotFoundError(
                f"The edition «{slug}» lies outside the project. Copy its folder into editions/."
            )
        return path

    def _not_a_slug(self, slug: str) -> str:
        """Why this is not the name of an edition, and what was probably meant."""
        shown = "".join(character if character.isprintable() else "�" for character in slug[:60])
        if slug in self.edition_slugs():
            better = "-".join(re.findall(r"[a-z0-9]+", slug.lower())) or "my-edition"
            rename = f"Rename the folder editions/{shown} to {better}."
            return f"«{shown}» cannot stand in a web address. {rename}"
        parts = [part for part in re.split(r"[/\\]", slug) if part not in {"", "editions", EDITION_FILE}]
        if len(parts) == 1 and _SLUG.fullmatch(parts[0]):
            return f"«{shown}» is a path, not the name of an edition. Write {parts[0]}."
        same = slug.strip().lower().replace("_", "-").replace(" ", "-")
        known = self.edition_slugs()
        if near := [same] if same in known else difflib.get_close_matches(same, known, n=1):
            return f"There is no edition «{shown}». Did you mean {near[0]}?"
        return f"«{shown}» is not the name of an edition. Names are folders in editions/, like data-sharing."

    @property
    def sendgrid_key(self) -> str | None:
        """The key to SendGrid's API; only ever from the environment."""
        return self.environ.get("SENDGRID_API_KEY", "").strip() or None

    @property
    def smtp_password(self) -> str | None:
        """The password, or the access token, for the mail server; only ever from the environment."""
        return self.environ.get("NEWSLETTER_SMTP_PASSWORD") or None

    @property
    def imap_password(self) -> str | None:
        """The password for the mailbox that bounces come back to; only ever from the environment."""
        return self.environ.get("NEWSLETTER_IMAP_PASSWORD") or None

    @property
    def backup_passphrase(self) -> str | None:
        """What encrypts backups, if anything does; only ever from the environment."""
        return self.environ.get("NEWSLETTER_BACKUP_PASSPHRASE") or None

    def check_key_can_change(self, *, known: bool) -> None:
        """See that the key of a backup, which is another one than the project's, can take its place.

        Args:
            known: Whether the backup brings its key.

        Raises:
            ConfigError: It does not, or the environment says another.
        """
        if not known or self.environ.get("NEWSLETTER_SECRET_KEY"):
            raise ConfigError(
                "The backup belongs to another secret key, without which links in sent messages and the addresses "
                "that must never be mailed are lost. Put that key into subscribers/secret.key or "
                "NEWSLETTER_SECRET_KEY first, then restore again. Nothing was changed."
            )

    @property
    def restoring(self) -> bool:
        """Whether a restore that brings another key is under way, or was broken off: which key counts is not sure."""
        return self._coming_key.exists()

    @property
    def _coming_key(self) -> Path:
        return self.root / "subscribers" / "secret.key.restoring"

    def expect_key(self, key: bytes) -> None:
        """Keep the key of a backup ready, before the database that belongs to it comes; `take_key` makes it count."""
        draft = self._coming_key.with_name(f".{self._coming_key.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 made above with O_EXCL
            file.write(key + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._coming_key)

    def take_key(self) -> None:
        """Make the key that is ready the project's, in one step; the one before stays as secret.key.before-restore."""
        path = self.root / "subscribers" / "secret.key"
        before = path.with_name(f"{path.name}.before-restore")
        before.unlink(missing_ok=True)
        os.link(path, before)
        self._coming_key.replace(path)

    def expect_no_key(self) -> None:
        """Drop a key that was kept ready; the project's own counts."""
        self._coming_key.unlink(missing_ok=True)

    def secret_key(self) -> bytes:
        """The key that signs links: NEWSLETTER_SECRET_KEY, or else a file that is made at the first call.

        Raises:
            ConfigError: The key is too short, can be read by others, or cannot be made.
        """
        if given := self.environ.get("NEWSLETTER_SECRET_KEY"):
            return _checked(given.strip().encode(), "NEWSLETTER_SECRET_KEY")
        path = self.root / "subscribers" / "secret.key"
        try:
            if not path.exists():
                _make_key(path)
            return _read_key(path)
        except OSError as error:
            what = f"The secret key {path} cannot be used: {error.strerror}."
            raise ConfigError(f"{what} See that you may write in its folder, or set NEWSLETTER_SECRET_KEY.") from error


def find_project(start: Path) -> Path:
    """The nearest folder with a newsletter.toml: this one, the one above it, and so on.

    Raises:
        ProjectNotFoundError: There is none.
    """
    here = start.absolute()
    for folder in (here, *here.parents):
        if _has_settings(folder):
            return folder
    what = f"There is no {SETTINGS_FILE} in {here} or in a folder above it."
    raise ProjectNotFoundError(f"{what} Make a project with: newsletter init DIR")


def open_project(directory: Path | None, environ: Mapping[str, str]) -> Project:
    """Open a project.

    Args:
        directory: Its folder; None means the one we are in, or the nearest above.
        environ: The environment.

    Raises:
        ProjectNotFoundError: There is no project.
        ConfigError: Its settings cannot be used; holds all findings.
    """
    if directory is None:
        root = find_project(Path.cwd())
    else:
        root = directory.absolute()
        if root.name == SETTINGS_FILE and not root.is_dir():
            root = root.parent
        if not _has_settings(root):
            what = f"There is no {SETTINGS_FILE} in {root}."
            raise ProjectNotFoundError(f"{what} Make a project there with: newsletter init {directory}")
    return Project(root, load_settings(root / SETTINGS_FILE, environ), environ)


def _has_settings(folder: Path) -> bool:
    try:
        return (folder / SETTINGS_FILE).is_file()
    except OSError:  # a folder that we may not look into is not ours
        return False


def _checked(key: bytes, name: str) -> bytes:
    if len(key) < SHORTEST_KEY:
        make = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        raise ConfigError(f"The key in {name} is shorter than {SHORTEST_KEY} characters. Make a new one with: {make}")
    return key


def _read_key(path: Path) -> bytes:
    """The key in a file, which nobody else may be able to read."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 the very file that is checked, whatever happens to its name
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path} is not a file. Move it away; a new key is made then.")
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"Others on this machine can read the secret key. Close it with: chmod 600 {path}")
        return _checked(file.read(4096).strip(), str(path))


def _make_key(path: Path) -> None:
    """Make a key that appears under its name whole or not at all; where two make one at once, the first stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 made above with O_EXCL
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
