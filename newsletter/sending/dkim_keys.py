"""The private keys that sign messages, and the records by which the world finds their public halves in DNS."""

import base64
import os
import stat
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from newsletter.errors import ConfigError

Kind = Literal["rsa", "ed25519"]
Key = RSAPrivateKey | Ed25519PrivateKey

SHORTEST_RSA: Final = 2048
"""Bits of an RSA key (RFC 8301 section 3.2, and what the large mailbox providers ask for)."""
_LARGEST_FILE: Final = 64 * 1024
_LONGEST_STRING: Final = 255  # of the parts that a TXT record is made of (RFC 1035 section 3.3)
_NAMES: Final = {"rsa": "an RSA key", "ed25519": "an Ed25519 key"}
_ANOTHER: Final = "Make a new key with: newsletter doctor --make-dkim"


def read_key(path: Path, kind: Kind) -> Key:
    """The private key in a file that nobody but its owner may read.

    Args:
        path: The file; PEM, as `newsletter doctor --make-dkim`, OpenSSL and OpenDKIM write it.
        kind: What the key must be.

    Raises:
        ConfigError: There is no such file, others can read it, or it does not hold such a key.
    """
    content = _read_private(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:  # how the library says that a password is needed
        raise ConfigError(
            f"The DKIM key {path} is locked with a password, which nobody can type here. {_ANOTHER}"
        ) from (None)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} does not hold a private key. {_ANOTHER}") from None
    wanted = RSAPrivateKey if kind == "rsa" else Ed25519PrivateKey
    if not isinstance(key, wanted):
        raise ConfigError(_wrong_kind(path, key, kind))
    if isinstance(key, RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise ConfigError(
            f"The DKIM key {path} has {key.key_size} bits; mailbox providers take {SHORTEST_RSA} or more. {_ANOTHER}"
        )
    return key


def make_key(path: Path, kind: Kind) -> Key:
    """Make a new private key in a file that only its owner can read; a file that is there already stays as it is.

    Raises:
        ConfigError: There is such a file, or it cannot be written.
    """
    key: Key = generate_private_key(65537, SHORTEST_RSA) if kind == "rsa" else Ed25519PrivateKey.generate()
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        if path.exists():
            raise ConfigError(
                f"There is a file {path} already, and it stays as it is: a key that was replaced could not sign any "
                "more. Choose another selector, such as one with the year, or move the file away."
            ) from None
        raise ConfigError(f"{path} cannot be written: {error.strerror}. See that its folder is yours.") from error
    with open(descriptor, "wb") as file:  # noqa: PTH123 made above with O_EXCL
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return key


def public_text(key: Key) -> str:
    """The public half as it stands behind `p=` in DNS (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    else:
        form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return base64.b64encode(public.public_bytes(*form)).decode("ascii")


def record_name(selector: str, domain: str) -> str:
    """Where in DNS the record stands (RFC 6376 section 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def record_text(key: Key) -> str:
    """What the TXT record says."""
    return f"v=DKIM1; k={kind_of(key)}; p={public_text(key)}"


def record_strings(text: str) -> list[str]:
    """The record's text in the strings that a TXT record is made of, each at most 255 long."""
    return [text[start : start + _LONGEST_STRING] for start in range(0, len(text), _LONGEST_STRING)]


def kind_of(key: Key) -> Kind:
    """What DKIM calls this kind of key."""
    return "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123 the very file that is checked, whatever happens to its name
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise ConfigError(f"Others on this machine can read the DKIM key. Close it with: chmod 600 {path}")
            if stat.S_ISREG(mode):
                return file.read(_LARGEST_FILE)
    except FileNotFoundError:
        make = "make one with: newsletter doctor --make-dkim"
        raise ConfigError(f"There is no DKIM key {path}. Put it there, or {make}") from None
    except IsADirectoryError:
        pass
    except OSError as error:
        what = f"The DKIM key {path} cannot be read: {error.strerror}."
        raise ConfigError(f"{what} Ask for the right to read it.") from error
    raise ConfigError(f"{path} is not a file. Say in newsletter.toml, [dkim], which file holds the key.")


def _wrong_kind(path: Path, key: object, kind: Kind) -> str:
    found = next((name for name in ("rsa", "ed25519") if name in type(key).__module__ + type(key).__name__.lower()), "")
    what = f"The key in {path} is {_NAMES.get(found, 'of another kind')}, and {_NAMES[kind]} is needed there."
    if found == "ed25519":
        return f"{what} Put it under ed25519_selector and ed25519_key_file; many providers know only RSA."
    return f"{what} {_ANOTHER}{' --ed25519' if kind == 'ed25519' else ''}"
