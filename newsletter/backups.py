"""The front door to backups: write all that the database holds into a file, and bring it back."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import UsageError
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.backup import Backup
    from newsletter.database.connection import Database


class Backups:
    """The backups of one project.

    Args:
        project: Whose key and passphrase are used.
        database: Opens its database.
        any_database: Opens it also while a restore is under way, or was broken off.
        clock: Tells the time.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        any_database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._any_database = any_database
        self._clock = clock

    def write(self, path: Path) -> "Backup":
        """Write all that the database holds into a file, encrypted where there is a passphrase.

        Raises:
            DatabaseError: There is such a file already, or it cannot be written.
        """
        from newsletter.database.backup import write_backup

        secret, passphrase = self._project.secret_key(), self._project.backup_passphrase
        with self._database() as database:
            return write_backup(database, path, secret=secret, passphrase=passphrase, now=self._clock())

    def restore(self, path: Path, *, replace: bool = False) -> "tuple[Backup, Path | None]":
        """Bring back what a backup holds; says what, and where that is which was there before.

        Raises:
            UsageError: There are people already, and nobody said that they may be replaced.
            DatabaseError: The backup cannot be used; nothing was changed.
            ConfigError: The backup belongs to another secret key.
        """
        from newsletter.database.backup import fingerprint, is_empty, read_backup, restore_backup, write_backup
        from newsletter.sending.presence import alone

        passphrase, now = self._project.backup_passphrase, self._clock()
        found = read_backup(path, passphrase=passphrase)
        secret = self._project.secret_key()
        broken_off = self._project.restoring  # then the database may be of another key already, and was kept aside
        same = found.fingerprint == fingerprint(secret)
        with self._any_database() as database, alone(database):
            empty = is_empty(database)
            if not empty and not replace:
                raise UsageError(
                    "There are people or mailings in the database already, and nothing was changed. "
                    "To put the backup in their place, say --yes: what is there now is kept in a file."
                )
            if not same:
                self._project.check_key_can_change(known=found.secret is not None)
            aside = None
            if not empty and not broken_off:
                aside = self._project.root / "subscribers" / f"before-restore-{now:%Y%m%d-%H%M%S-%f}.backup"
                aside.parent.mkdir(mode=0o700, exist_ok=True)
                write_backup(database, aside, secret=secret, passphrase=passphrase, now=now)
            if not same and found.secret is not None:
                self._project.expect_key(found.secret)
            try:
                restored = restore_backup(database, path, passphrase=passphrase, same_key=same and not broken_off)
            except Exception as error:
                # Only a server that goes away during the commit leaves it open whether it happened.
                if not broken_off and not getattr(error.__cause__, "connection_invalidated", False):
                    self._project.expect_no_key()
                raise
            if same:
                self._project.expect_no_key()
            else:
                self._project.take_key()
            return restored, aside
