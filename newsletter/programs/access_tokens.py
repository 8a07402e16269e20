"""The tokens that other programs come with: shown once, kept as a hash, good for what their scopes say.

A token is 256 random bits, so its plain SHA-256 cannot be turned back, and looking it up by that hash tells nothing to
who measures how long it takes.
"""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.database.outside import access_token
from newsletter.errors import AccessRefusedError, UsageError

USED_EVERY: Final = timedelta(hours=1)
"""It is written down at most so often that a token was used."""

_PREFIX: Final = "nl_"
_BYTES: Final = 32
_FORM: Final = re.compile(r"nl_[A-Za-z0-9_-]{43}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?", re.ASCII)
_WRONG: Final = "This token is wrong, has expired or was revoked."


class Scope(StrEnum):
    """What a token is good for."""

    SUBSCRIBERS_READ = "subscribers:read"
    SUBSCRIBERS_WRITE = "subscribers:write"
    SUBSCRIBERS_ERASE = "subscribers:erase"
    MAILINGS_READ = "mailings:read"
    EDITIONS_READ = "editions:read"
    EVENTS_READ = "events:read"
    METRICS_READ = "metrics:read"


MEANINGS: Final = {
    Scope.SUBSCRIBERS_READ: "See subscribers, with their addresses, and lists.",
    Scope.SUBSCRIBERS_WRITE: "Add subscribers, change them, take them off lists.",
    Scope.SUBSCRIBERS_ERASE: "Erase subscribers for good.",
    Scope.MAILINGS_READ: "See how mailings stand, and their reports.",
    Scope.EDITIONS_READ: "See which editions there are.",
    Scope.EVENTS_READ: "See what came back about messages; whom it is about only together with subscribers:read.",
    Scope.METRICS_READ: "See the figures at /metrics.",
}
"""The scopes in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token as it is listed: without what opens the door.

    Attributes:
        name: Given by people, so that they know which it is.
        scopes: What it is good for.
        created_at: When it was made.
        expires_at: From when on it is refused.
        used_at: When it was used last, give or take an hour.
        revoked_at: When it was revoked.
    """

    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A program that came with a token that is good.

    Attributes:
        token: The token's row.
        name: The token's name.
        scopes: What it may do.
        unwritten: Whether it should be written down that the token was used.
    """

    token: int
    name: str
    scopes: frozenset[str]
    unwritten: bool = False


def create_token(
    connection: sa.Connection, name: str, scopes: Collection[str], *, expires_at: datetime | None, now: datetime
) -> str:
    """Make a token; what is returned is stored nowhere.

    Raises:
        UsageError: The name cannot be used or is taken, or there is no such scope.
    """
    if not _NAME.fullmatch(name):
        raise UsageError("Name the token with up to 100 letters, digits, blanks, dots and hyphens, like website.")
    unknown = [scope for scope in scopes if scope not in list(Scope)]
    if unknown or not scopes:
        what = f"There is no scope «{unknown[0][:60]}»." if unknown else "Say what the token is good for:  --scope …"
        raise UsageError(f"{what} There are: {', '.join(Scope)}.")
    taken = connection.execute(sa.select(access_token.c.revoked_at).where(access_token.c.name == name)).first()
    if taken is not None:
        was = "was one, and is revoked" if taken.revoked_at else "is one already"
        raise UsageError(f"There {was} with the name «{name}». Choose another name: it stands in the list for good.")
    token = _PREFIX + secrets.token_urlsafe(_BYTES)
    values = {
        "name": name,
        "token_hash": _hash(token),
        "scopes": [str(scope) for scope in Scope if scope in scopes],
        "created_at": now,
        "expires_at": expires_at,
    }
    connection.execute(sa.insert(access_token).values(values))
    return token


def list_tokens(connection: sa.Connection) -> list[AccessToken]:
    """All tokens, oldest first, also those that are not good any more."""
    return [
        AccessToken(
            name=row.name,
            scopes=tuple(Scope(scope) for scope in row.scopes if scope in list(Scope)),
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            revoked_at=row.revoked_at,
        )
        for row in connection.execute(sa.select(access_token).order_by(access_token.c.id))
    ]


def revoke_token(connection: sa.Connection, name: str, *, now: datetime) -> bool:
    """Let a token open nothing any more; whether it did before.

    Raises:
        UsageError: There is none of that name.
    """
    named = access_token.c.name == name
    if connection.scalar(sa.select(access_token.c.id).where(named)) is None:
        # What was typed is not repeated: it may be the token itself.
        raise UsageError("There is no token of that name. See them:  newsletter tokens list")
    revoke = sa.update(access_token).where(named, access_token.c.revoked_at.is_(None)).values(revoked_at=now)
    return connection.execute(revoke).rowcount == 1


def read_token(connection: sa.Connection, presented: str, *, now: datetime) -> Visitor:
    """Who comes with a token.

    Args:
        connection: A transaction; nothing is written.
        presented: What they came with; may be anything.
        now: When.

    Raises:
        AccessRefusedError: It is not good; which way is not said.
    """
    if not _FORM.fullmatch(presented):
        raise AccessRefusedError(_WRONG)
    found = sa.select(access_token).where(access_token.c.token_hash == _hash(presented))
    row = connection.execute(found).first()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise AccessRefusedError(_WRONG)
    unwritten = row.used_at is None or row.used_at <= now - USED_EVERY
    return Visitor(row.id, row.name, frozenset(row.scopes), unwritten)


def write_use(connection: sa.Connection, visitor: Visitor, *, now: datetime) -> None:
    """Write down that a token was used."""
    connection.execute(sa.update(access_token).where(access_token.c.id == visitor.token).values(used_at=now))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
