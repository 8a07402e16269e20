"""The doctor tries the sender out, on real servers on loopback, up to the point where a letter would begin."""

import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509

from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.sender import examine_outbox, examine_sendgrid, examine_smtp
from newsletter.project import open_project
from tests.doctor.examining import make_project, states
from tests.senders.certificates import Authority, make_authority
from tests.senders.mailserver import MailServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def try_smtp(
    folder: Path, server: MailServer, authority: Authority, more: str = "", environ: dict[str, str] | None = None
) -> list[Diagnosis]:
    lines = f'host = "127.0.0.1"\nport = {server.port}\n{more}'
    make_project(folder, lambda toml: toml.replace("port = 1\n", lines))
    project = open_project(folder, environ or {})
    return list(examine_smtp(project, dt.datetime.now(dt.UTC), authority.trusted()))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_in_order_is_good_and_gets_no_letter(tmp_path: Path, authority: Authority, security: str) -> None:
    with MailServer(tls=authority.context(), implicit=security == "tls", users={"news": "secret"}) as server:
        more = f'security = "{security}"\nusername = "news"\n'
        lines = try_smtp(tmp_path, server, authority, more, {"NEWSLETTER_SMTP_PASSWORD": "secret"})
        assert [line.state.value for line in lines] == ["good", "good"]
        assert "encrypted" in lines[0].what
        assert "takes the login of news" in lines[0].what
        assert "valid for 28 more days" in lines[1].what
        said = b"".join(command for group in server.groups for command in group)
        assert b"MAIL" not in said
        assert b"QUIT" in said
        assert not server.mails


def test_a_certificate_that_ends_soon_is_told(tmp_path: Path, authority: Authority) -> None:
    with MailServer(tls=authority.context(age=dt.timedelta(days=25))) as server:
        lines = try_smtp(tmp_path, server, authority)
    assert [line.state.value for line in lines] == ["good", "should fix"]
    assert "ends in 4 days" in lines[1].what


@pytest.mark.parametrize(
    ("names", "age", "own"),
    [([x509.DNSName("other.example.org")], 1, False), ([], 31, False), ([], 1, True)],
    ids=["another name", "ended", "signed by itself"],
)
def test_a_wrong_certificate_must_be_fixed(
    tmp_path: Path, authority: Authority, names: list[x509.GeneralName], age: int, own: bool
) -> None:
    with MailServer(tls=authority.context(*names, age=dt.timedelta(days=age), own=own)) as server:
        (line,) = try_smtp(tmp_path, server, authority)
    assert line.state.value == "must fix"
    assert "certificate" in line.what
    assert line.fix


def test_no_encryption_a_wrong_password_and_a_missing_one_must_be_fixed(tmp_path: Path, authority: Authority) -> None:
    with MailServer() as server:
        (line,) = try_smtp(tmp_path, server, authority)
        assert "does not offer encryption" in line.what
    with MailServer(tls=authority.context(), users={"news": "secret"}) as server:
        wrong = {"NEWSLETTER_SMTP_PASSWORD": "s3cr3t-wrong"}
        (line,) = try_smtp(tmp_path, server, authority, 'username = "news"\n', wrong)
        assert line.state.value == "must fix"
        assert "s3cr3t-wrong" not in str(line)
        (line,) = try_smtp(tmp_path, server, authority, 'username = "news"\n')
        assert "NEWSLETTER_SMTP_PASSWORD" in line.fix


def test_a_server_that_is_not_there_must_be_fixed(tmp_path: Path, authority: Authority) -> None:
    with MailServer() as server:
        pass
    (line,) = try_smtp(tmp_path, server, authority)
    assert (line.state.value, "cannot be reached" in line.what) == ("must fix", True)


def test_a_dkim_key_that_is_wrong_does_not_keep_the_mail_server_from_being_tried(
    tmp_path: Path, authority: Authority
) -> None:
    make_project(tmp_path)
    (tmp_path / "news.key").write_text("no key")
    with MailServer(tls=authority.context()) as server:
        assert try_smtp(tmp_path, server, authority)[0].state.value == "good"


@contextmanager
def api(status: int, body: object) -> Iterator[str]:
    """Answers every question like this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v3/scopes"
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def try_sendgrid(
    folder: Path, url: str, *, key: str = "SG.a.b", more: str = "", network: bool = True
) -> list[Diagnosis]:
    def change(toml: str) -> str:
        table = f'[sender.sendgrid]\napi_url = "{url}"\n{more}'
        return toml.replace('kind = "smtp"', 'kind = "sendgrid"').replace("[dkim]", f"{table}\n[dkim]")

    make_project(folder, change)
    project = open_project(folder, {"SENDGRID_API_KEY": key} if key else {})
    return list(examine_sendgrid(project, network=network))


@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        (200, {"scopes": ["mail.send", "user.profile.read"]}, "good", "may send mail"),
        (200, {"scopes": ["user.profile.read"]}, "must fix", "may not send mail"),
        (200, ["odd"], "must fix", "may not send mail"),
        (401, {"errors": [{"message": "authorization required", "field": None}]}, "must fix", "authorization required"),
        (403, {"errors": [{"message": "access forbidden"}]}, "must fix", "access forbidden"),
        (503, {}, "not checked", "answers 503"),
    ],
)
def test_sendgrid_is_asked_what_the_key_may_do(
    tmp_path: Path, status: int, body: object, state: str, words: str
) -> None:
    with api(status, body) as url:
        (line,) = try_sendgrid(tmp_path, url)
    assert (line.state.value, words in line.what) == (state, True), line


def test_sendgrid_without_key_in_the_sandbox_offline_and_out_of_reach(tmp_path: Path) -> None:
    with api(200, {"scopes": ["mail.send"]}) as url:
        assert states(try_sendgrid(tmp_path, url, key=""), "sendgrid") == ["must fix"]
        lines = try_sendgrid(tmp_path, url, more="sandbox = true\n")
        assert states(lines, "sendgrid-sandbox", "sendgrid") == ["should fix", "good"]
        assert states(try_sendgrid(tmp_path, url, network=False), "sendgrid") == ["not checked"]
    assert states(try_sendgrid(tmp_path, url), "sendgrid") == ["must fix"]


def test_the_outbox_needs_a_folder_that_can_be_written_to(tmp_path: Path) -> None:
    make_project(tmp_path, lambda toml: toml.replace('kind = "smtp"', 'kind = "outbox"'))
    project = open_project(tmp_path, {})
    (line,) = examine_outbox(project)
    assert line.state.value == "good"
    assert not project.outbox.exists()
    project.outbox.write_text("a file is in its place")
    (line,) = examine_outbox(project)
    assert line.state.value == "must fix"


def test_the_context_that_notes_certificates_still_verifies(authority: Authority) -> None:
    """It must not be weaker than the one that sends."""
    from newsletter.doctor.sender import _noting_certificates

    context = _noting_certificates(None, [])
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
