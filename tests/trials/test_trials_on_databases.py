"""Test sends and rehearsals read the project's people wherever they are kept."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.database.connection import open_database
from newsletter.database.schema import metadata
from tests.cli.conftest import Newsletter
from tests.trials.looking import fields, letters


def everything(url: str) -> dict[str, list[str]]:
    with open_database(url) as database, database.read() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in metadata.sorted_tables
        }


def test_both_leave_the_database_as_it_was(
    project: Path, newsletter: Newsletter, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", database_url)
    people = project / "people.csv"
    people.write_text(
        "email,first_name,country,tags,role\nada@example.com,Ada,KE,researcher;donor,editor\n"
        "zoë@example.com,Zoë,,,\nmei@example.com,美玲,TW,,\n",
        encoding="utf-8",
    )
    assert newsletter("subscribers", "import", people, "--list", "community").code == 0
    before = everything(database_url)
    assert newsletter("test", "welcome", "--to", "a@example.org", "--as", "ada@example.com").code == 0
    (content,) = letters(project, test=True)
    assert dict(fields(content))["Subject"] == "[Test] Welcome, Ada"
    said = newsletter("rehearse", "welcome", "--list", "community", "--json")
    assert said.code == 0, said.err
    assert (said.json["people"], said.json["messages"]) == (3, 3)
    variants = {tuple(each["conditions"]): each["people"] for each in said.json["variants"]}
    assert variants == {(): 2, ('"researcher" in tags',): 1}
    assert everything(database_url) == before
