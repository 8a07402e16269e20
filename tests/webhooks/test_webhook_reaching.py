"""A webhook reaches the machine that its URL names, and none that only we can see (checklist item 131)."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.errors import AccessError
from newsletter.webhooks import posting
from newsletter.webhooks.posting import post
from newsletter.webhooks.reaching import Reach, is_public, read_target

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert not is_public(address)
    asked: list[str] = []
    reach = Reach(resolve=lambda host, _: [address], connect=lambda to, *_: asked.append(to))  # type: ignore[arg-type,func-returns-value]
    for url in (f"https://{host}/", "https://hooks.example.org/"):
        answer = post(url, b"{}", {}, reach)
        assert answer.status is None
    assert asked == []


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:800::200e"])
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "file:///etc/passwd",
        "gopher://hooks.example.org/",
        "https://",
        "https:///path",
        "//hooks.example.org/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]:443/",
        "https://[fe80::1%25eth0]/",
        "https://[::1]/",
        "https://localhost/",
        "https://a.localhost/",
        "https://LOCALHOST./",
        "https://user:pass@hooks.example.org/",
        "https://hooks.example.org@127.0.0.1/",
        "https://hooks.example.org:8443/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org/ blank",
        "https://hooks.example.org/\r\nHost: evil",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://ｌocalhost/",
        "https://hooks。example.org/",
        "https://hooks.example.org/" + "x" * 2_000,
    ],
)
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if host in {"127.0.0.1", "::ffff:7f00:1"} else ["8.8.8.8"]

    def connect(*_: object) -> socket.socket:
        raise AssertionError("it connected")

    assert post(url, b"{}", {}, Reach(resolve=resolve, connect=connect)).status is None


def _notations(address: int) -> list[str]:
    """The ways in which programs write one IPv4 address."""
    a, b, c, d = address.to_bytes(4, "big")
    return [
        f"{a}.{b}.{c}.{d}",
        str(address),
        f"0x{address:x}",
        f"0{address:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{int.from_bytes(bytes([b, c, d]), 'big')}",
        f"{a}.{b}.{int.from_bytes(bytes([c, d]), 'big')}",
        f"[::ffff:{a}.{b}.{c}.{d}]",
        f"[::ffff:{a * 256 + b:x}:{c * 256 + d:x}]",
        f"[::{a * 256 + b:x}:{c * 256 + d:x}]",
        f"[64:ff9b::{a * 256 + b:x}:{c * 256 + d:x}]",
        f"[2002:{a * 256 + b:x}:{c * 256 + d:x}::1]",
        f"{a}.{b}.{c}.{d}.",
    ]


@given(
    st.sampled_from(
        ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
    ),
    st.integers(min_value=0, max_value=2**24 - 1),
)
@example("127.0.0.0/8", 1)
def test_no_way_to_write_a_private_address_reaches_it(network: str, host: int) -> None:
    inside = ipaddress.ip_network(network)
    address = int(inside.network_address) + host % inside.num_addresses

    def resolve(name: str, _: int) -> list[str]:
        ipaddress.ip_address(name)  # what is not the usual notation must not come so far as to be asked for
        return [name]

    def connect(*_: object) -> socket.socket:
        raise AssertionError("it connected")

    for notation in _notations(address):
        assert post(f"https://{notation}/", b"{}", {}, Reach(resolve=resolve, connect=connect)).status is None


def test_a_name_is_asked_for_once_and_connected_to_what_was_told_then() -> None:
    """Rebinding: a resolver that tells something else the second time is not asked a second time."""
    told = iter([["8.8.8.8"], ["127.0.0.1"]])
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(told)

    def connect(address: str, port: int, _: float) -> socket.socket:
        connected.append((address, port))
        raise ConnectionRefusedError

    assert post("https://hooks.example.org/", b"{}", {}, Reach(resolve=resolve, connect=connect)).status is None
    assert (asked, connected) == (["hooks.example.org"], [("8.8.8.8", 443)])


def test_one_private_address_among_public_ones_is_one_too_many() -> None:
    reach = Reach(resolve=lambda *_: ["8.8.8.8", "10.0.0.1"], connect=lambda *_: pytest.fail("it connected"))
    answer = post("https://hooks.example.org/", b"{}", {}, reach)
    assert answer.text == "The machine that the webhook names is not on the public internet."


def test_this_machine_is_called_on_trial_only_and_nothing_else_that_is_private() -> None:
    assert read_target("http://localhost:9000/in", here=True).port == 9000
    with pytest.raises(AccessError, match="base_url is on localhost"):
        read_target("http://localhost:9000/in", here=False)
    for url in ("http://10.0.0.1/", "http://hooks.example.org/"):
        with pytest.raises(AccessError):
            read_target(url, here=True)
    reach = Reach(here=True, resolve=lambda *_: ["10.0.0.1"], connect=lambda *_: pytest.fail("it connected"))
    assert post("http://localhost:9000/", b"{}", {}, reach).status is None
    assert post("https://10.0.0.1/", b"{}", {}, reach).status is None


@contextmanager
def _saying(said: list[bytes], *, pause: float = 0.0, context: ssl.SSLContext | None = None) -> Iterator[list[str]]:
    """A server that reads a request and says something, piece by piece; it notes the names that it was asked for."""
    names: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        try:
            line, _ = listening.accept()
            with line:
                if context is not None:
                    context.sni_callback = lambda _, name, __: names.append(name)  # type: ignore[assignment]
                    line = context.wrap_socket(line, server_side=True)
                line.settimeout(5)
                names.append(line.recv(65_536).decode("latin-1"))
                for piece in said:
                    line.sendall(piece)
                    if over.wait(pause):
                        return
                line.close()
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    names.append(str(listening.getsockname()[1]))
    try:
        yield names
    finally:
        over.set()
        listening.close()
        thread.join(10)


def _to(port: str) -> Reach:
    def connect(_address: str, _port: int, patience: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(port)), timeout=patience)

    return Reach(resolve=lambda *_: ["8.8.8.8"], connect=connect)


def _here(port: str) -> tuple[str, Reach]:
    return f"http://127.0.0.1:{port}/", Reach(here=True)


def test_a_redirect_is_not_followed() -> None:
    with _saying([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]) as names:
        url, reach = _here(names[0])
        answer = post(url, b"{}", {}, reach)
    assert answer.status == 302
    assert not answer.is_taken
    assert "not followed" in answer.text


def test_an_answer_that_drips_is_over_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "PATIENCE", 0.3)
    with _saying([b"HTTP/1.1 200 OK\r\n", *[b"X-Y: z\r\n"] * 90], pause=0.1) as names:
        url, reach = _here(names[0])
        began = time.monotonic()
        answer = post(url, b"{}", {}, reach)
    assert answer.status is None
    assert time.monotonic() - began < 6  # it would go on for nine


def test_little_is_read_of_a_long_answer_and_less_is_kept() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    with _saying([head, b"<b>\x1b[31m\xff" + b"x" * 200_000]) as names:
        url, reach = _here(names[0])
        answer = post(url, b"{}", {}, reach)
    assert answer.is_taken
    assert answer.text.startswith("<b>�[31m�x")
    assert len(answer.text) == 500


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n", b"\x00" * 70_000])
def test_what_is_no_answer_is_no_exception(said: bytes) -> None:
    with _saying([said]) as names:
        url, reach = _here(names[0])
        assert post(url, b"{}", {}, reach).status is None


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's certificate for a name, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "server.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(file)
    trusts = ssl.create_default_context(cadata=made.public_bytes(pem).decode())
    return serves, trusts


def test_over_tls_it_names_the_machine_and_checks_its_certificate(tmp_path: Path) -> None:
    """SNI, the certificate and Host are those of the name, though the connection goes to an address."""
    serves, trusts = _certificate(tmp_path, "hooks.example.org")
    said = [b"HTTP/1.1 204 No Content\r\n\r\n"]
    with _saying(said, context=serves) as names:
        reach = _to(names[0])
        reach = Reach(resolve=reach.resolve, connect=reach.connect, context=trusts)
        assert post("https://hooks.example.org/in?a=b", b"{}", {}, reach).status == 204
    assert names[1] == "hooks.example.org"
    assert names[2].startswith("POST /in?a=b HTTP/1.1\r\n")
    assert "\r\nHost: hooks.example.org\r\n" in names[2]


def test_another_machines_certificate_is_refused(tmp_path: Path) -> None:
    serves, trusts = _certificate(tmp_path, "other.example.org")
    with _saying([b"HTTP/1.1 204 No Content\r\n\r\n"], context=serves) as names:
        reach = _to(names[0])
        reach = Reach(resolve=reach.resolve, connect=reach.connect, context=trusts)
        answer = post("https://hooks.example.org/", b"{}", {}, reach)
    assert answer.status is None
    assert answer.text == "No answer: its certificate is not valid, has expired, or is for another name."
