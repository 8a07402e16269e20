"""From newsletter.toml and the environment to a sender that is ready, or a sentence about what is missing."""

import ssl
from pathlib import Path

import pytest

from newsletter.config import load_settings
from newsletter.errors import ConfigError
from newsletter.project import open_project
from newsletter.sending.senders import open_sender
from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import SmtpSender
from tests.senders.mailserver import MailServer
from tests.senders.posting import post
from tests.senders.test_opening_senders import SETTINGS

PASSWORD = {"NEWSLETTER_SMTP_PASSWORD": "s3cret"}


def open_with(folder: Path, smtp: str, environ: dict[str, str]) -> SmtpSender:
    (folder / "newsletter.toml").write_text(f"{SETTINGS}\n[sender.smtp]\n{smtp}\n")
    sender = open_sender(open_project(folder, environ), "smtp")
    assert isinstance(sender, SmtpSender)
    return sender


def test_everything_comes_from_the_project(tmp_path: Path) -> None:
    sender = open_with(
        tmp_path, 'host = "mail.example.org"\nusername = "news"\nauth = "xoauth2"\nconnections = 7', PASSWORD
    )
    assert (sender.server.host, sender.server.port, sender.server.security) == ("mail.example.org", 587, "starttls")
    assert (sender.server.username, sender.server.password, sender.server.login) == ("news", "s3cret", "xoauth2")
    assert sender.server.name == "example.org", "not the machine's name"
    assert sender.capabilities.parallel == 7
    assert sender._context.verify_mode is ssl.CERT_REQUIRED
    assert sender._context.check_hostname
    assert sender._context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_it_sends_as_it_is_opened(tmp_path: Path) -> None:
    with MailServer(users={"news": "s3cret"}) as server:
        smtp = f'host = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nusername = "news"'
        sender = open_with(tmp_path, smtp, PASSWORD)
        assert post(sender).verdict is Verdict.ACCEPTED
        sender.close()
        assert server.mails[0].user == "news"


@pytest.mark.parametrize(
    ("smtp", "environ", "fix"),
    [('username = "news"', {}, "Set the variable NEWSLETTER_SMTP_PASSWORD"), ("", PASSWORD, "Set username")],
)
def test_half_a_login_is_told(tmp_path: Path, smtp: str, environ: dict[str, str], fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        open_with(tmp_path, smtp, environ)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("bounces@news.example.org", "bounces@news.example.org"),
        ("Returns@BÜCHER.example", "Returns@xn--bcher-kva.example"),
    ],
)
def test_the_bounces_address(tmp_path: Path, given: str, read: str) -> None:
    (tmp_path / "newsletter.toml").write_text(f'{SETTINGS}\n[sending]\nbounces = "{given}"\n')
    assert load_settings(tmp_path / "newsletter.toml", {}).sending.bounces == read


@pytest.mark.parametrize(
    "given",
    [
        "bounces",
        "bounces@",
        "Bounces <bounces@example.org>",
        "bounces+more@example.org",
        "ünzustellbar@example.org",
        "bounces-of-our-newsletters@example.org",
        "a@example.org, b@example.org",
    ],
)
def test_a_bounces_address_that_cannot_carry_a_code_is_told(tmp_path: Path, given: str) -> None:
    (tmp_path / "newsletter.toml").write_text(f'{SETTINGS}\n[sending]\nbounces = "{given}"\n')
    with pytest.raises(ConfigError) as told:
        load_settings(tmp_path / "newsletter.toml", {})
    (finding,) = told.value.findings
    assert "bounces" in finding.what
    assert finding.line
    assert finding.fix
