"""Commands about mailings: how they stand, and what to do with one that stopped."""

from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json, print_table
from newsletter.cli.send import report_as_json, showing_progress, tell

app = typer.Typer(no_args_is_help=True, help="See how mailings stand; go on with one, or end it.")

_Id = Annotated[int, typer.Argument(metavar="MAILING", help="The mailing's number.")]


@app.command()
def show(
    mailing: Annotated[int | None, typer.Argument(metavar="[MAILING]", help="One mailing; without it, all.")] = None,
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
    typer.echo(f"  audience {count(about.audience or 0, 'person', 'people')}")
    for state, number in report.counts.items():
        typer.echo(f"  {number:>9,} {state}")
    for state, reason, number in report.reasons:
        typer.echo(f"            {number:,} {state}: {reason}")


def _show_all(reports: list, *, json_: bool) -> None:  # type: ignore[type-arg]
    if json_:
        print_json([report_as_json(report) for report in reports])
        return
    if not reports:
        typer.echo("There is no mailing yet. Send one:  newsletter send SLUG --list LIST")
        return
    rows = [
        (
            str(report.mailing.id),
            report.mailing.edition,
            report.mailing.list_slug,
            str(report.mailing.state),
            f"{report.counts.get('accepted', 0):,} of {report.mailing.audience or 0:,}",
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
    """Send nothing more of a mailing. Who has it keeps it; the others can be reached by another mailing."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    if not yes:
        typer.confirm(f"Cancel mailing {mailing}? It cannot be taken up again.", abort=True)
    report = newsletter.cancel(mailing)
    if json_:
        print_json(report_as_json(report))
        return
    got = report.counts.get("accepted", 0)  # type: ignore[call-overload]
    left = sum(report.counts.values()) - got
    typer.echo(f"Cancelled. {count(got, 'person', 'people')} have it, {left:,} will not get it.")
