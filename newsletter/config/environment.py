"""Settings from the environment: NEWSLETTER_DATABASE__URL says what [database] url would, and goes before it."""

import json
import types
from collections.abc import Mapping
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from newsletter.config.nearest import nearest
from newsletter.config.places import Path
from newsletter.config.secrets import SECRETS, secret_in
from newsletter.config.settings import Settings
from newsletter.errors import Finding

PREFIX: Final = "NEWSLETTER_"


def override(
    data: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[Path, str], list[Finding]]:
    """The file's settings with those of the environment put over them.

    Two underscores separate table and setting. A list is given as JSON, or with commas between its entries; a whole
    table as JSON. A variable that is set but empty counts as not set.

    Returns:
        The settings; for each that the environment gave, its variable; and what is wrong with variables.
    """
    settings = dict(data)
    variables: dict[Path, str] = {}
    findings: list[Finding] = []
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in SECRETS or not value:
            continue
        path, annotation = _locate(name, settings)
        if path is None:
            findings.append(_unknown(name, settings))
            continue
        try:
            _put(settings, path, _read(value, annotation))
        except (ValueError, RecursionError):
            what = "The value of this variable is not the JSON that it seems to be."
            fix = 'Write a list as ["one", "two"] or as one,two, and a table as {"name": "value"}.'
            findings.append(Finding(rule="environment", what=what, fix=fix, file=name))
        else:
            variables[path] = name
    return settings, variables, findings


def _locate(name: str, data: Mapping[str, Any]) -> tuple[Path | None, Any]:
    """The setting that a variable means, and its type."""
    path: list[str | int] = []
    annotation: Any = Settings
    here: Any = data
    for part in name.removeprefix(PREFIX).split("__"):
        annotation = bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or key: field.annotation for key, field in annotation.model_fields.items()}
            key = part.lower()
            if key not in fields:
                return None, None
            annotation = fields[key]
        elif get_origin(annotation) is dict and part:
            known = here if isinstance(here, dict) else {}
            key = next((key for key in known if _as_variable(key) == part.upper()), part.lower().replace("_", "-"))
            annotation = get_args(annotation)[1]
        else:
            return None, None
        path.append(key)
        here = here.get(key) if isinstance(here, dict) else None
    return tuple(path), bare(annotation)


def bare(annotation: Any) -> Any:
    """A type without `Annotated` around it and without `None` beside it."""
    while True:
        origin = get_origin(annotation)
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif origin in {Union, types.UnionType}:
            annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
        else:
            return annotation


def _as_variable(key: str) -> str:
    return key.upper().replace("-", "_").replace(" ", "_")


def _read(value: str, annotation: Any) -> Any:
    """A variable's text as the setting's type wants it; Pydantic judges it afterwards."""
    text = value.strip()
    if get_origin(annotation) is tuple:
        if text.startswith("["):
            return json.loads(text)
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    if get_origin(annotation) is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        if not text.startswith("{"):
            raise ValueError
        return json.loads(text)
    return value


def _put(data: dict[str, Any], path: Path, value: Any) -> None:
    """Set a value in `data`; the tables on the way are copied, for they may be somebody else's."""
    here: Any = data
    for key in path[:-1]:
        table = here.get(key)
        here[key] = dict(table) if isinstance(table, dict) else {}
        here = here[key]
    here[path[-1]] = value


def _known(annotation: Any, prefix: str, here: Any) -> list[str]:
    """Every variable for a table and what lies in it; of tables with free names, the ones that are there."""
    found: list[str] = []
    if get_origin(annotation) is dict:
        inside = {key: get_args(annotation)[1] for key in (here if isinstance(here, dict) else {})}
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inside = {field.alias or key: field.annotation for key, field in annotation.model_fields.items()}
    else:
        return found
    for key, kind in inside.items():
        name = f"{prefix}{_as_variable(key)}"
        found += [name, *_known(bare(kind), f"{name}__", here.get(key) if isinstance(here, dict) else None)]
    return found


def _unknown(name: str, data: Mapping[str, Any]) -> Finding:
    if secret := secret_in(name.rpartition("__")[2].removeprefix(PREFIX).lower(), name):
        what = f"This secret is read from {secret}, not from here."
        return Finding(rule="environment", what=what, fix=f"Rename the variable to {secret}.", file=name)
    guess = nearest(name, [*_known(Settings, PREFIX, data), *SECRETS])
    fix = f"Did you mean {guess}?" if guess else f"Take it out, or write table and setting as in {PREFIX}DATABASE__URL."
    return Finding(rule="environment", what="There is no setting of this name.", fix=fix, file=name)
