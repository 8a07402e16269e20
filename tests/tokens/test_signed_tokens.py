"""A link's token says what we signed, or is refused with a plain sentence."""

import base64
import hmac
import re
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import ConfigError, TokenError
from newsletter.tokens import Signer

KEY = bytes(range(32))
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SIGNER = Signer(KEY)

ids = st.lists(st.integers(min_value=0, max_value=2**63), max_size=5).map(tuple)
purposes = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
moments = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def refused(token: str, purpose: str = "unsubscribe", signer: Signer = SIGNER, now: datetime = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        signer.read(purpose, token, now=now)
    return str(caught.value)


@given(purposes, ids, st.none() | moments)
def test_what_is_signed_is_read_until_it_expires(
    purpose: str, numbers: tuple[int, ...], expires: datetime | None
) -> None:
    token = SIGNER.sign(purpose, *numbers, expires=expires)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    before = NOW if expires is None else expires - timedelta(microseconds=1)
    assert SIGNER.read(purpose, token, now=before) == numbers
    assert SIGNER.sign(purpose, *numbers, expires=expires) == token


@given(ids, st.none() | moments)
def test_a_token_never_ends_in_a_sign_that_programs_leave_out_of_links(
    numbers: tuple[int, ...], expires: datetime | None
) -> None:
    token = SIGNER.sign("unsubscribe", *numbers, expires=expires)
    assert token[-1].isalpha()


def test_three_ids_fit_into_forty_characters() -> None:
    largest = 2**28 - 1
    assert len(SIGNER.sign("unsubscribe", largest, largest, largest)) <= 40
    assert len(SIGNER.sign("confirm", 2**14 - 1, 2**21 - 1, 127, expires=NOW)) <= 40


def test_a_token_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Links in old messages must go on working: this one was made when the format was fixed."""
    assert SIGNER.read("unsubscribe", "2CL_tqBT_JL0v6HXy7DZgwzbnwMDAA", now=NOW) == (12, 53211, 3)
    assert SIGNER.sign("unsubscribe", 12, 53211, 3) == "2CL_tqBT_JL0v6HXy7DZgwzbnwMDAA"
    assert SIGNER.sign("confirm", 7, expires=NOW) == "tserR-9k6vCgyTouqDmakwfA6PXQBgE"


def test_unsubscribe_links_work_for_years() -> None:
    token = SIGNER.sign("unsubscribe", 1, 2)
    assert SIGNER.read("unsubscribe", token, now=NOW + timedelta(days=4000)) == (1, 2)


def test_an_expired_token_says_so_and_what_to_do() -> None:
    token = SIGNER.sign("confirm", 1, expires=NOW)
    assert refused(token, "confirm") == "This link has expired. Ask for a new one."
    assert SIGNER.read("confirm", token, now=NOW - timedelta(seconds=1)) == (1,)


def test_expiry_is_a_moment_in_any_time_zone() -> None:
    nairobi = timezone(timedelta(hours=3))
    token = SIGNER.sign("login", 1, expires=NOW.astimezone(nairobi))
    assert token == SIGNER.sign("login", 1, expires=NOW)
    refused(token, "login", now=NOW.astimezone(nairobi))


def test_a_lasting_token_cannot_be_taken_for_an_expiring_one_of_other_ids() -> None:
    """Ids and expiry are both numbers; the form, which is signed, tells them apart."""
    stamp = int(NOW.timestamp())
    assert SIGNER.sign("confirm", 1, stamp) != SIGNER.sign("confirm", 1, expires=NOW)
    assert SIGNER.read("confirm", SIGNER.sign("confirm", 1, stamp), now=NOW + timedelta(1)) == (1, stamp)


@pytest.mark.parametrize("expires", [None, NOW + timedelta(days=7)])
def test_every_flipped_bit_is_noticed(expires: datetime | None) -> None:
    token = SIGNER.sign("unsubscribe", 12, 53211, 3, expires=expires)
    for at in range(len(token)):
        for bit in range(8):
            changed = token[:at] + chr(ord(token[at]) ^ (1 << bit)) + token[at + 1 :]
            assert "incomplete or was changed" in refused(changed)


@given(ids.flatmap(lambda numbers: st.tuples(st.just(numbers), st.integers(0, 63))))
def test_a_token_has_one_spelling_only(case: tuple[tuple[int, ...], int]) -> None:
    """The last character of Base64 may have unused bits; a token that differs only there is refused."""
    numbers, index = case
    token = SIGNER.sign("unsubscribe", *numbers)
    other = token[:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[index]
    if other != token:
        refused(other)


def test_cut_lengthened_and_respelt_tokens_are_refused() -> None:
    token = SIGNER.sign("unsubscribe", 12, 53211, 3)
    for end in range(len(token)):
        refused(token[:end])
        refused(token[end + 1 :])
    for more in ("A", "AA", "=", "==", "-", " ", "\n", "%3D", token):
        refused(token + more)
        refused(more + token)
    refused(token.swapcase())


def test_a_token_is_good_for_its_purpose_only() -> None:
    token = SIGNER.sign("unsubscribe", 1, 2)
    for purpose in ("confirm", "unsubscribe-all", "unsub", "u"):
        refused(token, purpose)


def test_another_key_makes_another_token() -> None:
    token = Signer(b"x" * 32).sign("unsubscribe", 1, 2)
    assert token != SIGNER.sign("unsubscribe", 1, 2)
    refused(token)


def test_after_the_key_was_changed_old_links_go_on_working_and_new_ones_use_the_new_key() -> None:
    new_key = b"n" * 40
    rotated = Signer(new_key, b"m" * 32, KEY)
    assert rotated.read("unsubscribe", SIGNER.sign("unsubscribe", 1, 2), now=NOW) == (1, 2)
    assert rotated.sign("unsubscribe", 1, 2) == Signer(new_key).sign("unsubscribe", 1, 2)
    refused(rotated.sign("unsubscribe", 1, 2))
    refused(Signer(b"z" * 32).sign("unsubscribe", 1, 2), signer=rotated)


@settings(max_examples=300)
@given(
    st.text(max_size=60)
    | st.text(alphabet="ABCabc019_-=", max_size=60)
    | st.text(alphabet="AB_", min_size=22, max_size=26)
)
@example("")
@example("é" * 30)
@example("\ud800" * 30)
@example("A" * 30)
@example("A" * 22)
@example("A" * 10_000_000)
@example("٣" * 32)
@example("Ａ" * 32)
def test_anything_else_is_refused_in_a_plain_sentence(token: str) -> None:
    message = refused(token)
    assert message.startswith("This link ")
    assert message.endswith(".")


@pytest.mark.parametrize("keys", [(b"",), (b"k" * 31,), (KEY, b"short")])
def test_a_short_key_is_refused_without_being_shown(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ConfigError, match="32 are the least") as caught:
        Signer(*keys)
    assert "kkk" not in str(caught.value)
    assert "NEWSLETTER_SECRET_KEY" in str(caught.value)


def test_a_signer_does_not_show_its_key() -> None:
    assert repr(Signer(b"secret" * 6, b"hidden" * 6)) == "Signer(2 keys)"


def test_mistakes_of_our_own_are_errors_at_once() -> None:
    with pytest.raises(ValueError, match="from 0 on"):
        SIGNER.sign("unsubscribe", -1)
    for purpose in ("", "Un subscribe", "a\0b", "é"):
        with pytest.raises(ValueError, match="no purpose"):
            SIGNER.sign(purpose, 1)
    with pytest.raises(ValueError, match="time zone"):
        SIGNER.sign("unsubscribe", 1, expires=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="time zone"):
        SIGNER.read("unsubscribe", "x", now=NOW.replace(tzinfo=None))


def test_signing_is_quick_enough_for_every_message() -> None:
    """About 3 µs on one core; the bound is loose so that a busy machine does not fail it."""
    began = time.process_time()
    for number in range(5000):
        SIGNER.sign("unsubscribe", 12, number, 3)
    assert time.process_time() - began < 5000 * 30e-6


def test_the_signature_is_hmac_as_the_standard_library_has_it() -> None:
    """The hash of the key is kept between tokens for speed; the result must be the one of RFC 2104."""
    for key in (KEY, b"k" * 64, b"k" * 65, b"k" * 200):
        raw = base64.urlsafe_b64decode(Signer(key).sign("unsubscribe", 1, 2, 3) + "==")
        mac, body = raw[:16], raw[16:]
        expected = hmac.digest(key, b"token\0unsubscribe\0" + body, "sha256")[:16]
        assert mac == expected
