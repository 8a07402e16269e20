"""A program that keeps a database to itself, or sends from it, until it is told to end or is killed.

    python -m tests.mailing.holding DATABASE present|alone

It says a line when it is in, and ends at the end of its input.
"""

import sys
from datetime import UTC, datetime

from newsletter.database.connection import open_database
from newsletter.sending.presence import alone, present

if __name__ == "__main__":
    with open_database(sys.argv[1]) as database:
        away = alone(database) if sys.argv[2] == "alone" else present(database, "other", lambda: datetime.now(UTC))
        with away:
            sys.stdout.write("in\n")
            sys.stdout.flush()
            sys.stdin.read()
