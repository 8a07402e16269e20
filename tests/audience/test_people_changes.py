"""One person's changes, merging above all: nothing is lost, and nobody gets an edition twice."""

import io

import pytest
import sqlalchemy as sa

from newsletter.audience.changing import find_both, merge, move, set_details, tag, untag
from newsletter.audience.exporting import attribute_names, guarded, write_csv
from newsletter.audience.history import read_history
from newsletter.audience.lists import people, subscribe, unsubscribe
from newsletter.audience.searching import Search, count_found, find_people
from newsletter.audience.subscribers import Change, Details, find_subscriber, save_subscriber, suppress
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, SuppressionReason, delivery, subscriber, subscriber_tag
from newsletter.errors import AudienceError
from newsletter.expressions import parse_expression
from newsletter.sending import answers, ledger
from newsletter.sending.merging import merge_deliveries
from newsletter.sending.reasons import INCLUDED, count_reasons, explain
from newsletter.sending.senders.protocol import Verdict
from tests.audience.imports import ImportBytes
from tests.database.opened import AGREED, NOW, SECRET, add_people
from tests.ledger.books import new_mailing, planned_mailing, said, take


def person(connection: sa.Connection, email: str, *lists: str, **said: object) -> int:
    made, _ = save_subscriber(connection, Details(email=email, **said), secret=SECRET, now=NOW)  # type: ignore[arg-type]
    for slug in lists:
        subscribe(connection, made, slug, AGREED)
    return made


def merged(connection: sa.Connection, gone: str, kept: str) -> None:
    one, other = find_both(connection, gone, kept)
    merge_deliveries(connection, one.id, other.id)
    merge(connection, one, other)


def test_merging_keeps_what_either_had_and_the_more_cautious_status(database: Database) -> None:
    with database.write() as connection:
        person(connection, "a@example.org", "community", "donors", first_name="Ann", tags=("x",), attributes={"r": "1"})
        kept = person(connection, "b@example.org", "community", country="KE", tags=("y",), attributes={"r": "2"})
        unsubscribe(connection, find_subscriber(connection, "a@example.org").id, "community", now=NOW)
        merged(connection, "a@example.org", "b@example.org")
        found = find_subscriber(connection, "b@example.org")
        history = read_history(connection, found)
    assert (found.id, found.first_name, found.country, found.tags) == (kept, "Ann", "KE", ("x", "y"))
    assert found.attributes == {"r": "2"}
    assert {one.list_slug: str(one.status) for one in history.standings} == {
        "community": "unsubscribed",
        "donors": "active",
    }
    assert len(history.agreements) == 4


@pytest.mark.parametrize("suppressed", ["a@example.org", "b@example.org"])
def test_a_suppression_survives_a_merge(database: Database, suppressed: str) -> None:
    with database.write() as connection:
        person(connection, "a@example.org", "community")
        person(connection, "b@example.org", "community")
        suppress(connection, suppressed, SuppressionReason.COMPLAINED, secret=SECRET, now=NOW)
        merged(connection, "a@example.org", "b@example.org")
        assert list(people(connection, "community")) == []


@pytest.mark.parametrize("sent", [(), (1,), (2,), (1, 2)])
def test_nobody_gets_an_edition_twice_after_a_merge(database: Database, sent: tuple[int, ...]) -> None:
    """Whoever of the two had it already: at most one more message leaves, and none if one has left."""
    with database.write() as connection:
        add_people(connection, 3)
        made = planned_mailing(connection)
        rows = take(connection, made, "w", 2) if sent else []
        answers.record(connection, "w", said([row for row in rows if row in sent], Verdict.ACCEPTED), now=NOW)
        answers.record(connection, "w", said([row for row in rows if row not in sent], Verdict.UNSENT), now=NOW)
        merged(connection, "reader1@example.com", "reader2@example.com")
        counts = ledger.counts(connection, made)
        assert sum(counts.values()) == 3
        assert counts[DeliveryState.ACCEPTED] == len(sent)
        assert counts[DeliveryState.PLANNED] == (1 if sent else 2)
        again = new_mailing(connection)
        assert ledger.plan(connection, again) == 0
        assert connection.scalar(sa.select(sa.func.count()).where(delivery.c.subscriber_id == 1)) == 0


def test_moving_is_refused_where_it_would_undo_a_wish(database: Database) -> None:
    with database.write() as connection:
        for name in ("a", "b", "c"):
            person(connection, f"{name}@example.org")
        suppress(connection, "c@example.org", SuppressionReason.COMPLAINED, secret=SECRET, now=NOW)
        for old, new, why in [
            ("a@example.org", "b@example.org", "merge"),
            ("a@example.org", "c@example.org", "never be mailed"),
            ("c@example.org", "d@example.org", "never be mailed"),
        ]:
            with pytest.raises(AudienceError, match=why):
                move(connection, old, new, secret=SECRET)
        assert move(connection, "a@example.org", "A@example.org", secret=SECRET) is Change.UPDATED
        assert move(connection, "a@example.org", "-n@example.org", secret=SECRET) is Change.UPDATED
        assert find_subscriber(connection, "-n@example.org").id == 1


