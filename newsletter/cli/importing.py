"""Commands about imports: bring people in, see what an import did, take it back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json, print_table
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.audience.importing import Imported, RowOutcome
    from newsletter.audience.receipts import Receipt

_MOST_SHOWN = 50
"""Lines told on the terminal; the receipt tells all of them."""

_RUNS = 12
"""Groups of lines told for one outcome of a dry run."""


def register(app: typer.Typer) -> None:
    """Add these commands to `newsletter subscribers`."""
    app.command("import")(import_)
    app.command("receipts")(receipts)


def import_(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="CSV, Excel (.xlsx), or another service's export.")
    ] = None,
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="The list they agreed to be on.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FIELD", help='What a column means: "E-mail=email"; "Notes=" leaves it out.'
        ),
    ] = None,
    tags: Annotated[str | None, typer.Option(metavar="A,B", help="Tags for everybody in the file.")] = None,
    consent: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What they agreed to, or where that is written down.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    undo: Annotated[int | None, typer.Option(metavar="RECEIPT", help="Bring back the state before an import.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; nothing is asked in any case.")] = False,  # noqa: ARG001 - so that scripts may say it
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Bring in the people of a file. One bad row does not stop the others; who has left stays away."""
    if undo is not None:
        if file is not None or any((list_, columns, tags, consent, dry_run)):
            raise UsageError("--undo stands alone: newsletter subscribers import --undo RECEIPT")
        _undo(undo, project, json_=json_)
        return
    if file is None:
        raise UsageError("Say which file: newsletter subscribers import FILE --list LIST")
    from newsletter.app import Newsletter
    from newsletter.audience.importing import ImportOrder

    order = ImportOrder(
        to_list=list_,
        consent=consent,
        tags=tuple(filter(None, (tags or "").split(","))),
        columns=_columns(columns or []),
    )
    told = _Told()
    newsletter = Newsletter.open(project)
    with _Bar(file.name) as bar:
        try:
            result = newsletter.imports.run(file, order, dry_run=dry_run, on_outcome=told.hear, on_progress=bar.show)
        except KeyboardInterrupt:
            typer.echo("Stopped. Nothing was imported; run the same command again to import the file.", err=True)
            raise typer.Exit(1) from None
    if json_:
        _print_json(result, told, dry_run=dry_run)
    else:
        _print(file.name, result, told, dry_run=dry_run)
    if result.counts.refused:
        raise typer.Exit(1)


