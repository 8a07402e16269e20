"""Commands about mailings: how they stand, and what to do with one that stopped."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import certificates
from newsletter.cli import report as reports
from newsletter.cli.printing import JsonOption, ProjectOption, ask, count, print_json, print_table
from newsletter.cli.send import report_as_json, showing_progress, tell
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.sending.doubts import Doubt
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
        _show_all(newsletter.mailings.reports(), json_=json_)
        return
    report = newsletter.mailings.report(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    _show_one(report)


def _show_one(report: "Report") -> None:
    about = report.mailing
    typer.echo(f"Mailing {about.id}: «{about.title}» ({about.edition}) to {about.list_slug}, {about.state}")
    if about.where:
        typer.echo(f"  only where {about.where}")
    typer.echo(f"  digest {about.digest}")
    typer.echo(f"  asked for {about.created_at:%Y-%m-%d %H:%M:%S} UTC, through {about.sender}")
    if about.recipients_of is not None:
        typer.echo(
            f"  a correction, to those whose delivery of mailing {about.recipients_of} is {about.recipients_state}"
        )
    if about.audience is None:
        until = f"; leaves at {about.holds_until:%Y-%m-%d %H:%M:%S} UTC" if about.state == "held" else ""
        typer.echo(f"  nothing has left{until}")
        return
    typer.echo(f"  audience {count(about.audience, 'person', 'people')}, of them")
    for state, number in report.counts.items():
        if number:
            typer.echo(f"  {number:>9,} {state}")
    for state, reason, number in report.reasons:
        typer.echo(f"            {number:,} {state}: {reason}")
    if report.next_try is not None:
        typer.echo(f"  next try at {report.next_try:%Y-%m-%d %H:%M:%S} UTC")
    if about.paused_because:
        typer.echo(f"  paused: {about.paused_because}")


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
    """Go on with a mailing that was stopped or killed.

    The rest gets it as it was frozen, whatever changed since.
    """
    from newsletter.app import Newsletter
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    with StopOnSignal() as stop, showing_progress(quiet=json_) as progress:
        report = newsletter.mailings.resume(mailing, stop=stop, progress=progress)
    tell(report, json_=json_)


@app.command()
def pause(mailing: _Id, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Let nothing more of a mailing leave for now.

    What is leaving at this moment still does.
    """
    from newsletter.app import Newsletter
    from newsletter.database.schema import DeliveryState

    report = Newsletter.open(project).mailings.pause(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    left = report.counts[DeliveryState.PLANNED] + report.counts[DeliveryState.DEFERRED]
    under_way = report.counts[DeliveryState.CLAIMED]
    also = f", {under_way:,} under way" if under_way else ""
    typer.echo(f"Paused: {report.counts[DeliveryState.ACCEPTED]:,} handed over{also}, {left:,} to go.")
    typer.echo(f"Go on:  newsletter mailings resume {mailing}")


@app.command()
def unknowns(
    mailing: _Id,
    *,
    arrived: Annotated[bool, typer.Option("--arrived", help="They got it: you found out.")] = False,
    not_arrived: Annotated[
        bool, typer.Option("--not-arrived", help="They did not: they may be sent it again.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="EMAIL", help="Only these, not all. Can be said several times."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """List whose message may have left or not.

    They are never sent it again by themselves: say what you found out about them.
    """
    from newsletter.app import Newsletter

    if arrived and not_arrived:
        raise UsageError("Say one of --arrived and --not-arrived; with --only for some of them.")
    if only and not (arrived or not_arrived):
        raise UsageError("Say what you found out about them:  --arrived or --not-arrived")
    desk = Newsletter.open(project).mailings
    found = desk.unknowns(mailing)
    if not (arrived or not_arrived):
        _show_unknowns(mailing, found, json_=json_)
        return
    who = ", ".join(only) if only else f"all {len(found):,}"
    what = "got it" if arrived else "did not get it, and may be sent it again"
    if found and not yes and not ask(f"Write down that {who} {what}?", otherwise="do it"):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
    settled = desk.dispel(mailing, only or (), arrived=arrived)
    if json_:
        print_json({"mailing": mailing, "settled": settled})
        return
    typer.echo(f"{count(settled, 'delivery is', 'deliveries are')} settled.")
    if settled and not arrived:
        typer.echo("To reach them, run the same  newsletter send  again.")


def _show_unknowns(mailing: int, found: "list[Doubt]", *, json_: bool) -> None:
    if json_:
        print_json(
            [
                {"email": each.email, "since": each.since and each.since.isoformat(), "reason": each.reason}
                for each in found
            ]
        )
        return
    if not found:
        typer.echo(f"Nothing is unknown in mailing {mailing}.")
        return
    rows = [
        (each.email or "(erased)", f"{each.since:%Y-%m-%d %H:%M:%S}" if each.since else "", each.reason or "")
        for each in found
    ]
    print_table(("to", "since (UTC)", "why nobody knows"), rows)
    typer.echo("Ask them, or your mail server's log. Then say what you found out:")
    typer.echo(f"  newsletter mailings unknowns {mailing} --arrived [--only EMAIL]")
    typer.echo(f"  newsletter mailings unknowns {mailing} --not-arrived [--only EMAIL]")


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
    about = newsletter.mailings.report(mailing).mailing
    question = f"Cancel mailing {mailing}, «{about.title}» to {about.list_slug}? It cannot be taken up again."
    if about.state is not MailingState.SENT and not yes and not ask(question, otherwise="cancel it"):
        typer.echo("Not cancelled.", err=True)
        raise typer.Exit(1)
    report = newsletter.mailings.cancel(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    got = report.counts.get(DeliveryState.ACCEPTED, 0)
    left = sum(report.counts.values()) - got
    typer.echo(f"Cancelled. {count(got, 'person has', 'people have')} it, {left:,} will not get it by this mailing.")


app.command()(certificates.certificate)
app.command()(certificates.verify)
app.command()(reports.report)
