"""Commands about mailings: how they stand, and what to do with one that stopped."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, count, print_json, print_table
from newsletter.cli.send import report_as_json, showing_progress, tell
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.sending.mailing import Report

app = typer.Typer(invoke_without_command=True)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise UsageError(f"«{text}» is not the number of a mailing. See them:  newsletter mailings")
    return int(text)


_Id = Annotated[int, typer.Argument(metavar="MAILING", help="The mailing's number.", parser=_number)]


@app.callback()
def _all(context: typer.Context, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """See how mailings stand; go on with one, or end it. Without a command: list them."""
    if context.invoked_subcommand is None:
        show(None, project=project, json_=json_)
    elif project is not None or json_:
        raise UsageError(f"Options go last:  newsletter mailings {context.invoked_subcommand} … --json --project DIR")


@app.command()
def show(
    mailing: Annotated[
        int | None, typer.Argument(metavar="MAILING", help="One mailing; without it, all.", parser=_number)
    ] = None,
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Show how one mailing stands, or list all, newest first."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    if mailing is None:
        _show_all(newsletter.reports(), json_=json_)
        return
    report = newsletter.report(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    about = report.mailing
    typer.echo(f"Mailing {about.id}: «{about.title}» ({about.edition}) to {about.list_slug}, {about.state}")
    if about.where:
        typer.echo(f"  only where {about.where}")
    typer.echo(f"  digest {about.digest}")
    typer.echo(f"  asked for {about.created_at:%Y-%m-%d %H:%M:%S} UTC, through {about.sender}")
    if about.audience is None:
        typer.echo("  nothing has left")
        return
    typer.echo(f"  audience {count(about.audience, 'person', 'people')}, of them")
    for state, number in report.counts.items():
        if number:
            typer.echo(f"  {number:>9,} {state}")
    for state, reason, number in report.reasons:
        typer.echo(f"            {number:,} {state}: {reason}")


def _show_all(reports: "list[Report]", *, json_: bool) -> None:
    if json_:
        print_json([report_as_json(report) for report in reports])
        return
    if not reports:
        typer.echo("There is no mailing yet. Send one:  newsletter send SLUG --list LIST")
        return
    from newsletter.database.schema import DeliveryState

    rows = [
        (
            str(report.mailing.id),
            report.mailing.edition,
            report.mailing.list_slug,
            str(report.mailing.state),
            f"{report.counts.get(DeliveryState.ACCEPTED, 0):,} of {report.mailing.audience or 0:,}",
            f"{report.mailing.created_at:%Y-%m-%d %H:%M}",
        )
        for report in reports
    ]
    print_table(("id", "edition", "list", "state", "accepted", "asked for (UTC)"), rows)


@app.command()
def resume(mailing: _Id, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Go on with a mailing that was stopped or killed, as it was frozen."""
    from newsletter.app import Newsletter
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    with StopOnSignal() as stop, showing_progress(quiet=json_) as progress:
        report = newsletter.resume(mailing, stop=stop, progress=progress)
    tell(report, json_=json_)


@app.command()
def cancel(
    mailing: _Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Send nothing more of a mailing.

    Who has it keeps it; the others can be reached by another mailing.
    """
    from newsletter.app import Newsletter
    from newsletter.database.schema import DeliveryState, MailingState

    newsletter = Newsletter.open(project)
    about = newsletter.report(mailing).mailing
    question = f"Cancel mailing {mailing}, «{about.title}» to {about.list_slug}? It cannot be taken up again."
    if about.state is not MailingState.SENT and not yes and not ask(question, otherwise="cancel it"):
        typer.echo("Not cancelled.", err=True)
        raise typer.Exit(1)
    report = newsletter.cancel(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    got = report.counts.get(DeliveryState.ACCEPTED, 0)
    left = sum(report.counts.values()) - got
    typer.echo(f"Cancelled. {count(got, 'person has', 'people have')} it, {left:,} will not get it by this mailing.")
