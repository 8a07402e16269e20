"""The command that sends: one sentence before it asks, progress while it runs, a clean stop on Ctrl-C."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, count, is_terminal, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.app import Plan
    from newsletter.sending.mailing import Report
    from newsletter.sending.run import Progress

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_HOLD = 24 * 3600


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(send)


def send(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The edition.")],
    *,
    list_: Annotated[str, typer.Option("--list", metavar="LIST", help="To this list.")],
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Only those for whom this holds: '"researcher" in tags'.""")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of a segment saved in newsletter.toml.")
    ] = None,
    hold: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long it can be undone: 60s, 2min, 0.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Send an edition to a list, to everybody once.

    Run again after it was stopped, it goes on where it was.
    """
    from newsletter.app import Newsletter
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    wait = None if hold is None else _duration(hold)
    with StopOnSignal() as stop, showing_progress(quiet=json_) as progress:
        report = newsletter.send(
            slug,
            list_slug=list_,
            where=newsletter.subscribers.choice(where, segment),
            hold=wait,
            confirm=lambda plan: yes or ask(_question(plan), otherwise="send"),
            stop=stop,
            progress=progress,
        )
    if report is None:
        typer.echo("Not sent. Nothing has left.", err=True)
        raise typer.Exit(1)
    tell(report, json_=json_)


def tell(report: "Report", *, json_: bool) -> None:
    """Print how a mailing ended; ends the command with exit code 1 if not everybody was reached."""
    from newsletter.database.schema import DeliveryState, MailingState

    mailing, counts = report.mailing, report.counts
    if json_:
        print_json(report_as_json(report))
    elif mailing.state is MailingState.CANCELLED and mailing.started_at is None:
        typer.echo("Undone: nothing has left.")
    else:
        accepted = counts.get(DeliveryState.ACCEPTED, 0)
        typer.echo(f"Mailing {mailing.id}, «{mailing.title}»: {mailing.state}.")
        typer.echo(f"  {count(accepted, 'message')} of {mailing.audience or 0:,} handed over ({mailing.sender}).")
        for state, reason, number in report.reasons:
            typer.echo(f"  {number:,} {state}: {reason}")
        if mailing.state is MailingState.PAUSED:
            typer.echo(f"Go on:  newsletter mailings resume {mailing.id}")
    missing = (mailing.audience or 0) - counts.get(DeliveryState.ACCEPTED, 0) - counts.get(DeliveryState.SKIPPED, 0)
    if mailing.state is not MailingState.SENT or missing:
        raise typer.Exit(1)


def report_as_json(report: "Report") -> dict[str, Any]:
    """A mailing for another program: `id, edition, state, audience, counts` and more."""
    mailing = report.mailing
    return {
        "id": mailing.id,
        "edition": mailing.edition,
        "title": mailing.title,
        "list": mailing.list_slug,
        "where": mailing.where,
        "digest": mailing.digest,
        "sender": mailing.sender,
        "state": str(mailing.state),
        "audience": mailing.audience,
        "counts": {str(state): number for state, number in report.counts.items()},
        "reasons": [
            {"state": str(state), "reason": reason, "count": number} for state, reason, number in report.reasons
        ],
        "created_at": mailing.created_at.isoformat(),
        "started_at": mailing.started_at and mailing.started_at.isoformat(),
        "finished_at": mailing.finished_at and mailing.finished_at.isoformat(),
    }


def _question(plan: "Plan") -> str:
    seconds = int(plan.hold.total_seconds())
    undo = f", now with {seconds} s to undo" if seconds else ", now, without time to undo"
    through = " into files of the outbox" if plan.sender == "outbox" else f" through {plan.sender}"
    had = (
        f" ({count(plan.without, 'person', 'people')} on it got it before and will not get it again)"
        if plan.without
        else ""
    )
    people = count(plan.people, "person", "people")
    return f"Send «{plan.title}» to {people} on {plan.list_title}{had}{through}{undo}?"


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"«{text}» is not a duration. Write for example 60s, 2min or 0.")
    seconds = float(match[1]) * _SECONDS[(match[2] or "s")[0].lower()]
    if seconds > _LONGEST_HOLD:
        raise UsageError(f"«{text}» is longer than a day. Hold a mailing for a day at most, for example 2h.")
    return timedelta(seconds=seconds)


@contextlib.contextmanager
def showing_progress(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """A progress bar on a terminal; nothing elsewhere."""
    if quiet or not is_terminal():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("Starting", total=None)

    def show(progress: "Progress") -> None:
        bar.start()  # not before: it would wipe the question away while somebody reads it
        if progress.held_for:
            seconds = int(progress.held_for.total_seconds()) + 1
            text = f"Leaves in {seconds} s. Ctrl-C undoes it: nothing has left"
            bar.update(task, description=text, total=None)
        else:
            bar.update(task, description="Sending", total=progress.audience, completed=progress.done)

    try:
        yield show
    finally:
        bar.stop()
