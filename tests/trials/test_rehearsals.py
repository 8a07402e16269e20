"""rehearse: a whole mailing into a catcher on this machine; nothing leaves it, nothing is written down."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.app import Newsletter as Opened
from newsletter.errors import TokenError
from newsletter.sending.catcher import html_size
from newsletter.sending.catching import HOST, catching
from newsletter.sending.run import Progress
from newsletter.sending.testing import TEST
from newsletter.tokens import Signer
from tests.cli.conftest import Newsletter
from tests.trials.looking import bodies, fields, letters, rows, tokens

connected: list[object] = []
"""Where this process connected to, while a test listens."""
listening = False


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if listening and event == "socket.connect":
        connected.append(arguments[1])


sys.addaudithook(_hear)  # for ever: there is no way to take one away


@pytest.fixture
def connections() -> Iterator[list[object]]:
    global listening  # noqa: PLW0603 - an audit hook knows nothing else
    connected.clear()
    listening = True
    yield connected
    listening = False


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests that run at the same time have copies of their own."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))


def copies() -> set[str]:
    """The temporary databases of rehearsals that are there."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("rehearsal-*")}


def test_the_whole_list_is_sent_and_nothing_is_written_down(
    people: Path, newsletter: Newsletter, connections: list[object]
) -> None:
    assert (
        newsletter("send", "welcome", "--list", "community", "--where", 'country == "KE"', "--yes", "--hold", "0").code
        == 0
    )
    before, content = rows(people), (people / "subscribers" / "newsletter.db").read_bytes()
    files, temporary = sorted(people.rglob("*")), copies()
    said = newsletter("rehearse", "welcome", "--list", "community", "--json")
    assert said.code == 0, said.err
    about = said.json
    assert (about["people"], about["messages"], about["unwritten"], about["stopped"]) == (12, 12, [], False)
    assert rows(people) == before
    assert (people / "subscribers" / "newsletter.db").read_bytes() == content
    assert sorted(people.rglob("*")) == files
    assert copies() <= temporary
    assert connections
    assert {address[0] for address in connections} == {"127.0.0.1"}  # type: ignore[index] # a host and a port


def test_it_says_how_many_how_fast_how_large_and_who_sees_what(people: Path, newsletter: Newsletter) -> None:
    about = newsletter("rehearse", "welcome", "--list", "community", "--json").json
    assert newsletter("send", "welcome", "--list", "community", "--yes", "--hold", "0").code == 0
    sizes = sorted(len(content) for content in letters(people, test=False))
    for name, size in zip(("smallest", "median", "largest"), (sizes[0], sizes[5], sizes[-1]), strict=True):
        assert abs(about["sizes"][name] - size) <= 4  # an id in a token may be a character longer
    assert abs(about["bytes"] - sum(sizes)) <= 48
    assert about["throughput"] > 0
    assert about["seconds"] > 0
    assert sum(variant["people"] for variant in about["variants"]) == 12
    assert {tuple(variant["conditions"]) for variant in about["variants"]} == {(), ('"researcher" in tags',)}
    assert about["clipped"] == {"messages": 0, "longest": []}
    assert [large["size"] for large in about["largest"]] == sorted(
        (large["size"] for large in about["largest"]), reverse=True
    )


def test_only_those_chosen_and_only_the_first(people: Path, newsletter: Newsletter) -> None:
    for options, number in (
        (("--where", 'country in ["KE", "UG"]'), 2),
        (("--limit", "5"), 5),
        (("--where", 'country == "KE"', "--limit", "1"), 1),
    ):
        about = newsletter("rehearse", "welcome", "--list", "community", *options, "--json").json
        assert (about["people"], about["messages"]) == (number, number)


