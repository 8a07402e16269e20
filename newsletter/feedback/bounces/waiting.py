"""What a mailbox hands out: a message, and how to put it away once it was taken."""

from dataclasses import dataclass
from typing import Protocol


class PutAway(Protocol):
    """Takes a message out of what waits, so that it is not read again."""

    def __call__(self, *, for_people: bool) -> None:
        """Put it away, after what follows from it is on the disk.

        Args:
            for_people: Whether to leave it, marked for people to look at.
        """


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits in a mailbox.

    Attributes:
        content: Its first million bytes.
        put_away: Takes it out of what waits.
    """

    content: bytes
    put_away: PutAway
