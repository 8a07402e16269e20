"""What drivers and servers say about a database as a whole, in sentences for the person at the keyboard."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError as DriverError

from newsletter.errors import DatabaseError, DatabaseUnavailableError


def sqlite_file(address: sa.URL) -> Path | None:
    """The file of an SQLite address, if it has one."""
    if address.get_backend_name() != "sqlite" or address.database in {None, "", ":memory:"}:
        return None
    return Path(str(address.database))


_LOST = ("server closed the connection", "connection is lost", "terminating connection", "connection already closed")
_FULL = ("no space left", "could not extend", "disk is full")
_AWAY = ("connect", "timeout", "deadlock", "starting up", "shutting down", "recovery")
_LOCKED_OUT = ("authentication failed", "no password supplied", 'role "', "pg_hba.conf")


@contextlib.contextmanager
def in_plain_words(address: sa.URL) -> Iterator[None]:
    """Turn what the driver says about the database as a whole into a sentence; what it says about a row stays."""
    try:
        yield
    except DriverError as error:
        if type(error) in {DriverError, sa.exc.OperationalError, sa.exc.InternalError, sa.exc.DataError}:
            raise explained(error, address) from error
        raise
    except sa.exc.TimeoutError as error:  # all connections of this process are in use
        raise DatabaseUnavailableError("The database is very busy. Try again in a minute.") from error


def explained(error: DriverError, address: sa.URL) -> DatabaseError:
    """The driver's words as a sentence for the person at the keyboard; never with the password."""
    words = str(error.orig).lower()
    path = sqlite_file(address)
    if "locked" in words or "busy" in words or "lock timeout" in words:
        name = f"The database «{path}»" if path else "The database"
        return DatabaseUnavailableError(f"{name} is being written by another process. Try again when that one is done.")
    if isinstance(error, sa.exc.DataError):
        return DatabaseError("A text holds a character that the database cannot keep. Take it out and try again.")
    on_server = address.get_backend_name() == "postgresql"
    sentence = _about_server(words, address) if on_server else _about_file(words, path, error)
    passing = any(sign in words for sign in (*_LOST, *_FULL, *(_AWAY if on_server else ())))
    return DatabaseUnavailableError(sentence) if passing else DatabaseError(sentence)


def _about_server(words: str, address: sa.URL) -> str:
    """What a PostgreSQL server complains of."""
    where = f"The database server {f'at {address.host}' if address.host else 'on this machine'}"
    settings = "Check [database] url in newsletter.toml, or NEWSLETTER_DATABASE__URL"
    name = address.database or ""
    known: tuple[tuple[tuple[str, ...], str], ...] = (
        (
            _LOST,
            "The database server went away; what was not finished was undone. Run the same command again when it runs.",
        ),
        (
            (f'database "{name.lower()}" does not exist',),
            f"{where} has no database «{name}». Make it with: createdb {name}",
        ),
        (_LOCKED_OUT, f"{where} does not let «{address.username}» in. {settings}: user and password."),
        (
            ("too many", "remaining connection slots"),
            f"{where} has no connection free. Try again later, or allow it more connections.",
        ),
        (
            ("permission denied", "read-only"),
            f"{where} does not let «{address.username}» write here. Make this user the owner of the database.",
        ),
        (
            _FULL,
            "The database cannot grow: the server's disk is full. Make room and run the same command again.",
        ),
        (("connect", "host", "timeout"), f"{where} cannot be reached. See that it runs. {settings}: host and port."),
    )
    for signs, sentence in known:
        if any(sign in words for sign in signs):
            return sentence
    return f"{where} could not do its work: {words.partition(chr(10))[0][:200]}. {settings}."


def _about_file(words: str, path: Path | None, error: DriverError) -> str:
    """What SQLite complains of."""
    name = f"The database «{path}»" if path else "The database"
    if "not a database" in words or "malformed" in words:
        return f"{name} is damaged or is not a database. Put a backup in its place, or choose another file."
    if "full" in words:
        return f"{name} cannot grow: the disk is full. Make room and run the same command again."
    if "readonly" in words or "read-only" in words or "unable to open" in words:
        return f"{name} cannot be opened for writing. Check who owns the file and its folder."
    return f"{name} cannot be used: {error.orig}. Check [database] url in newsletter.toml."
