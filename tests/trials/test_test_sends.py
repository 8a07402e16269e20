"""test: the real message by the real way, to those who are to look at it first, and nothing else happens."""

import re
import sqlite3
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from newsletter.app import Newsletter as Opened
from newsletter.errors import TokenError
from newsletter.sending.catching import catching
from newsletter.sending.presence import alone
from newsletter.sending.senders.protocol import Capabilities
from newsletter.sending.substitution import SubstitutedMessage
from newsletter.sending.testing import TEST, is_test
from newsletter.tokens import Signer
from newsletter.trials import TrialOrder
from tests.cli.conftest import Newsletter
from tests.trials.looking import Recording, bodies, fields, letter_to, letters, rows, tokens, without_tokens

MAYA = "maya@example.org"
DECLARED = {"To", "Subject", "Date", "Message-ID", "List-Unsubscribe"}


def send(newsletter: Newsletter) -> None:
    assert newsletter("send", "welcome", "--list", "community", "--hold", "0", "--yes").code == 0


def test_a_test_differs_from_the_real_message_in_declared_fields_only(people: Path, newsletter: Newsletter) -> None:
    """The same reader, once by a test send and once by a mailing."""
    assert newsletter("test", "welcome", "--to", "boss@example.net", "--as", MAYA).code == 0
    send(newsletter)
    test, real = letter_to(people, "boss@example.net", test=True), letter_to(people, MAYA, test=False)

    assert [name for name, _ in fields(test)] == [name for name, _ in fields(real)]
    differing = {name for (name, one), (_, other) in zip(fields(test), fields(real), strict=True) if one != other}
    assert differing <= DECLARED
    assert differing >= DECLARED - {"Date"}  # both may have left in the same second
    told, meant = dict(fields(test)), dict(fields(real))
    assert told["Subject"] == f"[Test] {meant['Subject']}"
    assert told["To"] == meant["To"].replace(MAYA, "boss@example.net")
    assert without_tokens(told["List-Unsubscribe"]) == without_tokens(meant["List-Unsubscribe"])
    assert bodies(test).keys() == bodies(real).keys() == {"text/plain", "text/html"}
    for kind, text in bodies(test).items():
        assert without_tokens(text) == without_tokens(bodies(real)[kind])
    assert abs((parsedate_to_datetime(told["Date"]) - datetime.now(UTC)).total_seconds()) < 60


def test_no_link_of_a_test_can_act_and_each_can_be_told_for_what_it_is(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("test", "welcome", "--to", "boss@example.net", "--as", MAYA).code == 0
    opened = Opened.open(people)
    signer, now = Signer(opened.project.secret_key()), datetime.now(UTC)
    found = tokens(letter_to(people, "boss@example.net", test=True))
    assert {page for page, _ in found} == {"u", "p"}
    for page, token in found:
        purpose = {"u": "unsubscribe", "p": "preferences"}[page]
        with pytest.raises(TokenError):
            signer.read(purpose, token, now=now)
        subscriber, list_id, number = signer.read(TEST + purpose, token, now=now)
        assert (subscriber, list_id) == (opened.subscriber(MAYA).id, 1)
        assert is_test(number)


def test_the_links_of_a_mailing_are_no_test_links(people: Path, newsletter: Newsletter) -> None:
    send(newsletter)
    signer, now = Signer(Opened.open(people).project.secret_key()), datetime.now(UTC)
    for page, token in tokens(letter_to(people, MAYA, test=False)):
        purpose = {"u": "unsubscribe", "p": "preferences"}[page]
        *_, number = signer.read(purpose, token, now=now)
        assert not is_test(number)
        with pytest.raises(TokenError):
            signer.read(TEST + purpose, token, now=now)


def test_nothing_is_written_down_and_a_mailing_afterwards_reaches_everybody(
    people: Path, newsletter: Newsletter
) -> None:
    before = rows(people)
    assert newsletter("test", "welcome", "--to", f"{MAYA},boss@example.net", "--as", MAYA).code == 0
    assert newsletter("test", "welcome", "--to", MAYA, "--all-branches", "--list", "community").code == 0
    assert rows(people) == before
    assert newsletter("mailings", "--json").json == []
    send(newsletter)
    assert newsletter("mailings", "show", "1", "--json").json["counts"]["accepted"] == 12
    assert len(list(letters(people, test=False))) == 12


def test_a_test_works_while_a_mailing_runs(people: Path, newsletter: Newsletter) -> None:
    """Another process has the lock of whoever sends, and is in the middle of writing."""
    with Opened.open(people).database() as database, alone(database), database.write() as connection:
        connection.exec_driver_sql("UPDATE subscriber SET first_name = first_name")
        assert newsletter("test", "welcome", "--to", "boss@example.net", "--as", MAYA).code == 0
    assert len(list(letters(people, test=True))) == 1


def test_each_address_gets_its_own_message_and_its_own_line(people: Path, newsletter: Newsletter) -> None:
    said = newsletter(
        "test",
        "welcome",
        "--to",
        "a@example.org, Bea <b@example.net>",
        "--to",
        "A@Example.org",
        "--to",
        "c@example.com;",
    )
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines() if "@" in line]
    assert [line[:2] for line in lines] == [
        [f"{name}", "accepted"] for name in ("a@example.org", "b@example.net", "c@example.com")
    ]
    assert "3 messages of 3 handed over (outbox)." in said.out
    recipients = [dict(fields(content))["To"] for content in letters(people, test=True)]
    assert recipients == [f"Amina Otieno <{name}>" for name in ("a@example.org", "b@example.net", "c@example.com")]
    assert len({dict(fields(content))["Message-ID"] for content in letters(people, test=True)}) == 3


