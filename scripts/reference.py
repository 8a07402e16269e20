"""Writes docs/reference/commands.md, settings.md and api.md from the code, so that they cannot say anything else.

Run it after changing a command, a setting or the API: `.venv/bin/python scripts/reference.py`. A test compares.
"""

import ast
import inspect
import itertools
import tempfile
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from newsletter.app import Newsletter
from newsletter.cli import app
from newsletter.config.settings import Settings
from newsletter.web.public.api import describe
from newsletter.web.public.site import Site

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"

COMMANDS = """# Commands

Every command works in the project of the folder it runs in, or of one above; `--project DIR` names another. Exit codes:
0 done; 1 the work found a problem; 2 wrong usage or configuration. This page is written from the code.
"""

SETTINGS = """# Settings: newsletter.toml

A project is a folder with a `newsletter.toml`. Whatever is left out has the default shown here. An environment variable
overrides any key: `NEWSLETTER_SENDING__HOLD="2 min"` stands for `hold` in `[sending]`. Passwords and keys
(`NEWSLETTER_SECRET_KEY`, `NEWSLETTER_SMTP_PASSWORD`, `SENDGRID_API_KEY`) never stand in the file. This page is written
from the code.
"""


API = """# The API

{about}

The same for programs, as OpenAPI 3.1: `/api/openapi.json`. How to let a program in:
[let-programs-in.md](../how-to/let-programs-in.md). This page is written from the code.

Every request may also be answered with one of these, and a [Problem](#problem):

{always}

## Scopes

{scopes}
"""

PROJECT = """[newsletter]
name = "Example"
organisation = "Example"
base_url = "https://news.example.org"
[identity]
from = "Example <news@example.org>"
postal_address = "1 Example Street"
[lists.example]
title = "Example"
"""


def commands() -> str:
    """The page about the commands."""
    return "\n".join([COMMANDS, *_command(typer.main.get_command(app), "newsletter")])


def _command(command: Any, name: str) -> Iterator[str]:
    parts = getattr(command, "commands", None)
    if parts is not None:
        if command.invoke_without_command and any(one.name == "project" for one in command.params):
            yield from _page(command, name)  # it does something of its own
        for part in sorted(parts):
            yield from _command(parts[part], f"{name} {part}")
        return
    yield from _page(command, name)


def _page(command: Any, name: str) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join([name, *(_shown(one) if one.required else _optional(one) for one in arguments), "[OPTIONS]"])
    yield f"## {name}\n\n{_one_line(command.help)}\n\n```text\n{usage}\n```\n"
    rows = [(_shown(one), _one_line(getattr(one, "help", ""))) for one in arguments]
    rows += [(", ".join(one.opts) + ("" if one.is_flag else f" {_shown(one)}"), _one_line(one.help)) for one in options]
    yield from (f"- `{left}`: {right}" if right else f"- `{left}`" for left, right in rows)
    yield ""


def _shown(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _optional(parameter: Any) -> str:
    shown = _shown(parameter)
    return shown if shown.startswith("[") else f"[{shown}]"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def settings() -> str:
    """The page about the settings."""
    return "\n".join([SETTINGS, *_table(Settings, "")])


def _table(model: type[BaseModel], path: str) -> Iterator[str]:
    if path:
        yield f"## [{path}]\n\n{_one_line(model.__doc__)}\n"
    said = _said(model)
    tables: list[tuple[str, type[BaseModel]]] = []
    for name, info in model.model_fields.items():
        key = info.alias or name
        inner, kind = _inner(info.annotation)
        if inner is not None and kind != "list":
            suffix = ".NAME" if kind == "dict" else ""
            tables.append((f"{path}.{key}{suffix}" if path else f"{key}{suffix}", inner))
        else:
            what = _one_line(said.get(name))
            yield f"- `{key}`{_default(info)}{': ' + what if what else ''}" if path else f"- `[{key}]`: {what}"
    yield ""
    for place, inner in tables:
        yield from _table(inner, place)


def _said(model: type[BaseModel]) -> dict[str, str]:
    """What stands under each field in the source; Pydantic would read it too, but at every start of the program."""
    said: dict[str, str] = {}
    for parent in reversed([one for one in model.__mro__ if issubclass(one, BaseModel) and one is not BaseModel]):
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0].body  # type: ignore[attr-defined]
        for before, after in itertools.pairwise(body):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
                is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if is_text and isinstance(after.value.value, str):
                    said[before.target.id] = after.value.value
    return said


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The table inside a type, and whether it is one of many."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        found = [_inner(part) for part in typing.get_args(annotation) if part is not types.NoneType]
        return found[0]
    if origin is dict:
        return _inner(typing.get_args(annotation)[1])[0], "dict"
    if origin in {tuple, list}:
        return _inner(typing.get_args(annotation)[0])[0], "list"
    is_table = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (annotation, "") if is_table else (None, "")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return " (must be given)"
    default = None if info.default_factory else info.default
    if default in (None, (), {}, ""):
        return ""
    seconds = getattr(default, "total_seconds", None)
    return f" (`{_length(int(seconds()))}`)" if seconds else f" (`{default}`)"


