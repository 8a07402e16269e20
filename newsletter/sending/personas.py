"""Personas: readers who do not exist, as whom an edition is tested; from personas.toml, or ours where there is none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from newsletter.config.addresses import MailboxText
from newsletter.config.nearest import nearest
from newsletter.config.places import Places
from newsletter.config.problems import explain
from newsletter.config.table import Table
from newsletter.config.toml import LARGEST, read_toml
from newsletter.config.values import AsTuple, Language, OptionalLine, Slug, refuse, shown
from newsletter.errors import ConfigError, UsageError
from newsletter.rendering.composition import Person

FILE: Final = "personas.toml"

_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Persona:
    """A reader who does not exist.

    Attributes:
        name: By which a command names them.
        person: What expressions see.
    """

    name: str
    person: Person


def _country(value: str) -> str:
    text = value.strip()
    if not _COUNTRY.fullmatch(text):
        raise refuse(f": {shown(value)} is not the code of a country.", "Write two letters, like KE.")
    return text.upper()


def _address(value: str) -> str:
    if "<" in value:
        raise refuse(f": {shown(value)} holds a name.", "Write the address alone, like reader@example.org.")
    return value


def _day(value: object) -> object:
    if type(value) is not date:  # a moment is a date, too, for Python
        raise refuse(f": {shown(str(value))} is not a date.", "Write it without quotation marks, like 2024-05-17.")
    return value


def _own_value(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise refuse("is neither a text nor a number.", 'Write "a text", a number, true or false.')
    return value


def _attribute(name: str) -> str:
    if not _ATTRIBUTE.fullmatch(name):
        raise refuse(f": {shown(name)} cannot be used as a name.", "Use letters, digits and _, like role.")
    return name


class PersonaTable(Table):
    """One persona: what is not said is not known of them."""

    email: Annotated[MailboxText, AfterValidator(_address)] = "reader@example.org"
    """What `{{ email }}` shows; the test goes to other addresses."""
    first_name: OptionalLine | None = None
    last_name: OptionalLine | None = None
    language: Language | None = None
    country: Annotated[str, AfterValidator(_country)] | None = None
    tags: Annotated[tuple[OptionalLine, ...], AsTuple] = ()
    joined: Annotated[date, BeforeValidator(_day)] = date(2024, 5, 17)
    """A date without quotation marks: 2024-05-17."""
    attributes: dict[Annotated[str, AfterValidator(_attribute)], Annotated[Any, BeforeValidator(_own_value)]] = Field(
        default_factory=dict
    )
    """A project's own fields."""

    def as_persona(self, name: str) -> Persona:
        """The reader that this table describes."""
        fields = {key: getattr(self, key) for key in ("email", "language", "country", "tags", "joined")}
        names = {"first_name": self.first_name or None, "last_name": self.last_name or None}
        return Persona(name, {**fields, **names, "attributes": dict(self.attributes)})


class PersonasFile(Table):
    """Everything that personas.toml says."""

    personas: Annotated[dict[Slug, PersonaTable], Field(default_factory=dict)]
    """A table `[personas.<name>]` for each; the first is taken where a test names nobody."""


_OURS: Final[Mapping[str, Mapping[str, object]]] = {
    "everyday": {"first_name": "Amina", "last_name": "Otieno", "language": "en", "country": "KE"},
    "no-name": {},
    "long-name": {
        "first_name": "Maria-Magdalena Wilhelmina",
        "last_name": "von Hohenstein-Schwarzenberg y Fernández de la Vega",
        "language": "de",
        "country": "DE",
    },
    "right-to-left": {"first_name": "مريم", "last_name": "الحسن", "language": "ar", "country": "JO"},
    "other-script": {"first_name": "美玲", "last_name": "陳", "language": "zh", "country": "TW"},
    "awkward-signs": {"first_name": "D'Arcy <b>", "last_name": 'O"Neil & Söhne, {{ x }}', "language": "en"},
}


def built_in() -> dict[str, Persona]:
    """The personas of a project that describes none, the everyday one first."""
    return {name: PersonaTable.model_validate(fields).as_persona(name) for name, fields in _OURS.items()}


def read_personas(root: Path) -> dict[str, Persona]:
    """The personas of a project by name: those of its personas.toml, or ours if it has no such file or an empty one.

    Raises:
        ConfigError: The file has mistakes; `findings` holds all of them, with line and column.
    """
    try:
        with (root / FILE).open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return built_in()
    except OSError as error:
        raise ConfigError(f"{root / FILE} cannot be read: {error.strerror}. Ask for the right to read it.") from error
    data, places = read_toml(content, FILE)
    personas = {name: table.as_persona(name) for name, table in _validated(data, places).personas.items()}
    return personas or built_in()


def _validated(data: Mapping[str, object], places: Places) -> PersonasFile:
    try:
        return PersonasFile.model_validate(data)
    except ValidationError as error:
        findings = list(explain(error, places, PersonasFile))
    findings.sort(key=lambda finding: (finding.line or 0, finding.column or 0))
    raise ConfigError(findings=findings)


def find_persona(personas: Mapping[str, Persona], name: str | None) -> Persona:
    """The persona of a name; the first for None.

    Raises:
        UsageError: There is none of that name; tells the nearest.
    """
    if name is None:
        return next(iter(personas.values()))
    if name not in personas:
        near = nearest(name, personas)
        fix = f"Did you mean «{near}»?" if near else f"There are: {', '.join(personas)}."
        raise UsageError(f"There is no persona «{name[:60]}». {fix} See them:  newsletter personas")
    return personas[name]
