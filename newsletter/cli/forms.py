"""Commands about the forms on the public pages: what came by them, for the team to read, take along and delete."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, count, print_json, print_table
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.entries.keeping import Entry

app = typer.Typer(invoke_without_command=True)

_Form = Annotated[str, typer.Argument(metavar="FORM", help="The form's name in newsletter.toml.")]


@app.callback()
def _all(context: typer.Context, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """See the forms, and what came by them.

    Without a command: list the forms of the public pages, and how many entries each has.
    """
    if context.invoked_subcommand is None:
        _show_forms(project, json_=json_)
    elif project is not None or json_:
        raise UsageError(f"Options go last:  newsletter forms {context.invoked_subcommand} … --json --project DIR")


def _show_forms(project: Path | None, *, json_: bool) -> None:
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    standings = newsletter.forms.standings()
    if json_:
        print_json(
            [
                {
                    "form": one.slug,
                    "title": one.title or None,
                    "url": f"{newsletter.project.settings.newsletter.base_url}/forms/{one.slug}" if one.title else None,
                    "entries": one.entries,
                    "newest": one.newest.isoformat() if one.newest else None,
                    "to": one.to or None,
                }
                for one in standings
            ]
        )
        return
    if not standings:
        typer.echo("There is no form. Add a table [forms.…] to newsletter.toml: docs/how-to/publish-forms.md")
        return
    rows = [
        (
            one.slug,
            one.title or "(not in newsletter.toml any more)",
            f"{one.entries:,}",
            f"{one.newest:%Y-%m-%d %H:%M} UTC" if one.newest else "",
            one.to,
        )
        for one in standings
    ]
    print_table(("form", "title", "entries", "newest", "mailed to"), rows)


@app.command()
def entries(form: _Form, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Show what came by a form, oldest first."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    found = newsletter.forms.entries(form)
    if json_:
        print_json([entry.as_json() for entry in found])
        return
    if not found:
        typer.echo("Nothing has come by this form yet.")
    questions = newsletter.project.settings.forms.get(form)
    labels = {} if questions is None else {question.name: question.label for question in questions.fields}
    for entry in found:
        _tell(entry, labels)


def _tell(entry: "Entry", labels: dict[str, str]) -> None:
    until = f"kept until {entry.expires_at:%Y-%m-%d}"
    typer.secho(f"Entry {entry.id}, {entry.at:%Y-%m-%d %H:%M} UTC, {until}", bold=True)
    for name, answer in entry.answers.items():
        said = ("yes" if answer else "no") if isinstance(answer, bool) else answer
        first, *more = said.splitlines() or [""]
        typer.echo(f"  {labels.get(name, name)}: {first}")
        for line in more:
            typer.echo(f"    {line}")


@app.command()
def export(
    form: _Form,
    *,
    format_: Annotated[str, typer.Option("--format", metavar="csv|json", help="How to write them.")] = "csv",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here, not to the terminal.")] = None,
    project: ProjectOption = None,
) -> None:
    """Write what came by a form as CSV or JSON."""
    from newsletter.app import Newsletter
    from newsletter.people import writing

    written: Any = format_
    if written not in {"csv", "json"}:
        raise UsageError(f"There is no format «{format_}». There are csv and json.")
    door = Newsletter.open(project).forms
    if out is None:
        door.export(form, written, sys.stdout)
        return
    door.entries(form)  # a form that there is not leaves no empty file
    with writing(out) as file:
        number = door.export(form, written, file)
    typer.echo(f"{count(number, 'entry', 'entries')} in {out}.")


@app.command()
def delete(
    form: _Form,
    entry: Annotated[int, typer.Argument(metavar="ENTRY", min=1, help="The entry's number.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Delete one entry for good. What was mailed to the team is in their mailboxes still."""
    from newsletter.app import Newsletter

    door = Newsletter.open(project).forms
    door.show(form, entry)
    question = f"Delete entry {entry} of {form}? This cannot be taken back."
    if not yes and not ask(question, otherwise="delete it"):
        raise typer.Abort
    door.delete(form, entry)
    if json_:
        print_json({"form": form, "entry": entry, "change": "deleted"})
    else:
        typer.echo(f"Entry {entry} is deleted. What was mailed to the team is in their mailboxes still.")


@app.command()
def embed(form: _Form, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Write a form for another web site.

    It is HTML: copy what is printed into a page there. Who sends it comes to our page, sees what they typed, and
    presses the button there, which keeps robots out.
    """
    from newsletter.app import Newsletter
    from newsletter.web.public.form_snippet import form_snippet

    newsletter = Newsletter.open(project)
    table = newsletter.forms.form(form)
    html = form_snippet(newsletter.project.settings, form)
    if json_:
        action = f"{newsletter.project.settings.newsletter.base_url}/forms/{form}"
        print_json({"form": form, "html": html, "action": action, "embed_on": list(table.embed_on)})
    else:
        typer.echo(html)
