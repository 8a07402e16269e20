"""The envelope's sender: names its delivery to us and to nobody else, and survives what mail servers do to it."""

from hypothesis import given
from hypothesis import strategies as st

from newsletter.config import Settings
from newsletter.sending.return_path import ReturnPath, read_return_path
from newsletter.tokens import Signer
from tests.message.letters import NOW, make_settings, make_writer, reader

SIGNER = Signer(b"k" * 32)
PATH = ReturnPath("bounces@news.example.org", SIGNER)
LONGEST = ReturnPath("b" * 23 + "@news.example.org", SIGNER)
DELIVERIES = st.integers(0, 2**63 - 1)


@given(DELIVERIES, st.sampled_from([str.lower, str.upper, str.swapcase, "<{}>".format, " {} ".format]))
def test_the_delivery_is_read_back_whatever_happens_to_the_case(delivery: int, change: object) -> None:
    assert callable(change)
    assert read_return_path(change(PATH.address_for(delivery)), SIGNER) == delivery


@given(DELIVERIES)
def test_the_part_before_the_at_is_never_longer_than_64_bytes(delivery: int) -> None:
    assert len(LONGEST.address_for(delivery).partition("@")[0]) <= 64


def test_an_ordinary_one_is_short() -> None:
    assert len(PATH.address_for(10_000_000).partition("@")[0]) == len("bounces+") + 24 + 6


@given(DELIVERIES, st.data())
def test_one_changed_character_names_nobody(delivery: int, data: st.DataObject) -> None:
    address = PATH.address_for(delivery)
    place = data.draw(st.integers(len("bounces+"), address.index("@") - 1))
    other = data.draw(st.sampled_from("0123456789abcdefxyz+").filter(lambda letter: letter != address[place]))
    assert read_return_path(address[:place] + other + address[place + 1 :], SIGNER) is None


@given(st.text(max_size=80))
def test_anything_can_be_read_and_names_nobody(text: str) -> None:
    assert read_return_path(text, SIGNER) is None


def test_another_key_names_nobody() -> None:
    assert read_return_path(PATH.address_for(5), Signer(b"x" * 32)) is None


def test_neighbours_have_nothing_in_common() -> None:
    proofs = {PATH.address_for(delivery)[8:32] for delivery in range(1_000)}
    assert len(proofs) == 1_000
    assert len({proof[:4] for proof in proofs}) > 900


def settings_with(bounces: str | None) -> Settings:
    settings = make_settings()
    return settings.model_copy(update={"sending": settings.sending.model_copy(update={"bounces": bounces})})


def test_every_message_has_its_own_return_path_and_the_reader_sees_none_of_it() -> None:
    writer = make_writer(settings=settings_with("bounces@news.example.org"), signer=SIGNER)
    plain = make_writer(settings=settings_with(None), signer=SIGNER)
    for delivery in (1, 99, 123_456_789):
        person = reader(delivery_id=delivery)
        message, without = writer.write(person, NOW), plain.write(person, NOW)
        assert read_return_path(message.sender, SIGNER) == delivery
        assert message.content == without.content
        assert b"bounces" not in message.content
        assert without.sender == "news@example.org"
