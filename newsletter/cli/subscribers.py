"""Commands about people: who is there, who one of them is, and what changes about one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import importing, people
from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json, print_table
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.audience.history import History
    from newsletter.audience.subscribers import Subscriber

app = typer.Typer(help="Bring people in, see who is there, change what is known.", invoke_without_command=True)
importing.register(app)
people.register(app)


@app.callback()
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


_PAGE = 50

EmailArgument = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The person's address; after --, if it begins with -.")
]
WhereOption = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="""Only those for whom this holds: 'country == "KE"'.""")
]
SegmentOption = Annotated[
    str | None, typer.Option("--segment", metavar="NAME", help="Only those of a segment saved in newsletter.toml.")
]


@app.command()
def add(
    email: EmailArgument,
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="The list they want to be on.")] = None,
    first_name: Annotated[str, typer.Option(metavar="NAME", help="Their first name.")] = "",
    last_name: Annotated[str, typer.Option(metavar="NAME", help="Their last name.")] = "",
    language: Annotated[str, typer.Option(metavar="CODE", help="Such as en or pt-BR.")] = "",
    country: Annotated[str, typer.Option(metavar="CODE", help="Two letters, such as KE.")] = "",
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag; can be said again.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="joined or attributes.<name>; again for more."),
    ] = None,
    consent: Annotated[str | None, typer.Option(metavar="TEXT", help="What they agreed to, and where that is.")] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="They confirmed elsewhere, as --consent says: nobody need ask them.")
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Add a person, or bring one up to date. On a list with double opt-in they first have to confirm."""
    from newsletter.app import Newsletter
    from newsletter.audience.changing import read_settings

    named = {"first_name": first_name, "last_name": last_name, "language": language, "country": country}
    said = read_settings(set_ or []) | {name: value for name, value in named.items() if value}
    door = Newsletter.open(project).subscribers
    added = door.add(email, said, tag or [], list_slug=list_, consent=consent, confirmed=confirmed)
    if json_:
        print_json({"email": added.email, "change": added.change, "list": list_, "status": added.status})
        return
    standing = "" if list_ is None else f", {added.status} on {list_}"
    typer.echo(f"{added.email}: {added.change}{standing}.")
    if added.status == "pending":
        typer.echo("They are not mailed before they confirm. Did they do so elsewhere? Say --confirmed --consent TEXT.")


