"""The command `newsletter`: one file for each noun, errors as plain sentences, heavy imports only when work starts."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from newsletter.cli import backup, editions, mailings, project, send, subscribers, why
from newsletter.errors import ConfigError, EditionNotFoundError, ListNotFoundError, NewsletterError, UsageError

_DEBUG: Final = "--debug"

app = typer.Typer(
    name="newsletter",
    help="Compose an edition, see every problem before sending, and send it once, to the right people.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the whole traceback of an error.")] = False,
) -> None:
    del debug  # `run` has seen it: an error can come before the options are read
    if version:
        from newsletter import __version__

        typer.echo(f"newsletter {__version__}")
        raise typer.Exit


project.register(app)
editions.register(app)
send.register(app)
app.add_typer(mailings.app, name="mailings")
app.add_typer(subscribers.app, name="subscribers")
subscribers.register(app)
backup.register(app)
why.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code.

    0: done; 1: the work found a problem; 2: wrong usage or configuration.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:  # noqa: PLR0911 each kind of ending has its exit code
    """Run the command and return its exit code, which is `main` without the end of the process."""
    from newsletter.cli.printing import print_error

    _speak_utf8()
    debug = _DEBUG in (sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False, prog_name="newsletter")
    except NewsletterError as error:
        if debug:
            raise
        print_error(error)
        wrong_usage = (ConfigError, UsageError, EditionNotFoundError, ListNotFoundError)
        return 2 if isinstance(error, wrong_usage) else 1
    except typer.Exit as ending:
        return ending.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("Stopped. Nothing more was done.", err=True)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        if debug:
            raise
        typer.echo(f"Error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        return 1
    except Exception as error:
        # Click's own usage errors know how to show themselves and which exit code they mean.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _speak_utf8() -> None:
    """Names come in every script; a terminal that cannot show one gets a mark instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
