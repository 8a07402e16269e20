"""How results, findings and errors look in the terminal."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from newsletter.errors import Finding, NewsletterError, Severity, UsageError

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="The project's folder, if it is not here or above.", file_okay=False, metavar="DIR"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]

_COLOURS: Final = {
    Severity.MUST_FIX: typer.colors.RED,
    Severity.SHOULD_FIX: typer.colors.YELLOW,
    Severity.GOOD_TO_KNOW: typer.colors.CYAN,
}


def print_json(value: object) -> None:
    """A value as JSON, indented; escaped where the terminal's encoding cannot hold every name."""
    shows_all = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    typer.echo(json.dumps(value, ensure_ascii=not shows_all, indent=2, default=str))


def print_error(error: NewsletterError) -> None:
    """An error on the error stream: its findings one by one, or its sentence."""
    if error.findings:
        print_findings(error.findings, err=True)
        count = len(error.findings)
        typer.echo(f"\n{count} {'problem' if count == 1 else 'problems'} found.", err=True)
    else:
        print_sentence(str(error))


def print_sentence(sentence: str) -> None:
    """What went wrong and what to do next, on the error stream."""
    typer.secho("Error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(sentence, err=True)


def print_findings(findings: Iterable[Finding], *, err: bool = False) -> None:
    """Findings, the gravest first, each with its place, what is wrong and what to do."""
    ranks = list(Severity)
    for finding in sorted(findings, key=lambda f: (ranks.index(f.severity), f.file, f.line or 0, f.column or 0)):
        typer.secho(finding.severity.value.capitalize(), fg=_COLOURS[finding.severity], bold=True, nl=False, err=err)
        typer.echo(f"  {finding.where}" if finding.where else "", err=err)
        typer.echo(f"  {finding.what}", err=err)
        if finding.fix:
            typer.echo(f"  → {finding.fix}", err=err)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table whose columns line up."""
    from rich.cells import cell_len

    table = [list(headings), *[list(row) for row in rows]]
    widths = [max(cell_len(row[column]) for row in table) for column in range(len(headings))]
    for number, row in enumerate(table):
        line = "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        typer.secho(line, bold=number == 0)


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 person`, `1,204 people`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def near(path: Path) -> str:
    """A path as short as it can be typed here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def is_terminal() -> bool:
    """Whether a person is looking and can answer; questions and progress stand on the error stream."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, *, otherwise: str) -> bool:
    """A question for yes or no, on the error stream, so that `--json` prints nothing but JSON.

    Raises:
        UsageError: Nobody is here to answer; `otherwise` says what `--yes` does then.
    """
    if not is_terminal():
        raise UsageError(f"Nobody is here to answer. Say --yes to {otherwise} without being asked.")
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}  # Click's own prompt writes a blank to the output