def test_who_left_or_must_not_be_mailed_is_not_rehearsed(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("subscribers", "unsubscribe", "maya@example.org", "--list", "community").code == 0
    assert newsletter("subscribers", "suppress", "thomas@example.com", "--yes").code == 0
    assert newsletter("rehearse", "welcome", "--list", "community", "--json").json["people"] == 10


def test_nobody_chosen_no_limit_no_list_are_told(people: Path, newsletter: Newsletter) -> None:
    said = newsletter("rehearse", "welcome", "--list", "community", "--where", 'country == "ZZ"')
    assert (said.code, said.out) == (1, "")
    assert "There is nobody to rehearse with" in said.err
    assert newsletter("rehearse", "welcome", "--list", "community", "--limit", "0").code == 2
    assert newsletter("rehearse", "welcome", "--list", "nowhere").code == 2
    assert newsletter("rehearse", "welcome", "--list", "community", "--where", "country =").code == 2


def test_the_largest_messages_are_kept_with_links_that_cannot_act(
    people: Path, newsletter: Newsletter, tmp_path: Path
) -> None:
    said = newsletter("rehearse", "welcome", "--list", "community", "--keep", tmp_path / "kept", "--json")
    kept = [Path(path) for path in said.json["kept"]]
    assert [path.name for path in kept] == ["largest-1.eml", "largest-2.eml", "largest-3.eml"]
    content = kept[0].read_bytes()
    assert len(content) == said.json["sizes"]["largest"]
    assert said.json["largest"][0]["to"] in dict(fields(content))["To"]
    assert "[Test]" not in dict(fields(content))["Subject"]
    signer = Signer(Opened.open(people).project.secret_key())
    from datetime import UTC, datetime

    for page, token in tokens(content):
        purpose = {"u": "unsubscribe", "p": "preferences"}[page]
        with pytest.raises(TokenError):
            signer.read(purpose, token, now=datetime.now(UTC))
        assert signer.read(TEST + purpose, token, now=datetime.now(UTC))


def test_whoever_would_get_no_message_is_named_with_the_reason(people: Path, newsletter: Newsletter) -> None:
    edition = people / "editions" / "welcome" / "edition.yaml"
    edition.write_text(
        'title: T\nsubject: "{{ attributes.role }}"\nblocks:\n  - kind: text\n    body: Hello\n', "utf-8"
    )
    assert newsletter("subscribers", "set", "maya@example.org", "attributes.role=editor").code == 0
    said = newsletter("rehearse", "welcome", "--list", "community")
    assert said.code == 1
    assert "Should fix  editions/welcome/edition.yaml:2" in said.err
    assert "1 message in" in said.out
    assert "11 people get nothing (" in said.out
    about = newsletter("rehearse", "welcome", "--list", "community", "--json").json
    (unwritten,) = about["unwritten"]
    assert unwritten["people"] == 11
    assert "could not be written" in unwritten["reason"]
    assert len(unwritten["some"]) == 5
    assert about["findings"][0]["rule"] == "slot-without-default"


def test_messages_that_gmail_cuts_off_are_told(people: Path, newsletter: Newsletter) -> None:
    long = "Many words for one reader. " * 700
    edition = people / "editions" / "welcome" / "edition.yaml"
    text = f'  - kind: text\n    when: country == "KE"\n    body: "{long}"\n' * 6
    edition.write_text(f"title: T\nsubject: S\nblocks:\n  - kind: text\n    body: Hello\n{text}", "utf-8")
    said = newsletter("rehearse", "welcome", "--list", "community")
    assert "1 message with more than 102 kB of HTML, which Gmail cuts off" in said.out, said.all
    about = newsletter("rehearse", "welcome", "--list", "community", "--json").json
    assert about["clipped"]["messages"] == 1
    assert all(each["html"] > 102_000 for each in about["clipped"]["longest"])


def test_it_says_how_long_the_mailing_would_take_at_the_rate_of_the_project(
    people: Path, newsletter: Newsletter
) -> None:
    settings = people / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("[sending]", '[sending]\nrate = "6/min"'), "utf-8")
    said = newsletter("rehearse", "welcome", "--list", "community")
    assert said.code == 0
    assert "At 0.1 messages a second, as newsletter.toml says, the mailing takes about 2 min." in said.out
    assert "nothing left this machine" in said.out


