"""The command that says why somebody gets an edition or not, by the conditions that plan the mailing."""

from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, print_json, print_table
from newsletter.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command()(why)


def why(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[EMAIL] [SLUG]", help="A person, an edition; without a person, all.")
    ] = None,
    *,
    list_: Annotated[str | None, typer.Option("--list", metavar="LIST", help="Of this list.")] = None,
    where: Annotated[str | None, typer.Option(metavar="EXPR", help="With this condition.")] = None,
    segment: Annotated[str | None, typer.Option(metavar="NAME", help="With this saved segment.")] = None,
    mailing: Annotated[int | None, typer.Option(metavar="MAILING", help="In this mailing, which is frozen.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Say whether a person gets an edition, and why.

    Without a person, count the reasons of the whole list.
    """
    from newsletter.app import Newsletter

    email, slug = _parts(names or [])
    newsletter = Newsletter.open(project)
    door = newsletter.subscribers
    if mailing is not None:
        if email is None or list_ or where or segment or slug:
            raise UsageError("With --mailing say a person and nothing else: newsletter why EMAIL --mailing 3")
        answer, what = door.why_of_mailing(email, mailing), f"mailing {mailing}"
    else:
        if list_ is None:
            raise UsageError("Say of which list: --list LIST, or in which mailing: --mailing MAILING")
        if slug is not None:
            newsletter.project.edition_file(slug)
        if email is None:
            _tell_all(door.reasons(list_slug=list_, where=where, segment=segment, edition=slug), json_=json_)
            return
        answer = door.why(email, list_slug=list_, where=where, segment=segment, edition=slug)
        what = "an edition" if slug is None else f"«{slug}»"
    if json_:
        print_json({"email": email, "included": answer.included, "reason": answer.reason, "words": answer.words})
        return
    verb = "is part of" if mailing is not None else "gets"
    denied = "is not part of" if mailing is not None else "does not get"
    typer.echo(f"{email} {verb if answer.included else denied} {what}: {answer.words}.")


def _parts(names: list[str]) -> tuple[str | None, str | None]:
    """The person and the edition among what was said; an address has an @, and the name of an edition has none."""
    emails, slugs = [name for name in names if "@" in name], [name for name in names if "@" not in name]
    if len(emails) > 1 or len(slugs) > 1:
        raise UsageError("Say one person and one edition at most.")
    return next(iter(emails), None), next(iter(slugs), None)


def _tell_all(counts: dict[str, int], *, json_: bool) -> None:
    from newsletter.sending.reasons import WORDS

    total = sum(counts.values())
    if json_:
        print_json({"list": total, "reasons": counts})
        return
    rows = [(f"{number:,}", reason, WORDS[reason]) for reason, number in counts.items()]
    print_table(("people", "reason", ""), [*rows, (f"{total:,}", "on the list in all", "")])
