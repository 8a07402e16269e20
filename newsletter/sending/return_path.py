"""The address to which a message comes back that cannot be delivered: for each delivery one (VERP), which names it.

    bounces+ 24 hexadecimal digits of HMAC, then the delivery's number in hexadecimal @news.example.org

Mail servers on the way may change capitals into small letters and back (RFC 5321 section 2.4 forbids it; they do), so
there are only small letters. 96 bits of HMAC are ample: a guess can only be tried by sending us a message.
"""

import hmac
import re
from base64 import urlsafe_b64decode
from typing import Final

from newsletter.tokens import Signer

_PURPOSE: Final = "return-path"
_CODE: Final = re.compile(r"[^@]*\+(?P<proof>[0-9a-f]{24})(?P<delivery>[1-9a-f][0-9a-f]{0,15}|0)@[^@]+", re.ASCII)


class ReturnPath:
    """Makes the addresses.

    Args:
        bounces: Where they all lead, for example `bounces@news.example.org`; the mailbox must take what is added to it
            after a `+`.
        signer: Makes the proof.
    """

    __slots__ = ("_domain", "_local", "_signer")

    def __init__(self, bounces: str, signer: Signer) -> None:
        self._local, _, self._domain = bounces.rpartition("@")
        self._signer = signer

    def address_for(self, delivery: int) -> str:
        """The address for one delivery."""
        return f"{self._local}+{_proof(self._signer, delivery)}{delivery:x}@{self._domain}"


def read_return_path(address: str, signer: Signer) -> int | None:
    """The delivery whose message came back to an address; None if it is not one of ours, or forged.

    Args:
        address: Anything that stood in an envelope; angle brackets around it do no harm.
        signer: With the key that made the address.
    """
    match = _CODE.fullmatch(address.strip().removeprefix("<").removesuffix(">").lower())
    if match is None:
        return None
    delivery = int(match["delivery"], 16)
    return delivery if hmac.compare_digest(match["proof"], _proof(signer, delivery)) else None


def _proof(signer: Signer, delivery: int) -> str:
    """The first 96 bits of the token's HMAC."""
    return urlsafe_b64decode(signer.sign(_PURPOSE, delivery)[:16]).hex()