def test_the_project_keeps_its_mail_server_and_password_to_itself(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, connections: list[object]
) -> None:
    settings = people / "newsletter.toml"
    text = settings.read_text(encoding="utf-8").replace('kind = "outbox"', 'kind = "smtp"')
    settings.write_text(text + '\n[sender.smtp]\nhost = "mail.example.org"\nusername = "me"\n', encoding="utf-8")
    monkeypatch.setenv("NEWSLETTER_SMTP_PASSWORD", "secret")
    said = newsletter("rehearse", "welcome", "--list", "community", "--json")
    assert (said.code, said.json["messages"]) == (0, 12)
    assert {address[0] for address in connections} == {"127.0.0.1"}  # type: ignore[index] # a host and a port


def test_stopped_it_tells_what_there_was_and_cleans_up(people: Path) -> None:
    temporary, seen = copies(), []

    def see(progress: Progress) -> None:
        seen.append(progress.done)

    rehearsed, _ = Opened.open(people).trials.rehearse(
        "welcome", list_slug="community", stop=lambda: bool(seen), progress=see
    )
    assert rehearsed.stopped
    assert rehearsed.people == 12
    assert rehearsed.caught.messages < 12
    assert copies() <= temporary


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_it_cleanly(people: Path) -> None:
    """A real process, interrupted as a terminal does it, leaves neither a catcher nor a copy of people behind."""
    rows_before, temporary = rows(people), copies()
    path = people / "many.csv"
    path.write_text("email\n" + "".join(f"reader{number}@example.com\n" for number in range(300)), encoding="utf-8")
    command = [sys.executable, "-c", "from newsletter.cli import main; main()"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    subprocess.run(
        [*command, "subscribers", "import", str(path), "--list", "community"],
        cwd=people,
        env=environ,
        check=True,
        capture_output=True,
    )
    assert rows(people) != rows_before
    before = rows(people)
    process = subprocess.Popen(
        [*command, "rehearse", "welcome", "--list", "community", "--json"],
        cwd=people,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while copies() <= temporary and time.monotonic() < deadline:
        time.sleep(0.005)  # until it has begun: there is nothing to be told by
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    about = json.loads(out)
    assert about["stopped"]
    assert about["messages"] < 312
    assert copies() <= temporary
    assert rows(people) == before


def test_the_catcher_takes_what_it_is_sent(tmp_path: Path) -> None:
    """By another client than ours, over several connections, dots and large messages included."""
    with catching(tmp_path) as catcher:
        sent = []
        for number in range(3):
            with smtplib.SMTP(HOST, catcher.port) as client:
                for length in (1, 5_000, 200_000 * number + 10):
                    message = EmailMessage()
                    message["Subject"] = f"{number} {length}"
                    message["To"] = "reader@example.org"
                    message.set_content("." + "a line\n..\n.\n" * (length // 10))
                    client.send_message(message, "news@example.org", ["reader@example.org"])
                    sent.append(len(message.as_bytes(policy=message.policy.clone(linesep="\r\n"))))
        caught = catcher.finish()
    assert caught.messages == len(sent) == 9
    assert caught.bytes == sum(sent)
    assert (caught.smallest, caught.largest) == (min(sent), max(sent))
    assert caught.median == sorted(sent)[4]
    assert [large.size for large in caught.worst] == sorted(sent, reverse=True)[:3]
    assert caught.worst[0].file.read_bytes().count(b"\r\n..\r\n") == (200_000 * 2 + 10) // 10
    assert caught.clipped == 0  # there is no HTML in them


def test_a_catcher_that_caught_nothing_says_so_and_one_let_go_ends(tmp_path: Path) -> None:
    with catching(tmp_path) as catcher:
        caught = catcher.finish()
    assert (caught.messages, caught.largest, caught.worst, caught.seconds) == (0, 0, (), 0)
    with pytest.raises(KeyError), catching(tmp_path) as catcher:
        raise KeyError
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says to that
        smtplib.SMTP(HOST, catcher.port, timeout=5)


def test_html_is_measured_as_a_reader_gets_it(people: Path, newsletter: Newsletter) -> None:
    assert newsletter("test", "welcome", "--to", "a@example.org").code == 0
    (content,) = letters(people, test=True)
    page = bodies(content)["text/html"]
    assert abs(html_size(content) - len(page.encode())) <= page.count("\n") + 2  # line breaks are two bytes on the way
    assert html_size(b"Subject: x\r\n\r\nno html") == 0
