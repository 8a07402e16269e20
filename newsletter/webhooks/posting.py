"""Posts one call and reads the answer: little of it, and not for long."""

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from newsletter.errors import AccessError
from newsletter.webhooks.reaching import Reach, read_target

PATIENCE: Final = 10.0
"""Seconds from the first packet to the end of the answer."""

MOST_READ: Final = 64 * 1024
"""Bytes of an answer that are read."""

KEPT: Final = 500
"""Characters of an answer that are kept for the log."""

_UNSEEN: Final = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try.

    Attributes:
        status: Of the answer (RFC 9110 section 15); None if there was none.
        text: How the answer began, as plain text, or why there was none.
    """

    status: int | None
    text: str

    @property
    def is_taken(self) -> bool:
        """Whether they have it."""
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str], reach: Reach) -> Answer:
    """Post a call; whatever comes of it is an answer, and no exception.

    Args:
        url: The webhook's.
        body: What to tell, JSON.
        headers: Beside the usual ones.
        reach: How machines are reached.
    """
    try:
        target = read_target(url, here=reach.here)
        deadline = time.monotonic() + PATIENCE
        with reach.open(target, deadline=deadline) as line:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = line  # it can all that is asked of it here
            said = {
                "Host": target.authority,
                "Content-Type": "application/json",
                "User-Agent": "stayintheloop",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            }
            connection.request("POST", target.path, body, {**said, **headers})
            response = connection.getresponse()
            content = response.read(MOST_READ)
            return Answer(response.status, _told(response.status, content))
    except AccessError as error:
        return Answer(None, str(error))
    except TimeoutError:
        return Answer(None, f"No whole answer within {PATIENCE:.0f} seconds.")
    except ssl.SSLCertVerificationError:
        return Answer(None, "No answer: its certificate is not valid, has expired, or is for another name.")
    except ConnectionRefusedError:
        return Answer(None, "No answer: nothing listens at that address and port.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Nothing of what it says: it may hold the URL, and that may hold a password of theirs.
        return Answer(None, f"No answer ({type(error).__name__}).")


def _told(status: int, content: bytes) -> str:
    """The beginning of an answer, with nothing in it that moves a cursor or hides."""
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", content[: 4 * KEPT].decode("utf-8", "replace"))[:KEPT]
    if 300 <= status < 400:
        return "It answered with another address, and those are not followed. Give the webhook the final one."
    return text
