"""A program that restores a backup and kills itself with SIGKILL, over and over, at one step after the other.

    python -m tests.database.restoring PROJECT NEW-BACKUP OLD-BACKUP SEED

It forks a process that runs `newsletter restore NEW-BACKUP --yes`, to count its steps: every statement and commit of
the database, and every sync, link and replace of a file. Then, for the last ones and two that SEED chooses, it forks
one that dies at that step, and one that does the same to the end; the next time with OLD-BACKUP, and so on. After each
it tells, both in one line of JSON: whether the process died, how the next command ended and what it said, who is in
the database, and which key counts.
"""

import contextlib
import io
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from newsletter.app import Newsletter
from newsletter.cli import run
from newsletter.database import migrations, sealing


def restore_and_die(project: Path, backup: Path, dies_at: int) -> None:
    """Restore until it is done or the step is reached (0: never)."""
    steps = 0

    def step(*_: object, **__: object) -> None:
        nonlocal steps
        steps += 1
        if steps == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(function: Callable[..., object]) -> Callable[..., object]:
        def stepped(*args: object, **more: object) -> object:
            step()
            result = function(*args, **more)
            step()
            return result

        return stepped

    for name in ("fsync", "link", "replace"):
        setattr(os, name, stepping(getattr(os, name)))
    for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.engine.Engine, event, step)
    run(["restore", str(backup), "--yes", "--project", str(project)])
    (project / "steps").write_text(str(steps))


def standing(project: Path) -> dict[str, object]:
    """What the next command says, and who is there whatever it says."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = run(["subscribers", "list", "--project", str(project)])
    with Newsletter.open(project)._any_database() as database, database.read() as connection:
        people = [row[0] for row in connection.exec_driver_sql("SELECT email FROM subscriber ORDER BY id")]
        tables = ("subscription", "consent_record")
        rows = [connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in tables]
    key = (project / "subscribers" / "secret.key").read_text()
    return {"code": code, "said": said.getvalue(), "people": people, "rows": rows, "key": key}


def restored(project: Path, backup: Path, dies_at: int = 0) -> dict[str, object]:
    """A process that restores, and what is found after it."""
    child = os.fork()
    if child == 0:
        with contextlib.redirect_stdout(io.StringIO()):
            restore_and_die(project, backup, dies_at)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return {**standing(project), "died": os.WIFSIGNALED(status), "step": dies_at}


def main(project: Path, new: Path, old: Path, seed: int) -> None:
    """One process after the other."""
    assert migrations  # loaded once, and not by every process anew
    sealing._COST = 10  # as quick as it may be
    restored(project, new)
    last = int((project / "steps").read_text())
    restored(project, old)
    steps = sorted({*range(last - 7, last + 1), *random.Random(seed).sample(range(1, last - 7), k=2)})
    for number, step in enumerate(steps):
        backup = old if number % 2 else new
        looks = [restored(project, backup, step), restored(project, backup)]
        sys.stdout.write(json.dumps(looks) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
