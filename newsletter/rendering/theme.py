"""The theme: templates that give each kind of block its look; a project may replace any of the shipped ones.

It does so by putting a file at the same path under its own `templates/`; all others stay as they were shipped.
Templates see plain mappings only and run in Jinja's sandbox: they are the project's, but they may have been copied.
"""

import difflib
import functools
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from jinja2 import FunctionLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter.errors import Finding, TemplateError
from newsletter.rendering.plaintext import wrap

MJML: Final = ".mjml.j2"
TEXT: Final = ".txt.j2"

_MAX_TEMPLATE = 256_000  # bytes; a template is some hundred lines


def default_templates() -> Traversable:
    """The templates shipped with the package, or the checkout's own when running from source."""
    bundled = files("newsletter") / "_templates"
    return bundled if bundled.is_dir() else Path(__file__).parents[2] / "templates"


class Theme:
    """The templates of one project.

    Args:
        overrides: The project's own `templates/`; None for the shipped theme alone.
    """

    def __init__(self, overrides: Path | None = None) -> None:
        self._overrides = overrides
        self._default = default_templates()
        options: dict[str, Any] = {
            "loader": FunctionLoader(self._load),
            "undefined": StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
            "auto_reload": False,
        }
        self._mjml = ImmutableSandboxedEnvironment(autoescape=True, **options)
        self._text = ImmutableSandboxedEnvironment(autoescape=False, keep_trailing_newline=True, **options)
        self._text.filters["wrap"] = wrap

    def render(self, name: str, context: dict[str, object]) -> str:
        """What a template makes of a context.

        Args:
            name: The template's path in the theme, for example `blocks/quote.mjml.j2`.
            context: Plain values only.

        Raises:
            TemplateError: The template is missing, is not valid Jinja, or asks for something that is not there.
        """
        environment = self._mjml if name.endswith(MJML) else self._text
        try:
            return environment.get_template(name).render(context)
        except TemplateSyntaxError as error:
            where = error.name or name
            raise self._error(where, error.lineno, f"{_sentence(error.message)}") from None
        except TemplateNotFound as error:
            raise self._error(name, None, f"The theme has no template “{error.name}”.", "Check the name.") from None
        except UndefinedError as error:
            where, line = _place(error, name)
            raise self._error(where, line, f"{_sentence(error.message)}", self._guess(error, context)) from None
        except SecurityError as error:
            where, line = _place(error, name)
            raise self._error(where, line, f"A template may not do that: {error.message}.") from None
        except (JinjaError, TypeError, ValueError, ArithmeticError, AttributeError, KeyError, RecursionError) as error:
            where, line = _place(error, name)
            raise self._error(where, line, _sentence(str(error) or type(error).__name__)) from None

    def source(self, name: str) -> str:
        """The text of a template; empty when there is none."""
        found = self._find(name)
        return found.read_text(encoding="utf-8") if found else ""

    def label(self, name: str) -> str:
        """A template's file as the user knows it."""
        own = self._overrides is not None and (self._overrides / name).is_file()
        return f"templates/{name}" if own else f"templates/{name} (shipped)"

    def overridden(self) -> list[str]:
        """The templates under the project's own folder that replace, or try to replace, a shipped one."""
        if self._overrides is None or not self._overrides.is_dir():
            return []
        found = self._overrides.rglob("*.j2")
        return sorted(path.relative_to(self._overrides).as_posix() for path in found)

    def words(self, language: str) -> dict[str, str]:
        """The fixed words of the theme in a language; what it lacks is English.

        Raises:
            TemplateError: The file of words cannot be read.
        """
        tag = language.replace("_", "-").lower()
        words: dict[str, str] = {}
        for name in ("en", tag.split("-")[0], tag):
            path = f"words/{name}.toml"
            if found := self._find(path):
                try:
                    own = tomllib.loads(found.read_text(encoding="utf-8"))
                    words |= {key: str(value) for key, value in own.items()}
                except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                    raise self._error(path, None, f"The words cannot be read: {error}.") from None
        return words

    def speaks(self, language: str) -> bool:
        """Whether the theme has words in this language."""
        return self._find(f"words/{language.replace('_', '-').lower().split('-')[0]}.toml") is not None

    def _load(self, name: str) -> tuple[str, str, None] | None:
        found = self._find(name)
        if found is None:
            return None
        if isinstance(found, Path) and found.stat().st_size > _MAX_TEMPLATE:
            what = f"The template is larger than {_MAX_TEMPLATE // 1000} KB."
            raise self._error(name, None, what, "Make it shorter.")
        try:
            return found.read_text(encoding="utf-8"), name, None
        except UnicodeDecodeError as error:
            what = f"The template is not UTF-8 (byte {error.start})."
            raise self._error(name, None, what, "Save it as UTF-8.") from None

    def _find(self, name: str) -> Traversable | None:
        parts = name.split("/")
        if not all(parts) or ".." in parts:
            return None
        if self._overrides is not None and (own := self._overrides.joinpath(*parts)).is_file():
            return own
        shipped = self._default.joinpath(*parts)
        return shipped if shipped.is_file() else None

    def _error(self, name: str, line: int | None, what: str, fix: str = "") -> TemplateError:
        return TemplateError(findings=[Finding(rule="template", what=what, fix=fix, file=self.label(name), line=line)])

    def _guess(self, error: UndefinedError, context: dict[str, object]) -> str:
        wanted = (error.message or "").split("'")
        near = difflib.get_close_matches(wanted[1], context, n=1) if len(wanted) > 1 else []
        return f"Did you mean {near[0]}?" if near else "docs/reference/theme.md lists what a template can use."


@functools.cache
def shipped_theme() -> Theme:
    """The theme without any project's own templates."""
    return Theme()


def _place(error: Exception, name: str) -> tuple[str, int | None]:
    """The template and line where an error arose: Jinja gives its frames the template's name and lines."""
    place: tuple[str, int | None] = (name, None)
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.endswith(".j2"):
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _sentence(text: str | None) -> str:
    text = (text or "The template cannot be used").strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
