"""A program that sends by SMTP to a server on this machine, to be killed, stopped and cut off.

    python -m tests.chaos.sending DATABASE PORT [--work] [--lease S] [--connections N] [--rate R] [--pages N] …

It orders the edition and sends it, or goes on with it; with --work it is a worker that ends when nothing is left. Its
last line is the state of the mailing, `drained`, or the class of the error that ended it. Nothing else is printed.
"""

import argparse
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from newsletter.database.connection import open_database
from newsletter.errors import NewsletterError
from newsletter.sending.mailing import Run, send, work
from newsletter.sending.mailings import Mailing
from newsletter.sending.senders.smtp import MailServer, SmtpSender, Timeouts
from newsletter.sending.stopping import StopOnSignal
from tests.mailing.arranging import ORDER, PlainWriter

PATIENT = Timeouts(connect=30, greeting=30, command=30, data=30, block=30, final=30)


def main(arguments: Sequence[str] | None = None) -> str:
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("port", type=int)
    parser.add_argument("--work", action="store_true")
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=12)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--patience", type=float, default=20.0)
    parser.add_argument("--pages", type=int, help="pages that the database file may grow by: a disk that is full")
    asked = parser.parse_args(arguments)

    def writer_for(mailing: Mailing, composition: bytes) -> PlainWriter:
        return PlainWriter(subject=composition.decode())

    with open_database(asked.database) as database, StopOnSignal() as stop:
        if asked.pages is not None:
            pages = asked.pages

            def limit(connection: sa.Connection) -> None:
                used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {max(used, total)}")

            with database.read() as connection:
                total = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + pages
            sa.event.listen(database.engine, "begin", limit)
        sender = SmtpSender(
            MailServer(host="127.0.0.1", port=asked.port, security="none", name="example.org"),
            connections=asked.connections,
            timeouts=PATIENT,
        )
        run = Run(
            database=database,
            sender=sender,
            writer_for=writer_for,
            worker=uuid.uuid4().hex,
            clock=lambda: datetime.now(UTC),
            chunk=asked.chunk,
            rate=asked.rate,
            lease=asked.lease,
            patience=timedelta(seconds=asked.patience),
            stop=stop,
        )
        try:
            if asked.work:
                work(run, drain=True)
                return "drained"
            return str(send(run, ORDER).mailing.state)
        except NewsletterError as error:
            sys.stderr.write(f"{error}\n")
            return type(error).__name__
        finally:
            sender.close()


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
