"""The theme: templates that give each kind of block its look; a project may replace any of the shipped ones.

It does so by putting a file at the same path under its own `templates/`; all others stay as they were shipped.
Templates see plain mappings only and run in Jinja's sandbox: they are the project's, but they may have been copied.
"""

import contextlib
import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from jinja2 import FunctionLoader, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.exceptions import TemplateError as JinjaError

from newsletter.errors import Finding, TemplateError
from newsletter.rendering.plaintext import wrap
from newsletter.rendering.sandbox import NOWHERE, Sandbox, nearest_name

MJML: Final = ".mjml.j2"
TEXT: Final = ".txt.j2"

_SAVE: Final = "Save it as UTF-8."
_NAME = re.compile(r"(?:[\w-]+/)*[\w-][\w.-]*", re.ASCII)
_LONGEST_NAME: Final = 200  # file systems take 255
_MAX_TEMPLATE: Final = 256_000  # bytes; a template is some hundred lines
_FAILURES: Final = (
    *(JinjaError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError),
)


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
        self._words: dict[tuple[str, str], dict[str, str]] = {}
        loader = FunctionLoader(self._load)
        self._mjml = Sandbox(loader=loader, autoescape=True)
        self._text = Sandbox(loader=loader, autoescape=False, keep_trailing_newline=True)
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
        environment.begin()
        try:
            return environment.get_template(name).render(context)
        except _FAILURES as error:
            raise self._explained(error, name, context) from None

    def _explained(self, error: Exception, name: str, context: dict[str, object]) -> TemplateError:
        """What went wrong in a template, in words and with its place."""
        if isinstance(error, TemplateSyntaxError):
            return self._error(error.name or name, error.lineno, _sentence(error.message))
        where, line = _place(error, name)
        if isinstance(error, TemplateNotFound):
            return self._error(where, line, f"The theme has no template «{error.name}».", "Check the name.")
        if isinstance(error, UndefinedError):
            return self._error(where, line, _sentence(error.message), _guess(error, context))
        if isinstance(error, SecurityError):
            return self._error(where, line, f"A template may not do that. {_sentence(error.message)}", "Take it out.")
        if isinstance(error, OverflowError | MemoryError):
            return self._error(where, line, "A number or a range in the template is too large.")
        return self._error(where, line, _sentence(str(error) or type(error).__name__))

    def locate(self, tag: str, name: str, others: Iterable[str]) -> tuple[str, int | None]:
        """The template and the line where a tag, or a word between tags, stands: in this one, or in one of the others.

        Where it stands in none, because it is put together there, it is this template, without a line.
        """
        for text in filter(None, (tag and f"<{tag}", tag)):
            for tried in (name, *others):
                found = self._find(tried)
                lines = found.read_text(encoding="utf-8").splitlines() if found else []
                for number, line in enumerate(lines, 1):
                    if text in line:
                        return tried, number
        return name, None

    def label(self, name: str) -> str:
        """A template's file as the user knows it."""
        return f"templates/{name}" if self._own(name) else f"templates/{name} (shipped)"

    def overridden(self) -> list[str]:
        """The templates under the project's own folder that replace, or try to replace, a shipped one."""
        if self._overrides is None or not self._overrides.is_dir():
            return []
        found = self._overrides.rglob("*.j2")
        return sorted(path.relative_to(self._overrides).as_posix() for path in found)

    def words(self, language: str, folder: str = "words") -> dict[str, str]:
        """The fixed words of the theme in a language; what its file lacks is as it was shipped, or else English.

        Args:
            language: Its tag.
            folder: Where the files are; those of `letters` have tables, and `[confirm] text` is `confirm.text` here.

        Raises:
            TemplateError: A file of words cannot be read.
        """
        tag = language.replace("_", "-").lower()
        if (folder, tag) not in self._words:
            words: dict[str, str] = {}
            for path in (f"{folder}/{name}.toml" for name in ("en", tag.split("-")[0], tag)):
                shipped = self._default.joinpath(*path.split("/"))
                found = [shipped] if shipped.is_file() else []
                if (own := self._own(path)) is not None:
                    found.append(own)
                for file in found:
                    words |= self._read_words(path, file)
            self._words[folder, tag] = words
        return self._words[folder, tag]

    def _read_words(self, path: str, file: Traversable) -> dict[str, str]:
        try:
            return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            raise self._error(path, int(line[1]) if line else None, f"The words cannot be read: {error}.") from None
        except UnicodeDecodeError as error:
            raise self._error(path, None, f"The words are not UTF-8 (byte {error.start}).", _SAVE) from None

    def speaks(self, language: str, folder: str = "words") -> bool:
        """Whether the theme has words in this language."""
        return self._find(f"{folder}/{language.replace('_', '-').lower().split('-')[0]}.toml") is not None

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
            raise self._error(name, None, what, _SAVE) from None

    def _find(self, name: str) -> Traversable | None:
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            return None
        shipped = self._default.joinpath(*name.split("/"))
        return self._own(name) or (shipped if shipped.is_file() else None)

    def _own(self, name: str) -> Path | None:
        """The project's own file of that name, if it has one."""
        own = self._overrides / name if self._overrides else None
        return own if own is not None and own.is_file() else None

    def _error(self, name: str, line: int | None, what: str, fix: str = "") -> TemplateError:
        return TemplateError(findings=[Finding(rule="template", what=what, fix=fix, file=self.label(name), line=line)])


def open_theme(overrides: Path) -> Theme:
    """The theme of a project: made once, and again only when one of its templates or words has changed.

    Args:
        overrides: The project's own `templates/`; need not exist.
    """
    return _theme(overrides, _stamp(overrides))


@functools.lru_cache(maxsize=8)
def _theme(overrides: Path, _changed: tuple[tuple[str, int, int], ...]) -> Theme:
    return Theme(overrides)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes whenever a template in the folder does: names, times of change and sizes."""
    found = []
    for path in folder.rglob("*"):
        if path.suffix in {".j2", ".toml"}:
            with contextlib.suppress(OSError):  # taken away meanwhile
                state = path.stat()
                found.append((str(path), state.st_mtime_ns, state.st_size))
    return tuple(sorted(found))


def _flat(words: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)


def _guess(error: UndefinedError, context: dict[str, object]) -> str:
    message = error.message or ""
    name = message[len(NOWHERE) + 1 : -1] if message.startswith(NOWHERE) else ""
    if name == "part":
        return 'Begin the template with {% import "parts.mjml.j2" as part with context %}.'
    if name and (near := nearest_name(name, context)):
        return f"Did you mean {near}?"
    return "" if "did you mean" in message else "docs/reference/theme.md lists what a template can use."


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
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('?') else '.'}"
