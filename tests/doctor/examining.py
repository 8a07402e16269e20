"""Projects to examine, with a zone in which all is well; a test spoils one thing."""

import copy
import datetime as dt
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.doctor import Doctor
from newsletter.project import open_project
from newsletter.sending.dkim_keys import record_text
from tests.dkim.signing import keys
from tests.doctor.nameserver import Zone, serving, text

NOW = dt.datetime(2026, 3, 5, 9, 7, 2, tzinfo=dt.UTC)

TOML = """
[newsletter]
name = "News"
base_url = "https://news.example.org"
[identity]
from = "News <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
[sending]
bounces = "bounces@mail.example.org"
[sender]
kind = "smtp"
[sender.smtp]
port = 1
[dkim]
domain = "example.org"
selector = "news"
key_file = "news.key"
"""


@cache
def rsa_file() -> bytes:
    """The file of a key, made once: that takes long."""
    return keys()[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_project(folder: Path, change: Callable[[str], str] = lambda toml: toml) -> Path:
    (folder / "newsletter.toml").write_text(change(TOML))
    if not (folder / "news.key").exists():
        (folder / "news.key").write_bytes(rsa_file())
        (folder / "news.key").chmod(0o600)
    return folder


def good_zone() -> Zone:
    """What the DNS says when all is well."""
    return {
        "mail.example.org": {
            "TXT": [text("v=spf1 ip4:192.0.2.10 -all")],
            "MX": ["10 mx.example.org."],
        },
        "mx.example.org": {"A": ["192.0.2.10"]},
        "news._domainkey.example.org": {"TXT": [text(record_text(keys()[0].key))]},
        "_dmarc.example.org": {"TXT": [text("v=DMARC1; p=quarantine; rua=mailto:dmarc@example.org")]},
    }


def examine(
    folder: Path,
    zone: Zone | None = None,
    *,
    environ: dict[str, str] | None = None,
    context: ssl.SSLContext | None = None,
    **more: Any,
) -> list[Diagnosis]:
    """What the doctor says, by a DNS server with this zone."""
    with serving(good_zone() if zone is None else zone, **more) as server:
        doctor = Doctor(open_project(folder, environ or {}), lambda: NOW)
        return list(doctor.examine(dns_server=server.address, context=context))


def about(lines: list[Diagnosis], *checks: str) -> list[Diagnosis]:
    """The lines of some checks."""
    return [line for line in lines if line.check in checks]


def states(lines: list[Diagnosis], *checks: str) -> list[str]:
    """How they stand."""
    return [line.state.value for line in about(lines, *checks)]


def changed(zone: Zone, name: str, **kinds: list[str] | None) -> Zone:
    """The zone with other records at one name; None takes them away."""
    other = copy.deepcopy(zone)
    there = other.setdefault(name, {})
    for kind, records in kinds.items():
        there.pop(kind, None)
        if records is not None:
            there[kind] = records
    if not there:
        del other[name]
    return other
