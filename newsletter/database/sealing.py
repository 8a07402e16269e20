"""Encrypts a file piece by piece under a passphrase, so that no piece can be changed, moved, left out or cut off.

The key comes from the passphrase by scrypt. Each piece is sealed by AES-256-GCM; its nonce says which one it is and
whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

import hashlib
import io
import os
from typing import BinaryIO, Final

from newsletter.errors import DatabaseError

MAGIC: Final = b"NEWSLETTER-SEALED-1\n"
"""What a sealed file begins with."""

_PIECE: Final = 1 << 16
_TAG: Final = 16
_SALT: Final = 16
_COST: Final = 15  # scrypt's N is two to the power of this; with r = 8 it takes 32 MiB
_HARDEST: Final = 20

_DAMAGED: Final = "The backup is damaged or incomplete, and nothing was changed. Use another copy of it."
_CLOSED: Final = (
    "The backup does not open: the passphrase in NEWSLETTER_BACKUP_PASSPHRASE is another one, or the file is damaged."
)


def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=1 << cost, r=8, p=1, maxmem=(1 << cost) * 1100, dklen=32)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Sealing(io.RawIOBase):
    """A file to write to; `close` seals the last piece, and leaves the file below open.

    Args:
        file: Where the sealed pieces go.
        passphrase: Opens them again.
    """

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - few commands seal

        super().__init__()
        salt = os.urandom(_SALT)  # a new key for every file, so that no nonce is used twice
        self._file = file
        self._head = MAGIC + bytes([_COST]) + salt
        self._cipher = AESGCM(_key(passphrase, salt, _COST))
        self._waiting = bytearray()
        self._number = 0
        file.write(self._head)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: object) -> int:
        """Take bytes in; they are written a piece at a time."""
        taken = memoryview(data).cast("B")  # type: ignore[arg-type] # whatever holds bytes
        self._waiting += taken
        while len(self._waiting) > _PIECE:
            self._seal(bytes(self._waiting[:_PIECE]), last=False)
            del self._waiting[:_PIECE]
        return len(taken)

    def close(self) -> None:
        """Seal what is left."""
        if not self.closed:
            self._seal(bytes(self._waiting), last=True)
        super().close()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._head))
        self._number += 1


class Opening(io.RawIOBase):
    """What a sealed file holds, read from the front.

    Args:
        file: The sealed file, at its beginning.
        passphrase: With which it was sealed.

    Raises:
        DatabaseError: The file is damaged; `read` raises it too, and also where the passphrase is another one.
    """

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - few commands open

        super().__init__()
        self._file = file
        self._head = file.read(len(MAGIC) + 1 + _SALT)
        if len(self._head) != len(MAGIC) + 1 + _SALT or not self._head.startswith(MAGIC):
            raise DatabaseError(_DAMAGED)
        cost = self._head[len(MAGIC)]
        if not 10 <= cost <= _HARDEST:
            raise DatabaseError(_DAMAGED)
        self._cipher = AESGCM(_key(passphrase, self._head[len(MAGIC) + 1 :], cost))
        self._number = 0
        self._next = file.read(_PIECE + _TAG)
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer; 0 at the end, which is reached only where the last piece says so."""
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type] # whatever holds bytes
        while not self._ready and not self._ended:
            self._open()
        size = min(len(room), len(self._ready))
        room[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _open(self) -> None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        piece, self._next = self._next, self._file.read(_PIECE + _TAG)
        self._ended = not self._next
        try:
            self._ready = self._cipher.decrypt(_nonce(self._number, last=self._ended), piece, self._head)
        except (InvalidTag, ValueError) as error:
            first = self._number == 0
            raise DatabaseError(_CLOSED if first else _DAMAGED) from error
        self._number += 1
