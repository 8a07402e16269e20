"""Secrets do not belong in newsletter.toml, which is shared and kept in git; here one that strayed there is found."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from newsletter.config.places import Path, Places
from newsletter.errors import Finding

SECRETS: Final = (
    "NEWSLETTER_SECRET_KEY",
    "NEWSLETTER_SMTP_PASSWORD",
    "NEWSLETTER_BACKUP_PASSPHRASE",
    "NEWSLETTER_IMAP_PASSWORD",
)
"""Variables that hold secrets and are no settings; SENDGRID_API_KEY is one more."""

_NAMES: Final = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|pass|pwd|secret|secret_?key|api_?key|token|private_?key|credentials?)",
    re.IGNORECASE,
)
_API_KEY: Final = re.compile(r"\s*SG\.[\w-]{10,}\.")
_PRIVATE_KEY: Final = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY")


def secret_in(key: str, around: str) -> str | None:
    """The variable that a secret of this name belongs in; None if the name is not one of a secret.

    Args:
        key: The last part of a setting's name.
        around: All of its name, from which the sender shows.
    """
    if not _NAMES.fullmatch(key.replace("-", "_")):
        return None
    if "sendgrid" in around.lower() or re.search(r"api_?key", key, re.IGNORECASE):
        return "SENDGRID_API_KEY"
    if "mailbox" in around.lower() or "imap" in around.lower():
        return "NEWSLETTER_IMAP_PASSWORD"
    if "smtp" in around.lower() or re.match(r"pass|pwd", key, re.IGNORECASE):
        return "NEWSLETTER_SMTP_PASSWORD"
    return "NEWSLETTER_SECRET_KEY"


def refuse_secrets(data: Mapping[str, Any], places: Places) -> tuple[dict[str, Any], list[Finding]]:
    """The file's settings without the secrets that stand in it, and a finding for each; none is ever shown."""
    findings: list[Finding] = []
    clean = _clean(data, (), places, findings)
    return clean, findings


def _clean(table: Mapping[str, Any], path: Path, places: Places, findings: list[Finding]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        here = (*path, key)
        home = _home(here, value)
        if home is None:
            kept[key] = _clean(value, here, places, findings) if isinstance(value, dict) else value
            continue
        what = f"«{key[:40]}» holds a secret, and this file is shared and kept in git."
        fix = f"Take it out, put it in {home} instead, and make a new one if others have seen it."
        findings.append(places.finding(here, rule="secret", what=what, fix=fix))
    return kept


def _home(path: Path, value: Any) -> str | None:
    """Where the secret in this setting belongs; None if there is none."""
    if path == ("database", "url"):
        return "the variable NEWSLETTER_DATABASE__URL" if isinstance(value, str) and _has_password(value) else None
    words = path[0] in {"glossary", "segments", "checks"}  # their keys are words, not settings
    if not words and (variable := secret_in(str(path[-1]), ".".join(str(part) for part in path))):
        return f"the variable {variable}"
    for text in _texts(value):
        if _API_KEY.match(text):
            return "the variable SENDGRID_API_KEY"
        if _PRIVATE_KEY.match(text):
            return "a file that only its owner can read, named by key_file,"
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False
