"""Commands about lists: how many people are on each, and the form by which others sign up."""

from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, print_json, print_table
from newsletter.errors import UsageError

app = typer.Typer(invoke_without_command=True)


@app.callback()
def _all(context: typer.Context, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Show the lists and how many are on them; write sign-up forms.

    Without a command: list them.
    """
    if context.invoked_subcommand is None:
        _show(project=project, json_=json_)
    elif project is not None or json_:
        raise UsageError(f"Options go last:  newsletter lists {context.invoked_subcommand} … --json --project DIR")


def _show(*, project: ProjectOption, json_: JsonOption) -> None:
    from newsletter.app import Newsletter

    lists = Newsletter.open(project).lists()
    if json_:
        print_json(
            [{"list": one.slug, "title": one.title, "people": one.mailable, "sign_up": one.sign_up} for one in lists]
        )
        return
    rows = [(one.slug, one.title, f"{one.mailable:,}", "open" if one.sign_up else "closed") for one in lists]
    print_table(("list", "title", "people", "sign-up"), rows)


@app.command()
def embed(
    list_: Annotated[str, typer.Argument(metavar="LIST", help="The list that people sign up for.")],
    *,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="The form's language; the project's if not given.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Write the sign-up form for another web site.

    It is HTML: copy what is printed into a page there.
    """
    from newsletter.app import Newsletter
    from newsletter.web.public.embedding import write_snippet

    newsletter = Newsletter.open(project)
    html = write_snippet(newsletter, list_, language)
    sites = newsletter.project.settings.lists[list_].embed_on
    if json_:
        action = f"{newsletter.project.settings.newsletter.base_url}/subscribe"
        print_json({"list": list_, "html": html, "action": action, "embed_on": list(sites)})
        return
    typer.echo(html)
    if sites:
        typer.echo(f"May stand on: {', '.join(sites)}.", err=True)
    else:
        typer.echo(
            f"No web site is named for this list. Write those that may hold it under [lists.{list_}]:  "
            'embed_on = ["https://www.example.org"]',
            err=True,
        )