def test_fields_and_tags_are_set_and_cleared(database: Database) -> None:
    with database.write() as connection:
        person(connection, "a@example.org", country="KE", attributes={"x": "1"}, tags=("t",))
        said = {"country": "", "first_name": " Ann ", "attributes.x": "", "attributes.y": "2"}
        assert set_details(connection, "a@example.org", said) is Change.UPDATED
        assert set_details(connection, "a@example.org", said) is Change.UNCHANGED
        assert tag(connection, "a@example.org", ["u", "t"]) is Change.UPDATED
        assert untag(connection, "a@example.org", ["t"]) is Change.UPDATED
        assert untag(connection, "a@example.org", ["t"]) is Change.UNCHANGED
        found = find_subscriber(connection, "a@example.org")
        with pytest.raises(AudienceError, match="line break"):
            set_details(connection, "a@example.org", {"first_name": "Ann\r\nBcc: all@example.org"})
    assert (found.country, found.first_name, found.attributes, found.tags) == (None, "Ann", {"y": "2"}, ("u",))


def test_people_are_found_by_part_of_address_or_name_a_page_at_a_time(database: Database) -> None:
    with database.write() as connection:
        person(connection, "zoe@example.org", "community", first_name="Élodie", last_name="O'Neil")
        person(connection, "100%_@example.org", "donors", first_name="Percy")
        add_people(connection, 5)
        for text in ("ÉLOD", "o'neil ZOE", "zoe@ex"):
            assert [one.email for one in find_people(connection, Search(text=text))] == ["zoe@example.org"]
        assert [one.first_name for one in find_people(connection, Search(text="0%_"))] == ["Percy"]
        pages, after = [], None
        while page := find_people(connection, Search(list_slug="community"), after=after, limit=2):
            pages += [one.email for one in page]
            after = page[-1].email
        assert pages == [one.email for one in people(connection, "community")]
        assert count_found(connection, Search(list_slug="community", where=parse_expression("last_name"))) == 1


def test_an_exported_cell_is_no_formula(database: Database) -> None:
    with database.write() as connection:
        person(connection, "-n@example.org", first_name="=cmd|' /C calc'!A0", attributes={"a": "@x", "b": "'=y"})
        file = io.StringIO()
        write_csv(find_people(connection, Search()), attribute_names(connection), file)
    assert file.getvalue().splitlines()[1] == "'-n@example.org,'=cmd|' /C calc'!A0,,,,2026-11-22,,'@x,''=y"
    assert guarded("plain") == "plain"


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''+1", "'Ada", "''", "-n", "'@", "a;b", "a, b", '"a"', "[1]", "[", "'[=", 'a"b', "x'=y"]
)
def test_what_an_export_writes_an_import_reads_as_it_was(
    database: Database, import_bytes: ImportBytes, text: str
) -> None:
    """A guard against formulas is taken away, and nothing else; a tag with a separator in it stays one tag."""
    with database.write() as connection:
        person(connection, "-n@example.org", first_name=text, tags=(text, "z"), attributes={"a": text})
        before = list(find_people(connection, Search()))
        file = io.StringIO()
        write_csv(before, attribute_names(connection), file)
        connection.execute(sa.delete(subscriber_tag))
        connection.execute(sa.delete(subscriber))
    import_bytes(file.getvalue(), to_list=None)
    with database.read() as connection:
        (after,) = find_people(connection, Search())
    assert after.person == before[0].person


CHOICES = [None, "tags", 'country == "KE"', 'country != "KE" and not ("b" in tags)']


@pytest.mark.parametrize("where", CHOICES)
def test_who_is_planned_is_who_the_reasons_say_and_the_reasons_add_up(database: Database, where: str | None) -> None:
    chosen = None if where is None else parse_expression(where)
    with database.write() as connection:
        add_people(connection, 30)
        for number in range(1, 31):
            email = f"reader{number}@example.com"
            if number % 2:
                tag(connection, email, ["ab"[number % 4 // 2]])
            if number % 3:
                set_details(connection, email, {"country": "KE"})
            if number % 5 == 0:
                unsubscribe(connection, number, "community", now=NOW)
            if number % 7 == 0:
                suppress(connection, email, SuppressionReason.BOUNCED, secret=SECRET, now=NOW)
        earlier = new_mailing(connection)
        ledger.plan(connection, earlier, parse_expression('email < "reader2"'))
        rows = take(connection, earlier, "w", 3)
        answers.record(connection, "w", said(rows, Verdict.REFUSED), now=NOW)
        told = count_reasons(connection, "community", chosen, "data-sharing")
        why = {n: explain(connection, n, "community", chosen, "data-sharing") for n in range(1, 31)}
        made = new_mailing(connection)
        planned = ledger.plan(connection, made, chosen)
        query = sa.select(delivery.c.subscriber_id).where(delivery.c.mailing_id == made)
        reached = set(connection.scalars(query))
    assert sum(told.values()) == 30
    assert told[INCLUDED] == planned == len(reached)
    assert {n for n, answer in why.items() if answer.included} == reached
    assert {reason: sum(one.reason == reason for one in why.values()) for reason in told} == told
