"""A program that sends and kills itself with SIGKILL, over and over, at whichever step it is told to.

    python -m tests.mailing.killing DATABASE OUTBOX STEP…

For each STEP it forks a process that sends to the outbox and dies at its STEP-th step (0: lives). Steps are: every
statement and commit of the database, and every write, sync, link and unlink of a file. After each death it prints one
line of JSON: whether the process died, the states of the mailing's deliveries, its audience, and the number of files.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from newsletter.database.connection import open_database
from newsletter.database.schema import delivery, mailing
from newsletter.sending.mailing import send
from tests.mailing.arranging import ORDER, SmallBatches, outbox_files, real_time, run_with


def send_and_die(database_url: str, outbox: Path, dies_at: int) -> None:
    """Send until the work is done or the step is reached."""
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

    for name in ("fsync", "link", "unlink", "replace"):
        setattr(os, name, stepping(getattr(os, name)))
    with open_database(database_url) as database:
        for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(database.engine, event, step)
        sender = SmallBatches(outbox)
        send(run_with(database, sender, chunk=30, lease=0.5, **real_time()), ORDER)
        sender.close()


def standing(database_url: str, outbox: Path) -> dict[str, object]:
    """What a look from outside sees."""
    with open_database(database_url) as database, database.read() as connection:
        states = sa.select(delivery.c.state, sa.func.count()).group_by(delivery.c.state)
        return {
            "counts": dict(connection.execute(states).all()),
            "audience": connection.scalar(sa.select(sa.func.max(mailing.c.audience))),
            "accepted": connection.scalars(sa.select(delivery.c.id).where(delivery.c.state == "accepted")).all(),
            "files": [int(path.stem) for path in outbox_files(outbox)],
        }


def main(database_url: str, outbox: Path, steps: list[int]) -> None:
    """One process after the other, each with its step."""
    for dies_at in steps:
        child = os.fork()
        if child == 0:
            send_and_die(database_url, outbox, dies_at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        about = standing(database_url, outbox)
        about["died"] = os.WIFSIGNALED(status)
        about["failed"] = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        sys.stdout.write(json.dumps(about) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [int(argument) for argument in sys.argv[3:]])
