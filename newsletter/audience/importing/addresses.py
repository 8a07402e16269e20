"""Checks a million addresses in seconds, with exactly the verdict and the normal form of `read_address`.

Domains repeat, so each is asked of email-validator once; a plain ASCII part before the @ is checked by a pattern. All
that is not plain goes to email-validator whole. A property test holds the two together.
"""

import hashlib
import re
import unicodedata

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from newsletter.audience.subscribers import Address
from newsletter.errors import AddressError

_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]{{3,253}})")
_MOST_DOMAINS = 50_000
_BLOCK = 64  # bytes that SHA-256 works on at once (RFC 2104, section 2)


class AddressReader:
    """Reads addresses, and remembers the domains.

    Args:
        secret: The project's secret key, for the keyed hash.
    """

    def __init__(self, secret: bytes) -> None:
        self._domains: dict[str, str] = {}
        key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + b"suppression\0")
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def read(self, typed: str) -> tuple[str, str]:
        """The address to mail to, and its normal form.

        Raises:
            AddressError: It cannot be mailed; says why, and does not repeat the address.
        """
        plain = _PLAIN.fullmatch(typed)
        if plain is not None:
            local, typed_domain = plain.groups()
            domain = self._domains.get(typed_domain) or self._domain(typed_domain)
            if (
                domain is not None
                and len(local) <= 64
                and len(typed) <= 254
                and (local.islower() or local.lower() not in CASE_INSENSITIVE_MAILBOX_NAMES)
            ):
                return f"{local}@{domain}", f"{local.lower()}@{domain}"
        address = _read_any(typed)
        return address.email, address.key

    def hashed(self, key: str) -> bytes:
        """The keyed hash of a normal form: HMAC-SHA256 as `Address.hashed` makes it, with the key's part done once."""
        inner = self._inner.copy()
        inner.update(key.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def _domain(self, typed: str) -> str | None:
        """A plain domain in lower case; None for one that must be looked at with its address."""
        if "xn--" in typed.lower():
            return None  # has a Unicode form
        try:
            domain = validate_email(f"a@{typed}", check_deliverability=False, strict=True).domain
        except EmailNotValidError:
            return None
        if len(self._domains) >= _MOST_DOMAINS:
            self._domains.clear()
        self._domains[typed] = domain
        return domain


def _read_any(typed: str) -> Address:
    """As `read_address` does, with an error that does not repeat the address: it may be kept.

    Raises:
        AddressError: It cannot be mailed.
    """
    try:
        checked = validate_email(typed.strip()[:400], check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise AddressError(f"This is not an email address that can be mailed. {_unsaid(error)}") from error
    local = unicodedata.normalize("NFC", checked.local_part.casefold())
    return Address(checked.normalized, f"{local}@{checked.ascii_domain.lower()}")


def _unsaid(error: EmailNotValidError) -> str:
    """The validator's words without what it repeats of the address."""
    words = str(error)
    head, colon, _ = words.partition(": ")
    return f"{head}." if colon else words.split(" (", 1)[0].rstrip(".") + "."