def test_an_address_that_cannot_be_is_told_and_keeps_nobody_from_theirs(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org,nobody,b@example.org", "--json")
    assert said.code == 1
    outcomes = {message["to"]: (message["outcome"], message["reason"]) for message in said.json["messages"]}
    assert outcomes["a@example.org"] == outcomes["b@example.org"] == ("accepted", None)
    assert outcomes["nobody"][0] == "unsent"
    assert "«nobody» is not an email address" in outcomes["nobody"][1]
    assert len(list(letters(people, test=True))) == 2


def test_an_address_that_must_never_be_mailed_gets_no_test_either(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("subscribers", "suppress", "gone@example.org", "--yes").code == 0
    said = newsletter("test", "welcome", "--to", "Gone@example.org")
    assert said.code == 1
    assert "not sent: This address must never be mailed" in said.out
    assert list(letters(people, test=True)) == []


def test_no_address_at_all_is_wrong_usage(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("test", "welcome").code == 2
    said = newsletter("test", "welcome", "--to", " , ")
    assert said.code == 2
    assert "--to you@example.org" in said.err


def test_json_says_everything_once(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org", "--json")
    assert said.code == 0
    assert said.err == ""
    about = said.json
    assert {key: about[key] for key in ("edition", "list", "sender", "variants", "findings")} == {
        "edition": "welcome",
        "list": "community",
        "sender": "outbox",
        "variants": None,
        "findings": [],
    }
    (message,) = about["messages"]
    (content,) = letters(people, test=True)
    assert message == {
        "to": "a@example.org",
        "as": "persona «everyday»",
        "subject": "[Test] Welcome, Amina",
        "outcome": "accepted",
        "reason": None,
        "message_id": dict(fields(content))["Message-ID"],
        "size": len(content),
    }
    assert (Path(about["folder"]) / "00000001.eml").read_bytes() == content


def test_in_the_outbox_each_test_has_a_folder_of_its_own_with_an_index(people: Path, newsletter: Newsletter) -> None:
    folders = []
    for _ in range(3):
        said = newsletter("test", "welcome", "--to", "a@example.org,b@example.org", "--json")
        folders.append(Path(said.json["folder"]))
    assert len(set(folders)) == 3
    for folder in folders:
        assert re.fullmatch(r"\d{8}-\d{6}-test-welcome-\d+", folder.name)
        assert sorted(path.name for path in folder.iterdir()) == ["00000001.eml", "00000002.eml", "index.html"]
        page = (folder / "index.html").read_text(encoding="utf-8")
        assert page.count("[Test] Welcome, Amina") == 2
        assert "a@example.org" in page
    ids = [dict(fields(content))["Message-ID"] for content in letters(people, test=True)]
    assert len(set(ids)) == 6


def test_a_test_says_where_its_files_are(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org")
    (folder,) = (people / "outbox").iterdir()
    assert f"open outbox/{folder.name}/index.html in a browser" in said.out


def test_what_must_be_fixed_is_told_and_does_not_stop_a_test(people: Path, newsletter: Newsletter) -> None:
    settings = people / "newsletter.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8") + '\n[checks]\nslot-without-default = "must fix"\n', "utf-8"
    )
    edition = people / "editions" / "welcome" / "edition.yaml"
    edition.write_text('title: T\nsubject: S\nblocks:\n  - kind: text\n    body: "Dear {{ first_name }}"\n', "utf-8")
    assert newsletter("send", "welcome", "--list", "community", "--yes", "--hold", "0").code == 1
    said = newsletter("test", "welcome", "--to", "a@example.org", "--persona", "no-name")
    assert said.code == 0
    assert said.err.startswith("Must fix  editions/welcome/edition.yaml:5")
    assert "accepted" in said.out


def test_an_edition_that_cannot_be_composed_is_an_error(people: Path, newsletter: Newsletter) -> None:
    (people / "editions" / "welcome" / "edition.yaml").write_text("title: T\nsubject: S\nblocks: []\n", "utf-8")
    said = newsletter("test", "welcome", "--to", "a@example.org")
    assert said.code == 1
    assert "Must fix" in said.err
    assert not (people / "outbox").exists()


def test_a_subscriber_who_is_not_there_is_told_with_the_nearest(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org", "--as", "mayaa@example.org")
    assert (said.code, said.out) == (2, "")
    assert said.err == "Error: Nobody with the address mayaa@example.org is known. Did you mean maya@example.org?\n"
    said = newsletter("test", "welcome", "--to", "a@example.org", "--as", "zzz@elsewhere.example")
    assert said.code == 2
    assert "--persona NAME" in said.err


def test_the_reader_is_chosen_in_one_way_only(people: Path, newsletter: Newsletter) -> None:
    for ways in (("--as", MAYA, "--persona", "no-name"), ("--as", MAYA, "--all-branches")):
        said = newsletter("test", "welcome", "--to", "a@example.org", *ways)
        assert said.code == 2
        assert "Choose one of --as, --persona and --all-branches" in said.err


def test_a_test_to_a_subscriber_shows_the_edition_as_somebody_else_unless_told(
    people: Path, newsletter: Newsletter
) -> None:
    assert newsletter("test", "welcome", "--to", MAYA).code == 0
    told = dict(fields(letter_to(people, MAYA, test=True)))
    assert told["To"] == f"Amina Otieno <{MAYA}>"
    assert told["Subject"] == "[Test] Welcome, Amina"


def test_a_list_that_is_not_there_is_told(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("test", "welcome", "--to", "a@example.org", "--list", "comunity")
    assert said.code == 2
    assert "Did you mean community?" in said.err


def test_the_list_gives_the_message_its_name(people: Path, newsletter: Newsletter) -> None:
    settings = people / "newsletter.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + '\n[lists.press]\ntitle = "Press"\nopt_in = "single"\n', encoding="utf-8")
    assert newsletter("test", "welcome", "--to", "a@example.org", "--list", "press").code == 0
    content = letter_to(people, "a@example.org", test=True)
    assert dict(fields(content))["List-Id"].startswith("Press <press.")
    with sqlite3.connect(people / "subscribers" / "newsletter.db") as connection:
        (press,) = connection.execute("SELECT id FROM list WHERE slug = 'press'").fetchone()
    connection.close()
    signer = Signer(Opened.open(people).project.secret_key())
    for page, token in tokens(content):
        purpose = TEST + {"u": "unsubscribe", "p": "preferences"}[page]
        assert signer.read(purpose, token, now=datetime.now(UTC))[:2] == (0, press)


def by_mail_server(project: Path, port: int) -> None:
    """Let the project send to a mail server of this machine."""
    settings = project / "newsletter.toml"
    text = settings.read_text(encoding="utf-8").replace('kind = "outbox"', 'kind = "smtp"')
    server = f'\n[sender.smtp]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
    settings.write_text(text + server, encoding="utf-8")


def test_through_a_mail_server_it_is_the_same_test(people: Path, newsletter: Newsletter, tmp_path: Path) -> None:
    with catching(tmp_path) as catcher:
        by_mail_server(people, catcher.port)
        said = newsletter("test", "welcome", "--to", "boss@example.net", "--as", MAYA)
        assert said.code == 0, said.err
        send(newsletter)
        caught = catcher.finish()
    assert "1 message of 1 handed over (smtp)." in said.out
    assert caught.messages == 13
    assert caught.bytes > 13 * 50_000


def test_a_mail_server_that_is_not_there_is_one_sentence(people: Path, newsletter: Newsletter, tmp_path: Path) -> None:
    with catching(tmp_path) as catcher:
        by_mail_server(people, catcher.port)
        catcher.finish()  # nobody listens there any more
    said = newsletter("test", "welcome", "--to", "a@example.org,b@example.org")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Error: ")
    assert "127.0.0.1" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_sender_that_takes_substitutions_gets_them_and_the_reader_sees_the_same(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = Capabilities(batch=1000, settles=False, smtputf8=False, form="substitutions")
    sender = Recording(capabilities=able)
    monkeypatch.setattr("newsletter.sending.senders.open_sender", lambda project, kind: sender)
    order = TrialOrder(to=["boss@example.net"], reader=MAYA)
    (tried,) = Opened.open(people).trials.test("welcome", order).tried
    assert tried.subject == "[Test] Welcome, Maya"
    ((handover,),) = sender.calls
    assert isinstance(handover.message, SubstitutedMessage)
    assert handover.message.recipient == "boss@example.net"
    assert "Maya" in bodies(handover.message.content)["text/plain"]
    values = [*handover.message.values.values(), *handover.message.headers.values()]
    told = {match[1] for value in values for match in re.finditer(r"(?:^|/u/|/p/)([A-Za-z0-9_-]{30,60})\b", value)}
    signer = Signer(Opened.open(people).project.secret_key())
    assert told
    for token in told:
        with pytest.raises(TokenError):
            signer.read("unsubscribe", token, now=datetime.now(UTC))
