"""The command that serves the web pages."""

from typing import Annotated

import typer

from newsletter.cli.printing import ProjectOption
from newsletter.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(serve)


def serve(
    *,
    public: Annotated[
        bool, typer.Option("--public", help="The pages for readers: sign up, leave, preferences, archive, forms.")
    ] = False,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Where to listen; [web] host if not given.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port; [web] port if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; more than one wants PostgreSQL.")] = 1,
    project: ProjectOption = None,
) -> None:
    """Serve the public pages until it is stopped.

    It listens on this machine; a web server in front of it does the encryption. It also sends what the pages promise:
    letters with links, and calls of webhooks.
    """
    from newsletter.app import Newsletter
    from newsletter.config.addresses import is_loopback
    from newsletter.web.serving import serve as run

    if not public:
        raise UsageError("Say what to serve:  newsletter serve --public")
    newsletter = Newsletter.open(project)
    if workers > 1 and newsletter.project.database_url.startswith("sqlite"):
        raise UsageError(
            "An SQLite file has one writer at a time, so more processes only wait for one another. Leave --workers "
            "out, or move to PostgreSQL: docs/how-to/use-postgresql.md"
        )
    web = newsletter.project.settings.web
    typer.echo(f"The public pages of {newsletter.project.settings.newsletter.name}:", err=True)
    typer.echo(f"  here      http://{host or web.host}:{port or web.port}/", err=True)
    typer.echo(f"  readers   {newsletter.project.settings.newsletter.base_url}/", err=True)
    if not is_loopback(host or web.host):
        typer.echo(
            f"Careful: on {host or web.host} it listens for other machines too, and without encryption. Let a web "
            "server in front do the encryption, and a firewall keep others away from this port: docs/how-to/deploy.md",
            err=True,
        )
    if not any(each.sign_up for each in newsletter.project.settings.lists.values()):
        typer.echo(
            "Nobody can sign up yet, so there is no /subscribe: write sign_up = true under a list in newsletter.toml: "
            "docs/how-to/let-people-sign-up.md",
            err=True,
        )
    typer.echo("Stop it with Ctrl-C.", err=True)
    run(newsletter, host=host, port=port, workers=workers)
