"""How quickly the command starts: nobody waits for `--help`.

The ratio is the time of `newsletter --help` over that of a Python which only imports typer and rich, both the best of
several runs in turn.
"""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.row import Row

RUNS = 9
OURS = [sys.executable, "-c", "from newsletter.cli import main; main(['--help'])"]
THEIRS = [sys.executable, "-c", "import typer, rich"]


def rows() -> Iterator[Row]:
    """One row."""
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(_seconds(OURS))
        theirs.append(_seconds(THEIRS))
    yield Row(
        name="start: newsletter --help",
        ours=f"{min(ours) * 1000:.0f} ms",
        theirs=f"import typer, rich: {min(theirs) * 1000:.0f} ms",
        ratio=min(ours) / min(theirs),
        goal=3,
        better="lower",
    )


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
