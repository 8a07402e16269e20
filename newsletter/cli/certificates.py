"""Commands that certify what became of a mailing, and check such a certificate."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.printing import JsonOption, ProjectOption, count, print_json


def certificate(
    mailing: Annotated[int, typer.Argument(metavar="M", help="The mailing's id.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file to make.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a signed file of what became of a mailing.

    It names nobody, and `verify` can check it later.
    """
    from newsletter.app import Newsletter

    path = out or Path(f"mailing-{mailing}.certificate.json")
    made, fingerprint = Newsletter.open(project).certificates.make(mailing, path)
    if json_:
        print_json({"file": str(path), "fingerprint": fingerprint, "link": made["deliveries"]["link"]})
        return
    typer.echo(
        f"{count(made['deliveries']['rows'], 'delivery', 'deliveries')} of mailing {mailing} are certified in {path}."
    )
    for each in made["counts"]:
        told = f" ({each['reason']})" if each["reason"] else ""
        typer.echo(f"  {each['deliveries']:>9,} {each['state']}{told}")
    typer.echo(f"Signed with the key {fingerprint}")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `newsletter mailings certificate` made.")],
    *,
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare a certificate with its signature and the ledger.

    Ends with exit code 1 if they differ.
    """
    from newsletter.app import Newsletter

    found = Newsletter.open(project).certificates.verify(file)
    if json_:
        print_json({"good": found.good, **dataclasses.asdict(found)})
    else:
        for problem in found.problems:
            typer.echo(problem)
        for note in found.notes:
            typer.echo(note)
        if found.good:
            typer.echo(f"Good: the ledger of mailing {found.mailing} is as it was certified.")
            typer.echo(f"Signed with the key {found.fingerprint}")
    if not found.good:
        raise typer.Exit(1)
