"""The command that looks whether everything is in order for sending, and makes the keys that sign."""

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated, Final

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.doctor.diagnosis import Diagnosis
    from newsletter.doctor.doctor import Record

_COLOURS: Final = {
    "good": typer.colors.GREEN,
    "good to know": typer.colors.CYAN,
    "not checked": typer.colors.CYAN,
    "should fix": typer.colors.YELLOW,
    "must fix": typer.colors.RED,
}
_COLUMN: Final = 14
"""Where sentences begin, behind the longest of these words."""


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(doctor)


def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of the network.")] = False,
    dns: Annotated[
        str | None,
        typer.Option("--dns", metavar="ADDRESS", help="Ask this DNS server, like 192.0.2.1 or 192.0.2.1:53."),
    ] = None,
    make_dkim: Annotated[
        bool, typer.Option("--make-dkim", help="Make a key that signs letters (DKIM), and print what to publish.")
    ] = False,
    show_dkim: Annotated[
        bool, typer.Option("--show-dkim", help="Print what to publish for the keys that there are.")
    ] = False,
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="For a new key: your domain; else From's.")
    ] = None,
    selector: Annotated[
        str | None, typer.Option(metavar="NAME", help="For a new key: its name in DNS; else one with the month.")
    ] = None,
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="For a new key: a short one, for a second signature.")
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """See whether all is in order for sending, and what to do.

    Settings, database, sender, the DNS records of your domain, the page for unsubscribing, the clock. Nothing is sent.
    """
    from newsletter.app import Newsletter

    if not make_dkim and (domain or selector or ed25519):
        raise UsageError("--domain, --selector and --ed25519 belong to a new key. Add --make-dkim.")
    if make_dkim and show_dkim:
        raise UsageError("Say --make-dkim or --show-dkim, not both: the first prints what to publish too.")
    door = Newsletter.open(project).doctor
    if make_dkim:
        made = door.make_dkim(domain=domain, selector=selector, kind="ed25519" if ed25519 else "rsa")
        if json_:
            print_json({"file": str(made.path), "record": _as_json(made.record), "settings": made.lines})
            return
        typer.echo(f"Made {near(made.path)}, which only you can read. Never put it into git.")
        _print_record(made.record)
        below = "below [dkim], beside the lines of the first key" if ed25519 else "as a table of its own"
        typer.echo(f"\nWhen it is published, write this into newsletter.toml, {below}:\n")
        for line in made.lines if ed25519 else ["[dkim]", *made.lines]:
            typer.echo(f"  {line}")
        typer.echo("\nThen see that it all fits:  newsletter doctor")
        return
    if show_dkim:
        records = door.dkim_records()
        if json_:
            print_json([_as_json(record) for record in records])
            return
        for record in records:
            _print_record(record)
        return
    lines = door.examine(network=not offline, dns_server=dns)
    _tell(lines, json_=json_, offline=offline)
    if any(line.state == "must fix" for line in lines):
        raise typer.Exit(1)


def _tell(lines: "tuple[Diagnosis, ...]", *, json_: bool, offline: bool) -> None:
    must = sum(line.state == "must fix" for line in lines)
    should = sum(line.state == "should fix" for line in lines)
    if json_:
        print_json({"good": not must, "lines": [line.as_json() for line in lines]})
        return
    width = max(40, min(shutil.get_terminal_size().columns, 100))
    groups = list(dict.fromkeys(line.group for line in lines))
    for group in groups:
        typer.secho(group, bold=True)
        for line in lines:
            if line.group == group:
                _print_line(line, width)
    typer.echo()
    if offline:
        typer.echo("Nothing was asked of the network. Run it again without --offline before you send.")
    if must:
        typer.echo(f"{count(must, 'thing')} must be fixed before you send.")
    elif should:
        typer.echo(f"Ready to send; {count(should, 'thing')} should be better.")
    elif not offline:
        typer.echo("All is well.")


def _print_line(line: "Diagnosis", width: int) -> None:
    """One line, and below it what to do; sentences go on where they began."""
    indent = " " * (_COLUMN + 2)
    room = width - len(indent)
    first, *rest = textwrap.wrap(line.what, room, break_long_words=False, break_on_hyphens=False)
    state = line.state.value
    typer.secho(f"  {state:<{_COLUMN}}", fg=_COLOURS[state], bold=state.endswith("fix"), nl=False)
    typer.echo(first)
    for more in rest:
        typer.echo(f"{indent}{more}")
    for number, more in enumerate(textwrap.wrap(line.fix, room - 2, break_long_words=False, break_on_hyphens=False)):
        typer.echo(f"{indent}{'→ ' if number == 0 else '  '}{more}")


def _print_record(record: "Record") -> None:
    typer.echo("\nPublish this TXT record in the DNS of your domain. Name:\n")
    typer.echo(f"  {record.name}\n")
    typer.echo("Value, without a line break:\n")
    typer.echo(f"  {record.text}")
    if len(record.strings) > 1:
        typer.echo("\nWhere the DNS takes no more than 255 characters at once, in parts:\n")
        typer.echo("  " + " ".join(f'"{part}"' for part in record.strings))


def _as_json(record: "Record") -> dict[str, object]:
    return {"name": record.name, "type": "TXT", "value": record.text, "strings": record.strings, "key": record.kind}
