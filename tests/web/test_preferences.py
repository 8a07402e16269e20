"""Choosing: lists, name, language, a pause; with the link of a message, which may be a forwarded one (items 32, 92)."""

import base64
import datetime as dt
import re

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.subscribers import suppress
from newsletter.database.outside import event, letter
from newsletter.database.schema import SuppressionReason, consent_record, list_, subscriber
from newsletter.sending.testing import TrialSigner, trial_number
from newsletter.tokens import Signer
from tests.web.served import Project

ADA = "reader@example.org"


def link(here: Project, person: int, slug: str = "community") -> str:
    signer = Signer(here.newsletter.project.secret_key())
    return "/p/" + signer.sign("preferences", person, here.list_id(slug), 7)


def save(client: TestClient, where: str, *, was: list[str], lists: list[str], status: int = 200, **more: str) -> str:
    """Save the form as a browser does."""
    answer = client.post(where, data={"do": "save", "was": was, "list": lists, "pause": "keep", **more})
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def paused_until(here: Project) -> dt.datetime | None:
    return here.newsletter.subscribers.history(ADA).paused_until


def test_lists_are_left_and_joined_with_the_proof_of_it(project: Project) -> None:
    person = project.add_person(ADA, "community", "donors")
    where = link(project, person)
    with project.client() as client:
        page = client.get(where).text
        assert re.findall(r'name="list" value="(\w+)"( checked)?>', page) == [
            ("community", " checked"),
            ("donors", " checked"),
            ("events", ""),
        ]
        saved = save(client, where, was=["community", "donors"], lists=["community", "events"])
        assert "You are on the list “Events”." in saved
        assert "You are off the list “Donors”." in saved
        undo = re.search(r'name="undo" value="([^"]+)"', saved)
        assert undo is not None
        assert project.status(ADA, "donors") == "unsubscribed"
        assert "“Donors”" in client.post(where, data={"do": "undo", "undo": undo[1]}).text
    assert [project.status(ADA, slug) for slug in ("community", "donors", "events")] == ["active"] * 3
    with project.newsletter.database() as database, database.read() as connection:
        said = sa.select(list_.c.slug, consent_record.c.method, consent_record.c.wording).join(list_)
        rows = [tuple(row) for row in connection.execute(said.order_by(consent_record.c.id))]
        kinds = list(connection.scalars(sa.select(event.c.kind).order_by(event.c.id)))
    assert ("events", "form", "Ticked “Events” on the page of choices and saved it.") in rows
    assert kinds == ["unsubscribed", "returned"]


def test_who_left_comes_back_by_their_own_wish(here: Project) -> None:
    person = here.add_person(ADA, "community", "events")
    here.newsletter.subscribers.unsubscribe(ADA, "events")
    with here.client() as client:
        save(client, link(here, person), was=["community"], lists=["community", "events"])
    assert here.status(ADA, "events") == "active"


def test_only_open_lists_are_joined_and_an_old_page_changes_nothing_else(here: Project) -> None:
    """`donors` is not for everybody; and a list that came on since the page was opened stays."""
    person = here.add_person(ADA, "community")
    with here.client() as client:
        assert "Donors" not in client.get(link(here, person)).text
        save(client, link(here, person), was=["community"], lists=["community", "donors", "nothing", "../x"])
        assert here.status(ADA, "donors") is None
        here.add_person(ADA, "events")
        save(client, link(here, person), was=["community"], lists=["community"])
    assert here.status(ADA, "events") == "active"


def test_nobody_joins_whose_address_must_not_be_mailed(here: Project) -> None:
    person = here.add_person(ADA, "community")
    with here.newsletter.database() as database, database.write() as connection:
        secret, now = here.newsletter.project.secret_key(), here.clock.now
        suppress(connection, ADA, SuppressionReason.COMPLAINED, secret=secret, now=now)
    with here.client() as client:
        assert "gets no messages" in client.get(link(here, person)).text
        save(client, link(here, person), was=[], lists=["events"])
    assert here.status(ADA, "events") is None


@pytest.mark.parametrize("status", ["bounced", "complained"])
def test_a_list_that_bounced_is_not_joined_again_by_a_tick(here: Project, status: str) -> None:
    person = here.add_person(ADA, "community")
    here.add_person(ADA, "events", status=status)
    with here.client() as client:
        assert 'value="events"' not in client.get(link(here, person)).text
        save(client, link(here, person), was=["community"], lists=["community", "events"])
    assert here.status(ADA, "events") == status


def test_the_page_shows_nothing_of_the_reader_to_whom_it_was_forwarded(here: Project) -> None:
    person = here.add_person(ADA, "community", first_name="Ada", last_name="Lovelace", country="KE")
    with here.client() as client:
        page = client.get(link(here, person)).text
        assert "r•••@e••••••.org" in page
        assert not re.search(r"reader@|Ada|Lovelace|KE", page)
        assert not re.search(r"Ada|Lovelace", save(client, link(here, person), was=[], lists=[], first_name="Grace"))


