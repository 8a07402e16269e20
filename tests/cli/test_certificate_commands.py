"""`newsletter mailings certificate` and `verify`: a file that can be checked, and that says when something differs."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.app import Newsletter as App
from newsletter.database.schema import delivery
from tests.cli.conftest import Newsletter


@pytest.fixture
def certified(people: Path, newsletter: Newsletter) -> Path:
    """A project with a mailing that is sent and certified."""
    assert newsletter("send", "welcome", "--list", "community", "--hold", "0", "--yes").code == 0
    said = newsletter("mailings", "certificate", "1", "--out", "it.json")
    assert said.code == 0
    assert "accepted" in said.out
    return people


def test_an_untouched_mailing_is_good(certified: Path, newsletter: Newsletter) -> None:
    said = newsletter("mailings", "verify", "it.json")
    assert said.code == 0
    assert "Good: the ledger of mailing 1 is as it was certified." in said.out
    told = newsletter("mailings", "verify", "it.json", "--json").json
    assert (told["good"], told["problems"]) == (True, [])


def test_a_changed_file_fails(certified: Path, newsletter: Newsletter) -> None:
    file = certified / "it.json"
    file.write_bytes(file.read_bytes().replace(b"accepted", b"refused"))
    said = newsletter("mailings", "verify", "it.json")
    assert said.code == 1
    assert "was changed after it was signed" in said.out


def test_a_dropped_row_fails(certified: Path, newsletter: Newsletter) -> None:
    with App.open(certified).database() as database, database.write() as connection:
        connection.execute(sa.delete(delivery).where(delivery.c.id == 1))
    said = newsletter("mailings", "verify", "it.json")
    assert said.code == 1
    assert "deliveries were certified; the ledger has" in said.out


def test_no_file_is_overwritten_and_a_file_that_is_not_there_is_told(certified: Path, newsletter: Newsletter) -> None:
    again = newsletter("mailings", "certificate", "1", "--out", "it.json")
    assert again.code == 2
    assert "There is a file it.json already." in again.err
    missing = newsletter("mailings", "verify", "another.json")
    assert missing.code == 2
    assert "cannot be read" in missing.err
