"""The command that sends what is due, now and later: on its own machine, or one of many on PostgreSQL."""

from typing import Annotated

import typer

from newsletter.cli.printing import ProjectOption
from newsletter.cli.send import showing_progress


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(worker)


def worker(
    *,
    drain: Annotated[
        bool, typer.Option("--drain", help="End when nothing is left to send, also nothing that is held for later.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Send what is due, now and later, until it is stopped.

    That is mailings, and the letters that wait. From an SQLite file one process sends at a time; on PostgreSQL any
    number of workers share the work.
    """
    from newsletter.app import Newsletter
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    with (
        StopOnSignal() as stop,
        showing_progress(quiet=False) as progress,
        newsletter.letters.delivered_meanwhile(stop),
    ):
        newsletter.mailings.work(drain=drain, stop=stop, progress=progress, notice=typer.echo)