def _length(seconds: int) -> str:
    """A length of time as people write it in the file."""
    days, rest = divmod(seconds, 86_400)
    return f"{days} days" if days and not rest else f"{seconds} s"


def api() -> str:
    """The page about the API."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "newsletter.toml").write_text(PROJECT, encoding="utf-8")
        described = describe(Site(Newsletter.open(Path(folder), {})))
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    always = set.intersection(*(set(operation["responses"]) for _, operation in operations)) - {"200"}
    scopes = described["components"]["securitySchemes"]["token"]["description"].partition("\n\n")[2]
    said = {status: answer["description"] for _, each in operations for status, answer in each["responses"].items()}
    lines = [
        API.format(
            about="\n".join(textwrap.wrap(described["info"]["description"], 118)),
            always="\n".join(f"- {status}: {said[status]}" for status in sorted(always)),
            scopes=scopes,
        )
    ]
    for name, operation in operations:
        lines += _operation(name, operation, always)
    lines.append("## Objects\n")
    for name, schema in sorted(described["components"]["schemas"].items()):
        lines.append(f"### {name}\n\n{_one_line(schema.get('description'))}\n")
        needed = schema.get("required", ())
        for field, value in schema.get("properties", {}).items():
            lines.append(_entry(field, value, " (must be given)" if field in needed else ""))
        if "enum" in schema:
            lines.append(f"One of {_kind(schema)}.")
        lines.append("")
    return "\n".join(lines)


def _operation(name: str, operation: dict[str, Any], always: set[str]) -> Iterator[str]:
    yield f"## {name}\n\n{operation['description']}\n"
    for parameter in operation.get("parameters", ()):
        yield _entry(parameter["name"], {"description": parameter.get("description", ""), **parameter["schema"]}, "")
    if sent := operation.get("requestBody"):
        yield f"- sent: {_kind(sent['content']['application/json']['schema'])}"
    for status, answer in sorted(operation["responses"].items()):
        if status not in always:
            kind = "" if status >= "400" else _kind(answer["content"]["application/json"]["schema"])
            about = "" if answer["description"] == "Successful Response" else answer["description"]
            yield f"- {status}: {'. '.join(filter(None, (kind, about)))}"
    yield ""


def _entry(name: str, schema: dict[str, Any], needed: str) -> str:
    default = schema.get("default")
    shown = "" if default in (None, [], {}, "") else f", `{default}` if not given"
    about = _one_line(schema.get("description"))
    return f"- `{name}`{needed}: {_kind(schema)}{shown}{'. ' + about if about else ''}"


def _kind(schema: dict[str, Any]) -> str:
    """What may stand there, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "up to"), ("format", "as"))
        if key in schema and schema[key] != 2**63 - 1
    ]
    return " ".join([kind, *bounds])


def main() -> None:
    """Write the pages."""
    (REFERENCE / "api.md").write_text(api(), encoding="utf-8")
    (REFERENCE / "commands.md").write_text(commands(), encoding="utf-8")
    (REFERENCE / "settings.md").write_text(settings(), encoding="utf-8")


if __name__ == "__main__":
    main()
