"""Importing a CSV file: each row for itself, nothing shifts, nobody is revived, twice is once."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.importing import CsvImport, ImportCounts, RowOutcome
from newsletter.audience.lists import people, unsubscribe
from newsletter.audience.subscribers import find_subscriber, suppress
from newsletter.database.connection import Database
from newsletter.database.schema import SuppressionReason, consent_record, subscriber
from newsletter.errors import AudienceError, ListNotFoundError
from tests.database.opened import NOW, SECRET


@pytest.fixture
def import_text(database: Database, tmp_path: Path):
    def run(text: str | bytes, to_list: str | None = "community") -> tuple[ImportCounts, list[RowOutcome]]:
        path = tmp_path / "people.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        outcomes: list[RowOutcome] = []
        with database.write() as connection:
            counts = CsvImport(connection=connection, to_list=to_list, secret=SECRET, now=NOW).run(
                path, outcomes.append
            )
        return counts, outcomes

    return run


def addresses(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(subscriber.c.email).order_by(subscriber.c.id)))


EXAMPLE = """\
email,first_name,last_name,language,country,joined,tags,attributes.team
ada@example.com,Ada,Lovelace,en,GB,2026-01-31,"researcher; ngo",Analysis
 wanjiru@example.org ,Wanjirũ,,sw,ke,,donor,
\u0645\u0631\u064a\u0645@example.net,مريم,,ar,,,,
"""


def test_every_column_arrives(database: Database, import_text) -> None:
    counts, outcomes = import_text(EXAMPLE)
    assert counts == ImportCounts(3, 0, 0, 0)
    assert [outcome.line for outcome in outcomes] == [2, 3, 4]
    with database.read() as connection:
        ada = find_subscriber(connection, "ada@example.com").person
        wanjiru = find_subscriber(connection, "wanjiru@example.org").person
        on_list = [person.email for person in people(connection, "community")]
        proofs = connection.execute(sa.select(consent_record.c.wording, consent_record.c.method)).all()
    assert (str(ada["joined"]), ada["tags"], ada["attributes"]) == (
        "2026-01-31",
        ("ngo", "researcher"),
        {"team": "Analysis"},
    )
    assert (wanjiru["first_name"], wanjiru["last_name"], wanjiru["country"]) == ("Wanjirũ", None, "KE")
    assert on_list == ["ada@example.com", "wanjiru@example.org", "مريم@example.net"]
    assert proofs == [("imported from people.csv", "import")] * 3


@pytest.mark.parametrize(
    "change", [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n"), lambda b: b.rstrip()]
)
def test_byte_order_mark_line_ends_and_a_missing_last_one_do_not_matter(
    database: Database, import_text, change
) -> None:
    assert import_text(change(EXAMPLE.encode()))[0] == ImportCounts(3, 0, 0, 0)
    assert addresses(database)[0] == "ada@example.com"


def test_importing_again_changes_nothing(database: Database, import_text) -> None:
    import_text(EXAMPLE)
    assert import_text(EXAMPLE)[0] == ImportCounts(0, 0, 3, 0)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(consent_record)) == 3


def test_without_a_list_only_details_are_kept(database: Database, import_text) -> None:
    assert import_text(EXAMPLE, None)[0] == ImportCounts(3, 0, 0, 0)
    assert import_text(EXAMPLE)[0] == ImportCounts(0, 3, 0, 0), "on the list now, which is a change"


def test_the_same_person_twice_in_a_file_is_one_person(database: Database, import_text) -> None:
    counts, _ = import_text("email,first_name\nada@example.com,Ada\nADA@EXAMPLE.COM,Augusta\nada@example.com,Augusta\n")
    assert counts == ImportCounts(1, 1, 1, 0)
    assert addresses(database) == ["ada@example.com"]


def test_each_bad_row_is_told_with_its_line_and_costs_nobody_else(database: Database, import_text) -> None:
    rows = [
        b"email,first_name,tags",
        b"good1@example.com,Ann,a",
        b"not an address,Ann,a",
        b"few@example.com,Ann",
        b"many@example.com,Ann,a,b",
        b"",
        b'open@example.com,"Ann,a',
        b"latin@example.com,Jos\xe9,a",
        b"",
        b'good2@example.com,"An\nn",a',
        b'odd@example.com,"An"n,a',
        b'good3@example.com,"Ann, the ""second""",a',
        b"nul@example.com,A\x00n,a",
        b"long@example.com," + b"n" * 200_000 + b",a",
        b"good4@example.com,Ann,a",
    ]
    counts, outcomes = import_text(b"\n".join(rows))
    refused = {outcome.line: outcome.reason for outcome in outcomes if outcome.change is None}
    assert {line: reason[:30] for line, reason in refused.items()} == {
        3: "«not an address» is not an ema",
        4: "The row has 2 cells, and there",
        5: "The row has 4 cells, and there",
        7: 'A quote (") stands where none ',
        8: "The row is not UTF-8. Save the",
        10: "first_name has a line break or",
        12: 'A quote (") stands where none ',
        14: "first_name has a line break or",
        15: "The line is longer than 100000",
    }
    assert addresses(database) == ["good1@example.com", "good3@example.com", "good4@example.com"]
    assert counts == ImportCounts(3, 0, 0, 9)
    with database.read() as connection:
        assert find_subscriber(connection, "good3@example.com").first_name == 'Ann, the "second"'


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(database: Database, import_text) -> None:
    rest = [f"p{number}@example.com,N" for number in range(100)]
    counts, outcomes = import_text("\n".join(["email,first_name", 'bad@example.com,"N', *rest]))
    assert counts == ImportCounts(100, 0, 0, 1)
    assert outcomes[0].line == 2
    assert [outcome.line for outcome in outcomes] == list(range(2, 103))


