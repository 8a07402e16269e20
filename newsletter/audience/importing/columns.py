"""Finds out what the columns of a file mean: by their names, by where the file comes from, by what was said of them.

No column is lost in silence: one that is not known is kept as an attribute, and told.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from newsletter.audience.importing.services import Service, find_service
from newsletter.errors import AudienceError, Finding

FIELDS = ("email", "first_name", "last_name", "language", "country", "joined", "tags")
"""What a column can be, beside `attributes.<name>`."""

_NAMES: Mapping[str, str] = {
    "e_mail": "email",
    "mail": "email",
    "email_address": "email",
    "e_mail_address": "email",
    "email_adresse": "email",
    "e_mail_adresse": "email",
    "adresse_email": "email",
    "adresse_e_mail": "email",
    "adresse_mail": "email",
    "correo": "email",
    "correo_electronico": "email",
    "firstname": "first_name",
    "fname": "first_name",
    "given_name": "first_name",
    "forename": "first_name",
    "vorname": "first_name",
    "prenom": "first_name",
    "lastname": "last_name",
    "lname": "last_name",
    "surname": "last_name",
    "family_name": "last_name",
    "nachname": "last_name",
    "country_code": "country",
    "lang": "language",
    "locale": "language",
    "joined_on": "joined",
    "tag": "tags",
}
"""What people and spreadsheets call the fields."""

_STATUS = frozenset({"status", "subscription_status", "subscriber_status", "state"})
_STAYS_OUT = frozenset(
    [
        "unsubscribed",
        "cleaned",
        "bounced",
        "complained",
        "blocklisted",
        "blacklisted",
        "blocked",
        "disabled",
        "unconfirmed",
        "pending",
        "unactivated",
        "inactive",
        "removed",
        "spam",
        "suppressed",
        "undeliverable",
        "deleted",
        "archived",
        "nonsubscribed",
        "non-subscribed",
    ]
)
_ATTRIBUTE = re.compile(r"attributes\.[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a file mean.

    Attributes:
        names: As the file writes them.
        targets: For each column the field that it fills, None for one that is left out.
        verdict: Says of a row's cells why its person stays out, in the words of where the file comes from; None where
            the file says nothing of the kind.
        notes: What people should know, one sentence each.
    """

    names: tuple[str, ...]
    targets: tuple[str | None, ...]
    verdict: Callable[[list[str]], str | None] | None
    notes: tuple[str, ...]


def folded(name: str) -> str:
    """A column's name as it is compared: `E-Mail Adresse` and `e_mail_adresse` are one."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[^\w.]+", "_", "".join(c for c in plain if not unicodedata.combining(c))).strip("_")


def looks_like_email(name: str) -> bool:
    """Whether a column of this name holds addresses."""
    return folded(name) == "email" or _NAMES.get(folded(name)) == "email"


def read_columns(file: str, line: int, names: Sequence[str], said: Mapping[str, str]) -> Columns:
    """Find the meaning of a file's columns.

    Args:
        file: Its name, for what is told; Mailchimp says in it who is inside.
        line: Where they stand.
        names: As the file writes them.
        said: What somebody said they mean, by name.

    Raises:
        AudienceError: No column has the addresses, a name is there twice, or what was said cannot be; tells all of it.
    """
    names = [name.strip().removeprefix("\ufeff").strip() for name in names]
    while names and not names[-1]:
        names = names[:-1]
    findings: list[Finding] = []

    def found(rule: str, what: str, fix: str) -> None:
        findings.append(Finding(rule=rule, what=what, fix=fix, file=file, line=line))

    wanted = _said(names, said, found)
    service = find_service(file, frozenset(folded(name) for name in names))
    notes = [service.note] if service else []
    targets: list[str | None] = []
    for number, name in enumerate(names):
        if name and folded(name) in {folded(other) for other in names[:number]}:
            found("duplicate-column", f"The column «{_short(name)}» is there twice.", "Keep one of them.")
            targets.append(None)
            continue
        target = wanted[name] if name in wanted else _target(number, name, service, notes)
        if target and target != "joined" and target in targets:
            other = names[targets.index(target)]
            found(
                "duplicate-column",
                f"The columns «{_short(other)}» and «{_short(name)}» both mean {target}.",
                f'Say which to leave out: --map "{_short(name)}=".',
            )
        targets.append(target)
    if "email" not in targets:
        near = difflib.get_close_matches("email", [folded(name) for name in names], n=1)
        fix = f"Say which column has the addresses, as in --map {f'{near[0]}=email' if near else 'COLUMN=email'}."
        found("missing-column", "There is no column «email»; the first row must name the columns.", fix)
    if findings:
        raise AudienceError(findings=findings)
    return Columns(tuple(names), tuple(targets), _verdict(names, service), tuple(notes))


def _said(
    names: Sequence[str], said: Mapping[str, str], found: Callable[[str, str, str], None]
) -> dict[str, str | None]:
    """What was said of the columns, by their names as the file writes them."""
    wanted: dict[str, str | None] = {}
    for column, target in said.items():
        name = next((name for name in names if name == column.strip()), None) or next(
            (name for name in names if folded(name) == folded(column)), None
        )
        if name is None:
            near = difflib.get_close_matches(column, names, n=1)
            fix = f"Did you mean «{near[0]}»?" if near else f"It has: {', '.join(map(_short, names[:12]))}."
            found("unknown-column", f"The file has no column «{_short(column)}».", fix)
        elif target and target not in FIELDS and not _ATTRIBUTE.fullmatch(target):
            near = difflib.get_close_matches(target, FIELDS, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Write attributes.<name>, or one of: {', '.join(FIELDS)}."
            found("unknown-field", f"A column cannot mean «{_short(target)}».", fix)
        else:
            wanted[name] = target or None
    return wanted


def _target(number: int, name: str, service: Service | None, notes: list[str]) -> str | None:
    """The field that a column fills, by its name; tells where that is not plain."""
    known = folded(name)
    if not name or (service is not None and known in service.ignored):
        return None  # where there is no name, the rows must have nothing
    if service is not None and known in service.targets:
        return service.targets[known]
    if _ATTRIBUTE.fullmatch(name):
        return name
    if known in FIELDS or known in _NAMES:
        return _NAMES.get(known, known)
    attribute = re.sub(r"[^a-z0-9_]+", "_", known.encode("ascii", "ignore").decode()).strip("_")
    attribute = attribute if attribute[:1].isalpha() else f"column_{number + 1}{'_' * bool(attribute)}{attribute}"
    near = difflib.get_close_matches(known, FIELDS, n=1)
    hint = f' If it is {near[0]}, say so: --map "{_short(name)}={near[0]}".' if near else ""
    notes.append(f"The column «{_short(name)}» is kept as attributes.{attribute[:60]}.{hint}")
    return f"attributes.{attribute[:60]}"


def _verdict(names: Sequence[str], service: Service | None) -> Callable[[list[str]], str | None] | None:
    """What says of a row that its person stays out."""
    if service is not None:
        places = [(number, rule) for number, name in enumerate(names) if (rule := service.rules.get(folded(name)))]
        origin = service.name
    else:
        places = [(number, _any_status) for number, name in enumerate(names) if folded(name) in _STATUS]
        origin = "the file"
    if not places:
        return None

    def verdict(cells: list[str]) -> str | None:
        for number, rule in places:
            if said := rule(cells[number].strip().casefold()):
                return f"This person is {said} according to {origin}, and stays out."
        return None

    return verdict


def _any_status(cell: str) -> str | None:
    return cell if cell in _STAYS_OUT else None


def _short(text: str) -> str:
    """Text as it can be shown in a sentence."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:60])
