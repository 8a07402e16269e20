"""Commands about people: bring them in, and see who is there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json, print_table

if TYPE_CHECKING:
    from newsletter.audience.importing import RowOutcome

app = typer.Typer(help="Bring people in, and see who is there.", invoke_without_command=True)


@app.callback()
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


_ListOption = Annotated[str, typer.Option("--list", metavar="LIST", help="The list.")]
_PAGE = 50


def register(parent: typer.Typer) -> None:
    """Add the commands that stand beside `subscribers`."""
    parent.command("lists")(show_lists)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file in UTF-8 whose first row names the fields.")],
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="The list they agreed to be on.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Bring in the people of a CSV file.

    One bad row does not stop the others. Who has left stays away.
    """
    from newsletter.app import Newsletter

    refused: list[RowOutcome] = []
    counts = Newsletter.open(project).import_subscribers(
        file, list_, lambda row: refused.append(row) if row.change is None else None
    )
    if json_:
        print_json(
            {
                "new": counts.new,
                "updated": counts.updated,
                "unchanged": counts.unchanged,
                "refused": counts.refused,
                "refusals": [{"line": row.line, "reason": row.reason} for row in refused],
            }
        )
    else:
        typer.echo(
            f"{count(counts.new, 'person', 'people')} new, {counts.updated:,} updated, "
            f"{counts.unchanged:,} unchanged, {counts.refused:,} refused."
        )
        for row in refused:
            typer.echo(f"  {file.name}:{row.line}: {row.reason}")
    if counts.refused:
        raise typer.Exit(1)


@app.command("list")
def list_people(
    *,
    list_: _ListOption,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Only those for whom this holds: 'country == "KE"'.""")
    ] = None,
    counting: Annotated[bool, typer.Option("--count", help="Only say how many.")] = False,
    everybody: Annotated[bool, typer.Option("--all", help=f"All, not only the first {_PAGE}.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Show who is on a list and would be mailed."""
    from itertools import islice

    from newsletter.app import Newsletter

    people = Newsletter.open(project).people(list_, where)
    if counting:
        number = sum(1 for _ in people)
        print_json({"count": number}) if json_ else typer.echo(f"{number:,}")
        return
    shown = list(people if everybody else islice(people, _PAGE))
    if json_:
        print_json([person.person for person in shown])
        return
    if not shown:
        fitting = "fits that choice" if where else "may be mailed yet"
        typer.echo(f"Nobody on «{list_}» {fitting}.")
        return
    rows = [
        (
            person.email,
            f"{person.first_name or ''} {person.last_name or ''}".strip(),
            person.language or "",
            person.country or "",
            ", ".join(person.tags),
        )
        for person in shown
    ]
    print_table(("email", "name", "language", "country", "tags"), rows)
    if not everybody and len(shown) == _PAGE:
        typer.echo(f"Only the first {_PAGE} are shown; --all shows everybody.")


def show_lists(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Show the lists, and how many people of each would be mailed."""
    from newsletter.app import Newsletter

    lists = Newsletter.open(project).lists()
    if json_:
        print_json([{"list": one.slug, "title": one.title, "people": one.mailable} for one in lists])
        return
    print_table(("list", "title", "people"), [(one.slug, one.title, f"{one.mailable:,}") for one in lists])
