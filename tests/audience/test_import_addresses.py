"""The quick way to read an address: accepts only what email-validator accepts, with the same normal form and hash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.importing.addresses import AddressReader
from newsletter.audience.subscribers import read_address
from newsletter.errors import AddressError
from tests.database.opened import SECRET

LOCAL = st.one_of(
    st.text(st.sampled_from("abzABZ019.-_+'!#=?^`{|}~$%&*/ \"@\\<>(),;:éßİK\u0301"), max_size=12),
    st.sampled_from(["INFO", "Abuse", "postmaster", "a" * 64, "a" * 65, ".a", "a.", "a..b", '"a b"', "-n"]),
)
DOMAINS = (
    "example.com EXAMPLE.Org xn--bcher-kva.example XN--BCHER-KVA.example ab--cd.com localhost a.test x.local "
    "example.c0m example.123 [192.0.2.1] a-.com -a.com a_b.com bücher.example ＥＸＡＭＰＬＥ.com a.onion b.INVALID "
    f"example.com. {'a' * 63}.com {'a' * 64}.com {'a.' * 126}com"
)
DOMAIN = st.one_of(st.text(st.sampled_from("abzABZ019.-_é\u3002"), max_size=14), st.sampled_from(DOMAINS.split()))


@settings(max_examples=600, deadline=None)
@given(
    addresses=st.lists(st.one_of(st.tuples(LOCAL, DOMAIN).map("@".join), st.text(max_size=10)), min_size=1, max_size=4)
)
def test_the_verdict_and_the_normal_form_are_those_of_the_slow_way(addresses: list[str]) -> None:
    reader = AddressReader(SECRET)
    for typed in [address.strip() for address in addresses] * 2:  # the second time, the domain is remembered
        try:
            expected = read_address(typed)
        except AddressError:
            with pytest.raises(AddressError):
                reader.read(typed)
        else:
            assert reader.read(typed) == (expected.email, expected.key)
            assert reader.hashed(expected.key) == expected.hashed(SECRET)


@pytest.mark.parametrize("secret", [b"", b"k", b"k" * 64, b"k" * 65, b"k" * 200])
def test_the_hash_is_the_same_for_keys_of_any_length(secret: bytes) -> None:
    address = read_address("ada@example.com")
    assert AddressReader(secret).hashed(address.key) == address.hashed(secret)


def test_a_list_with_endless_domains_does_not_fill_the_memory(monkeypatch) -> None:
    monkeypatch.setattr("newsletter.audience.importing.addresses._MOST_DOMAINS", 3)
    reader = AddressReader(SECRET)
    for number in range(20):
        assert reader.read(f"a@d{number}.example") == (f"a@d{number}.example",) * 2
    assert len(reader._domains) <= 3
