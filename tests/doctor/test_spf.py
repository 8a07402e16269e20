"""SPF records are read with all that they include, within the limits that mailbox providers keep (RFC 7208)."""

import contextlib
import ipaddress

import dns.exception
import dns.name
import dns.rdataset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.doctor.names import Names, NotAskedError
from newsletter.doctor.spf import Spf, read_spf
from tests.doctor.nameserver import Zone, serving, text

OURS = ipaddress.ip_address("192.0.2.10")
OURS6 = ipaddress.ip_address("2001:db8::10")


def read(records: dict[str, str], source: object = OURS, **more: dict[str, list[str]]) -> Spf:
    """The record of example.org in a zone of SPF records and others."""
    zone: dict[str, dict[str, list[str]]] = {name: {"TXT": [text(record)]} for name, record in records.items()}
    for name, kinds in more.items():
        zone.setdefault(name.replace("_", "."), {}).update(kinds)  # type: ignore[arg-type]
    with serving(zone) as server:
        return read_spf(Names(server.address), "example.org", [source])  # type: ignore[list-item]


class InMemory(Names):
    """Answers from a zone without any server, for many questions."""

    def __init__(self, zone: Zone) -> None:
        super().__init__("127.0.0.1")
        self.zone = zone

    def _ask(self, name: str, kind: str) -> list[object]:
        try:
            dns.name.from_text(name)
        except dns.exception.DNSException:
            raise NotAskedError("this name cannot be asked for") from None
        records = self.zone.get(name.rstrip("."), {}).get(kind, [])
        return list(dns.rdataset.from_text("IN", kind, 60, *records)) if records else []


def read_odd(zone: Zone) -> Spf:
    return read_spf(InMemory(zone), "example.org", [OURS])


@pytest.mark.parametrize(
    ("record", "passes"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", True),
        ("v=spf1 ip4:192.0.2.0/24 -all", True),
        ("v=spf1 ip4:192.0.2.128/25 -all", False),
        ("v=spf1 -ip4:192.0.2.10 ip4:192.0.2.0/24 -all", False),
        ("V=SPF1 IP4:192.0.2.10 -ALL", True),
        ("v=spf1 a -all", False),
        ("v=spf1 a:mail.example.org -all", True),
        ("v=spf1 a:near.example.org/24 -all", True),
        ("v=spf1 mx -all", True),
        ("v=spf1 mx/24 -all", True),
        ("v=spf1 exists:mail.example.org -all", True),
        ("v=spf1 ip6:2001:db8::/32 -all", False),
        ("v=spf1 +all", True),
        ("v=spf1", False),
    ],
)
def test_terms_let_pass_whom_they_name(record: str, passes: bool) -> None:
    spf = read(
        {"example.org": record},
        example_org={"MX": ["10 mail.example.org."]},
        mail_example_org={"A": ["192.0.2.10"]},
        near_example_org={"A": ["192.0.2.77"]},
    )
    assert spf.passes is passes
    assert spf.problems == []


def test_addresses_of_the_new_kind_pass_too() -> None:
    assert read({"example.org": "v=spf1 ip6:2001:db8::/64 -all"}, OURS6).passes
    assert read({"example.org": "v=spf1 a//64 -all"}, OURS6, example_org={"AAAA": ["2001:db8::1"]}).passes


def test_an_include_passes_only_whom_it_passes() -> None:
    tree = {
        "example.org": "v=spf1 include:mail.example.net ~all",
        "mail.example.net": "v=spf1 include:more.example.net ?all",
        "more.example.net": "v=spf1 ip4:192.0.2.10 -all",
    }
    spf = read(tree)
    assert (spf.passes, spf.lookups, spf.everybody) == (True, 2, "softfail")
    assert not read(tree, ipaddress.ip_address("198.51.100.1")).passes


def test_eleven_includes_are_counted_through_all_branches() -> None:
    tree = {"example.org": "v=spf1 include:a.example.net include:b.example.net -all"}
    for letter in "ab":
        tree[f"{letter}.example.net"] = (
            "v=spf1 " + " ".join(f"include:{letter}{n}.example.net" for n in range(5)) + " -all"
        )
        tree |= {f"{letter}{number}.example.net": "v=spf1 ip4:198.51.100.1 -all" for number in range(5)}
    assert read(tree).lookups == 12


