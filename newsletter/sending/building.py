"""Writes an edition as one reader gets it into a folder, to be looked at before anybody gets it."""

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from newsletter.config import Settings
from newsletter.errors import Finding
from newsletter.rendering.composition import NOBODY, Composition, Person
from newsletter.sending.message import MessageWriter, Reader
from newsletter.tokens import Signer

__all__ = ["NOBODY", "Built", "build", "preview_writer"]

_OURS = re.compile(r".+-[0-9a-f]{10}\.(png|jpg|gif)")


@dataclass(frozen=True, slots=True)
class Built:
    """What was written.

    Attributes:
        digest: Of the composition, SHA-256 in hexadecimal.
        files: Each file with its size in bytes.
        findings: What a check says about the edition.
        summary: What stands in `edition.json`.
    """

    digest: str
    files: tuple[tuple[Path, int], ...]
    findings: tuple[Finding, ...]
    summary: dict[str, object]


def preview_writer(composition: Composition, settings: Settings, list_slug: str) -> MessageWriter:
    """A writer whose links are whole and go nowhere: a preview must not let anybody unsubscribe somebody."""
    return MessageWriter(
        composition,
        settings,
        signer=Signer(hashlib.sha256(b"a preview's links are not valid").digest()),
        mailing_id=0,
        list_slug=list_slug,
        list_id=0,
        list_title=settings.lists[list_slug].title,
    )


def build(  # noqa: PLR0913 what is written, where, for whom and when
    composition: Composition,
    settings: Settings,
    findings: Sequence[Finding],
    out: Path,
    *,
    person: Person = NOBODY,
    now: datetime,
) -> Built:
    """Write `edition.html .txt .mjml .eml .json` and the pictures.

    `edition.html` shows its pictures from the folder `images/` beside it, so that it can be opened without a network;
    in `edition.eml` they are as a reader gets them.

    Raises:
        OSError: The folder cannot be written.
    """
    writer = preview_writer(composition, settings, next(iter(settings.lists)))
    reader = Reader(subscriber_id=0, delivery_id=0, email=str(person["email"]), person=person)
    message = writer.write(reader, now)
    page, text = writer.html_for(reader), writer.text_for(reader)
    variant = composition.variant(composition.key_for(person))
    summary: dict[str, object] = {
        "edition": composition.slug,
        "title": composition.title,
        "subject": writer.subject_for(reader),
        "language": composition.language,
        "digest": composition.digest,
        "as": person["email"],
        "conditions": dict(zip(composition.conditions, variant.key, strict=True)),
        "sizes": {
            "html": len(page.encode()),
            "text": len(text.encode()),
            "message": len(message.content),
            "pictures": {picture.name: len(picture.content) for picture in composition.pictures},
        },
        "findings": [finding.as_json() for finding in findings],
    }
    files = {
        "edition.html": _with_pictures_beside(page, composition, settings).encode(),
        "edition.txt": text.encode(),
        "edition.mjml": composition.readable(variant.mjml).encode(),
        "edition.eml": message.content,
        "edition.json": (json.dumps(summary, ensure_ascii=False, indent=2) + "\n").encode(),
        **{f"images/{picture.name}": picture.content for picture in composition.pictures},
    }
    for old in (out / "images").glob("*"):  # of an earlier build; only names that we give
        if _OURS.fullmatch(old.name):
            old.unlink()
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    written = tuple((out / name, len(content)) for name, content in files.items())
    return Built(composition.digest, written, tuple(findings), summary)


def _with_pictures_beside(page: str, composition: Composition, settings: Settings) -> str:
    for picture in composition.pictures:
        address = composition.address_of(picture, settings.newsletter.base_url)
        page = page.replace(f'src="{html.escape(address)}"', f'src="images/{picture.name}"')
    return page
