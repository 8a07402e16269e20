"""Commands about editions: see what is wrong with one, and build one to look at."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_findings, print_json
from newsletter.errors import Finding, Severity, UsageError


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command()(check)
    app.command()(build)


def check(
    slug: Annotated[str | None, typer.Argument(metavar="SLUG", help="The edition.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Check every edition of the project.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Say what is wrong with an edition, and what to do about it. Sends nothing.

    Each thing is told with its file, line and block.
    """
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    if everything == (slug is not None):
        known = ", ".join(newsletter.editions()) or "none yet"
        raise UsageError(f"Name one edition, or say --all. Editions here: {known}.")
    slugs = newsletter.editions() if slug is None else [slug]
    found = {name: newsletter.check(name) for name in slugs}
    if json_:
        print_json({name: [finding.as_json() for finding in findings] for name, findings in found.items()})
    else:
        for name, findings in found.items():
            _print_one(name, findings)
        if not found:
            typer.echo('There is no edition yet. Start one:  newsletter new "Title"')
    if any(finding.severity is Severity.MUST_FIX for findings in found.values() for finding in findings):
        raise typer.Exit(1)


def _print_one(slug: str, findings: tuple[Finding, ...]) -> None:
    if not findings:
        typer.secho(f"{slug}: nothing wrong found.", fg=typer.colors.GREEN)
        return
    must = sum(finding.severity is Severity.MUST_FIX for finding in findings)
    print_findings(findings)
    if must:
        typer.secho(f"{slug}: {count(must, 'thing')} to fix before it can be sent.", fg=typer.colors.RED)
    else:
        typer.secho(f"{slug}: can be sent; {count(len(findings), 'remark')}.", fg=typer.colors.YELLOW)


def build(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The edition.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write.")],
    reader: Annotated[
        str | None, typer.Option("--as", metavar="EMAIL", help="As this subscriber sees it; else as someone unknown.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Write an edition as a reader gets it, to look at.

    In the folder are then the page, the text, the MJML, the whole message, and a summary with sizes.
    """
    from newsletter.app import Newsletter

    built = Newsletter.open(project).build(slug, out, reader=reader)
    if json_:
        print_json(built.summary)
    else:
        print_findings(built.findings)
        typer.echo(f"Built «{built.summary['title']}» as {built.summary['as']} sees it:")
        rows = [(near(path), f"{size:,} bytes") for path, size in built.files]
        width = max(len(path) for path, _ in rows)
        for path, size in rows:
            typer.echo(f"  {path:<{width}}  {size:>14}")
        typer.echo(f"Digest {built.digest}")
        typer.echo(f"\nOpen {near(out / 'edition.html')} in a browser.")
    if any(finding.severity is Severity.MUST_FIX for finding in built.findings):
        raise typer.Exit(1)