def test_who_left_or_must_never_be_mailed_is_refused_and_not_touched(database: Database, import_text) -> None:
    import_text("email,first_name\nada@example.com,Ada\n")
    with database.write() as connection:
        unsubscribe(connection, 1, "community", now=NOW)
        suppress(connection, "eve@example.com", SuppressionReason.COMPLAINED, secret=SECRET, now=NOW)
    counts, outcomes = import_text("email,first_name\nADA@example.com,New\nEve@Example.com,Eve\nbob@example.com,Bob\n")
    assert counts == ImportCounts(1, 0, 0, 2)
    assert [outcome.reason[:30] for outcome in outcomes] == [
        "This person left the list «com",
        "Eve@example.com must never be ",
        "",
    ]
    with database.read() as connection:
        assert find_subscriber(connection, "ada@example.com").first_name == "Ada"
        assert [person.email for person in people(connection, "community")] == ["bob@example.com"]


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("", "The file is empty"),
        ("first_name,last_name", "There is no column «email»"),
        ("email,Frist name", "Did you mean first_name"),
        ("email,email", "«email» is there twice"),
        ("email,shoe size", r"Write attributes\.<name>"),
        ("email,attributes.", r"«attributes\.» is not known"),
        ("email;first_name", "«email;first_name» is not known"),
        ('email,"first_name', "a quote"),
    ],
)
def test_a_file_whose_columns_are_not_known_is_refused_whole(
    database: Database, import_text, header: str, sentence: str
) -> None:
    with pytest.raises(AudienceError, match=f"(?i){sentence}"):
        import_text(f"{header}\nada@example.com,Ada\n" if header else "")
    assert addresses(database) == []


def test_all_problems_of_a_header_are_told_at_once(import_text) -> None:
    with pytest.raises(AudienceError) as raised:
        import_text("e-mail,frist_name,frist_name\n")
    assert [finding.rule for finding in raised.value.findings] == [
        "unknown-column",
        "unknown-column",
        "duplicate-column",
        "missing-column",
    ]
    assert {(finding.file, finding.line) for finding in raised.value.findings} == {("people.csv", 1)}


def test_a_missing_file_or_list_is_a_sentence(database: Database, import_text, tmp_path: Path) -> None:
    with pytest.raises(ListNotFoundError):
        import_text(EXAMPLE, "comunity")
    with database.write() as connection, pytest.raises(AudienceError, match="cannot be read"):
        CsvImport(connection=connection, to_list=None, secret=SECRET, now=NOW).run(tmp_path / "none.csv")


def test_memory_does_not_grow_with_the_file(database: Database, tmp_path: Path) -> None:
    peaks = []
    for count in (20, 120):
        path = tmp_path / "people.csv"
        path.write_text("email,first_name\n" + "".join(f"p{n}@example.com,{'N' * 100}\n" for n in range(count)))
        tracemalloc.start()
        with database.write() as connection:
            CsvImport(connection=connection, to_list="community", secret=SECRET, now=NOW).run(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 100_000


CELL = st.text(st.sampled_from('ab",;\n\r @.é'), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_what_a_csv_writer_wrote_is_read_with_no_cell_shifted(database: Database, import_text, rows) -> None:
    """Whatever stands in the rows between, the good ones arrive whole, and all rows are accounted for."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["email", "first_name"])
    for number, (email, name) in enumerate(rows):
        writer.writerow([email, name])
        writer.writerow([f"good{number}@example.com", "Good"])
    counts, outcomes = import_text(file.getvalue())
    good = [outcome for outcome in outcomes if outcome.change is not None]
    assert len(good) >= len(rows)
    assert counts.new + counts.updated + counts.unchanged + counts.refused == len(outcomes)
    with database.read() as connection:
        for number in range(len(rows)):
            assert find_subscriber(connection, f"good{number}@example.com").first_name == "Good"
