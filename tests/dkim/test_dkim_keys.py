"""Keys are made for their owner alone, never over another file, and refused in plain words when they cannot sign."""

import base64
import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from newsletter.config import load_settings
from newsletter.errors import ConfigError
from newsletter.project import open_project
from newsletter.sending.dkim import open_signer
from newsletter.sending.dkim_keys import Kind, make_key, public_text, read_key, record_strings, record_text
from tests.dkim.signing import LETTER, NOW, keys

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()

TOML = """
[newsletter]
name = "News"
base_url = "https://news.example.org"
[identity]
from = "News <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
[sender]
kind = "{kind}"
[dkim]
domain = "example.org"
selector = "news"
key_file = "keys/news.key"
{more}
"""
SECOND = 'ed25519_selector = "news-ed"\ned25519_key_file = "keys/news-ed.key"'


def write_project(folder: Path, kind: str = "smtp", more: str = "") -> Path:
    (folder / "newsletter.toml").write_text(TOML.format(kind=kind, more=more))
    return folder


def write_key(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_made_key_is_its_owners_alone_and_reads_back(tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = ("rsa", "ed25519")
    for kind in kinds:
        path = tmp_path / "keys" / f"{kind}.key"
        made = make_key(path, kind)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert public_text(read_key(path, kind)) == public_text(made)
        assert [file.name for file in path.parent.glob(".*")] == []


def test_a_key_is_never_made_over_a_file_that_is_there(tmp_path: Path) -> None:
    path = write_key(tmp_path / "news.key", b"precious")
    with pytest.raises(ConfigError, match="already, and it stays as it is"):
        make_key(path, "rsa")
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_ours_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file, no folder")
    with pytest.raises(ConfigError, match="cannot be written"):
        make_key(tmp_path / "keys" / "news.key", "rsa")


def test_a_key_that_openssl_made_the_old_way_can_be_used(tmp_path: Path) -> None:
    """OpenDKIM and OpenSSL before 3 write PKCS#1."""
    old = keys()[0].key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, OPEN)
    assert old.startswith(b"-----BEGIN RSA PRIVATE KEY")
    assert public_text(read_key(write_key(tmp_path / "old.key", old), "rsa")) == public_text(keys()[0].key)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such rights.")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    make_key(tmp_path / "news.key", "ed25519")
    (tmp_path / "news.key").chmod(mode)
    with pytest.raises(ConfigError, match=r"Others on this machine can read.*chmod 600"):
        read_key(tmp_path / "news.key", "ed25519")


def refused() -> dict[str, tuple[bytes, Kind, str]]:
    short = rsa.generate_private_key(65537, 1024).private_bytes(PEM, PKCS8, OPEN)
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, OPEN)
    locked = keys()[1].key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"password"))
    small = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, OPEN)
    large = keys()[0].key.private_bytes(PEM, PKCS8, OPEN)
    public = keys()[0].key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "short": (short, "rsa", "1024 bits"),
        "curve": (curve, "rsa", "of another kind, and an RSA key is needed"),
        "locked": (locked, "ed25519", "locked with a password"),
        "ed25519 alone": (small, "rsa", "ed25519_selector and ed25519_key_file"),
        "rsa as second": (large, "ed25519", "an RSA key, and an Ed25519 key is needed"),
        "public": (public, "rsa", "does not hold a private key"),
        "text": (b"hello", "rsa", "does not hold a private key"),
        "empty": (b"", "rsa", "does not hold a private key"),
        "cut": (large[: len(large) // 2], "rsa", "does not hold a private key"),
    }


@pytest.mark.parametrize("name", refused())
def test_what_cannot_sign_is_refused_in_plain_words(tmp_path: Path, name: str) -> None:
    content, kind, sentence = refused()[name]
    with pytest.raises(ConfigError) as caught:
        read_key(write_key(tmp_path / "news.key", content), kind)
    assert sentence in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_a_missing_key_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no DKIM key"):
        read_key(tmp_path / "news.key", "rsa")
    with pytest.raises(ConfigError, match="is not a file"):
        read_key(tmp_path, "rsa")


def test_the_record_is_what_openssl_says_of_the_key(tmp_path: Path) -> None:
    make_key(tmp_path / "news.key", "rsa")
    openssl = ["openssl", "pkey", "-in", str(tmp_path / "news.key"), "-pubout", "-outform", "DER"]
    der = subprocess.run(openssl, capture_output=True, check=True).stdout
    text = record_text(read_key(tmp_path / "news.key", "rsa"))
    assert text == f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
    strings = record_strings(text)
    assert [len(part) <= 255 for part in strings] == [True, True]
    assert "".join(strings) == text


def test_the_record_of_an_ed25519_key_holds_its_32_octets() -> None:
    text = record_text(keys()[1].key)
    assert text.startswith("v=DKIM1; k=ed25519; p=")
    assert len(base64.b64decode(text.partition("p=")[2])) == 32
    assert record_strings(text) == [text]


def test_a_project_signs_with_one_key_or_two(tmp_path: Path) -> None:
    make_key(tmp_path / "keys" / "news.key", "rsa")
    make_key(tmp_path / "keys" / "news-ed.key", "ed25519")
    one = open_signer(open_project(write_project(tmp_path), {}))
    two = open_signer(open_project(write_project(tmp_path, more=SECOND), {}))
    assert one is not None
    assert two is not None
    assert one.sign(LETTER, NOW).count(b"DKIM-Signature:") == 1
    assert [key.selector for key in two.keys] == ["news", "news-ed"]
    assert two.sign(LETTER, NOW).startswith(one.sign(LETTER, NOW))


def test_a_key_may_lie_outside_the_project(tmp_path: Path) -> None:
    make_key(tmp_path / "elsewhere.key", "rsa")
    root = tmp_path / "project"
    root.mkdir()
    toml = TOML.format(kind="smtp", more="").replace("keys/news.key", str(tmp_path / "elsewhere.key"))
    (root / "newsletter.toml").write_text(toml)
    assert open_signer(open_project(root, {})) is not None


def test_other_senders_and_projects_without_dkim_sign_nothing(tmp_path: Path) -> None:
    """SendGrid signs by itself, and files need no signature: their keys are not even looked for."""
    assert open_signer(open_project(write_project(tmp_path, "outbox"), {})) is None
    without = TOML.format(kind="smtp", more="").partition("[dkim]")[0]
    (tmp_path / "newsletter.toml").write_text(without)
    assert open_signer(open_project(tmp_path, {})) is None


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('ed25519_selector = "news-ed"', "ed25519_key_file in [dkim] is missing"),
        ('ed25519_key_file = "a.key"', "has no ed25519_selector beside it"),
        (SECOND.replace("news-ed", "news"), "the same selector"),
    ],
)
def test_a_second_key_is_said_whole_or_not_at_all(tmp_path: Path, more: str, sentence: str) -> None:
    write_project(tmp_path, more=more)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "newsletter.toml", {})
    assert [sentence in str(finding) for finding in caught.value.findings] == [True]
