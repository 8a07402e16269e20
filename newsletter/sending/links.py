"""Reads the tokens in readers' links, as `message.py` signs them: whose they are, and whether they are of a test."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from newsletter.errors import TokenError
from newsletter.sending.testing import TEST
from newsletter.tokens import Signer

UNSUBSCRIBE: Final = "unsubscribe"
"""The purpose of the link by which a reader leaves the list."""
PREFERENCES: Final = "preferences"
"""The purpose of the link by which a reader chooses."""


@dataclass(frozen=True, slots=True)
class ReaderLink:
    """What the link of a message names.

    Attributes:
        subscriber: Whom the message was for; 0 for a persona of a test, who is nobody.
        list_id: The list by which they got it.
        mailing: The mailing; of a test, the number of the test.
        test: Whether it stood in a test message: it shows what it would do, and never does it.
    """

    subscriber: int
    list_id: int
    mailing: int
    test: bool = False


def read_link(signer: Signer, purpose: str, token: str, *, now: datetime) -> ReaderLink:
    """What a token names; such tokens have no expiry, so that a link works for as long as the message is kept.

    Args:
        signer: With the project's key.
        purpose: `UNSUBSCRIBE` or `PREFERENCES`.
        token: From the link; may be anything.
        now: With time zone.

    Raises:
        TokenError: It was changed or cut, or was made for something else.
    """
    try:
        return _link(signer.read(purpose, token, now=now), test=False)
    except TokenError:
        return _link(signer.read(TEST + purpose, token, now=now), test=True)


def _link(ids: tuple[int, ...], *, test: bool) -> ReaderLink:
    if len(ids) != 3:
        raise TokenError("This link is not one of a message. Open the link in the newest message.")
    return ReaderLink(*ids, test=test)
