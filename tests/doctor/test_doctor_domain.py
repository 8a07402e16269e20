"""What the doctor says about the records of a domain, by a real DNS server on loopback (email-standards 1 to 6, 8)."""

import ipaddress
from base64 import b64encode
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.domain import Sendership, examine_domain, examine_reverse, is_free_mail
from newsletter.doctor.names import Names, is_example
from newsletter.sending.dkim_keys import Key, make_key, record_text
from tests.dkim.signing import keys
from tests.doctor.examining import about, changed, examine, good_zone, make_project, states
from tests.doctor.nameserver import Zone, serving, text


@cache
def other_key() -> Key:
    return generate_private_key(65537, 2048)


DNS = ("spf", "bounces", "dkim", "dmarc", "alignment")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


WHO = Sendership("example.org", "mail.example.org", "example.org", (keys()[0],))


def look(zone: Zone, who: Sendership = WHO, **more: Any) -> list[Diagnosis]:
    """What the doctor says about a domain by a DNS server with this zone."""
    with serving(zone, **more) as server:
        return list(examine_domain(Names(server.address), who))


def spoiled(name: str, check: str, **kinds: list[str] | None) -> list[Diagnosis]:
    """What one check says when one name is changed; all others stay good."""
    lines = look(changed(good_zone(), name, **kinds))
    others = [one for one in DNS if one != check]
    assert set(states(lines, *others)) == {"good"}, lines
    return about(lines, check)


def test_a_domain_in_order_is_good_throughout(project: Path) -> None:
    lines = about(examine(project), *DNS)
    assert [line.check for line in lines] == ["spf", "bounces", "dkim", "dmarc", "alignment", "alignment"]
    assert {line.state.value for line in lines} == {"good"}


@pytest.mark.parametrize(
    ("records", "state", "words"),
    [
        (None, "must fix", "has no SPF record"),
        (["v=spf1 -all", "v=spf1 ~all"], "must fix", "has 2 SPF records"),
        (["v=spf1 +all"], "must fix", "lets everybody send as you"),
        (["v=spf1 include:gone.example.net -all"], "must fix", "which has no SPF record"),
        (["v=spf1 " + "a:mx.example.org " * 11 + "-all"], "must fix", "takes 11 questions; providers stop at 10"),
        (["v=spf1 a:x.example.org a:y.example.org a:z.example.org -all"], "must fix", "3 places that are not there"),
        (["v=spf1 ip4:192.0.2.1"], "should fix", "does not say what to think of all others"),
        (["v=spf1 ?all"], "should fix", "does not say what to think of all others"),
        (["v=spf1 ptr -all"], "should fix", "uses ptr"),
        (["v=spf1 " + "a:mx.example.org " * 10 + "-all"], "good", "10 of 10 questions"),
    ],
)
def test_spf(records: list[str] | None, state: str, words: str) -> None:
    kinds = {"TXT": None if records is None else [text(record) for record in records]}
    line = spoiled("mail.example.org", "spf", **kinds)[-1]
    assert line.state.value == state
    assert words in line.what
    assert line.fix or state == "good"


@pytest.mark.parametrize(
    ("kinds", "state", "words"),
    [
        ({"MX": ["0 ."]}, "must fix", "takes no mail"),
        ({"MX": None}, "must fix", "No machine takes mail"),
        ({"MX": None, "A": ["192.0.2.1"]}, "should fix", "has no MX record"),
        ({"MX": ["20 second.example.org.", "10 first.example.org."]}, "good", "first.example.org"),
    ],
)
def test_bounces_need_a_machine_that_takes_them(kinds: dict[str, list[str] | None], state: str, words: str) -> None:
    (line,) = spoiled("mail.example.org", "bounces", **kinds)
    assert (line.state.value, words in line.what) == (state, True)


def test_without_an_address_for_bounces_the_authors_domain_is_asked(tmp_path: Path) -> None:
    make_project(tmp_path, lambda toml: toml.replace('bounces = "bounces@mail.example.org"', ""))
    lines = examine(tmp_path)
    assert about(lines, "spf")[0].what.startswith("example.org has no SPF record")
    assert states(lines, "alignment") == ["good"]


RECORD = "news._domainkey.example.org"


