"""Writes docs/reference/commands.md and settings.md from the code, so that they cannot say anything else.

Run it after changing a command or a setting: `.venv/bin/python scripts/reference.py`. A test compares.
"""

import ast
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from newsletter.cli import app
from newsletter.config.settings import Settings

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
    return f" (`{int(seconds())} s`)" if seconds else f" (`{default}`)"


def main() -> None:
    """Write both pages."""
    (REFERENCE / "commands.md").write_text(commands(), encoding="utf-8")
    (REFERENCE / "settings.md").write_text(settings(), encoding="utf-8")


if __name__ == "__main__":
    main()
