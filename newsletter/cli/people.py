"""Commands that change one person; what destroys asks first, and `--yes` answers."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, is_terminal, near, print_json
from newsletter.errors import UsageError

_Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address; after --, if it begins with -.")]
_Tags = Annotated[list[str], typer.Argument(metavar="TAG…", help="One tag or several.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `newsletter subscribers`."""
    for command in (tag, untag, move, unsubscribe, suppress, readmit, erase, merge):
        app.command()(command)
    app.command("set")(set_)


def _agreed(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not is_terminal():
        raise UsageError("Nobody is here to answer. Say --yes to do it without being asked.")
    typer.confirm(question, abort=True)


def _said(json_: bool, email: str, change: str, sentence: str) -> None:
    if json_:
        print_json({"email": email, "change": change})
    else:
        typer.echo(sentence if change != "unchanged" else f"{email}: nothing to change.")


def tag(email: _Email, tags: _Tags, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Give a person tags."""
    from newsletter.app import Newsletter

    change = Newsletter.open(project).subscribers.tag(email, tags)
    _said(json_, email, change, f"{email} is tagged {', '.join(tags)}.")


def untag(email: _Email, tags: _Tags, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Take tags from a person."""
    from newsletter.app import Newsletter

    change = Newsletter.open(project).subscribers.tag(email, tags, remove=True)
    _said(json_, email, change, f"{email} is not tagged {', '.join(tags)} any more.")


def set_(
    email: _Email,
    fields: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE…", help="country=KE attributes.role=; empty clears.")
    ],
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Set fields of a person.

    Fields are first_name, last_name, language, country, joined and attributes.<name>; nothing after the = clears one.
    """
    from newsletter.app import Newsletter
    from newsletter.audience.changing import read_settings

    change = Newsletter.open(project).subscribers.set(email, read_settings(fields))
    _said(json_, email, change, f"{email} is up to date.")


def move(
    email: _Email,
    new: Annotated[str, typer.Argument(metavar="NEW-EMAIL", help="The new address.")],
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Give a person another address. For another list, unsubscribe from the one and add to the other."""
    from newsletter.app import Newsletter

    change = Newsletter.open(project).subscribers.move(email, new)
    _said(json_, new, change, f"{email} is {new} from now on.")


def unsubscribe(
    email: _Email,
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="From this list.")] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="From all lists.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Take a person off a list, or off all. Only they themselves can come back."""
    from newsletter.app import Newsletter

    if (list_ is None) != everywhere:
        raise UsageError("Say from where: --list LIST, or --everywhere.")
    left = Newsletter.open(project).subscribers.unsubscribe(email, list_)
    if json_:
        print_json({"email": email, "left": left})
    else:
        typer.echo(f"{email} is off {', '.join(left)}." if left else f"{email} was not on it.")


def suppress(email: _Email, *, yes: _Yes = False, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Never mail an address again, on any list, whoever imports it."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    _agreed(f"Never mail {email} again? This cannot be taken back.", yes=yes)
    _said(json_, email, newsletter.subscribers.suppress(email), f"{email} is never mailed again.")


def readmit(email: _Email, *, yes: _Yes = False, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Mail an address again that was given up.

    That happens when messages to it came back. Who complained, left or was erased is not brought back by anybody but
    themselves.
    """
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    _agreed(f"Mail {email} again? Do so only if you know that the address works.", yes=yes)
    _said(json_, email, newsletter.returns.readmit(email), f"{email} is mailed again, on the lists where it was.")


def erase(email: _Email, *, yes: _Yes = False, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Forget a person: address, name and everything else. Counts stay, and so does that they are never mailed again."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    _agreed(f"Erase everything about {email}? This cannot be taken back.", yes=yes)
    done = newsletter.erase_person(email)
    if json_:
        about = {"known": done.known, "removed": list(done.removed), "remains": list(done.remains)}
        print_json({"email": email, "change": "erased", **about})
        return
    typer.echo("Erased." if done.known else "Nobody has this address (any more).", nl=False)
    typer.echo(" Adding or importing it is refused from now on.")
    for file in done.removed:
        typer.echo(f"  Deleted {near(Path(file))}")
    for sentence in done.remains:
        typer.echo(f"  {sentence}")


def merge(
    gone: Annotated[str, typer.Argument(metavar="FROM", help="The address that goes.")],
    kept: Annotated[str, typer.Argument(metavar="INTO", help="The address that stays.")],
    *,
    yes: _Yes = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Make two persons one. On each list the more cautious of both wins; nobody gets an edition twice."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    _agreed(f"Merge {gone} into {kept}? {gone} is gone afterwards. This cannot be taken back.", yes=yes)
    newsletter.subscribers.merge(gone, kept)
    _said(json_, kept, "merged", f"{gone} is {kept} from now on.")
