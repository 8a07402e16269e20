"""Commands that show an edition to those who are to look at it first, and the readers as whom it can be shown."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.printing import (
    JsonOption,
    ProjectOption,
    count,
    is_terminal,
    near,
    print_findings,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from newsletter.sending.testing import Tried
    from newsletter.trials import Trial


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("test")(send_test)
    app.command()(personas)


def send_test(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The edition.")],
    *,
    to: Annotated[
        list[str],
        typer.Option(
            "--to", metavar="EMAIL", help="To this address, subscriber or not; again, or with commas, for more."
        ),
    ],
    reader: Annotated[str | None, typer.Option("--as", metavar="EMAIL", help="As this subscriber sees it.")] = None,
    persona: Annotated[
        str | None, typer.Option(metavar="NAME", help="As this persona sees it; else as the first one.")
    ] = None,
    all_branches: Annotated[
        bool, typer.Option("--all-branches", help="One message for each variant that readers can see.")
    ] = False,
    list_: Annotated[
        str | None, typer.Option("--list", metavar="LIST", help="In the name of this list; else of the first one.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Send an edition to those who are to look at it first.

    It is the real message, sent the real way, with [Test] before the subject. Links in it work and change nothing.
    Nobody else gets anything, and a mailing is not affected.
    """
    from newsletter.app import Newsletter
    from newsletter.trials import TrialOrder

    order = TrialOrder(to=to, reader=reader, persona=persona, all_branches=all_branches, list_slug=list_)
    with _showing_progress(quiet=json_) as progress:
        tested = Newsletter.open(project).trials.test(
            slug, order, tell=lambda findings: None if json_ else print_findings(findings, err=True), progress=progress
        )
    if json_:
        print_json(_as_json(tested))
    else:
        _print(tested)
    if not all(_arrived(tried) for tried in tested.tried):
        raise typer.Exit(1)


@contextlib.contextmanager
def _showing_progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; nothing elsewhere."""
    if quiet or not is_terminal():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(console=Console(stderr=True), transient=True)
    task = bar.add_task("Sending tests", total=None)

    def show(done: int, of_all: int) -> None:
        bar.start()
        bar.update(task, total=of_all, completed=done)

    try:
        yield show
    finally:
        bar.stop()


def _arrived(tried: "Tried") -> bool:
    from newsletter.sending.senders.protocol import Verdict

    return tried.verdict is Verdict.ACCEPTED


def _outcome(tried: "Tried") -> str:
    from newsletter.sending.senders.protocol import Verdict

    words = {Verdict.UNSENT: "not sent", Verdict.DEFERRED: "not now, try again later"}
    word = words.get(tried.verdict, str(tried.verdict))
    return word if tried.reason is None else f"{word}: {' '.join(tried.reason.split())}"


def _print(tested: "Trial") -> None:
    views = list(dict.fromkeys(tried.view.name for tried in tested.tried))
    if len(views) == 1:
        typer.echo(f"«{tested.title}» as {views[0]} sees it, in the name of the list {tested.list_slug}:")
        rows = [(tried.to, _outcome(tried), tried.subject) for tried in tested.tried]
        print_table(("address", "outcome", "subject"), rows)
    else:
        shown = f"{len(views)} of {tested.variants:,}" if tested.variants != len(views) else f"all {len(views)}"
        typer.echo(f"«{tested.title}» in {shown} variants, in the name of the list {tested.list_slug}:")
        print_table(
            ("address", "outcome", "subject", "as"),
            [(tried.to, _outcome(tried), tried.subject, tried.view.name) for tried in tested.tried],
        )
    arrived = sum(_arrived(tried) for tried in tested.tried)
    typer.echo(f"{count(arrived, 'message')} of {len(tested.tried):,} handed over ({tested.sender}).")
    if tested.place is not None:
        typer.echo(f"They are files; open {near(tested.place / 'index.html')} in a browser.")


def _as_json(tested: "Trial") -> dict[str, Any]:
    return {
        "edition": tested.edition,
        "title": tested.title,
        "digest": tested.digest,
        "list": tested.list_slug,
        "sender": tested.sender,
        "variants": tested.variants,
        "folder": None if tested.place is None else str(tested.place),
        "messages": [
            {
                "to": tried.to,
                "as": tried.view.name,
                "subject": tried.subject,
                "outcome": str(tried.verdict),
                "reason": tried.reason,
                "message_id": tried.message_id,
                "size": tried.size,
            }
            for tried in tested.tried
        ],
        "findings": [finding.as_json() for finding in tested.findings],
    }


def personas(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """List the personas as whom an edition can be tested.

    They are readers who do not exist, and stand in personas.toml.
    """
    from newsletter.app import Newsletter

    found = Newsletter.open(project).trials.personas()
    if json_:
        print_json({name: dict(persona.person) for name, persona in found.items()})
        return
    rows = [
        (
            name,
            " ".join(str(persona.person[field]) for field in ("first_name", "last_name") if persona.person[field])
            or "—",
            str(persona.person["language"] or "—"),
            str(persona.person["country"] or "—"),
            ", ".join(persona.person["tags"]) or "—",  # type: ignore[arg-type] # a tuple of texts, as personas have it
        )
        for name, persona in found.items()
    ]
    print_table(("persona", "name", "language", "country", "tags"), rows)
    typer.echo("A test without --as or --persona shows an edition as the first of them.")
