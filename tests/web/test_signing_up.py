"""Signing up: the same friendly answer for everybody, one message at most, nothing pre-ticked, nothing reflected."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from newsletter.audience.privacy import PENDING_LASTS
from newsletter.audience.subscribers import suppress
from newsletter.database.outside import allowance, letter
from newsletter.database.schema import SuppressionReason, consent_record, subscriber, subscription
from newsletter.web.public.words import words_of
from tests.web.served import Project

ANN = "ann@example.org"
MORE = """
[lists.notes]
title = "Notes"
opt_in = "single"
sign_up = true
"""


@pytest.fixture
def single(tmp_path: Path, empty_file: Path) -> Project:
    """A project that has a list with single opt-in, too."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{path}", more=MORE)


def stamp_of(page: str) -> str:
    found = re.search(r'name="form-stamp" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def sign_up(client: TestClient, email: str = ANN, *lists: str, **fields: str) -> str:
    """Fill in the form as a person does; the page that comes."""
    stamp = stamp_of(client.get("/subscribe").text)
    data = {"email": email, "list": list(lists or ["community"]), "form-stamp": stamp, **fields}
    answer = client.post("/subscribe", data=data)
    assert answer.status_code == 200, answer.text
    return answer.text


def letters(project: Project) -> list[tuple[str, str]]:
    """Kinds and lists of all letters, oldest first."""
    with project.newsletter.database() as database, database.read() as connection:
        rows = connection.execute(sa.select(letter.c.kind, letter.c.details).order_by(letter.c.id))
        return [(row.kind, row.details["lists"]) for row in rows]


def without(rows: dict[str, list[tuple[object, ...]]], *tables: str) -> dict[str, list[tuple[object, ...]]]:
    return {name: kept for name, kept in rows.items() if name not in tables}


def test_the_page_says_what_one_gets_and_ticks_nothing(here: Project) -> None:
    before = here.rows()
    with here.client() as client:
        page = client.get("/subscribe").text
        assert client.head("/subscribe").status_code == 200
    assert "Community" in page
    assert "Stories, about once a month." in page
    assert "Donors" not in page
    assert "checked" not in page
    assert "Safe Online" in page
    assert "team@example.org" in page
    assert "/access" in page
    assert 'name="robots"' not in page
    assert "style=" not in page
    assert here.rows() == before


def test_a_link_to_one_list_needs_no_box(here: Project) -> None:
    with here.client() as client:
        page = client.get("/subscribe?list=community").text
        assert 'type="checkbox"' not in page
        assert "Sign up: Community" in page
        for closed in ("donors", "nowhere", "../etc"):  # as if it did not exist
            assert 'type="checkbox"' in client.get("/subscribe", params={"list": closed}).text


def test_nobody_can_sign_up_where_no_list_is_open(tmp_path: Path, empty_file: Path) -> None:
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    project = Project(tmp_path / "project", f"sqlite:///{path}")
    settings = project.root / "newsletter.toml"
    settings.write_text(settings.read_text().replace("sign_up = true\n", ""))
    project.newsletter = project.newsletter.open(project.root, project.newsletter.project.environ)
    with project.client() as client:
        assert client.get("/subscribe").status_code == 404
        assert client.post("/subscribe", data={"email": ANN, "list": "community"}).status_code == 404


def test_somebody_new_waits_for_their_yes_and_the_words_are_kept(project: Project) -> None:
    with project.client() as client:
        page = sign_up(client, " Ann@Example.org ", first_name="Ann")
    assert "Please look into your mailbox" in page
    assert "example.org" not in page.lower().replace("team@example.org", "")
    assert project.status(ANN) == "pending"
    assert letters(project) == [("confirm", str(project.list_id()))]
    history = project.newsletter.subscribers.history(ANN)
    assert (history.subscriber.email, history.subscriber.first_name) == ("Ann@example.org", "Ann")
    assert history.subscriber.language == "en"
    [agreed] = history.agreements
    shown = html.unescape(client_page(project))
    about, _, sentence = agreed.wording.partition(" | ")
    assert about == "Community: Stories, about once a month."
    assert sentence.endswith(" [en, /subscribe]")
    assert sentence.removesuffix(" [en, /subscribe]") in shown
    assert agreed.method == "form"


def client_page(project: Project) -> str:
    with project.client() as client:
        return client.get("/subscribe").text


def test_where_somebody_came_from_is_kept_as_a_hash_alone(here: Project) -> None:
    with here.client(client=("192.0.2.77", 1234)) as client:
        sign_up(client)
    held = repr(here.rows())
    assert "192.0.2" not in held
    with here.newsletter.database() as database, database.read() as connection:
        assert len(connection.scalars(sa.select(consent_record.c.origin)).one()) == 32


def test_two_lists_are_one_message(here: Project) -> None:
    with here.client() as client:
        sign_up(client, ANN, "events", "community")
    assert letters(here) == [("confirm", f"{here.list_id('events')} {here.list_id()}")]
    assert {here.status(ANN), here.status(ANN, "events")} == {"pending"}


def test_the_answer_is_the_same_for_everybody(project: Project) -> None:
    """Checklist item 132: neither words nor status tell whether an address is known, or how it stands."""
    for status in ("pending", "active"):
        project.add_person(f"{status}@example.org", "community", status=status)
    project.add_person("left@example.org", "community")
    project.newsletter.subscribers.unsubscribe("left@example.org", "community")
    project.add_person("other@example.org", "donors")
    project.add_person("bounced@example.org", "community")
    with project.newsletter.database() as database, database.write() as connection:
        secret, now = project.newsletter.project.secret_key(), project.clock.now
        for reason in SuppressionReason:
            suppress(connection, f"{reason}@example.com", reason, secret=secret, now=now)
        connection.execute(
            sa.update(subscription)
            .where(subscription.c.subscriber_id == sa.select(sa.func.max(subscriber.c.id)).scalar_subquery())
            .values(status="bounced")
        )
    statuses = {name: project.status(f"{name}@example.org") for name in ("active", "left", "bounced")}
    with project.client() as client:
        known = ["pending", "active", "left", "other", "bounced"]
        answers = {sign_up(client, f"{name}@example.org") for name in known}
        before = without(project.rows(), "allowance")
        answers |= {sign_up(client, f"{reason}@example.com") for reason in SuppressionReason}
        assert without(project.rows(), "allowance") == before  # nothing is mailed, nothing stored
        answers |= {sign_up(client, "new@example.org"), sign_up(client, "new@example.org")}
    assert len(answers) == 1
    assert {name: project.status(f"{name}@example.org") for name in statuses} == statuses
    assert [kind for kind, _ in letters(project)] == ["confirm", "already", "confirm", "confirm", "confirm"]


def test_the_database_is_asked_the_same_for_everybody(here: Project) -> None:
    """Checklist item 132: one commit and the same questions each time, so that the time taken tells nothing."""
    here.add_person("active@example.org", "community")
    with here.newsletter.database() as database, database.write() as connection:
        secret = here.newsletter.project.secret_key()
        suppress(connection, "gone@example.org", SuppressionReason.ASKED, secret=secret, now=here.clock.now)

    def statements(email: str) -> list[str]:
        said: list[str] = []
        with here.newsletter.kept_open(), here.newsletter.database() as database:
            sa.event.listen(
                database.engine, "before_cursor_execute", lambda c, cur, statement, *rest: said.append(statement)
            )
            sa.event.listen(database.engine, "commit", lambda c: said.append("COMMIT"))
            here.newsletter.sign_ups.ask(email, {"community": "Yes."}, network="192.0.2.0/24")
        return said

    new, active, gone = statements(ANN), statements("active@example.org"), statements("gone@example.org")
    assert new.count("COMMIT") == active.count("COMMIT") == gone.count("COMMIT") == 1
    # What looks is the same, up to the point where all is known; after it there is a handful of insertions at most.
    common = [one for one in gone if one != "COMMIT"]
    assert new[: len(common)] == active[: len(common)] == common
    assert max(map(len, (new, active, gone))) - min(map(len, (new, active, gone))) <= 12


def test_who_left_comes_back_by_confirming_alone(project: Project) -> None:
    project.add_person(ANN, "community")
    project.newsletter.subscribers.unsubscribe(ANN, "community")
    left = project.newsletter.subscribers.history(ANN).standings
    project.clock.pass_(days=1)
    with project.client() as client:
        sign_up(client)
        project.clock.pass_(days=1)
        sign_up(client)
    assert project.newsletter.subscribers.history(ANN).standings == left  # nor do we forget since when
    assert project.status(ANN) == "unsubscribed"
    assert letters(project) == [("confirm", str(project.list_id()))] * 2
    methods = [one.method for one in project.newsletter.subscribers.history(ANN).agreements]
    assert methods == ["command", "withdraw", "form"]
    project.clock.pass_(days=40)  # nobody confirmed: they have left, as before
    project.newsletter.expire()
    assert project.status(ANN) == "unsubscribed"


def test_pending_again_brings_the_message_again_but_not_more_than_three_in_a_month(here: Project) -> None:
    with here.client() as client:
        for _ in range(6):
            sign_up(client)
            sign_up(client)
            here.clock.pass_(days=1, seconds=1)
    assert len(letters(here)) == 3
    with here.newsletter.database() as database, database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(consent_record)).scalar_one() == 1


