"""Commands about editions on the web: which pages there are, publish or withdraw one, write all as files."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Editions on the web: see, publish or withdraw their pages.")

_Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The edition's folder in editions/.")]


@app.command("list")
def list_(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """List the pages of editions, the newest first."""
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    pages = newsletter.publications.pages()
    base = newsletter.project.settings.newsletter.base_url
    if json_:
        print_json(
            [
                {
                    "edition": page.edition,
                    "state": page.showing.value,
                    "url": f"{base}/e/{page.edition}",
                    "first_at": page.first_at and page.first_at.isoformat(),
                    "changed_at": page.changed_at.isoformat(),
                    "corrected": page.corrected,
                    "by_hand": page.by_hand,
                }
                for page in pages
            ]
        )
        return
    if not pages:
        typer.echo("No edition has a web page. It gets one when it is sent, unless it says public: false.")
        return
    print_table(
        ["edition", "page", "came out", "changed"],
        [
            (
                page.edition,
                page.showing.value,
                f"{page.first_at:%Y-%m-%d}" if page.first_at else "",
                f"{page.changed_at:%Y-%m-%d}{' (corrected)' if page.corrected else ''}",
            )
            for page in pages
        ],
    )


@app.command()
def publish(slug: _Slug, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Show the web page of an edition as its file is now.

    For an edition that was sent: to correct its page, to bring a withdrawn one back, or because it was sent by a
    version that made no pages. Messages stay as they are. A corrected page says so.
    """
    from newsletter.app import Newsletter

    newsletter = Newsletter.open(project)
    url = f"{newsletter.project.settings.newsletter.base_url}/e/{slug}"
    changed = newsletter.publications.publish(slug)
    if json_:
        print_json({"edition": slug, "url": url, "changed": changed})
        return
    typer.echo(f"Published: {url}" if changed else f"Nothing has changed: {url}")


@app.command()
def withdraw(slug: _Slug, *, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Show the web page of an edition no more.

    Messages stay as they are; their link to the page leads nowhere then. `newsletter archive publish` brings it back.
    """
    from newsletter.app import Newsletter

    Newsletter.open(project).publications.withdraw(slug)
    if json_:
        print_json({"edition": slug, "state": "withdrawn"})
        return
    typer.echo(f"Withdrawn. To bring it back:  newsletter archive publish {slug}")


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or one that this wrote.")],
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Write all pages and feeds as files.

    They are for a web server that runs no program.

    Pages that are not public any more are removed from the folder.
    """
    from newsletter.app import Newsletter
    from newsletter.web.public.files import build_archive

    written = build_archive(Newsletter.open(project), folder)
    if json_:
        print_json(
            {
                "folder": str(folder),
                "editions": written.editions,
                "files": written.files,
                "changed": written.changed,
                "removed": written.removed,
            }
        )
        return
    typer.echo(f"{count(written.editions, 'edition')} in {count(written.files, 'file')} in {near(folder)}/")
    typer.echo(f"  {written.changed:,} of them new or changed, {len(written.removed):,} removed")