@pytest.mark.parametrize(
    ("record", "state", "words"),
    [
        (None, "must fix", "There is no DKIM record"),
        ("hello", "must fix", "is no DKIM record"),
        ("v=DKIM2; p={p}", "must fix", "is no DKIM record"),
        ("v=DKIM1; k=rsa; p=", "must fix", "is revoked"),
        ("v=DKIM1; k=ed25519; p={p}", "must fix", "of the kind ed25519, and yours is rsa"),
        ("v=DKIM1; h=sha1; p={p}", "must fix", "sha256"),
        ("v=DKIM1; s=tlsrpt; p={p}", "must fix", "not for email"),
        ("v=DKIM1; p={half}", "must fix", "cannot be read"),
        ("v=DKIM1; p={other}", "must fix", "another key"),
        ("v=DKIM1; t=y:s; p={p}", "should fix", "only for trying out"),
        ("p={p}", "good", "other half of your key"),
        ("v=DKIM1;k=rsa;h=sha1:sha256;s=*;p={p};", "good", "other half of your key"),
        ("v=DKIM1; p={spaced}", "good", "other half of your key"),
        ("v=DKIM1; p={bare}", "good", "other half of your key"),
    ],
)
def test_dkim(record: str | None, state: str, words: str) -> None:
    key = keys()[0].key
    own = record_text(key).partition("p=")[2]
    other = record_text(other_key()).partition("p=")[2]
    bare = b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    parts = {"p": own, "other": other, "half": own[:200], "spaced": f"{own[:100]} {own[100:]}", "bare": bare}
    line = spoiled(RECORD, "dkim", TXT=None if record is None else [text(record.format(**parts))])[-1]
    assert (line.state.value, words in line.what) == (state, True), line


def test_two_dkim_records_are_one_too_many() -> None:
    own = good_zone()[RECORD]["TXT"]
    (line,) = spoiled(RECORD, "dkim", TXT=[*own, text("v=DKIM1; p=")])
    assert "There are 2 DKIM records" in line.what


def test_the_second_key_has_a_record_of_its_own(tmp_path: Path) -> None:
    more = 'ed25519_selector = "news-ed"\ned25519_key_file = "ed.key"\n'
    make_project(tmp_path, lambda toml: toml + more)
    record = text(record_text(make_key(tmp_path / "ed.key", "ed25519")))
    assert states(examine(tmp_path), "dkim") == ["good", "must fix"]
    zone = changed(good_zone(), "news-ed._domainkey.example.org", TXT=[record])
    assert states(examine(tmp_path, zone), "dkim") == ["good", "good"]


def test_a_key_that_cannot_be_used_is_told_and_the_rest_goes_on(project: Path) -> None:
    zone = good_zone()
    (project / "news.key").chmod(0o644)
    lines = examine(project, zone)
    (line,) = about(lines, "dkim-key")
    assert line.state.value == "must fix"
    assert line.what == "Others on this machine can read the DKIM key."
    assert "chmod 600" in line.fix
    assert states(lines, "dmarc") == ["good"]


def test_without_dkim_the_letters_are_unsigned(tmp_path: Path) -> None:
    make_project(tmp_path, lambda toml: toml.partition("[dkim]")[0])
    lines = examine(tmp_path, {})
    assert states(lines, "dkim-key") == ["should fix"]
    assert "--make-dkim" in about(lines, "dkim-key")[0].fix


@pytest.mark.parametrize(
    ("records", "state", "words"),
    [
        (None, "must fix", "has no DMARC record"),
        (["v=DMARC1; p=none; rua=mailto:a@example.org", "v=DMARC1; p=reject"], "must fix", "There are 2 DMARC"),
        (["v=DMARC1; p=nothing"], "must fix", "asks for «nothing»"),
        (["v=DMARC1; p=reject"], "should fix", "names nobody who gets reports"),
        (["v=DMARC1; p=none; pct=50; ri=86400; rua=mailto:a@example.org"], "good to know", "uses pct, ri"),
        (
            ["v=DMARC1; p=none; rua=mailto:a@example.org", "other text"],
            "good",
            "forged letters are only watched (p=none)",
        ),
    ],
)
def test_dmarc(records: list[str] | None, state: str, words: str) -> None:
    kinds = {"TXT": None if records is None else [text(record) for record in records]}
    line = spoiled("_dmarc.example.org", "dmarc", **kinds)[-1]
    assert (line.state.value, words in line.what) == (state, True), line


def test_dmarc_is_looked_for_above_the_from_domain_and_speaks_for_those_below(tmp_path: Path) -> None:
    make_project(tmp_path, lambda toml: toml.replace("news@example.org", "news@letters.example.org"))
    zone = changed(
        good_zone(), "_dmarc.example.org", TXT=[text("v=DMARC1; p=reject; sp=none; rua=mailto:a@example.org")]
    )
    lines = examine(tmp_path, zone)
    assert "are only watched (p=none)" in about(lines, "dmarc")[0].what
    assert states(lines, "alignment") == ["good", "good"]


