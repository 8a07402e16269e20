"""`python -m benchmarks [NAME…] [--json]`: run all benchmarks, or those named, and print one table.

Ends with exit code 1 when a goal is missed.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.row import Row

NOT_BENCHMARKS = {"__main__", "row"}


def names() -> list[str]:
    """Every benchmark, by the name of its module."""
    folder = str(Path(__file__).parent)
    return sorted({module.name for module in pkgutil.iter_modules([folder])} - NOT_BENCHMARKS)


def table(rows: list[Row]) -> Table:
    """The rows as people read them."""
    shown = Table("benchmark", "ours", "theirs", title="Benchmarks: ours against others, within the same run")
    for column in ("ratio", "goal"):
        shown.add_column(column, justify="right", no_wrap=True)
    shown.add_column("met", no_wrap=True)
    for row in rows:
        goal, met = "–", "–"
        if row.goal is not None:
            goal = f"{'≥' if row.better == 'higher' else '≤'} {row.goal:g} {row.unit}"
            met = "[green]yes[/]" if row.met else "[red]no[/]"
        shown.add_row(row.name, row.ours, row.theirs, f"{row.ratio:.3g} {row.unit}", goal, met)
    return shown


def main() -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what has a goal.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(names())}; else all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose from {', '.join(names())}")
    rows: list[Row] = []
    for name in options.names or names():
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows()
    if options.json:
        print(json.dumps([row.as_dict() for row in rows], ensure_ascii=False, indent=2))
    else:
        # In a file a table keeps its columns; on a terminal it takes the terminal's width.
        Console(width=None if sys.stdout.isatty() else 160).print(table(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
