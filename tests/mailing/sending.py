"""A program that sends to the outbox, says a line for each batch, and waits for a line before the next.

    python -m tests.mailing.sending DATABASE OUTBOX

Its last line is the state of the mailing, or the class of the error that ended it.
"""

import sys
from pathlib import Path

from newsletter.database.connection import open_database
from newsletter.errors import NewsletterError
from newsletter.sending.mailing import send
from newsletter.sending.run import Progress
from newsletter.sending.stopping import StopOnSignal
from tests.mailing.arranging import ORDER, SmallBatches, real_time, run_with


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(database_url: str, outbox: Path) -> None:
    def progress(now: Progress) -> None:
        say(str(now.done))
        sys.stdin.readline()

    with open_database(database_url) as database, StopOnSignal() as stop:
        sender = SmallBatches(outbox)
        try:
            done = send(
                run_with(database, sender, progress=progress, stop=stop, chunk=30, lease=1.0, **real_time()), ORDER
            )
        except NewsletterError as error:
            say(type(error).__name__)
        else:
            say(done.mailing.state)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