def test_names_are_set_and_empty_ones_keep_what_is_there(here: Project) -> None:
    person = here.add_person(ADA, "community", first_name="Ada", last_name="Lovelace")
    with here.client() as client:
        saved = save(client, link(here, person), was=["community"], lists=["community"], first_name=" Grace ")
        assert "Your name was changed." in saved
        wrong = save(client, link(here, person), was=[], lists=["events"], last_name="x" * 201, status=422)
        assert 'aria-invalid="true" aria-describedby="last_name-problem"' in wrong
        assert 'href="#last_name"' in wrong
        assert "<b>" not in save(client, link(here, person), was=[], lists=[], first_name="<b>", until="x", status=422)
    kept = here.newsletter.subscriber(ADA)
    assert (kept.first_name, kept.last_name) == ("Grace", "Lovelace")
    assert here.status(ADA, "events") is None  # all or nothing


def test_a_language_that_there_are_no_words_for_is_not_taken(here: Project) -> None:
    person = here.add_person(ADA, "community")
    with here.client() as client:
        save(client, link(here, person), was=[], lists=[], language="zz")
        assert here.newsletter.subscriber(ADA).language is None
        assert "Your language was changed." in save(client, link(here, person), was=[], lists=[], language="en")
    assert here.newsletter.subscriber(ADA).language == "en"


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ({"pause": "1"}, dt.datetime(2026, 12, 23, tzinfo=dt.UTC)),
        ({"pause": "6"}, dt.datetime(2027, 5, 23, tzinfo=dt.UTC)),
        ({"pause": "day", "until": "2027-02-01"}, dt.datetime(2027, 2, 1, tzinfo=dt.UTC)),
        ({"pause": "keep", "until": "2027-02-01"}, dt.datetime(2027, 2, 1, tzinfo=dt.UTC)),
        ({"pause": "keep"}, None),
        ({"pause": "end"}, None),
        ({"pause": "nonsense"}, None),
    ],
)
def test_a_pause_is_chosen(here: Project, said: dict[str, str], until: dt.datetime | None) -> None:
    person = here.add_person(ADA, "community")
    with here.client() as client:
        saved = save(client, link(here, person), was=["community"], lists=["community"], **said)
    assert paused_until(here) == until
    assert ("No messages until" in saved) == (until is not None)
    assert here.status(ADA) == "active"


def test_a_pause_is_ended_and_not_by_chance(here: Project) -> None:
    person = here.add_person(ADA, "community")
    with here.client() as client:
        where = link(here, person)
        save(client, where, was=[], lists=[], pause="3")
        save(client, where, was=[], lists=[], first_name="Ada")
        assert paused_until(here) is not None
        assert "Messages come as usual." in save(client, where, was=[], lists=[], pause="end")
    assert paused_until(here) is None


@pytest.mark.parametrize("day", ["", "2026-11-23", "2020-01-01", "9999-12-31", "0001-01-01", "1.2.2027", "2027-02-30"])
def test_a_day_that_cannot_be_is_told(here: Project, day: str) -> None:
    person = here.add_person(ADA, "community")
    with here.client() as client:
        wrong = save(client, link(here, person), was=[], lists=[], pause="day", until=day, status=422)
    assert 'href="#until"' in wrong
    assert paused_until(here) is None


def test_a_test_link_shows_the_page_and_never_acts(here: Project) -> None:
    person = here.add_person(ADA, "community")
    trial = TrialSigner(here.newsletter.project.secret_key())
    where = "/p/" + trial.sign("preferences", person, here.list_id(), trial_number(here.clock.now))
    before = here.rows()
    with here.client() as client:
        for answer in (
            client.get(where),
            client.post(where, data={"do": "save", "was": "community", "pause": "1", "first_name": "X"}),
            client.post(where, data={"do": "link"}),
        ):
            assert answer.status_code == 200
            assert "test message" in answer.text
            assert "•" not in answer.text
    assert here.rows() == before


def test_a_link_to_see_everything_comes_by_letter_a_few_times_a_day(here: Project) -> None:
    person = here.add_person(ADA, "community")
    with here.client() as client:
        answers = {client.post(link(here, person), data={"do": "link"}).text for _ in range(5)}
    assert len(answers) == 1
    with here.newsletter.database() as database, database.read() as connection:
        assert list(connection.scalars(sa.select(letter.c.kind))) == ["access"] * 3


def test_getting_changes_nothing_and_a_changed_token_finds_nothing(here: Project) -> None:
    person = here.add_person(ADA, "community", "events")
    where = link(here, person)
    good = where.removeprefix("/p/")
    raw = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4))
    signer = Signer(here.newsletter.project.secret_key())
    before = here.rows()
    with here.client() as client:
        for _ in range(5):
            assert client.get(where).status_code == client.head(where).status_code == 200
        for token in (
            signer.sign("unsubscribe", person, here.list_id(), 7),
            signer.sign("access", person, 1),
            signer.sign("preferences", person),
            good[:-2],
        ):
            assert client.post(f"/p/{token}", data={"do": "save", "was": "community"}).status_code == 404

        @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(st.integers(0, len(raw) * 8 - 1))
        def tried(bit: int) -> None:
            flipped = bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(raw))
            token = base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
            assert client.post(f"/p/{token}", data={"do": "save", "was": "community"}).status_code == 404

        tried()
    assert here.rows() == before


def test_after_erasure_the_page_knows_nobody(here: Project) -> None:
    where = link(here, here.add_person(ADA, "community"))
    here.newsletter.erase_person(ADA)
    before = here.rows()
    with here.client() as client:
        assert "not known here any more" in client.get(where).text
        assert client.post(where, data={"do": "save", "list": "events", "first_name": "X"}).status_code == 200
    assert here.rows() == before
    with here.newsletter.database() as database, database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(subscriber)) == 0
