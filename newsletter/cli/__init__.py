"""The command `newsletter`: one file for each noun, errors as plain sentences, heavy imports only when work starts."""

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from newsletter.cli import (
    archive,
    backup,
    bounces,
    doctor,
    editions,
    forms,
    letters,
    lists,
    mailings,
    project,
    rehearse,
    send,
    serve,
    subscribers,
    test,
    tokens,
    webhooks,
    why,
    worker,
)
from newsletter.errors import (
    AddressError,
    ConfigError,
    EditionNotFoundError,
    EntryNotFoundError,
    ExpressionError,
    FormNotFoundError,
    ListNotFoundError,
    MailingNotFoundError,
    NewsletterError,
    SubscriberNotFoundError,
    UsageError,
)

_DEBUG: Final = "--debug"
_WRONG_USAGE: Final = (
    UsageError,
    ConfigError,
    EditionNotFoundError,
    EntryNotFoundError,
    FormNotFoundError,
    ListNotFoundError,
    MailingNotFoundError,
    SubscriberNotFoundError,
    AddressError,  # in an import it is a refused row, and no error
    ExpressionError,  # in an edition it is a finding, and no error
)

app = typer.Typer(
    name="newsletter",
    help="Compose an edition, see every problem before sending, and send it once, to the right people.",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the whole traceback of an error.")] = False,
) -> None:
    del debug  # `run` has seen it: an error can come before the options are read
    if version:
        from newsletter import __version__

        typer.echo(f"newsletter {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


project.register(app)
editions.register(app)
test.register(app)
rehearse.register(app)
send.register(app)
worker.register(app)
app.add_typer(mailings.app, name="mailings")
app.add_typer(bounces.app, name="bounces")
app.add_typer(subscribers.app, name="subscribers")
app.add_typer(lists.app, name="lists")
backup.register(app)
why.register(app)
doctor.register(app)
serve.register(app)
app.add_typer(forms.app, name="forms")
app.add_typer(letters.app, name="letters")
app.add_typer(archive.app, name="archive")
app.add_typer(tokens.app, name="tokens")
app.add_typer(webhooks.app, name="webhooks")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code.

    0: done; 1: the work found a problem; 2: wrong usage or configuration.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, which is `main` without the end of the process.

    `--debug` may stand anywhere, since people add it at the end; with it an error shows its traceback.
    """
    _survive_small_terminals()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = _DEBUG in given
    try:
        code = app(args=[word for word in given if word != _DEBUG], standalone_mode=False, prog_name="newsletter")
    except typer.Exit as ending:
        return ending.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("\nStopped. Nothing more was done.", err=True)
        return 1
    except BrokenPipeError:  # who read has gone, as `head` does; the streams would complain once more at the end
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        return _tell(error)
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    """Say what went wrong, in a sentence and on the error stream; says which exit code it means."""
    from newsletter.cli.printing import print_error, print_sentence

    if isinstance(error, NewsletterError):
        print_error(error)
        return 2 if isinstance(error, _WRONG_USAGE) else 1
    if isinstance(error, OSError):
        name = f"«{error.filename}»" if error.filename else "A file"
        print_sentence(f"{name} cannot be used: {error.strerror or error}. See that its folder is there and is yours.")
        return 1
    if hasattr(error, "format_message"):  # Click's own, of whose classes Typer shows only some
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help; that is an answer, and no error
            typer.echo(error.format_message())
            return int(getattr(error, "exit_code", 2))
        sentence = _plain(error.format_message().rstrip("."))
        print_sentence(f"{sentence}. See:  {context.command_path if context else 'newsletter'} --help")
        return int(getattr(error, "exit_code", 2))
    # Only what the first line says, and no address in it: what people paste elsewhere must not name their readers.
    said = re.sub(r"\S*@\S+", "…@…", str(error).partition("\n")[0][:200])
    print_sentence(
        f"This should not have happened ({type(error).__name__}: {said}). It is a mistake in the program, not yours. "
        f"Run the same command with {_DEBUG}, and show the people who look after the program what it prints."
    )
    return 1


def _plain(sentence: str) -> str:
    """What is said of a wrong number, in words for people who write none of Python."""
    sentence = re.sub(r"Input should be a valid integer.*", "write a whole number", sentence)
    sentence = re.sub(r"Input should be less than or equal to (-?\d+)", r"\1 is the largest", sentence)
    return re.sub(r"Input should be greater than or equal to (-?\d+)", r"\1 is the smallest", sentence)


def _survive_small_terminals() -> None:
    """Names come in every script; a terminal that cannot show one gets a mark instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
