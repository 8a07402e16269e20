"""Commands about webhooks: other programs that are told what happens."""

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, ask, print_json, print_table
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.webhooks.keeping import LoggedCall

app = typer.Typer(help="Tell other programs what happens, by signed calls.", invoke_without_command=True)

_Number = Annotated[int, typer.Argument(metavar="ID", min=1, help="The webhook's number.")]


@app.callback()
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to call, https://…")],
    *,
    event: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="KIND", help="What to tell, such as mailing.sent; again for more."),
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Add a webhook, and show the secret by which its calls are checked.

    Kinds: subscriber.confirmed, subscriber.unsubscribed, subscriber.erased, message.bounced, message.complained,
    mailing.sent, form.received.
    """
    from newsletter.app import Newsletter

    number, secret = Newsletter.open(project).access.add_webhook(url, event or ())
    if json_:
        print_json({"id": number, "url": url, "events": event, "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"This is webhook {number}. Put the secret where the other program keeps its own.", err=True)
    typer.echo(f"See whether it arrives:  newsletter webhooks test {number}", err=True)


@app.command("list")
def list_(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """List the webhooks, and how many calls wait for each."""
    from newsletter.app import Newsletter

    found = Newsletter.open(project).access.webhooks()
    if json_:
        print_json(
            [
                {
                    "id": each.id,
                    "url": each.url,
                    "events": list(each.kinds),
                    "created_at": each.created_at.isoformat(),
                    "disabled_at": each.disabled_at and each.disabled_at.isoformat(),
                    "waiting": each.waiting,
                }
                for each in found
            ]
        )
        return
    if not found:
        typer.echo("There is no webhook yet. Add one:  newsletter webhooks add URL --event mailing.sent")
        return
    rows = [
        (
            str(each.id),
            each.url,
            ", ".join(each.kinds),
            f"{each.waiting:,}",
            f"off since {each.disabled_at:%Y-%m-%d}" if each.disabled_at else "on",
        )
        for each in found
    ]
    print_table(("id", "url", "events", "waiting", "state"), rows)


@app.command()
def log(
    webhook: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="One webhook; without it, all.")] = None,
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Show the newest calls, and what came of them."""
    from newsletter.app import Newsletter

    calls = Newsletter.open(project).access.webhook_log(webhook)
    if json_:
        print_json([_as_json(each) for each in calls])
        return
    if not calls:
        typer.echo("Nothing was called yet.")
        return
    rows = [
        (
            f"{each.created_at:%Y-%m-%d %H:%M:%S}",
            str(each.webhook),
            each.kind,
            str(each.state),
            f"{each.tries}",
            "" if each.status is None else str(each.status),
            " ".join((each.answer or "").split())[:60],
        )
        for each in calls
    ]
    print_table(("at (UTC)", "id", "event", "state", "tries", "status", "answer"), rows)


@app.command("test")
def try_out(webhook: _Number, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Call a webhook once, now, with nothing but a test. One that was switched off, and answers, is on again."""
    from newsletter.app import Newsletter
    from newsletter.database.outside import CallState

    call = Newsletter.open(project).access.test_webhook(webhook)
    taken = call.state is CallState.DONE
    if json_:
        print_json(_as_json(call))
    elif taken:
        typer.echo(f"It arrived: {call.status}.")
    else:
        typer.echo(f"It did not arrive. {f'The answer is {call.status}.' if call.status else call.answer}", err=True)
    if not taken:
        raise typer.Exit(1)


@app.command()
def remove(
    webhook: _Number,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Delete a webhook with its log. What waits for it is not told."""
    from newsletter.app import Newsletter

    access = Newsletter.open(project).access
    if webhook not in {each.id for each in access.webhooks()}:
        raise UsageError(f"There is no webhook {webhook}. See them:  newsletter webhooks list")
    if not yes and not ask(f"Remove webhook {webhook} with its log?", otherwise="remove it"):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
    access.remove_webhook(webhook)
    if json_:
        print_json({"id": webhook, "change": "removed"})
    else:
        typer.echo(f"Webhook {webhook} is removed.")


def _as_json(call: "LoggedCall") -> dict[str, object]:
    return {
        "id": call.id,
        "webhook": call.webhook,
        "event": call.kind,
        "state": str(call.state),
        "created_at": call.created_at.isoformat(),
        "tries": call.tries,
        "next_try": call.next_try.isoformat() if call.state == "waiting" else None,
        "status": call.status,
        "answer": call.answer,
        "answered_at": call.answered_at and call.answered_at.isoformat(),
    }
