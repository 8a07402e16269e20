"""The whole product once, on files of its own: an edition composed, checked and delivered to the example list."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from newsletter.app import Newsletter
from newsletter.audience.importing.outcomes import ImportOrder
from newsletter.errors import EditionInvalidError, EditionNotFoundError, Severity, UsageError
from newsletter.mailings import Wish

FIRST_CHOICE: Final = "data-sharing"
_HERE: Final = "demo"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demonstration did.

    Attributes:
        title: Of the edition.
        digest: Of its composition.
        delivered: To how many people.
        outbox: Where their messages are.
        build: Where the page, the text and the whole message are.
        edition_file: What to change next.
        remarks: How many things a check would better.
    """

    title: str
    digest: str
    delivered: int
    outbox: Path
    build: Path
    edition_file: Path
    remarks: int

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def demonstrate(directory: Path | None = None, environ: Mapping[str, str] = os.environ) -> Demonstration:
    """Compose, check and deliver an edition to the people of `subscribers/example.csv`.

    Works with a database and an outbox of its own under `outbox/demo/`, made anew each time, whatever newsletter.toml
    says: no real list is read and nothing leaves the machine.

    Raises:
        UsageError: The project has no example list.
        EditionInvalidError: The edition cannot be sent as it is.
    """
    root = Newsletter.open(directory, environ).project.root
    place = root / "outbox" / _HERE
    shutil.rmtree(place, ignore_errors=True)
    own = {
        "NEWSLETTER_DATABASE__URL": f"sqlite:///{place / 'demo.db'}",
        "NEWSLETTER_SENDER__KIND": "outbox",
        "NEWSLETTER_SENDER__OUTBOX__DIR": str(place.relative_to(root)),
    }
    newsletter = Newsletter.open(root, {**environ, **own})
    people = root / "subscribers" / "example.csv"
    if not people.is_file():
        raise UsageError(f"The demonstration needs {people}, a list of example people. Run it in a fresh project.")
    slug = _edition(newsletter)
    _, findings = newsletter.compose(slug)
    if must := [finding for finding in findings if finding.severity is Severity.MUST_FIX]:
        raise EditionInvalidError(findings=must)
    to_list = next(iter(newsletter.project.settings.lists))
    newsletter.imports.run(people, ImportOrder(to_list=to_list))

    report = newsletter.mailings.send(Wish(edition=slug, list_slug=to_list, hold=timedelta()))
    built = newsletter.build(slug, place / "build")
    delivered = report.counts.get("accepted", 0) if report else 0  # type: ignore[call-overload]
    folders = sorted(path for path in place.iterdir() if path.is_dir() and path.name != "build")
    return Demonstration(
        title=str(built.summary["title"]),
        digest=built.digest,
        delivered=delivered,
        outbox=folders[0] if folders else place,
        build=place / "build",
        edition_file=newsletter.project.edition_file(slug),
        remarks=len(findings),
    )


def _edition(newsletter: Newsletter) -> str:
    editions = newsletter.editions()
    if not editions:
        raise EditionNotFoundError('There is no edition yet. Start one:  newsletter new "Title"')
    return FIRST_CHOICE if FIRST_CHOICE in editions else editions[0]
