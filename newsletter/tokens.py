"""Signs and reads the short tokens in readers' links, so that a link proves what it is for and nothing is stored.

A token is the URL-safe Base64, without padding, of

    HMAC-SHA256(key, "token" NUL purpose NUL rest)[:16]   then the rest:   ids, expiry?, form

Ids and expiry (seconds since 1970) are varints, seven bits a byte, lowest first. The last byte is the form: 0 without
an expiry, 1 with one; other values are free for later forms. It stands last because a small last byte makes the last
character a letter, and some programs leave a trailing - or _ out of a link.

Why not `itsdangerous`, which does this well: its tokens are made of JSON, a dot and a 27-character signature, 44 to 59
characters for three ids, and a List-Unsubscribe address should stay on one header line (RFC 5322 section 2.1.1) with
host and path before the token. Here three ids below 2**28 take 40 characters at most. 128 bits of HMAC are ample
(RFC 2104 section 5): a guess can only be tried against our server.
"""

import hashlib
import hmac
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from newsletter.errors import ConfigError, TokenError

_KEY_LENGTH = 32
_MAC_LENGTH = 16
_BLOCK = 64
_MAX_LENGTH = 200
_FORM_LASTING, _FORM_EXPIRING = 0, 1

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_PURPOSE = re.compile(r"[a-z][a-z0-9-]*")
_CHANGED = "This link is incomplete or was changed. Open it again from the message, or copy the whole address."
_EXPIRED = "This link has expired. Ask for a new one."


class Signer:
    """Makes and reads tokens with the project's secret key.

    Several keys let the secret be changed while links in old messages go on working: the first signs, all of them read.
    """

    __slots__ = ("_keys", "_started")

    def __init__(self, key: bytes, *older_keys: bytes) -> None:
        """Take the key that signs, and older ones that still read.

        Raises:
            ConfigError: A key has less than 32 bytes.
        """
        self._keys = (key, *older_keys)
        self._started: dict[tuple[bytes, str], tuple[hashlib._Hash, hashlib._Hash]] = {}
        shortest = min(map(len, self._keys))
        if shortest < _KEY_LENGTH:
            message = (
                f"The secret key has {shortest} bytes; {_KEY_LENGTH} are the least. Make one with "
                "python -c 'import secrets; print(secrets.token_hex(32))' and set NEWSLETTER_SECRET_KEY to it."
            )
            raise ConfigError(message)

    def __repr__(self) -> str:
        """How many keys there are; never the keys."""
        return f"Signer({len(self._keys)} keys)"

    def sign(self, purpose: str, *ids: int, expires: datetime | None = None) -> str:
        """A token that says these ids, good for this purpose alone.

        Args:
            purpose: What the link does, such as `unsubscribe`: small letters, digits, hyphens. It is signed, not shown.
            ids: Whole numbers from 0 on; anybody can read them in the token.
            expires: From when on the token is refused, with time zone, rounded up to a second. None for links in a
                newsletter, which must go on working (an unsubscribe link for years).

        Raises:
            ValueError: An id is negative, `expires` has no time zone, or `purpose` is no such word: a mistake of ours.
        """
        rest = bytearray()
        for number in ids:
            if 0 <= number < 128:  # most ids of lists and mailings
                rest.append(number)
            else:
                _append_varint(rest, number)
        if expires is None:
            rest.append(_FORM_LASTING)
        else:
            _append_varint(rest, math.ceil(_timestamp(expires)))
            rest.append(_FORM_EXPIRING)
        mac = self._mac(self._keys[0], purpose, rest)
        return urlsafe_b64encode(mac + rest).rstrip(b"=").decode("ascii")

    def read(self, purpose: str, token: str, *, now: datetime) -> tuple[int, ...]:
        """The ids of a token that was made by us for this purpose and has not expired.

        Args:
            purpose: As given to `sign`.
            token: From a link; may be anything.
            now: With time zone.

        Raises:
            TokenError: The token was changed or cut, has expired, or was made for another purpose or with another key.
            ValueError: `now` has no time zone, or `purpose` is no such word: a mistake of ours.
        """
        moment = _timestamp(now)
        raw = _decode(token)
        mac, rest = raw[:_MAC_LENGTH], raw[_MAC_LENGTH:]
        if not any([hmac.compare_digest(mac, self._mac(key, purpose, rest)) for key in self._keys]):  # noqa: C419
            raise TokenError(_CHANGED)
        numbers = _varints(rest[:-1])
        if rest[-1] == _FORM_LASTING:
            return numbers
        if rest[-1] != _FORM_EXPIRING:
            raise TokenError(_CHANGED)
        if moment >= numbers[-1]:
            raise TokenError(_EXPIRED)
        return numbers[:-1]

    def _mac(self, key: bytes, purpose: str, rest: bytes | bytearray) -> bytes:
        """HMAC-SHA256 (RFC 2104 section 2) with the key hashed once and not for each token: it takes half the time."""
        started = self._started.get((key, purpose))
        if started is None:
            if not _PURPOSE.fullmatch(purpose):
                raise ValueError(f"{purpose!r} is no purpose: use small letters, digits and hyphens.")
            block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
            inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + b"token\0%b\0" % purpose.encode("ascii"))
            started = self._started[key, purpose] = (inner, hashlib.sha256(bytes(byte ^ 0x5C for byte in block)))
        inner, outer = started[0].copy(), started[1].copy()
        inner.update(rest)
        outer.update(inner.digest())
        return outer.digest()[:_MAC_LENGTH]


def _timestamp(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ValueError("A moment without time zone says nothing.")
    return moment.timestamp()


def _decode(token: str) -> bytes:
    """The bytes of a token, if this is the one way to write them."""
    if len(token) > _MAX_LENGTH or not _ALPHABET.fullmatch(token) or len(token) % 4 == 1:
        raise TokenError(_CHANGED)
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    # The last character has bits to spare, so that several spellings mean the same bytes: only one is ours.
    if len(raw) <= _MAC_LENGTH or urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
        raise TokenError(_CHANGED)
    return raw


def _append_varint(content: bytearray, number: int) -> None:
    if number < 0:
        raise ValueError("Only whole numbers from 0 on go into a token.")
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    content.append(number)


def _varints(content: bytes) -> tuple[int, ...]:
    """The numbers in what we once signed; nothing else gets here."""
    numbers, number, shift = [], 0, 0
    for byte in content:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return tuple(numbers)
