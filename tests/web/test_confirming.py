"""The link to confirm: looking changes nothing, the button works once, and no other token ever acts."""

import datetime as dt
import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.consent import LASTS, confirmation
from newsletter.audience.lists import mailable
from newsletter.audience.subscribers import suppress
from newsletter.database.outside import letter, webhook, webhook_call
from newsletter.database.schema import SuppressionReason, consent_record
from newsletter.sending.testing import TrialSigner
from newsletter.tokens import Signer
from tests.web.served import Project

ANN = "ann@example.org"


def asked(project: Project, *lists: str, email: str = ANN) -> str:
    """Sign up; the token of the message."""
    chosen = {slug: f"Send me {slug}." for slug in lists or ("community",)}
    project.newsletter.sign_ups.ask(email, chosen, language="en", network="192.0.2.0/24")
    with project.newsletter.database() as database, database.read() as connection:
        newest = connection.execute(sa.select(letter).order_by(letter.c.id.desc()).limit(1)).one()
        ids = [int(each) for each in newest.details["lists"].split()]
        return confirmation(connection, newest.subscriber_id, ids, signer(project), now=project.clock.now)


def signer(project: Project) -> Signer:
    return Signer(project.newsletter.project.secret_key())


def test_looking_fifty_times_changes_nothing_and_the_button_puts_them_on_the_list(project: Project) -> None:
    """Checklist item 93."""
    token = asked(project)
    before = project.rows()
    with project.client() as client:
        for number in range(50):
            page = client.get(f"/confirm/{token}") if number % 2 else client.head(f"/confirm/{token}")
            assert page.status_code == 200
        assert "Please confirm" in page.text
        assert "Stories, about once a month." in page.text
        assert page.headers["cache-control"] == "no-store"
        assert project.rows() == before
        done = client.post(f"/confirm/{token}")
        assert "You are on the list" in done.text
        assert "/p/" in done.text
        assert project.status(ANN) == "active"
        after = project.rows()
        for again in (client.post(f"/confirm/{token}"), client.get(f"/confirm/{token}")):
            assert again.status_code == 200
            assert "You are on the list" in again.text
    assert project.rows() == after
    agreements = project.newsletter.subscribers.history(ANN).agreements
    assert [(one.method, one.wording) for one in agreements] == [
        ("form", "Send me community."),
        ("confirm", "Send me community."),
    ]
    with project.newsletter.database() as database, database.read() as connection:
        assert list(connection.scalars(mailable(project.list_id()))) == [project.newsletter.subscriber(ANN).id]
        assert all(len(origin) == 32 for origin in connection.scalars(sa.select(consent_record.c.origin)))


def test_one_link_confirms_all_lists_of_one_form(here: Project) -> None:
    token = asked(here, "events", "community")
    with here.client() as client:
        assert client.get(f"/confirm/{token}").text.count("<strong>") == 2
        client.post(f"/confirm/{token}")
    assert (here.status(ANN), here.status(ANN, "events")) == ("active", "active")


def test_both_links_of_two_messages_work_until_one_is_used(here: Project) -> None:
    first = asked(here)
    here.clock.pass_(days=2)
    second = asked(here)
    assert first != second
    with here.client() as client:
        assert "Please confirm" in client.get(f"/confirm/{second}").text
        assert "You are on the list" in client.post(f"/confirm/{first}").text
        assert "You are on the list" in client.post(f"/confirm/{second}").text
    assert len(here.newsletter.subscribers.history(ANN).agreements) == 2


def test_who_left_is_back_once_they_confirm(project: Project) -> None:
    project.add_person(ANN, "community")
    project.newsletter.subscribers.unsubscribe(ANN, "community")
    project.clock.pass_(days=3)
    token = asked(project)
    with project.client() as client:
        client.get(f"/confirm/{token}")
        assert project.status(ANN) == "unsubscribed"
        client.post(f"/confirm/{token}")
        assert project.status(ANN) == "active"
        project.newsletter.subscribers.unsubscribe(ANN, "community")
        gone = client.post(f"/confirm/{token}")
    assert gone.status_code == 410
    assert "used already" in gone.text
    assert "/subscribe" in gone.text
    assert project.status(ANN) == "unsubscribed"


def test_who_leaves_before_they_confirm_has_left(here: Project) -> None:
    token = asked(here)
    here.newsletter.subscribers.unsubscribe(ANN, "community")
    with here.client() as client:
        assert client.post(f"/confirm/{token}").status_code == 410
    assert here.status(ANN) == "unsubscribed"