def test_nothing_is_written_down_for_which_no_message_may_go(here: Project) -> None:
    with here.client() as client:
        sign_up(client, ANN, "community")
        before = without(here.rows(), "allowance")
        sign_up(client, ANN, "events")
    assert without(here.rows(), "allowance") == before


def test_names_are_for_somebody_new_alone(here: Project) -> None:
    here.add_person(ANN, "donors", first_name="Ann", language="fr")
    with here.client() as client:
        sign_up(client, first_name="Mallory")
    person = here.newsletter.subscriber(ANN)
    assert (person.first_name, person.language) == ("Ann", "fr")


def test_the_message_goes_to_the_address_that_we_know(here: Project) -> None:
    here.add_person("Ann@example.org", "donors")
    with here.client() as client:
        sign_up(client, "aNN@example.org")
    with here.newsletter.database() as database, database.read() as connection:
        assert connection.scalar(sa.select(letter.c.email)) == "Ann@example.org"


def test_single_opt_in_is_at_once_but_not_for_who_left(single: Project) -> None:
    single.add_person("left@example.org", "notes")
    single.newsletter.subscribers.unsubscribe("left@example.org", "notes")
    single.add_person("there@example.org", "notes")
    single.add_person("waits@example.org", "notes", status="pending")
    with single.client() as client:
        pages = {sign_up(client, f"{name}@example.org", "notes") for name in ("new", "left", "there", "waits")}
    assert len(pages) == 1
    assert "Thank you for signing up" in pages.pop()
    standings = {name: single.status(f"{name}@example.org", "notes") for name in ("new", "left", "there", "waits")}
    assert standings == {"new": "active", "left": "unsubscribed", "there": "active", "waits": "active"}
    assert [kind for kind, _ in letters(single)] == ["confirm", "already"]