def test_strict_dmarc_asks_for_the_very_same_domain(tmp_path: Path) -> None:
    make_project(tmp_path, lambda toml: toml.replace("news@example.org", "news@letters.example.org"))
    strict = "v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:a@example.org"
    lines = examine(tmp_path, changed(good_zone(), "_dmarc.example.org", TXT=[text(strict)]))
    assert states(lines, "alignment") == ["must fix", "must fix"]
    assert all("the very same domain" in line.what for line in about(lines, "alignment"))


def test_domains_of_other_owners_do_not_belong_together(tmp_path: Path) -> None:
    """When the signature fits, an envelope that does not is only a pity."""
    make_project(tmp_path, lambda toml: toml.replace("bounces@mail.example.org", "bounces@example.net"))
    assert states(examine(tmp_path), "alignment") == ["good", "should fix"]
    make_project(tmp_path, lambda toml: toml.replace('domain = "example.org"', 'domain = "example.com"'))
    assert states(examine(tmp_path), "alignment")[0] == "must fix"


def test_a_public_suffix_is_nobodys_organisation(tmp_path: Path) -> None:
    """With psd=y above them, two neighbours are strangers (RFC 9989 section 4.10.2)."""
    make_project(tmp_path, lambda toml: toml.replace("news@example.org", "news@a.example.org"))
    zone = good_zone()
    zone["_dmarc.example.org"]["TXT"] = [text("v=DMARC1; p=none; psd=y; rua=mailto:a@example.org")]
    assert set(states(examine(tmp_path, zone), "alignment")) == {"must fix"}


def test_what_cannot_be_asked_is_not_called_wrong() -> None:
    lines = look(good_zone(), broken={"mail.example.org", RECORD})
    assert states(lines, "spf", "bounces", "dkim") == ["not checked"] * 3
    assert states(lines, "dmarc") == ["good"]
    assert all("could not be asked for" in line.what for line in lines if line.state.value == "not checked")


def test_without_a_network_every_line_says_so_and_it_does_not_take_long() -> None:
    with serving({}, silent=True) as server:
        names = Names(server.address, patience=0.1)
        lines = list(examine_domain(names, WHO))
        assert {line.state.value for line in lines} == {"not checked"}
        assert [line.check for line in lines] == ["spf", "bounces", "dkim", "dmarc"]
        assert server.heard <= 2  # the others were not even put


def test_a_server_that_denies_everything_knows_nothing() -> None:
    """Closed networks have such servers; they are found out by asking for `org`."""
    with serving({}) as server:
        names = Names(server.address)
        names._knows_world = False
        lines = list(examine_domain(names, Sendership("example.org", "example.org", None)))
        assert {line.state.value for line in lines} == {"not checked"}
        assert "knows nothing of the world" in lines[0].what
        assert "org NS" in server.asked


def test_letters_from_everybodys_domain_are_refused(tmp_path: Path) -> None:
    assert is_free_mail("gmail.com")
    assert is_free_mail("Yahoo.com")
    assert not is_free_mail("example.org")
    make_project(tmp_path, lambda toml: toml.replace("news@example.org", "somebody@gmail.com"))
    lines = examine(tmp_path, {})
    assert states(lines, "from") == ["must fix"]


@pytest.mark.parametrize(
    "domain", ["example.org", "news.example.com", "a.test", "x.localhost", "x.invalid", "EXAMPLE.NET."]
)
def test_domains_for_examples(domain: str) -> None:
    assert is_example(domain)


@pytest.mark.parametrize("domain", ["example.info", "myexample.org", "test.de"])
def test_other_domains_are_no_examples(domain: str) -> None:
    assert not is_example(domain)


def test_an_address_needs_a_name_that_leads_back() -> None:
    zone = {
        "10.2.0.192.in-addr.arpa": {"PTR": ["mail.example.org."]},
        "11.2.0.192.in-addr.arpa": {"PTR": ["mail.example.org."]},
        "mail.example.org": {"A": ["192.0.2.10"]},
    }
    with serving(zone) as server:
        found = {
            n: examine_reverse(Names(server.address), ipaddress.ip_address(f"192.0.2.{n}"))[0] for n in (10, 11, 12)
        }
    assert [found[n].state.value for n in (10, 11, 12)] == ["good", "must fix", "must fix"]
    assert "does not lead back" in found[11].what
    assert "has no name" in found[12].what


def test_a_mail_server_that_spf_does_not_name_is_told_without_alarm() -> None:
    """Its letters may leave from other addresses."""
    named, other = (ipaddress.ip_address(text) for text in ("192.0.2.10", "198.51.100.1"))
    assert states(look(good_zone(), replace(WHO, sources=(named,))), "spf") == ["good"]
    assert states(look(good_zone(), replace(WHO, sources=(other,))), "spf") == ["good", "good to know"]