def test_voids_are_counted() -> None:
    spf = read({"example.org": "v=spf1 a:x.example.org a:y.example.org mx:z.example.org -all"})
    assert (spf.voids, spf.lookups) == (3, 3)


def test_a_redirect_speaks_for_everybody() -> None:
    spf = read({"example.org": "v=spf1 redirect=real.example.org", "real.example.org": "v=spf1 ip4:192.0.2.10 -all"})
    assert (spf.passes, spf.everybody, spf.lookups) == (True, "fail", 1)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"example.org": "v=spf1 include:gone.example.net -all"}, "which has no SPF record"),
        ({"example.org": "v=spf1 ipv4:192.0.2.1 -all"}, "is no term that SPF knows"),
        ({"example.org": "v=spf1 ip4:192.0.2.999 -all"}, "is no address"),
        ({"example.org": "v=spf1 a/33 -all"}, "no possible size"),
        ({"example.org": "v=spf1 mx//129 -all"}, "no possible size"),
        ({"example.org": "v=spf1 include:example.org -all"}, "leads back to itself"),
        (
            {"example.org": "v=spf1 include:a.example.net -all", "a.example.net": "v=spf1 include:example.org -all"},
            "leads back to itself",
        ),
    ],
)
def test_what_makes_a_record_worthless_is_told(tree: dict[str, str], sentence: str) -> None:
    (problem,) = read(tree).problems
    assert sentence in problem


def test_macros_are_counted_and_not_guessed() -> None:
    spf = read({"example.org": "v=spf1 exists:%{i}.list.example.org include:%{d}.example.net -all"})
    assert (spf.lookups, spf.voids, spf.problems) == (2, 0, [])


def test_a_record_that_never_ends_is_given_up() -> None:
    tree = {"example.org": "v=spf1 include:0.example.net -all"}
    tree |= {f"{n}.example.net": f"v=spf1 include:{n + 1}.example.net -all" for n in range(100)}
    spf = read(tree)
    assert spf.lookups < 50
    assert "nobody reads it to the end" in spf.problems[0]


WORDS = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "exists",
        "include",
        "ip4",
        "ip6",
        "all",
        "redirect=",
        "exp=",
        ":",
        "/",
        "//",
        "24",
        "129",
        "%{i}",
        "example.org",
        "192.0.2.1",
        "2001:db8::1",
        "-",
        "~",
        "?",
        "+",
        "x.example.net",
        "..",
        "é",
        "=",
        "\\",
        "\t",
    ]
) | st.just(" ")


@settings(max_examples=150)
@given(words=st.lists(WORDS, max_size=12))
def test_no_record_however_odd_makes_the_doctor_stumble(words: list[str]) -> None:
    record = "v=spf1 " + "".join(words)
    zone = {"example.org": {"TXT": [text(record.replace("\\", "\\\\"))], "A": ["192.0.2.1"], "MX": ["1 example.org."]}}
    with contextlib.suppress(NotAskedError):  # of a name that cannot be asked for
        spf = read_odd(zone)
        assert spf.records == 1
        assert all(problem.endswith(".") for problem in spf.problems)


def test_other_texts_beside_it_are_no_spf_record() -> None:
    zone = {"example.org": {"TXT": [text("v=spf1 -all"), text("v=spf10 x"), text("verification=abc")]}}
    with serving(zone) as server:
        assert read_spf(Names(server.address), "example.org", []).records == 1
    zone["example.org"]["TXT"].append(text("v=spf1 ~all"))
    with serving(zone) as server:
        assert read_spf(Names(server.address), "example.org", []).records == 2


def test_a_branch_that_cannot_be_asked_is_no_mistake_of_the_record() -> None:
    zone = {"example.org": {"TXT": [text("v=spf1 include:broken.example.net -all")]}}
    with serving(zone, broken={"broken.example.net"}) as server, pytest.raises(NotAskedError):
        read_spf(Names(server.address), "example.org", [])


def test_long_answers_come_by_tcp() -> None:
    zone = {"example.org": {"TXT": [text("v=spf1 -all"), *(text(f"{n}" * 250) for n in range(8))]}}
    with serving(zone) as server:
        assert read_spf(Names(server.address), "example.org", []).records == 1
        assert server.by_tcp == 1
