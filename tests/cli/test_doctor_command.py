"""`newsletter doctor`: one line for each thing, at 80 columns too; and the keys that it makes."""

import base64
import json
import stat
from pathlib import Path

import pytest

from newsletter.cli import run
from newsletter.config import load_settings
from newsletter.sending.dkim_keys import read_key, record_text
from tests.cli.conftest import Newsletter
from tests.doctor.examining import changed, good_zone, make_project
from tests.doctor.nameserver import serving


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_new_project_is_ready_for_its_outbox_and_told_what_is_an_example(
    project: Path, newsletter: Newsletter
) -> None:
    said = newsletter("doctor")
    assert said.code == 0
    assert "good to know  example.org is a domain for examples" in said.out
    assert "All is well." in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80
    assert not (project / "subscribers" / "newsletter.db").exists()


def test_offline_nothing_is_asked_and_that_is_said(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("doctor", "--offline")
    assert said.code == 0
    assert "not checked" in said.out
    assert "Run it again without --offline" in said.out


def test_what_must_be_fixed_ends_with_1_and_says_what_to_do(tmp_path: Path, newsletter: Newsletter) -> None:
    make_project(tmp_path)  # no mail server there
    with serving(good_zone()) as server:
        said = newsletter("doctor", "--project", tmp_path, "--dns", server.address)
    assert said.code == 1
    assert "1 thing must be fixed before you send." in said.out
    assert "must fix      The mail server localhost, port 1 cannot be reached" in said.out
    assert "                → See that host and port" in said.out


def test_with_the_outbox_nothing_in_the_dns_stops_anybody(tmp_path: Path, newsletter: Newsletter) -> None:
    make_project(tmp_path, lambda toml: toml.replace('kind = "smtp"', 'kind = "outbox"'))
    with serving(changed(good_zone(), "mail.example.org", TXT=None)) as server:
        said = newsletter("doctor", "--project", tmp_path, "--dns", server.address)
    assert said.code == 0
    assert "should fix    mail.example.org has no SPF record" in said.out
    assert "Ready to send; 1 thing should be better." in said.out


def test_json_has_every_line(tmp_path: Path, newsletter: Newsletter) -> None:
    make_project(tmp_path)
    with serving({}) as server:
        said = newsletter("doctor", "--json", "--project", tmp_path, "--dns", server.address)
    assert said.code == 1
    assert said.json["good"] is False
    assert {"group", "check", "state", "what", "fix"} == set(said.json["lines"][0])
    assert {"spf", "dkim", "dmarc", "smtp", "database"} <= {line["check"] for line in said.json["lines"]}


def test_a_key_is_made_once_and_what_it_prints_can_be_used(project: Path, newsletter: Newsletter) -> None:
    said = newsletter("doctor", "--make-dkim", "--selector", "news2026")
    path = project / "subscribers" / "dkim-news2026.key"
    assert said.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = record_text(read_key(path, "rsa"))
    assert "news2026._domainkey.example.org" in said.out
    assert record in said.out
    assert f'"{record[:255]}" "{record[255:]}"' in said.out
    assert "PRIVATE" not in said.all
    lines = said.out.partition("[dkim]")[2].splitlines()[:4]
    settings = project / "newsletter.toml"
    settings.write_text(settings.read_text() + "[dkim]" + "\n".join(line.strip() for line in lines) + "\n")
    dkim = load_settings(settings, {}).dkim
    assert dkim is not None
    assert (dkim.domain, dkim.selector) == ("example.org", "news2026")
    again = newsletter("doctor", "--make-dkim", "--selector", "news2026")
    assert again.code == 2
    assert "stays as it is" in again.err
    assert record in newsletter("doctor", "--show-dkim").out


def test_a_second_key_is_short_and_fits_below_the_first(project: Path, newsletter: Newsletter) -> None:
    made = newsletter("doctor", "--make-dkim", "--selector", "a", "--domain", "Mail.Example.org", "--json").json
    second = newsletter("doctor", "--make-dkim", "--selector", "b", "--ed25519", "--json").json
    assert made["record"]["name"] == "a._domainkey.mail.example.org"
    assert second["record"]["key"] == "ed25519"
    assert len(base64.b64decode(second["record"]["value"].partition("p=")[2])) == 32
    settings = project / "newsletter.toml"
    settings.write_text(
        settings.read_text() + "\n[dkim]\n" + "\n".join([*made["settings"], *second["settings"]]) + "\n"
    )
    shown = newsletter("doctor", "--show-dkim", "--json").json
    assert [record["name"] for record in shown] == ["a._domainkey.mail.example.org", "b._domainkey.mail.example.org"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--selector", "x"], "Add --make-dkim"),
        (["--make-dkim", "--show-dkim"], "not both"),
        (["--make-dkim", "--domain", "nowhere"], "is not a domain"),
        (["--make-dkim", "--selector", "a/b"], "cannot name a key"),
        (["--show-dkim"], "has no [dkim]"),
        (["--dns", "somewhere"], "is not the address of a DNS server"),
    ],
)
def test_wrong_usage_is_told(project: Path, newsletter: Newsletter, options: list[str], sentence: str) -> None:
    said = newsletter("doctor", *options)
    assert (said.code, sentence in said.err) == (2, True)
    assert "Traceback" not in said.all


def test_a_mistake_in_the_settings_is_told_with_its_line(project: Path, newsletter: Newsletter) -> None:
    settings = project / "newsletter.toml"
    settings.write_text(settings.read_text() + "\n[dkmi]\n")
    said = newsletter("doctor")
    assert said.code == 2
    assert "Did you mean «dkim»?" in said.err


def test_json_of_a_run_is_json_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["doctor", "--offline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True
