"""Commands that keep all subscribers and the ledger in one file, and bring them back from it."""

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make.")],
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Write people and ledger into one file, checked.

    It is encrypted where NEWSLETTER_BACKUP_PASSPHRASE is set; then the secret key is in it too.
    """
    from newsletter.app import Newsletter

    made = Newsletter.open(project).backups.write(file)
    if json_:
        print_json({"file": str(file), "encrypted": made.encrypted, "secret_key": made.encrypted, "rows": made.rows})
        return
    typer.echo(
        f"{count(made.people, 'person', 'people')} and the ledger are in {file}, which was read again and opens."
    )
    if made.encrypted:
        typer.echo(
            "It is encrypted, and the secret key is in it. Without the passphrase nobody can open it, nor can you."
        )
    else:
        typer.echo(
            "It is not encrypted: whoever has the file can read it. Set NEWSLETTER_BACKUP_PASSPHRASE to encrypt it.\n"
            "The secret key is not in it: keep subscribers/secret.key, or NEWSLETTER_SECRET_KEY, in another safe place."
        )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `newsletter backup` made.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Also where there are people; they are kept in a file.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Bring back what a backup holds, all of it or nothing. What was there before is kept in a file beside it."""
    from newsletter.app import Newsletter

    restored, aside = Newsletter.open(project).backups.restore(file, replace=yes)
    if json_:
        print_json({"file": str(file), "rows": restored.rows, "before": None if aside is None else str(aside)})
        return
    typer.echo(f"{count(restored.people, 'person', 'people')} and the ledger of {restored.made_at:%d %B %Y} are back.")
    if aside is not None:
        typer.echo(f"What was there before is in {aside}. Delete it when you do not need it any more.")
