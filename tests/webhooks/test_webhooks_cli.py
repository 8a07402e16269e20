"""`newsletter webhooks` and `newsletter tokens`: secrets are shown once, and mistakes are sentences."""

import json
import re

import pytest

from newsletter.cli import run
from tests.web.served import Project
from tests.webhooks.receiving import Receiver


@pytest.fixture
def command(tried: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs a command in the project; what it printed, and the exit code."""
    for name in ("NEWSLETTER_SECRET_KEY", "NEWSLETTER_DATABASE__URL"):
        monkeypatch.setenv(name, tried.newsletter.project.environ[name])

    def run_(*words: str) -> tuple[int, str, str]:
        code = run([*words, "--project", str(tried.root)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_


def test_a_webhook_is_added_listed_tried_logged_and_removed(command, receiver: Receiver) -> None:  # type: ignore[no-untyped-def]
    assert command("webhooks", "list")[1].startswith("There is no webhook yet.")
    assert command("webhooks", "log")[1] == "Nothing was called yet.\n"
    code, out, err = command("webhooks", "add", receiver.url, "--event", "mailing.sent", "--event", "form.received")
    assert (code, bool(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", out))) == (0, True)
    assert "webhook 1" in err
    secret = out.strip()
    code, out, _ = command("webhooks", "list", "--json")
    assert json.loads(out)[0] | {"created_at": ""} == {
        "id": 1,
        "url": receiver.url,
        "events": ["mailing.sent", "form.received"],
        "created_at": "",
        "disabled_at": None,
        "waiting": 0,
    }
    assert command("webhooks", "test", "1") == (0, "It arrived: 200.\n", "")
    receiver.status = 404
    assert command("webhooks", "test", "1") == (1, "", "It did not arrive. The answer is 404.\n")
    _, out, _ = command("webhooks", "log", "1", "--json")
    assert [(call["event"], call["state"], call["status"]) for call in json.loads(out)] == [
        ("webhook.test", "given up", 404),
        ("webhook.test", "done", 200),
    ]
    table = command("webhooks", "log")[1] + command("webhooks", "list")[1]
    assert "thank you" in table
    assert secret not in table
    assert command("webhooks", "remove", "1")[0] == 2  # nobody is here to answer
    assert command("webhooks", "remove", "1", "--yes")[1] == "Webhook 1 is removed.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "https://hooks.example.org/"), "Say what it is told."),
        (("add", "https://hooks.example.org/", "--event", "everything"), "no event «everything»"),
        (("add", "https://10.0.0.1:22/", "--event", "mailing.sent"), "usual port"),
        (("add", "nonsense", "--event", "mailing.sent"), "no name of a machine"),
        (("test", "7"), "no webhook 7"),
        (("log", "7"), "no webhook 7"),
        (("remove", "7", "--yes"), "no webhook 7"),
    ],
)
def test_a_mistake_about_webhooks_is_a_sentence(command, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = command("webhooks", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_token_is_shown_once_listed_without_what_opens_and_revoked(command) -> None:  # type: ignore[no-untyped-def]
    assert command("tokens", "list")[1].startswith("There is no token yet.")
    code, out, _ = command("tokens", "create", "website", "--scope", "subscribers:write", "--expires", "90d")
    assert (code, bool(re.fullmatch(r"nl_[A-Za-z0-9_-]{43}\n", out))) == (0, True)
    token = out.strip()
    listed = command("tokens", "list")[1] + command("tokens", "list", "--json")[1]
    assert token not in listed
    assert token[3:] not in listed
    assert "2027-02-" in listed or "expires_at" in listed
    assert command("tokens", "revoke", "website", "--yes") == (0, "website is revoked.\n", "")
    assert command("tokens", "revoke", "website", "--yes", "--json")[1] == (
        '{\n  "name": "website",\n  "change": "unchanged"\n}\n'
    )
    assert "revoked" in command("tokens", "list")[1]
    code, out, _ = command("tokens", "create", "other", "--scope", "events:read", "--json")
    assert json.loads(out)["name"] == "other"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "website"), "Say what the token is good for"),
        (("create", "website", "--scope", "all"), "no scope «all»"),
        (("create", "b\x1bad", "--scope", "events:read"), "Name the token"),
        (("create", "website", "--scope", "events:read", "--expires", "soon"), "no number of days"),
        (("create", "website", "--scope", "events:read", "--expires", "0d"), "no number of days"),
        (("revoke", "nobody", "--yes"), "no token of that name"),
    ],
)
def test_a_mistake_about_tokens_is_a_sentence(command, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = command("tokens", *words)
    assert (code, out) == (2, "")
    assert said in err
