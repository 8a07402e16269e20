"""Commands about the project as a whole: start one, start an edition, help the editor, see it all work once."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_json
from newsletter.errors import ProjectNotFoundError


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command()(init)
    app.command()(new)
    app.command()(schema)
    app.command()(demo)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it may exist if it is empty.")],
) -> None:
    """Start a project in a new folder. It works as it is.

    In it are settings, one edition, and an example list of 12 people.
    """
    from newsletter.starter import start_project

    made = start_project(directory)
    typer.echo(f"Made a project in {directory}:")
    for path in made:
        typer.echo(f"  {path}")
    typer.echo("\nNext:")
    if directory.absolute() != Path.cwd():
        typer.echo(f"  cd {shlex.quote(str(directory))}")
    typer.echo("  newsletter check welcome")
    typer.echo("  newsletter build welcome --out preview")
    typer.echo("  newsletter subscribers import subscribers/example.csv --list community")
    typer.echo("  newsletter send welcome --list community")


def new(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The edition's title.")],
    *,
    copy_from: Annotated[
        str | None, typer.Option("--from", metavar="SLUG", help="Start from a copy of this edition.")
    ] = None,
    slug: Annotated[
        str | None, typer.Option(metavar="SLUG", help="The folder's name, if not made from the title.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Start an edition, from nothing or from an earlier one."""
    from newsletter.app import Newsletter

    path = Newsletter.open(project).start_edition(title, copy_from=copy_from, slug=slug)
    typer.echo(f"Made {near(path)}")
    typer.echo(f"Write in it, then see what it needs:  newsletter check {path.parent.name}")


def schema(
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to a file.")] = None,
) -> None:
    """Print the JSON Schema of edition.yaml, for your editor.

    With it, editors complete and check the file while you write.
    """
    from newsletter.edition.files import json_schema

    if out is None:
        print_json(json_schema())
        return
    import json

    out.write_text(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"Wrote {out}. With this first line, an edition.yaml tells editors where it is:")
    typer.echo(f"# yaml-language-server: $schema={_as_seen_from_an_edition(out.absolute())}")


def _as_seen_from_an_edition(file: Path) -> str:
    from newsletter.project import find_project

    try:
        root = find_project(Path.cwd())
        return Path(os.path.relpath(file, root / "editions" / "any")).as_posix()
    except (ProjectNotFoundError, ValueError):  # ValueError: on another drive
        return file.as_posix()


def demo(*, project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Compose, check and deliver an edition, into files to open.

    It goes to the example list, by a database and an outbox of its own (outbox/demo/), made anew each time: your own
    list is not touched.
    """
    from newsletter.demo import demonstrate

    result = demonstrate(project)
    if json_:
        print_json(result.as_json())
        return
    remarks = count(result.remarks, "remark") if result.remarks else "no remarks"
    typer.echo(f"Composed and checked «{result.title}» ({remarks}, digest {result.digest[:12]}).")
    typer.echo(f"Delivered it to {count(result.delivered, 'person', 'people')} of the example list:")
    typer.echo(f"  {near(result.outbox)}{os.sep}  one .eml file each, and index.html")
    typer.echo(f"  {near(result.build)}{os.sep}  the page, the text and the message, as anybody would get them")
    typer.echo("\nNext:")
    typer.echo(f"  Open {near(result.build / 'edition.html')} in a browser, or an .eml file in your mail program.")
    typer.echo(f"  Change {near(result.edition_file)} and run this again.")