def receipts(
    receipt: Annotated[int | None, typer.Argument(metavar="RECEIPT", help="Only this import.")] = None,
    *,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write what became of each row.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Show what was imported, newest first.

    With --csv, write what became of each row of one import.
    """
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    if csv is not None and receipt is None:
        raise UsageError("Say of which import: newsletter subscribers receipts RECEIPT --csv FILE")
    found = newsletter.imports.receipts() if receipt is None else [newsletter.imports.receipt(receipt)]
    if csv is not None and receipt is not None:
        written = newsletter.imports.write_outcomes(receipt, csv)
        if not json_:
            typer.echo(f"Wrote what became of {count(written, 'row')} to {csv}.")
            return
    if json_:
        shown = [one.as_json() for one in found]
        print_json(shown if receipt is None else shown[0])
    elif receipt is None:
        _print_receipts(found)
    else:
        _print_receipt(found[0])


def _undo(receipt: int, project: Path | None, *, json_: bool) -> None:
    from newsletter.app import Newsletter

    done = Newsletter.open(project).imports.undo(receipt)
    if json_:
        left = [{"email": one.email, "reason": one.reason} for one in done.left_alone]
        print_json({"receipt": receipt, "removed": done.removed, "restored": done.restored, "left_alone": left})
        return
    typer.echo(
        f"Import {receipt} is undone: {count(done.removed, 'person', 'people')} gone again, "
        f"{done.restored:,} as before, {len(done.left_alone):,} left alone."
    )
    for one in done.left_alone[:_MOST_SHOWN]:
        typer.echo(f"  {one.email or 'somebody erased'}: {one.reason}")
    if len(done.left_alone) > _MOST_SHOWN:
        typer.echo(f"  … and {len(done.left_alone) - _MOST_SHOWN:,} more.")


class _Told:
    """What the import said of the rows, as much of it as a person reads."""

    def __init__(self) -> None:
        self.refused: list[RowOutcome] = []
        self.lines: dict[str, list[str]] = {}

    def hear(self, row: "RowOutcome") -> None:
        """Take one outcome."""
        runs = self.lines.setdefault(str(row.outcome), [])
        if len(runs) <= _RUNS:
            runs.append(f"{row.line}" if row.rows == 1 else f"{row.line}–{row.line + row.rows - 1}")
        if row.reason and len(self.refused) < 1000:
            self.refused.append(row)


class _Bar:
    """A progress bar, on a terminal, for what takes longer than a second."""

    def __init__(self, name: str) -> None:
        import sys
        import time

        self._name = name
        self._clock = time.monotonic
        self._begun = time.monotonic()
        self._visible = sys.stderr.isatty()
        self._progress: object = None
        self._task = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        from rich.progress import Progress

        if isinstance(self._progress, Progress):
            self._progress.stop()

    def show(self, done: float) -> None:
        """Show how much is done."""
        if not self._visible or self._clock() - self._begun < 1:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        if not isinstance(self._progress, Progress):
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._name, total=1.0)
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=done)


def _columns(said: list[str]) -> dict[str, str]:
    """What the options --map say.

    Raises:
        UsageError: One has no sign of equality.
    """
    wanted = {}
    for one in said:
        column, equals, field = one.rpartition("=")
        if not equals or not column:
            raise UsageError(f'--map {one} cannot be understood. Write it as --map "E-mail=email".')
        wanted[column] = field.strip()
    return wanted


def _print_json(result: "Imported", told: _Told, *, dry_run: bool) -> None:
    counts = result.counts
    print_json(
        {
            "receipt": result.receipt,
            "dry_run": dry_run,
            "new": counts.new,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "refused": counts.refused,
            "notes": list(result.notes),
            "refusals": [{"line": row.line, "rows": row.rows, "reason": str(row)} for row in told.refused],
        }
    )


def _print(name: str, result: "Imported", told: _Told, *, dry_run: bool) -> None:
    counts = result.counts
    for note in result.notes:
        typer.echo(f"Note: {note}")
    would = "Nothing is changed yet; this would happen: " if dry_run else ""
    typer.echo(
        f"{would}{count(counts.new, 'person', 'people')} new, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.refused:,} refused."
    )
    if dry_run:
        for outcome, lines in told.lines.items():
            more = " …" if len(lines) > _RUNS else ""
            one = len(lines) == 1 and "–" not in lines[0]
            typer.echo(f"  {outcome}: {'line' if one else 'lines'} {', '.join(lines[:_RUNS])}{more}")
    for row in told.refused[:_MOST_SHOWN]:
        place = f"{row.line}" if row.rows == 1 else f"{row.line}–{row.line + row.rows - 1}"
        typer.echo(f"  {name}:{place}: {row}")
    if len(told.refused) > _MOST_SHOWN:
        typer.echo("  … and more.")
    if result.receipt is not None:
        typer.echo(f"What became of each row:  newsletter subscribers receipts {result.receipt} --csv FILE")
    if result.receipt is not None and counts.new + counts.updated:
        typer.echo(f"To take it back:  newsletter subscribers import --undo {result.receipt}")


def _print_receipts(found: "list[Receipt]") -> None:
    if not found:
        typer.echo("Nothing was imported yet.")
        return
    rows = []
    for one in found:
        counts = (one.counts.new, one.counts.updated, one.counts.unchanged, one.counts.refused)
        state = "" if one.undone_at is None else f"undone {one.undone_at:%Y-%m-%d %H:%M}"
        rows.append((f"{one.id}", f"{one.at:%Y-%m-%d %H:%M}", one.file, *(f"{number:,}" for number in counts), state))
    print_table(("receipt", "at (UTC)", "file", "new", "updated", "unchanged", "refused", ""), rows)


def _print_receipt(one: "Receipt") -> None:
    for name, value in one.as_json().items():
        if isinstance(value, dict):
            for option, said in value.items():
                typer.echo(f"{option}: {_words(said)}")
        else:
            typer.echo(f"{name.replace('_', ' ')}: {_words(value)}")


def _words(value: object) -> str:
    """A value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} = {said or '(left out)'}" for name, said in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)
