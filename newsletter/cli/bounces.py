"""Commands about messages that come back by mail: bounces, complaints, automatic answers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, is_terminal, near, print_json, print_table
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.bounces import Reading
    from newsletter.feedback.bounces.listing import Returned

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server keeps the message, and tries again later."""

_SHOWN = 60
"""Characters of a reason in a table."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _all() -> None:
    """Read what came back by mail; give up what does not work."""


@app.command()
def read(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Read all that waits, and put it away.

    It waits in the mailbox or the Maildir that newsletter.toml names: docs/how-to/read-bounces.md. A person's
    letter among it is left there, marked.
    """
    from newsletter.app import Newsletter

    shows = is_terminal() and not json_

    def progress(number: int) -> None:
        if shows and number % 10 == 0:
            typer.echo(f"\r{count(number, 'message')} read", nl=False, err=True)

    done = Newsletter.open(project).bounces.read(progress)
    if shows and done.read >= 10:
        typer.echo("", err=True)
    if json_:
        print_json(done.as_json())
    else:
        _tell(done)
    if done.misread:
        raise typer.Exit(1)


def _tell(done: "Reading") -> None:
    words = {
        "taken": "about messages of ours, and written down",
        "known": "read before: nothing changed",
        "stranger": "about no message that we know: nothing changed",
        "test": "about test messages: nothing changed",
        "forged": "to an address that only looks like ours: nothing changed",
        "letter": "of people, perhaps: left there and marked. Please read them",
    }
    typer.echo(f"{count(done.read, 'message')} read.")
    for result, meaning in words.items():
        if done.results[result]:
            typer.echo(f"  {done.results[result]:>6,} {meaning}")
    if done.misread:
        typer.echo(f"  {done.misread:>6,} could not be understood, by a mistake in the program: left there and marked")
    if done.suppressed:
        typer.echo(f"{count(done.suppressed, 'address is', 'addresses are')} mailed no more.")


@app.command()
def take(
    *,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", metavar="ADDRESS", help="To whom its envelope was addressed.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Take one message, as a mail server hands it over.

    It comes on the standard input. Ends with 0 when it is done and with 75 when the server is to try again: it
    never sends a bounce for a bounce.
    """
    from newsletter.app import Newsletter
    from newsletter.feedback.bounces.parts import READ

    try:
        content = sys.stdin.buffer.read(READ)
        while sys.stdin.buffer.read(READ):  # the rest, so that nobody waits to be read
            pass
        taken = Newsletter.open(project).bounces.take(content, recipients=recipient or ())
    except Exception as error:
        from newsletter.cli.printing import print_sentence

        known = isinstance(error, NewsletterError)
        print_sentence(str(error) if known else f"The message could not be taken now ({type(error).__name__}).")
        raise typer.Exit(TRY_AGAIN) from error
    if json_:
        print_json(taken.as_json())


@app.command()
def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files with one message each, or folders.")],
    *,
    json_: JsonOption = False,
) -> None:
    """Show what would be made of messages. Nothing follows; no project is needed."""
    from newsletter.bounces import look

    found = look(files)
    if json_:
        print_json(
            [
                {
                    "file": str(path),
                    "kind": verdict.kind.value,
                    "people": [person.as_json() for person in verdict.people],
                }
                for path, verdict in found
            ]
        )
        return
    rows = []
    for path, verdict in found:
        for number, person in enumerate(verdict.people or (None,)):
            first = (near(path), verdict.kind.value) if number == 0 else ("", "")
            if person is None:
                rows.append((*first, "", "", "", "", ""))
                continue
            code = " ".join(word for word in (person.reply, person.status) if word)
            hard = "hard" if person.hard else ""
            rows.append((*first, person.outcome.value, person.address, code, hard, person.reason.value))
    if not rows:
        raise UsageError("There is no file in that folder. Name files that hold one message each.")
    print_table(("file", "is a", "outcome", "whom", "code", "", "why"), rows)


@app.command("list")
def list_(
    *,
    most: Annotated[int, typer.Option("--most", min=1, max=1_000, help="How many at most.")] = 50,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """List what came back by mail lately, and what followed.

    Addresses are masked. What SendGrid tells is not here, but in the report of its mailing.
    """
    from newsletter.app import Newsletter

    found = Newsletter.open(project).bounces.last(most)
    if json_:
        print_json([each.as_json() for each in found])
        return
    if not found:
        typer.echo("Nothing came back by mail so far. Read what waits:  newsletter bounces read")
        return
    rows = [
        (
            f"{each.at:%Y-%m-%d %H:%M}",
            each.who or "(erased)",
            f"{each.kind.value}{', hard' if each.hard else ''}",
            each.status,
            _shortened(each.reason),
            _followed(each),
        )
        for each in found
    ]
    print_table(("when (UTC)", "whom", "what", "code", "why", "what followed"), rows)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 1]}…"


def _followed(each: "Returned") -> str:
    if each.suppressed is not None:
        return f"mailed no more ({each.suppressed})"
    return "counted" if each.kind.value == "bounced" else ""