@app.command("list")
def list_people(
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="On this list; else everybody.")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="pending, active, unsubscribed, bounced, complained, any.")
    ] = None,
    where: WhereOption = None,
    segment: SegmentOption = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Part of the address or the name.")] = None,
    counting: Annotated[bool, typer.Option("--count", help="Only say how many.")] = False,
    after: Annotated[str | None, typer.Option(metavar="EMAIL", help="Go on after this person.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="People on a page.")] = _PAGE,
    everybody: Annotated[bool, typer.Option("--all", help="All, not only a page.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Show people, page by page.

    All; or those who would be mailed on a list; or those who stand to it as --status says.
    """
    from newsletter.app import Newsletter

    door = Newsletter.open(project).subscribers
    wanted = door.search(list_slug=list_, status=status, where=where, segment=segment, text=search)
    if counting:
        number = door.count(wanted)
        print_json({"count": number}) if json_ else typer.echo(f"{number:,}")
        return
    if everybody and json_:
        door.export(wanted, "json", sys.stdout)
        return
    if everybody:
        for person in door.everybody(wanted):  # one at a time: columns that line up would need all at once
            typer.echo("\t".join(_row(person)))
        return
    shown = door.page(wanted, after=after, limit=limit)
    if json_:
        print_json([person.person for person in shown])
        return
    if not shown:
        nobody = "fits that choice" if list_ is None or where or segment or status or search else "may be mailed yet"
        typer.echo(f"Nobody{f' on «{list_}»' if list_ else ''} {nobody}.")
        return
    print_table(("email", "name", "language", "country", "tags"), map(_row, shown))
    if len(shown) == limit:
        typer.echo(f"For the next {limit}, say the same with --after={shown[-1].email}; for everybody, with --all.")


def _row(person: "Subscriber") -> tuple[str, ...]:
    name = f"{person.first_name or ''} {person.last_name or ''}".strip()
    return (person.email, name, person.language or "", person.country or "", ", ".join(person.tags))


@app.command()
def show(email: EmailArgument, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Tell what is known of a person.

    With what they agreed to, and what they got.
    """
    from newsletter.app import Newsletter

    history = Newsletter.open(project).subscribers.history(email)
    if json_:
        from dataclasses import asdict

        told = asdict(history)
        told["subscriber"] = history.subscriber.person
        print_json(told)
        return
    _tell(history)


_METHODS = {
    "form": "signed up through the form",
    "import": "came with a file",
    "command": "was added by hand",
    "confirm": "confirmed by the link in the message",
    "withdraw": "taken back",
}


def _tell(history: "History") -> None:
    person = history.subscriber
    typer.secho(person.email, bold=True)
    name = f"{person.first_name or ''} {person.last_name or ''}".strip()
    facts = [("name", name), ("language", person.language), ("country", person.country), ("joined", f"{person.joined}")]
    facts += [("tags", ", ".join(person.tags)), *((name, str(value)) for name, value in person.attributes.items())]
    for label, value in facts:
        if value:
            typer.echo(f"  {label}: {value}")
    if history.suppressed is not None:
        reason, since = history.suppressed
        typer.secho(f"  Must never be mailed: {reason}, since {since:%Y-%m-%d}.", fg=typer.colors.RED)
    if history.paused_until is not None:
        typer.echo(f"  Asked for no mail until {history.paused_until:%Y-%m-%d %H:%M} UTC.")
    typer.echo("Lists" if history.standings else "On no list.")
    for standing in history.standings:
        typer.echo(f"  {standing.list_slug}: {standing.status} since {standing.since:%Y-%m-%d %H:%M} UTC")
    typer.echo("Agreed" if history.agreements else "No agreement is on record.")
    for one in history.agreements:
        typer.echo(f"  {one.at:%Y-%m-%d %H:%M} UTC, {one.list_slug}: {_METHODS[one.method]}: “{one.wording}”")
    typer.echo("Editions" if history.received else "Got no edition yet.")
    for got in history.received:
        when = f"{got.at:%Y-%m-%d %H:%M} UTC" if got.at else "not yet"
        why = f" ({got.reason})" if got.reason else ""
        typer.echo(f"  {when}, mailing {got.mailing}, «{got.title}»: {got.state}{why}")


@app.command()
def export(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="Everything about one person, as JSON.")
    ] = None,
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="The people of a list.")] = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="As for `list`.")] = None,
    where: WhereOption = None,
    segment: SegmentOption = None,
    form: Annotated[str, typer.Option("--format", metavar="csv|json", help="How to write them.")] = "csv",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here, not to the terminal.")] = None,
    project: ProjectOption = None,
) -> None:
    """Write the people of a list, or all about one person.

    A list as CSV or JSON; everything that is held about one person as JSON.
    """
    from newsletter.app import Newsletter
    from newsletter.people import writing

    if form not in {"csv", "json"}:
        raise UsageError(f"There is no format «{form}». There are csv and json.")
    if (email is None) == (list_ is None):
        raise UsageError("Say either one person (export EMAIL) or a list (export --list LIST --format csv).")
    newsletter = Newsletter.open(project)
    if email is not None:
        about = newsletter.export_person(email)
        if out is None:
            print_json(about)
            return
        import json

        with writing(out) as file:
            json.dump(about, file, ensure_ascii=False, indent=2, default=str)
        typer.echo(f"Everything about this person is in {out}.")
        return
    door = newsletter.subscribers
    wanted = door.search(list_slug=list_, status=status, where=where, segment=segment)
    written = "csv" if form == "csv" else "json"
    if out is None:
        door.export(wanted, written, sys.stdout)  # type: ignore[arg-type] # one of the two
        return
    with writing(out) as file:
        number = door.export(wanted, written, file)  # type: ignore[arg-type] # one of the two
    typer.echo(f"{count(number, 'person', 'people')} in {out}.")
