"""Commands for letters: single messages with a link to confirm or to see one's data, and what forms took."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json, print_sentence, print_table

if TYPE_CHECKING:
    from newsletter.letters.standing import Open, Standing

app = typer.Typer()


@app.callback(invoke_without_command=True)
def letters(context: typer.Context, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """See the letters that wait, and send them.

    Without a command: show which wait or could not be sent, and why; without the addresses. Letters are single
    messages: links to confirm, to see or delete one's data, and what came by a form.
    """
    if context.invoked_subcommand is not None:
        return
    from newsletter.app import Newsletter

    standing = Newsletter.open(project).letters.standing()
    if json_:
        print_json({"counts": standing.counts, "open": [_as_json(each) for each in standing.open]})
    else:
        _show(standing)


@app.command()
def deliver(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing if nothing was due.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Send the letters that are due now, and end.

    `newsletter serve --public` and `newsletter worker` do so by themselves. Who runs neither: let the machine call
    it every few minutes.
    """
    from newsletter.app import Newsletter
    from newsletter.letters.delivering import Delivered
    from newsletter.sending.stopping import StopOnSignal

    with StopOnSignal() as stop:
        done = Newsletter.open(project).letters.deliver_due(stop=stop)
    if json_:
        print_json(asdict(done))
    elif done.sent or done.failed or done.waiting or not quiet:
        tried = f", {done.waiting:,} to be tried again" if done.waiting else ""
        failed = f", {done.failed:,} given up" if done.failed else ""
        typer.echo(f"{count(done.sent, 'letter')} sent{tried}{failed}.")
        if done == Delivered():
            typer.echo("Whether one waits, and until when:  newsletter letters")
    if done.problem is not None:
        print_sentence(done.problem)
    if done.problem is not None or done.failed:
        raise typer.Exit(1)


def _show(standing: "Standing") -> None:
    sent = standing.counts["sent"]
    if standing.open:
        headings = ("letter", "about", "state", "to", "written", "tried", "next", "why not yet")
        print_table(headings, [_line(each) for each in standing.open])
        typer.echo()
    waiting = sum(each.state != "failed" for each in standing.open)
    failed = len(standing.open) - waiting
    typer.echo(f"{count(waiting, 'letter')} waiting, {failed:,} given up, {sent:,} sent in the last 35 days.")


def _as_json(each: "Open") -> dict[str, object]:
    due = each.next_try and each.next_try.isoformat()
    return {**asdict(each), "created_at": each.created_at.isoformat(), "next_try": due}


def _line(each: "Open") -> tuple[str, ...]:
    due = f"{each.next_try:%Y-%m-%d %H:%M} UTC" if each.next_try else ""
    written = f"{each.created_at:%Y-%m-%d %H:%M} UTC"
    return (str(each.id), each.kind, each.state, each.to, written, str(each.tries), due, each.reason or "")
