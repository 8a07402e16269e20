"""The command that carries out a whole mailing and mails nobody."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_findings, print_json
from newsletter.cli.send import showing_progress

if TYPE_CHECKING:
    from newsletter.sending.rehearsal import Rehearsed

_VARIANTS_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(rehearse)


def rehearse(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The edition.")],
    *,
    list_: Annotated[str, typer.Option("--list", metavar="LIST", help="As if to this list.")],
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Only those for whom this holds: '"researcher" in tags'.""")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of a segment saved in newsletter.toml.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="With the first N of them.")] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the largest messages in this folder.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Carry out a whole mailing, and mail nobody.

    Every message is written and handed over, at full speed, to a catcher on this machine that counts, measures and
    forgets them. Nothing leaves the machine, and nothing is written down.
    """
    from newsletter.app import Newsletter
    from newsletter.sending.stopping import StopOnSignal

    newsletter = Newsletter.open(project)
    with StopOnSignal() as stop, showing_progress(quiet=json_) as progress:
        rehearsed, findings = newsletter.trials.rehearse(
            slug,
            list_slug=list_,
            where=newsletter.subscribers.choice(where, segment),
            limit=limit,
            keep=keep,
            tell=lambda found: None if json_ else print_findings(found, err=True),
            stop=stop,
            progress=progress,
        )
    if json_:
        print_json(_as_json(rehearsed) | {"findings": [finding.as_json() for finding in findings]})
    else:
        _print(rehearsed)
    if rehearsed.stopped or rehearsed.caught.messages < rehearsed.people:
        raise typer.Exit(1)


def _print(rehearsed: "Rehearsed") -> None:
    caught = rehearsed.caught
    if rehearsed.stopped and not caught.messages:
        typer.echo("Stopped before the first message. Nothing left this machine.")
        return
    if rehearsed.stopped:
        typer.echo("Stopped before the end; what follows is about what there was until then.")
    people = count(rehearsed.people, "person", "people")
    typer.echo(f"Rehearsed «{rehearsed.title}» to {people} on {rehearsed.list_slug}: nothing left this machine.")
    speed = f"{rehearsed.throughput:,.0f} a second" if rehearsed.seconds else ""
    typer.echo(f"  {count(caught.messages, 'message')} in {_duration(timedelta(seconds=rehearsed.seconds))}, {speed}")
    sizes = [f"{name} {_size(size)}" for name, size in _sizes(rehearsed).items()]
    typer.echo(f"  sizes: {', '.join(sizes)}; together {_size(caught.bytes)}")
    if caught.clipped:
        (longest, html), *_ = caught.clipped_for
        typer.echo(f"  {count(caught.clipped, 'message')} with more than 102 kB of HTML, which Gmail cuts off;")
        typer.echo(f"    the longest, with {_size(html)}, for {longest}")
    _print_variants(rehearsed)
    for unwritten in rehearsed.unwritten:
        some = ", ".join(unwritten.some)
        more = ", …" if unwritten.people > len(unwritten.some) else ""
        typer.echo(f"  {count(unwritten.people, 'person gets', 'people get')} nothing ({some}{more}):")
        typer.echo(f"    {unwritten.reason}")
    if caught.worst:
        worst = caught.worst[0]
        typer.echo(f"  largest message: {_size(worst.size)}, {_size(worst.html)} of it HTML, for {worst.to}")
    if rehearsed.kept:
        typer.echo(f"    kept in {near(rehearsed.kept[0])}")
    if rehearsed.rate is not None:
        typer.echo(
            f"At {rehearsed.rate:g} messages a second, as newsletter.toml says, the mailing takes about ", nl=False
        )
    else:
        typer.echo("With a mail server as quick as the catcher, the mailing takes about ", nl=False)
    typer.echo(f"{_duration(rehearsed.at_rate)}.")


def _print_variants(rehearsed: "Rehearsed") -> None:
    if len(rehearsed.variants) < 2:
        return
    typer.echo(f"  {len(rehearsed.variants)} variants, by the conditions that hold:")
    for conditions, people in rehearsed.variants[:_VARIANTS_SHOWN]:
        typer.echo(f"    {people:>9,}  {' · '.join(conditions) or 'none'}")
    if (more := len(rehearsed.variants) - _VARIANTS_SHOWN) > 0:
        typer.echo(f"    and {more:,} more: see them with --json")


def _sizes(rehearsed: "Rehearsed") -> dict[str, int]:
    caught = rehearsed.caught
    return {"smallest": caught.smallest, "median": caught.median, "largest": caught.largest}


def _size(number: int) -> str:
    if number < 1_000_000:
        return f"{number / 1000:,.1f} kB"
    return f"{number / 1_000_000:,.1f} MB"


def _duration(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _as_json(rehearsed: "Rehearsed") -> dict[str, Any]:
    caught = rehearsed.caught
    return {
        "edition": rehearsed.edition,
        "title": rehearsed.title,
        "digest": rehearsed.digest,
        "list": rehearsed.list_slug,
        "people": rehearsed.people,
        "messages": caught.messages,
        "stopped": rehearsed.stopped,
        "seconds": round(rehearsed.seconds, 3),
        "throughput": round(rehearsed.throughput, 1),
        "bytes": caught.bytes,
        "sizes": _sizes(rehearsed),
        "clipped": {
            "messages": caught.clipped,
            "longest": [{"to": to, "html": html} for to, html in caught.clipped_for],
        },
        "variants": [{"conditions": list(conditions), "people": people} for conditions, people in rehearsed.variants],
        "unwritten": [
            {"reason": each.reason, "people": each.people, "some": list(each.some)} for each in rehearsed.unwritten
        ],
        "largest": [{"to": each.to, "size": each.size, "html": each.html} for each in caught.worst],
        "kept": [str(path) for path in rehearsed.kept],
        "rate": rehearsed.rate,
        "seconds_at_rate": round(rehearsed.at_rate.total_seconds(), 1),
    }
