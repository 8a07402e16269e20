"""Keys that stay the same for a run, a small zone of their records, and what others say about a signature."""

import datetime as dt
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from newsletter.sending.dkim import DkimKey, DkimSigner
from newsletter.sending.dkim_keys import record_name, record_text
from tests.parts import missing

DOMAIN = "example.org"
NOW = dt.datetime(2026, 3, 5, 9, 7, 2, tzinfo=dt.UTC)
LETTER = (
    b"From: Data for Change <news@example.org>\r\nTo: Ana <ana@example.com>\r\nSubject: Data sharing\r\n"
    b"Date: Thu, 05 Mar 2026 09:07:02 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"List-Unsubscribe: <https://news.example.org/unsubscribe/abc>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: Community <community.example.org>\r\n"
    b"Feedback-ID: series:community:example-org\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: text/plain;\r\n charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    b"Dear Ana,\r\n\r\nthree stories =\r\nfrom the call.\r\n"
)


@cache
def keys() -> tuple[DkimKey, DkimKey]:
    """One of each kind."""
    return DkimKey("news", generate_private_key(65537, 2048)), DkimKey("news-ed", Ed25519PrivateKey.generate())


@cache
def zone() -> dict[str, str]:
    """The records of both keys."""
    return {record_name(key.selector, DOMAIN): record_text(key.key) for key in keys()}


def double() -> DkimSigner:
    """Signs with both keys."""
    return DkimSigner(DOMAIN, keys())


def signed(content: bytes = LETTER) -> bytes:
    """A message with both signatures in front."""
    return double().sign(content, NOW) + content


def dkimpy_takes(message: bytes, number: int) -> bool:
    """Whether dkimpy verifies the signature of this number, from above and from 0."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return zone()[name.decode().rstrip(".")].encode()

    try:
        return bool(dkimpy.DKIM(message).verify(number, dnsfunc=look_up))
    except dkimpy.ValidationError:  # how it says that the body's hash is another
        return False


def opendkim_says(message: bytes, folder: Path) -> dict[str, str]:
    """What OpenDKIM says about each signature: selector -> `pass` or `fail`."""
    program = shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        missing("OpenDKIM is not here (Debian: apt-get install opendkim).")
    data, settings, file = folder / "zone", folder / "opendkim.conf", folder / "message.eml"
    data.write_text("".join(f"{name} {text}\n" for name, text in zone().items()))
    settings.write_text(f"Mode v\nSyslog no\nTestDNSData file:{data}\n")
    file.write_bytes(message)
    done = subprocess.run(
        [program, "-x", str(settings), "-t", str(file), "-v", "-v"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return {selector: result for result, selector in re.findall(r"\bdkim=(\w+)[^;]*header\.s=(\S+)", done.stdout)}
