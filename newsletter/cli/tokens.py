"""Commands about the tokens that other programs come with."""

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, print_json, print_table
from newsletter.errors import UsageError

app = typer.Typer(help="Let other programs in: tokens for the API.", invoke_without_command=True)

_LONGEST_DAYS: Final = 3650


@app.callback()
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it, such as website.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="What it is good for, such as subscribers:read; again for more."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DAYS", help="Good for so long, such as 90d; for ever if not given."),
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a token, and show it this once.

    Scopes: subscribers:read, subscribers:write, subscribers:erase, mailings:read, editions:read, events:read,
    metrics:read.
    """
    from newsletter.app import Newsletter

    lasts = None if expires is None else _days(expires)
    token = Newsletter.open(project).access.create_token(name, scope or (), lasts=lasts)
    if json_:
        print_json({"name": name, "scopes": scope, "token": token})
        return
    typer.echo(token)
    typer.echo("It is shown this once: put it where the other program keeps its secrets.", err=True)


@app.command("list")
def list_(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """List the tokens, and when each was used last."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    tokens, now = newsletter.access.tokens(), newsletter.now()
    if json_:
        print_json(
            [
                {
                    "name": each.name,
                    "scopes": [str(scope) for scope in each.scopes],
                    "created_at": each.created_at.isoformat(),
                    "expires_at": each.expires_at and each.expires_at.isoformat(),
                    "used_at": each.used_at and each.used_at.isoformat(),
                    "revoked_at": each.revoked_at and each.revoked_at.isoformat(),
                }
                for each in tokens
            ]
        )
        return
    if not tokens:
        typer.echo("There is no token yet. Make one:  newsletter tokens create NAME --scope subscribers:read")
        return
    rows = []
    for each in tokens:
        over = each.expires_at is not None and each.expires_at <= now
        until = "for ever" if each.expires_at is None else f"{each.expires_at:%Y-%m-%d}"
        state = "revoked" if each.revoked_at else "expired" if over else until
        used = "never" if each.used_at is None else f"{each.used_at:%Y-%m-%d %H:%M}"
        rows.append((each.name, ", ".join(each.scopes), state, used))
    print_table(("name", "scopes", "good until", "last used (UTC)"), rows)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Let a token open nothing any more, from this moment on."""
    from newsletter.app import Newsletter

    access = Newsletter.open(project).access
    if not yes and not ask(f"Revoke the token {name}? This cannot be taken back.", otherwise="revoke it"):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
    revoked = access.revoke_token(name)
    if json_:
        print_json({"name": name, "change": "revoked" if revoked else "unchanged"})
    else:
        typer.echo(f"{name} is revoked." if revoked else f"{name} was revoked before.")


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4}) ?d(?:ays?)?", text.strip(), re.ASCII)
    if match is None or not 1 <= int(match[1]) <= _LONGEST_DAYS:
        raise UsageError(f"«{text[:40]}» is no number of days. Write for example 90d, and {_LONGEST_DAYS}d at most.")
    return timedelta(days=int(match[1]))
