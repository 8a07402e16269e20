"""The command that tells what became of a mailing: text with bars, JSON, or a page with charts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, near, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.feedback.figures import MailingReport, Share


def report(
    mailing: Annotated[int, typer.Argument(metavar="MAILING", help="The mailing's number.")],
    *,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Tell what became of a mailing, with charts.

    Nobody is named in it, and nobody is followed: it knows nothing of opens and clicks.
    """
    from newsletter.app import Newsletter

    returns = Newsletter.open(project).returns
    if html is not None:
        page = returns.report_page(mailing)
        try:
            html.write_text(page, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"«{html}» cannot be written: {error.strerror}. Choose another file.") from error
        if json_:
            print_json({"mailing": mailing, "file": str(html)})
        else:
            typer.echo(f"Wrote {near(html)}. Open it in a browser.")
        return
    found = returns.report(mailing)
    if json_:
        print_json(found.as_json())
        return
    _tell(found)


def _tell(found: "MailingReport") -> None:
    """The report as text."""
    from newsletter.feedback.figures import percent
    from newsletter.feedback.report_page import STATES, UNTRACKED, compared, notices

    about = found.mailing
    typer.secho(f"Mailing {about.id}: «{about.title}» to {about.list_slug}, {about.state}", bold=True)
    if not found.audience:
        typer.echo("Nothing has left yet.")
        return
    taken = max(found.accepted, 1)
    typer.echo(f"{count(found.audience, 'person', 'people')}, of them")
    _bars([(STATES[state], found.states[state]) for state in STATES if found.states[state]])
    if found.delivered:
        typer.echo(f"  Of {found.delivered:,} the provider says that their own mail server took it.")
    _why("Refused, because", found.refused)
    _why("Dropped by the provider, which says", found.dropped)
    _why("Left out, because", found.left_out)
    if found.bounced:
        typer.echo(f"\n{found.bounced:,} came back ({percent(found.bounced / taken)} of what was accepted)")
        kinds = (("address does not work", found.hard), ("not this time", found.soft), ("not from us", found.policy))
        _bars([each for each in kinds if each[1]])
        _why("Why", found.bounced_why)
        _why("From where", found.bounced_domains)
        whom = "person is" if found.given_up == 1 else "people are"
        typer.echo(f"  {found.given_up:,} {whom} mailed no more because of this mailing.")
    else:
        typer.echo("\nNothing came back.")
    typer.echo(f"\n{found.complaints_in_words}")
    back = f", {found.returned:,} of them came back" if found.returned else ""
    typer.echo(f"{found.unsubscribed:,} left by it ({percent(found.unsubscribed / taken)}){back}.")
    _when(found)
    for notice in notices(found):
        typer.secho(f"\n! {_safe(notice)}", fg=typer.colors.YELLOW)
    if found.earlier:
        typer.echo("\nBefore, to the same list")
        for each in found.earlier:
            typer.echo(f"  {compared(each)}")
    typer.echo(f"\n{UNTRACKED}")


def _when(found: "MailingReport") -> None:
    """What came when, without the stretches in which nothing happened."""
    rows = [(each.what, each.accepted) for each in found.over_time if each.accepted]
    if len(rows) > 1:
        typer.echo("\nAccepted, since it began")
        _bars(rows)
    rows = [
        (each.what, each.bounced + each.complained + each.unsubscribed)
        for each in found.over_time
        if each.bounced or each.complained or each.unsubscribed
    ]
    if rows:
        typer.echo("\nCame back, complained or left, since it began")
        _bars(rows)


def _why(heading: str, shares: "tuple[Share, ...]") -> None:
    if shares:
        typer.echo(f"  {heading}:")
        for each in shares:
            typer.echo(f"    {each.people:>7,}  {_safe(each.what)}")


def _bars(rows: list[tuple[str, int]]) -> None:
    from newsletter.feedback.charts import text_bars

    for line in text_bars(rows, plain=not _shows_blocks()):
        typer.echo(f"  {line}")


def _shows_blocks() -> bool:
    """Whether the terminal's encoding has the characters that bars are made of."""
    try:
        "█▏".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _safe(text: str) -> str:
    """Text of others that does nothing to a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