def test_who_must_not_be_mailed_any_more_cannot_confirm(here: Project) -> None:
    token = asked(here)
    with here.newsletter.database() as database, database.write() as connection:
        secret = here.newsletter.project.secret_key()
        suppress(connection, ANN, SuppressionReason.COMPLAINED, secret=secret, now=here.clock.now)
    with here.client() as client:
        assert client.post(f"/confirm/{token}").status_code == 410
    assert here.status(ANN) == "pending"


def test_a_link_of_somebody_erased_is_of_no_use(here: Project) -> None:
    token = asked(here)
    here.newsletter.erase_person(ANN)
    before = here.rows()
    with here.client() as client:
        assert client.get(f"/confirm/{token}").status_code == 410
        assert client.post(f"/confirm/{token}").status_code == 410
    assert here.rows() == before


def test_a_link_that_is_too_old_offers_to_sign_up_again(here: Project) -> None:
    token = asked(here)
    here.clock.now += LASTS
    before = here.rows()
    with here.client() as client:
        for answer in (client.get(f"/confirm/{token}"), client.post(f"/confirm/{token}")):
            assert answer.status_code == 404
            assert "works for 7 days" in answer.text
            assert 'href="/subscribe"' in answer.text
    assert here.rows() == before


def test_a_test_link_shows_that_it_is_one_and_never_acts(here: Project) -> None:
    asked(here)
    with here.newsletter.database() as database, database.read() as connection:
        person = here.newsletter.subscriber(ANN).id
        trial = TrialSigner(here.newsletter.project.secret_key())
        token = confirmation(connection, person, [here.list_id()], trial, now=here.clock.now)
    before = here.rows()
    with here.client() as client:
        for answer in (client.get(f"/confirm/{token}"), client.post(f"/confirm/{token}")):
            assert answer.status_code == 200
            assert "This is a test link" in answer.text
            assert "<form" not in answer.text
    assert here.rows() == before


def test_other_programs_are_told(here: Project) -> None:
    token = asked(here, "community", "events")
    with here.newsletter.database() as database, database.write() as connection:
        hook = {"url": "https://hooks.example.org/", "kinds": ["subscriber.confirmed"], "created_at": here.clock.now}
        connection.execute(sa.insert(webhook).values(hook))
    with here.client() as client:
        client.get(f"/confirm/{token}")
        client.post(f"/confirm/{token}")
        client.post(f"/confirm/{token}")
    with here.newsletter.database() as database, database.read() as connection:
        [call] = connection.execute(sa.select(webhook_call)).all()
    person = here.newsletter.subscriber(ANN).id
    assert call.subscriber_id == person
    told = json.loads(call.body)["data"]
    assert told == {"subscriber": person, "lists": ["community", "events"], "how": "confirmed"}


@pytest.fixture
def forger(here: Project) -> Iterator[tuple[Project, TestClient, str]]:
    token = asked(here)
    with here.client() as client:
        yield here, client, token


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_token_changes_anything(forger: tuple[Project, TestClient, str], data: st.DataObject) -> None:
    """Checklist item 135: flipped, cut, made for something else, grown old, or made up."""
    project, client, token = forger
    sign, now = signer(project).sign, project.clock.now
    ids = signer(project).read("confirm", token, now=now)
    at = data.draw(st.integers(0, len(token) - 1))
    purposes = st.sampled_from(["unsubscribe", "preferences", "access", "erase", "undo", "form-subscribe"])
    forged = data.draw(
        st.one_of(
            st.sampled_from("AZaz09-_").map(lambda c: token[:at] + c + token[at + 1 :]).filter(lambda t: t != token),
            st.just(token[:at]),
            st.just(token + "A"),
            st.text("AZaz09-_", min_size=1, max_size=60),
            purposes.map(lambda p: sign(p, *ids, expires=now + dt.timedelta(days=1))),
            st.just(sign("confirm", *ids, expires=now)),
            st.just(Signer(b"another key of thirty-two bytes!").sign("confirm", *ids)),
            st.lists(st.integers(0, 2**40), max_size=4)
            .filter(lambda numbers: tuple(numbers[:3]) != ids)
            .map(lambda numbers: sign("confirm", *numbers)),
        )
    )
    before = project.rows()
    for answer in (client.get(f"/confirm/{forged or 'x'}"), client.post(f"/confirm/{forged or 'x'}")):
        assert answer.status_code in {404, 410}
    assert project.rows() == before
