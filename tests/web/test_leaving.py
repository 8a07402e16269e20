"""Leaving (items 21-28, RFC 8058): one click by the mail program, a button for people, and a way back."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.leaving import UNDO_LASTS
from newsletter.audience.subscribers import masked
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import SuppressionReason, consent_record, mailing
from newsletter.errors import DatabaseUnavailableError
from newsletter.sending.testing import TrialSigner, trial_number
from newsletter.tokens import Signer
from tests.web.served import Project

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM_DATA = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)
URLENCODED = (ONE_CLICK.encode(), "application/x-www-form-urlencoded")
ADA = "reader@example.org"


def signer(here: Project) -> Signer:
    return Signer(here.newsletter.project.secret_key())


def link(here: Project, person: int, slug: str = "community", mailing: int = 7) -> str:
    return "/u/" + signer(here).sign("unsubscribe", person, here.list_id(slug), mailing)


def click(client: TestClient, where: str, body: tuple[bytes, str] = URLENCODED) -> int:
    """What a mail program does."""
    answer = client.post(where, content=body[0], headers={"Content-Type": body[1]})
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    return answer.status_code


def press(client: TestClient, where: str, page: str, button: str) -> str:
    """Press a button of a page, as a browser without JavaScript does; the page that comes."""
    forms = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page, re.DOTALL)
    action, inner = next(form for form in forms if button in form[1])
    assert action == where
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', inner):
        fields.setdefault(name, []).append(value)
    answer = client.post(action, data=fields)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def events(here: Project) -> list[tuple[str, int | None]]:
    with here.newsletter.database() as database, database.read() as connection:
        rows = connection.execute(sa.select(event.c.kind, event.c.mailing_id).order_by(event.c.id))
        return [tuple(row) for row in rows]


def records(here: Project) -> list[str]:
    with here.newsletter.database() as database, database.read() as connection:
        return list(connection.scalars(sa.select(consent_record.c.method).order_by(consent_record.c.id)))


@pytest.mark.parametrize("body", [FORM_DATA, URLENCODED], ids=["form-data", "urlencoded"])
def test_one_click_takes_its_reader_off_that_list_alone(project: Project, body: tuple[bytes, str]) -> None:
    """Items 22 to 24, 32: no cookie, no redirect, and no other list is touched."""
    person = project.add_person(ADA, "community", "events")
    other = project.add_person("other@example.org", "community")
    with project.client() as client:
        assert click(client, link(project, person), body) == 200
    assert project.status(ADA) == "unsubscribed"
    assert project.status(ADA, "events") == "active"
    assert project.status("other@example.org") == "active"
    assert other != person
    assert records(project).count("withdraw") == 1
    assert events(project) == [("unsubscribed", None)]  # that mailing is not in this database


@pytest.mark.parametrize(
    "body",
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"", ""),
        (b"nonsense", "text/plain"),
        (b"\xff\x00&&==%zz&do", "application/x-www-form-urlencoded"),
        (b"--y\r\nbroken", "multipart/form-data; boundary=x"),
        (b"List-Unsubscribe=" + b"x" * 200_000, "application/x-www-form-urlencoded"),
        (b"&" * 16_000, "application/x-www-form-urlencoded"),
    ],
)
def test_whatever_the_body_is_a_good_token_leaves(here: Project, body: tuple[bytes, str]) -> None:
    """Being strict about more than the token would cost complaints (item 22)."""
    person = here.add_person(ADA, "community")
    with here.client() as client:
        assert click(client, link(here, person), body) == 200
    assert here.status(ADA) == "unsubscribed"


def test_it_works_years_later_and_when_all_is_gone(here: Project) -> None:
    """Item 27: the edition's folder, the mailing and the list's table in newsletter.toml may all be gone."""
    person = here.add_person(ADA, "donors")
    where = link(here, person, "donors")
    here.clock.pass_(days=400)
    toml = here.root / "newsletter.toml"
    toml.write_text(toml.read_text("utf-8").replace('[lists.donors]\ntitle = "Donors"\n', ""), encoding="utf-8")
    later = Project.__new__(Project)
    later.__dict__.update(here.__dict__)
    later.newsletter = type(here.newsletter).open(here.root, here.newsletter.project.environ)
    assert "donors" not in later.newsletter.project.settings.lists
    with later.client() as client:
        assert "donors" in client.get(where).text
        assert click(client, where) == 200
    assert here.status(ADA, "donors") == "unsubscribed"


def test_twice_is_once_and_nobody_learns_who_is_known(project: Project) -> None:
    """Item 28: the same answer for somebody on the list, who left, who is gone, and who never was."""
    person = project.add_person(ADA, "community")
    erased = project.add_person("erased@example.org", "community")
    wheres = [link(project, person), link(project, person), link(project, erased), link(project, 9999)]
    wheres.append(f"/u/{signer(project).sign('unsubscribe', person, 9999, 1)}")
    project.newsletter.erase_person("erased@example.org")
    with project.client() as client:
        answers = {(client.post(where).status_code, client.post(where).text) for where in wheres}
        assert len(answers) == 1
    assert events(project) == [("unsubscribed", None)]
    assert records(project).count("withdraw") == 1


def test_the_mailing_whose_message_it_was_gets_the_event(project: Project) -> None:
    person = project.add_person(ADA, "community")
    with project.newsletter.database() as database, database.write() as connection:
        from newsletter.database.schema import composition

        connection.execute(sa.insert(composition).values(digest="d" * 64, data=b"{}"))
        about = {"edition": "news", "title": "News", "list_id": 1, "digest": "d" * 64, "sender": "outbox"}
        about |= {"state": "sending", "created_at": project.clock.now, "holds_until": project.clock.now}
        made = connection.execute(sa.insert(mailing).values(**about)).inserted_primary_key[0]
    with project.client() as client:
        click(client, link(project, person, mailing=made))
    assert events(project) == [(EventKind.UNSUBSCRIBED, made)]


def test_getting_and_heading_never_changes_anything(project: Project) -> None:
    """Item 25: scanners follow links, and programs fetch pages before anybody asks for them."""
    where = link(project, project.add_person(ADA, "community"))
    before = project.rows()
    with project.client() as client:
        for _ in range(10):
            assert client.get(where).status_code == 200
            assert client.head(where).status_code == 200
            assert client.get(where, headers={"Sec-Purpose": "prefetch;prerender"}).status_code == 200
            assert client.options(where).status_code == 405
            assert client.put(where, content=ONE_CLICK).status_code == 405
    assert project.rows() == before


def test_the_page_says_whom_it_concerns_without_the_address(here: Project) -> None:
    """A forwarded copy must not take its first reader off, nor tell who that was."""
    person = here.add_person(ADA, "community", first_name="Ada", last_name="Lovelace")
    with here.client() as client:
        answer = client.get(link(here, person))
    assert "r•••@e••••••.org" in answer.text
    assert "“Community”" in answer.text
    assert "forwarded" in answer.text
    assert not re.search(r"reader@|Ada|Lovelace", answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_person_leaves_by_the_button_undoes_it_once_and_leaves_again(project: Project) -> None:
    person = project.add_person(ADA, "community")
    where = link(project, person)
    with project.client() as client:
        left = press(client, where, client.get(where).text, "Leave the list")
        assert "You are off the list" in left
        assert project.status(ADA) == "unsubscribed"
        back = press(client, where, left, "undo")
        assert "You are back" in back
        assert project.status(ADA) == "active"
        before = project.rows()
        assert "cannot be undone" in press(client, where, left, "undo")  # the same page again, from the history
        assert project.rows() == before
        assert click(client, where) == 200
        assert project.status(ADA) == "unsubscribed"
        assert "cannot be undone" in press(client, where, left, "undo")  # of the first time; they left again since
        assert "not on this list" in client.get(where).text.lower()
    assert project.status(ADA) == "unsubscribed"
    assert [kind for kind, _ in events(project)] == ["unsubscribed", "returned", "unsubscribed"]
    assert records(project) == ["command", "withdraw", "form", "withdraw"]


def test_undo_is_for_a_day_for_its_reader_and_never_for_who_must_not_be_mailed(here: Project) -> None:
    person, other = here.add_person(ADA, "community"), here.add_person("other@example.org", "community")
    never = here.add_person("never@example.org", "community")
    with here.client() as client:
        wheres = [link(here, each) for each in (person, other, never)]
        left = [press(client, where, client.get(where).text, "Leave the list") for where in wheres]
        with here.newsletter.database() as database, database.write() as connection:
            from newsletter.audience.subscribers import suppress

            secret, now = here.newsletter.project.secret_key(), here.clock.now
            suppress(connection, "never@example.org", SuppressionReason.ASKED, secret=secret, now=now)
        before = here.rows()
        token = re.search(r'name="undo" value="([^"]+)"', left[0])[1]  # type: ignore[index]
        client.post(wheres[1], data={"do": "undo", "undo": token})  # somebody else's
        client.post(wheres[0], data={"do": "undo", "undo": wheres[0].removeprefix("/u/")})  # for something else
        client.post(wheres[0], data={"do": "undo"})
        assert "cannot be undone" in press(client, wheres[2], left[2], "undo")
        here.clock.now += UNDO_LASTS
        assert "cannot be undone" in press(client, wheres[0], left[0], "undo")
        assert here.rows() == before


def test_who_had_not_confirmed_is_not_confirmed_by_undo(here: Project) -> None:
    person = here.add_person(ADA, "community", status="pending")
    where = link(here, person)
    with here.client() as client:
        left = press(client, where, client.get(where).text, "Leave the list")
    assert "undo" not in left
    assert here.status(ADA) == "unsubscribed"


def test_all_lists_can_be_left_at_once_and_undone(here: Project) -> None:
    """Item 32."""
    person = here.add_person(ADA, "community", "events", "donors")
    where = link(here, person)
    with here.client() as client:
        left = press(client, where, client.get(where).text, "Leave the list")
        gone = press(client, where, left, "Leave all lists")
        assert [here.status(ADA, slug) for slug in ("community", "events", "donors")] == ["unsubscribed"] * 3
        press(client, where, gone, "undo")
    assert [here.status(ADA, slug) for slug in ("community", "events", "donors")] == [
        "unsubscribed",
        "active",
        "active",
    ]


def test_a_test_link_shows_what_it_would_do_and_never_does_it(here: Project) -> None:
    person = here.add_person(ADA, "community", first_name="Ada")
    trial = TrialSigner(here.newsletter.project.secret_key())
    where = "/u/" + trial.sign("unsubscribe", person, here.list_id(), trial_number(here.clock.now))
    before = here.rows()
    with here.client() as client:
        pages = [client.get(where), client.post(where, data={"do": "leave"}), client.post(where, data={"do": "undo"})]
        for page in pages:
            assert page.status_code == 200
            assert "test link" in page.text
            assert "“Community”" in page.text
            assert "•" not in page.text
        assert click(client, where) == click(client, where, FORM_DATA) == 200
    trial_link = here.newsletter.readers.link("unsubscribe", where.removeprefix("/u/"))
    assert here.newsletter.readers.leave([(trial_link, "left")]) == [None]
    assert here.rows() == before


def test_who_was_merged_still_leaves_by_their_old_message(project: Project) -> None:
    gone = project.add_person("old@example.org", "community")
    kept = project.add_person(ADA, "community")
    older = project.add_person("older@example.org", "community")
    project.newsletter.subscribers.merge("older@example.org", "old@example.org")
    project.newsletter.subscribers.merge("old@example.org", ADA)
    assert len({gone, kept, older}) == 3
    with project.client() as client:
        for old in (older, gone):
            where = link(project, old)
            assert masked(ADA) in client.get(where).text
            press(client, where, press(client, where, client.get(where).text, "Leave the list"), "undo")
            assert project.status(ADA) == "active"
        assert click(client, link(project, older)) == 200
    assert project.status(ADA) == "unsubscribed"


def test_a_token_that_is_not_ours_finds_nothing_and_changes_nothing(here: Project) -> None:
    """Item 26."""
    person = here.add_person(ADA, "community")
    ours, lists = signer(here), here.list_id()
    foreign = Signer(b"the key of another project, as long as ours")
    tokens = [
        foreign.sign("unsubscribe", person, lists, 1),
        ours.sign("preferences", person, lists, 1),
        ours.sign("confirm", person, lists, 1),
        ours.sign("unsubscribe", person, lists),
        ours.sign("unsubscribe"),
        "x",
        "%00",
        "..%2f..%2fetc",
        "a" * 5000,
    ]
    before = here.rows()
    with here.client() as client:
        for token in tokens:
            for answer in (client.get(f"/u/{token}"), client.post(f"/u/{token}", content=ONE_CLICK)):
                assert answer.status_code == (414 if len(token) > 2000 else 404)
                assert "Traceback" not in answer.text
    assert here.rows() == before


def test_no_change_of_a_token_leaves_its_reader_off(here: Project) -> None:
    """Item 26: a bit flipped, the end cut, numbers swapped."""
    person = here.add_person(ADA, "community")
    good = link(here, person).removeprefix("/u/")
    before = here.rows()
    raw = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4))

    with here.client() as client:

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(
            st.one_of(
                st.integers(0, len(raw) * 8 - 1).map(
                    lambda bit: bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(raw))
                ),
                st.integers(0, len(raw) - 1).map(lambda end: raw[:end]),
                st.binary(min_size=1, max_size=60).map(lambda more: raw + more),
            ).map(lambda changed: base64.urlsafe_b64encode(changed).rstrip(b"=").decode())
        )
        def tried(token: str) -> None:
            assert client.post(f"/u/{token}", content=ONE_CLICK).status_code == 404

        tried()
    assert here.rows() == before


def test_hundreds_are_taken_off_with_a_few_statements(project: Project) -> None:
    people = [project.add_person(f"r{number}@example.org", "community", "events") for number in range(15)]
    readers, counted = project.newsletter.readers, []
    tokens = [link(project, person, slug).removeprefix("/u/") for slug in ("community", "events") for person in people]
    wishes = [(readers.link("unsubscribe", token), "left") for token in [*tokens, *tokens[:5]]]
    with project.newsletter.kept_open(), project.newsletter.database() as database:
        sa.event.listen(database.engine, "before_cursor_execute", lambda *said: counted.append(said[2]))
        assert sum(left is not None for left in readers.leave(wishes)) == 35
    work = [one for one in counted if one.split()[0] in {"SELECT", "INSERT", "UPDATE"} and "advisory" not in one]
    assert len(work) <= 7, work
    assert {project.status(f"r{number}@example.org") for number in range(15)} == {"unsubscribed"}
    assert len(events(project)) == 30


def test_leaving_and_undoing_at_once_ends_in_what_the_records_say(project: Project) -> None:
    person = project.add_person(ADA, "community")
    readers = project.newsletter.readers
    where = readers.link("unsubscribe", link(project, person).removeprefix("/u/"))
    with project.newsletter.kept_open(), ThreadPoolExecutor(4) as threads:

        def go(_: int) -> None:
            (left,) = readers.leave([(where, "left")])
            if left is not None:
                token = readers.undo_token(left)
                list(threads.map(lambda again: readers.undo(person, [str(token)], "undo", again), [where, where]))

        with ThreadPoolExecutor(3) as others:
            list(others.map(go, range(6)))
        readers.leave([(where, "left")])
    said = records(project)
    assert project.status(ADA) == "unsubscribed"
    assert said.count("withdraw") == said.count("form") + 1  # each undone once
    assert [kind for kind, _ in events(project)].count("returned") == said.count("form")


def test_when_the_database_is_away_all_who_wait_are_told_to_come_again(here: Project) -> None:
    where = link(here, here.add_person(ADA, "community"))
    with here.client() as client:
        from newsletter.database.connection import Database

        original = Database.write

        def away(self: Database, **options: bool) -> object:
            raise DatabaseUnavailableError("The database is being written by another process.")

        Database.write = away  # type: ignore[assignment, method-assign]
        try:
            answer = client.post(where, content=ONE_CLICK)
        finally:
            Database.write = original  # type: ignore[method-assign]
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert here.status(ADA) == "active"
        assert click(client, where) == 200


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("reader@example.org", "r•••@e••••••.org"),
        ("a@b.org", "a•••@b•.org"),
        ("über@mail.bücher.example", "ü•••@m•••.b•••••.example"),
    ],
)
def test_a_masked_address_is_known_to_its_owner_only(email: str, shown: str) -> None:
    assert masked(email) == shown