def test_on_a_list_of_each_kind_one_message_says_it_all(single: Project) -> None:
    with single.client() as client:
        assert "look into your mailbox" in sign_up(client, ANN, "notes", "community")
    assert (single.status(ANN, "notes"), single.status(ANN)) == ("active", "pending")
    assert letters(single) == [("confirm", str(single.list_id()))]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "", "list": "community"}, "Write your email address."),
        ({"email": "ann", "list": "community"}, "does not look like an email address"),
        (
            {"email": "ann@example.org\r\nBcc: v@example.net", "list": "community"},
            "does not look like an email address",
        ),
        ({"email": "ann@example.org, v@example.net", "list": "community"}, "does not look like an email address"),
        ({"email": "=?utf-8?q?a=0d=0ab?=@example .org", "list": "community"}, "does not look like an email address"),
        ({"email": "a" * 5_000 + "@example.org", "list": "community"}, "does not look like an email address"),
        ({"email": ANN}, "Choose at least one list."),
        ({"email": ANN, "list": "donors"}, "Choose at least one list."),
        ({"email": ANN, "list": "community", "first_name": "Ann\r\nBcc: v@example.net"}, "cannot be shown"),
        ({"email": ANN, "list": "community", "first_name": "n" * 201}, "too long"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(
    here: Project, fields: dict[str, str], sentence: str
) -> None:
    before = here.rows()
    with here.client() as client:
        stamp = stamp_of(client.get("/subscribe").text)
        answer = client.post("/subscribe", data={"first_name": "Ann", **fields, "form-stamp": stamp})
    assert answer.status_code == 422
    assert answer.text.count(sentence) == 2  # in the summary, and beside the field
    assert "<title>Error: " in answer.text
    for broken in re.findall(r'<a href="#(\w+)">', answer.text):
        assert f'id="{broken}"' in answer.text
        assert f'id="{broken}-problem"' in answer.text
        assert f"{broken}-problem" in re.findall(r'aria-describedby="([^"]*)"', answer.text)[0]
    if fields.get("list") == "community":
        assert 'value="community" checked' in answer.text
    assert html.escape(fields["email"][:320].strip(), quote=True).replace("&#x27;", "&#39;") in answer.text
    assert here.rows() == before


def test_what_is_typed_stays_text(here: Project) -> None:
    """Checklist item 129: no stored and no reflected script."""
    nasty = '"><script>alert(1)</script>'
    with here.client() as client:
        stamp = stamp_of(client.get("/subscribe").text)
        shown = client.post("/subscribe", data={"email": nasty, "first_name": nasty, "form-stamp": stamp})
        assert "<script>alert" not in shown.text
        sign_up(client, first_name=nasty)
    assert here.newsletter.subscriber(ANN).first_name == nasty
    assert nasty not in repr(here.rows()["letter"])


def test_the_page_leads_nowhere_else(here: Project) -> None:
    with here.client() as client:
        stamp = stamp_of(client.get("/subscribe").text)
        answer = client.post(
            "/subscribe?next=https://evil.example",
            data={"email": ANN, "list": "community", "form-stamp": stamp, "redirect": "//evil.example", "next": "//e"},
        )
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "evil" not in answer.text


def test_a_thousand_sign_ups_are_one_message(here: Project) -> None:
    """Checklist item 133: one address, all lists, fifty networks."""
    spellings = (ANN, "Ann@Example.org", " ANN@EXAMPLE.ORG")
    with here.newsletter.kept_open():
        door = here.newsletter.sign_ups
        for number in range(1_000):
            slug = ("community", "events", "donors")[number % 3]
            door.ask(spellings[number % 3], {slug: "Yes."}, network=f"198.51.{number % 50}.0/24")
            here.clock.pass_(seconds=80)
    assert len(letters(here)) == 1


def test_an_address_that_is_typed_all_day_is_looked_at_ten_times(here: Project) -> None:
    with here.newsletter.kept_open():
        for _ in range(30):
            here.newsletter.sign_ups.ask(ANN, {"community": "Yes."}, network="192.0.2.0/24")
    with here.newsletter.database() as database, database.read() as connection:
        assert connection.scalar(sa.select(sa.func.max(allowance.c.used))) == 10


def test_what_was_counted_goes_when_its_time_is_over(here: Project) -> None:
    with here.client() as client:
        sign_up(client)
    here.newsletter.sign_ups.expire()
    assert len(here.rows()["allowance"]) == 4
    here.clock.pass_(days=1)
    here.newsletter.sign_ups.expire()
    assert here.rows()["allowance"] == []


def test_who_never_confirms_is_forgotten_after_the_time_that_the_page_says(here: Project) -> None:
    assert f"{PENDING_LASTS.days} days" in words_of("en")("signing_up.data_long")
    with here.client() as client:
        sign_up(client)
    here.clock.pass_(days=PENDING_LASTS.days, seconds=1)
    here.newsletter.expire()
    assert here.rows()["subscriber"] == []


def test_the_message_says_nothing_that_was_typed_and_its_link_confirms(project: Project) -> None:
    """From the form to the list by way of the mailbox (item 133: the confirm mail reflects no form text)."""
    with project.client() as client:
        sign_up(client, ANN, "community", first_name="Buy-now-at-evil.example")
        [message] = project.letters()
        assert message["To"] == ANN
        assert "evil" not in message.as_string()
        for part in message.walk():
            if part.get_content_maintype() == "text":
                text = part.get_content()
                assert "evil" not in text
                link = re.search(r"https://news\.example\.org(/confirm/[A-Za-z0-9_-]+)", text)
                assert link is not None
        client.post(link[1])
    assert project.status(ANN) == "active"


def test_pressing_the_button_in_four_windows_at_once_is_one_sign_up(project: Project) -> None:
    with project.newsletter.kept_open(), ThreadPoolExecutor(4) as windows:
        door = project.newsletter.sign_ups
        done = [windows.submit(door.ask, ANN, {"community": "Yes."}, network=f"192.0.{n}.0/24") for n in range(4)]
        assert [each.result() for each in done] == [None] * 4
    assert letters(project) == [("confirm", str(project.list_id()))]
    assert len(project.rows()["consent_record"]) == 1
