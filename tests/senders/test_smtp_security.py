"""Encryption and login: nothing of a letter or a password is ever said to a server that did not prove who it is."""

import dataclasses
import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import MailServer as Destination
from newsletter.sending.senders.smtp.opening import open_connection
from tests.senders.certificates import Authority, make_authority
from tests.senders.mailserver import OFFERS, MailServer
from tests.senders.posting import PATIENT, Raw, letter_of, post, send_to, sender_to

USERS = {"news": "s3cret ☃"}
LOGIN = {"username": "news", "password": "s3cret ☃"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> ssl.SSLContext:
    return authority.context()


@pytest.fixture(params=["starttls", "tls"])
def security(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(server: MailServer, match: str, *, lasting: bool = True, **more: Any) -> str:
    with pytest.raises(SenderUnavailableError, match=match) as told:
        send_to(server, **more)
    assert told.value.lasting is lasting
    assert not server.mails
    assert not any(line.startswith((b"MAIL", b"AUTH")) for group in server.groups for line in group)
    return str(told.value)


def test_messages_travel_encrypted(authority: Authority, good: ssl.SSLContext, security: str) -> None:
    with MailServer(tls=good, implicit=security == "tls") as server:
        sender = sender_to(server, security=security, context=authority.trusted())
        for size in (50, 45_000, 1_000_000):
            message = Raw(letter_of(size))
            assert post(sender, message).verdict is Verdict.ACCEPTED
            assert server.mails[-1].content == message.content
        sender.close()
        assert all(mail.encrypted for mail in server.mails)
        assert server.connections == 1
        assert not server.violations


@pytest.mark.parametrize(
    ("names", "wrong", "why"),
    [
        ([], {"own": True}, "self.signed certificate"),
        ([], {"age": dt.timedelta(days=60)}, "certificate has expired"),
        ([], {"age": dt.timedelta(days=-5)}, "not yet valid"),
        ([x509.DNSName("mail.example.net")], {}, "mismatch"),
    ],
    ids=["self-signed", "expired", "of tomorrow", "another's name"],
)
def test_a_certificate_that_proves_nothing_stops_everything(
    authority: Authority, security: str, names: list[x509.GeneralName], wrong: dict[str, Any], why: str
) -> None:
    context = authority.context(*names, **wrong)
    with MailServer(tls=context, implicit=security == "tls", users=USERS) as server:
        refused(server, why, security=security, context=authority.trusted(), **LOGIN)


def test_by_default_only_authorities_of_the_system_are_trusted(
    authority: Authority, good: ssl.SSLContext, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer(tls=good, implicit=security == "tls") as server:
        told = refused(server, "does not prove that it is that server", security=security)
        assert "SSL_CERT_FILE" in told
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert send_to(server, security=security).verdict is Verdict.ACCEPTED, "as the error says"


def test_no_encryption_older_than_tls_1_2(authority: Authority, security: str) -> None:
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with MailServer(tls=context, implicit=security == "tls") as server:
        told = refused(server, "No encrypted connection", security=security, context=authority.trusted())
        assert "starttls for 587, tls for 465" in told


def test_a_server_that_hides_starttls_gets_nothing(authority: Authority) -> None:
    with MailServer(users=USERS) as server:
        refused(server, "does not offer encryption", security="starttls", context=authority.trusted(), **LOGIN)


@pytest.mark.parametrize(("reply", "lasting"), [("454 4.7.0 Not available", False), ("501 5.5.4 No", True)])
def test_a_server_that_refuses_starttls_gets_nothing(good: ssl.SSLContext, reply: str, lasting: bool) -> None:
    with MailServer(tls=good) as server:
        server.at("starttls", reply)
        refused(server, "does not go over to encryption", lasting=lasting, security="starttls")


@pytest.mark.parametrize("more", [r"250 injected\r\n", r"235 2.7.0 Welcome\r\n250-x\r\n", "2"])
def test_what_is_slipped_in_before_the_encryption_is_never_believed(
    authority: Authority, good: ssl.SSLContext, more: str
) -> None:
    """The response injection of CVE-2011-0411 and its kin."""
    with MailServer(tls=good) as server:
        server.at("starttls", rf"raw 220 Go on\r\n{more}")
        with pytest.raises(SenderUnavailableError, match="before the encryption"):
            send_to(server, security="starttls", context=authority.trusted())
        assert not server.mails


def test_what_a_server_offers_in_the_clear_is_forgotten_once_encrypted(
    authority: Authority, good: ssl.SSLContext
) -> None:
    with MailServer(tls=good, users=USERS) as server:
        server.at("ehlo", "250 mail.example.org\nSTARTTLS\nAUTH NTLM\nSIZE 10", times=1)
        assert send_to(server, security="starttls", context=authority.trusted(), **LOGIN).verdict is Verdict.ACCEPTED
        assert [group for group in server.groups if group[0].startswith(b"EHLO")] == [[b"EHLO example.org"]] * 2


@pytest.mark.parametrize(("ours", "theirs"), [("tls", False), ("starttls", True)])
def test_the_wrong_kind_of_encryption_for_the_port_is_told(good: ssl.SSLContext, ours: str, theirs: bool) -> None:
    """One side waits for the other, or hears noise."""
    with (
        MailServer(tls=good, implicit=theirs) as server,
        pytest.raises(SenderUnavailableError, match="security") as told,
    ):
        send_to(server, security=ours, timeouts=dataclasses.replace(PATIENT, greeting=0.3))
    assert "[sender.smtp]" in str(told.value)


def test_without_encryption_nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever «localhost» has come to mean in the system's list of hosts."""
    with MailServer() as server:
        monkeypatch.setattr("newsletter.sending.senders.smtp.line.Line.peer", "192.0.2.1")
        refused(server, "not on this machine but at 192.0.2.1")
        assert not server.groups


@pytest.mark.parametrize("login", ["auto", "plain", "login", "xoauth2"])
def test_every_way_to_log_in(authority: Authority, good: ssl.SSLContext, security: str, login: str) -> None:
    with MailServer(tls=good, implicit=security == "tls", users=USERS) as server:
        sender = sender_to(server, security=security, context=authority.trusted(), login=login, **LOGIN)
        assert post(sender).verdict is Verdict.ACCEPTED
        sender.close()
        assert server.mails[0].user == "news"
        said = b"\n".join(line for group in server.groups for line in group)
        assert (b"AUTH XOAUTH2" in said) is (login == "xoauth2"), "a token is only what one is said to be"


def test_the_login_is_one_that_the_server_offers() -> None:
    with MailServer(users=USERS, logins=("CRAM-MD5", "LOGIN")) as server:
        assert send_to(server, **LOGIN).verdict is Verdict.ACCEPTED
    with MailServer(users=USERS, logins=(), offers=(*OFFERS, "AUTH=PLAIN LOGIN")) as server:
        assert send_to(server, **LOGIN).verdict is Verdict.ACCEPTED, "the old way to say it"


@pytest.mark.parametrize("login", ["auto", "plain", "login", "xoauth2"])
def test_a_wrong_password_pauses_the_mailing_and_is_not_shown(login: str) -> None:
    with MailServer(users=USERS) as server:
        with pytest.raises(SenderUnavailableError, match="NEWSLETTER_SMTP_PASSWORD") as told:
            send_to(server, username="news", password="wr0ng-one", login=login)
        assert told.value.lasting
        assert "535 5.7.8 Bad credentials" in str(told.value)
        assert "wr0ng-one" not in str(told.value) + repr(told.value)
        assert not server.violations


def test_a_login_that_fails_for_now_makes_the_mailing_wait() -> None:
    with MailServer(users=USERS) as server:
        server.at("auth", "454 4.7.0 Temporary failure")
        with pytest.raises(SenderUnavailableError, match="log in now") as told:
            send_to(server, **LOGIN)
        assert not told.value.lasting


@pytest.mark.parametrize(
    ("logins", "login", "offered"),
    [((), "auto", "no login at all"), (("CRAM-MD5",), "auto", "CRAM-MD5"), (("PLAIN",), "xoauth2", "PLAIN")],
)
def test_a_login_that_is_not_offered_is_told(logins: tuple[str, ...], login: str, offered: str) -> None:
    users = USERS if logins else {}
    with MailServer(users=users, logins=logins) as server:
        told = refused(server, "does not take the login", login=login, **LOGIN)
        assert f"it offers {offered}" in told


def test_a_server_that_wants_a_login_where_none_is_set_pauses_the_mailing() -> None:
    with MailServer(users=USERS) as server, pytest.raises(SenderUnavailableError, match=r"530 5\.7\.0") as told:
        send_to(server)
    assert told.value.lasting


def test_a_password_is_in_no_text_of_its_own() -> None:
    assert "s3cret" not in repr(Destination(host="localhost", port=25, username="news", password="s3cret"))


def test_ipv6_and_names_of_this_machine_count_as_near(tmp_path: Path) -> None:
    with MailServer() as server:
        destination = Destination(host="localhost", port=server.port, security="none", name="example.org")
        open_connection(destination, ssl.create_default_context(), PATIENT).quit()
        assert server.groups[-1] == [b"QUIT"]
