"""The command that sends: one sentence before it asks, progress while it runs, a clean stop on Ctrl-C."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, count, is_terminal, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.mailings import Plan
    from newsletter.sending.mailing import Report
    from newsletter.sending.run import Progress

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST_HOLD = 24 * 3600


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(send)


def send(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The edition.")],
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="To this list.")] = None,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Only those for whom this holds: '"researcher" in tags'.""")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of a segment saved in newsletter.toml.")
    ] = None,
    to_recipients_of: Annotated[
        int | None,
        typer.Option("--to-recipients-of", metavar="MAILING", help="A correction: only to those who got this mailing."),
    ] = None,
    state: Annotated[
        Literal["accepted", "unknown", "refused"],
        typer.Option(metavar="STATE", help="With --to-recipients-of: to those whose delivery is accepted, unknown…"),
    ] = "accepted",
    at: Annotated[
        str | None, typer.Option(metavar="WHEN", help='Later: "tomorrow 09:00", "2026-11-28 09:00 Africa/Nairobi".')
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
    from newsletter.mailings import Wish
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    wish = Wish(
        edition=slug,
        list_slug=list_,
        where=newsletter.subscribers.choice(where, segment),
        hold=None if hold is None else _duration(hold),
        at=None if at is None else newsletter.mailings.moment(at),
        recipients_of=to_recipients_of,
        recipients_state=state,
    )
    with StopOnSignal() as stop, showing_progress(quiet=json_) as progress:
        report = newsletter.mailings.send(
            wish,
            confirm=lambda plan: yes or ask(_question(plan), otherwise="send"),
            stop=stop,
            progress=progress,
        )
    if report is None:
        typer.echo("Not sent. Nothing has left.", err=True)
        raise typer.Exit(1)
    if wish.at is None:
        tell(report, json_=json_)
    elif json_:
        print_json(report_as_json(report))
    else:
        _tell_schedule(report, wish.at, is_worker_here=newsletter.mailings.is_worker_here())


def _tell_schedule(report: "Report", at: datetime, *, is_worker_here: bool) -> None:
    """Say when a mailing leaves, and what must run then."""
    from newsletter.sending import scheduling

    number = report.mailing.id
    typer.echo(f"Mailing {number}, «{report.mailing.title}», leaves on {scheduling.tell(at)}.")
    if at.utcoffset():
        typer.echo(f"  That is {report.mailing.holds_until:%Y-%m-%d %H:%M} UTC.")
    if is_worker_here:
        typer.echo("  A worker is running, and sends it if it runs then.")
    else:
        typer.echo("  No worker is running. Start one, and let it run until then:  newsletter worker")
    typer.echo(f"Undo it until then:  newsletter mailings cancel {number}")


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
        if mailing.paused_because:
            typer.echo(f"  {mailing.paused_because}")
        if number := counts.get(DeliveryState.UNKNOWN, 0):
            which = "it" if number == 1 else "them"
            typer.echo(f"See {which}, and say what you find out:  newsletter mailings unknowns {mailing.id}")
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
        "holds_until": mailing.holds_until.isoformat(),
        "recipients_of": mailing.recipients_of,
        "paused_because": mailing.paused_because,
        "next_try": report.next_try and report.next_try.isoformat(),
    }


def _question(plan: "Plan") -> str:
    from newsletter.sending import scheduling

    seconds = int(plan.hold.total_seconds())
    when = f"now with {seconds} s to undo" if seconds else "now, without time to undo"
    if plan.at is not None:
        when = f"on {scheduling.tell(plan.at)}"
    through = " into files of the outbox" if plan.sender == "outbox" else f" through {plan.sender}"
    had = (
        f" ({count(plan.without, 'person', 'people')} on it got it before and will not get it again)"
        if plan.without
        else ""
    )
    people = count(plan.people, "person", "people")
    to = plan.list_title if plan.recipients_of is None else f"{plan.list_title} who got mailing {plan.recipients_of}"
    return f"Send «{plan.title}» to {people} on {to}{had}{through}, {when}?"


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"«{text}» is not a duration. Write for example 60s, 2min or 0.")
    seconds = float(match[1]) * _SECONDS[(match[2] or "s")[0].lower()]
    if seconds > _LONGEST_HOLD:
        raise UsageError(f'«{text}» is longer than a day. To send later, say when:  --at "tomorrow 09:00"')
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
            text = f"Leaves in {seconds:,} s. Ctrl-C undoes it: nothing has left"
            bar.update(task, description=text, total=None)
        else:
            text = f"Waiting. {progress.waiting}" if progress.waiting else "Sending"
            bar.update(task, description=text, total=progress.audience, completed=progress.done)

    try:
        yield show
    finally:
        bar.stop()
