"""Whole messages: two foreign parsers read what was meant, whoever the reader is."""

import datetime as dt
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.rendering.composition import Picture
from newsletter.rendering.escaping import clean, one_spaced
from newsletter.rendering.pieces import Context, Fill
from newsletter.sending.message import MessageWriter, Reader
from newsletter.tokens import Signer
from tests.message.letters import NAME, NOW, Letter, make_settings, make_writer, parsed, reader

PNG = Picture("logo-1a2b3c.png", bytes(range(256)) * 3, "image/png", 120, 40)
GIF = Picture("wave-4d5e6f.gif", b"GIF89a" + b"x" * 200, "image/gif", 60, 60)
WRITER = make_writer()

SMUGGLING = ["\r\n.\r\n", "\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r\nMAIL FROM:<eve@example.com>", "\r\n\r\n--=_"]
NAMES = [
    "Ana",
    "Doe, Jane",
    'Bob "the (cat)" \\ <bob@example.net>',
    "=?utf-8?q?hi=0d=0aBcc:_v=40x?=",
    "👩‍👩‍👧‍👦 Família",
    "עדי שרה",
    "محمد",
    "田中さん" * 40,
    "x" * 1000,
    "{{ 7*7 }}",
    "<b>&amp;</b>",
    ".",
    "From me",
    "Zoe\u0308",
    *SMUGGLING,
]


def everything(message: Any) -> dict[str, Any]:
    """What a reader sees, as the standard library reads it."""
    plain, page = (message.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    return {"subject": message["Subject"], "text": plain, "html": page}


def test_the_shape_of_a_message() -> None:
    message = parsed(WRITER.write(reader(first_name="Ana", last_name="Lima"), NOW).content)
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    for part in message.iter_parts():
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert dict(message.items()) == {
        "From": "Safe Online <news@example.org>",
        "To": "Ana Lima <ana@example.com>",
        "Subject": "Data sharing for Ana",
        "Date": "Thu, 05 Mar 2026 09:07:02 +0100",
        "Message-ID": message["Message-ID"],
        "List-Unsubscribe": message["List-Unsubscribe"],
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "Data for Change community <community.example.org>",
        "List-Owner": "<mailto:news@example.org>",
        "List-Post": "NO",
        "Precedence": "list",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }


def test_the_text_of_a_message() -> None:
    ana = reader(first_name="Ana")
    seen = everything(parsed(WRITER.write(ana, NOW).content))
    links = WRITER.own_values(ana)
    assert seen["text"] == (
        "Dear Ana,\n\nhttps://example.org/search?q=Ana&lang=en\n\n.\n..\nFrom here on, équité \n"
        f"You get Data for Change community. Unsubscribe: {links['unsubscribe']}\n"
    )
    assert f'<a href="{links["preferences"]}">Preferences</a>' in seen["html"]
    assert seen["html"] == WRITER.html_for(ana)
    assert seen["text"] == WRITER.text_for(ana)
    assert seen["subject"] == WRITER.subject_for(ana)


def test_the_link_in_the_header_is_the_one_in_the_body_and_names_reader_list_and_mailing() -> None:
    ana = reader(first_name="Ana")
    message = parsed(WRITER.write(ana, NOW).content)
    url = WRITER.own_values(ana)["unsubscribe"]
    assert message["List-Unsubscribe"] == f"<{url}>"
    assert f'href="{url}"' in everything(message)["html"]
    assert url in everything(message)["text"]
    assert url.startswith("https://news.example.org/u/")
    assert Signer(b"k" * 32).read("unsubscribe", url.rpartition("/")[2], now=NOW) == (42, 3, 7)
    preferences = WRITER.own_values(ana)["preferences"]
    assert preferences.startswith("https://news.example.org/p/")
    assert Signer(b"k" * 32).read("preferences", preferences.rpartition("/")[2], now=NOW) == (42, 3, 7)


def test_the_message_id_is_the_deliverys_own_and_says_nothing_of_the_person() -> None:
    first = WRITER.write(reader(first_name="Ana"), NOW)
    later = WRITER.write(reader(first_name="Anna", email="other@example.com"), NOW + dt.timedelta(days=1))
    other = WRITER.write(reader(first_name="Ana", delivery_id=1002), NOW)
    assert first.message_id == later.message_id != other.message_id
    assert re.fullmatch(r"<[A-Za-z0-9_-]{20,40}@example\.org>", first.message_id)
    assert parsed(first.content)["Message-ID"] == first.message_id
    token = first.message_id[1:].partition("@")[0]
    assert Signer(b"k" * 32).read("message", token, now=NOW) == (7, 1001)


def test_same_input_same_bytes() -> None:
    ana = reader(first_name="Ana", last_name="Łukasz")
    assert WRITER.write(ana, NOW) == make_writer().write(ana, NOW)


def test_the_envelope() -> None:
    message = WRITER.write(reader(email="ana@bücher.example.com"), NOW)
    assert (message.sender, message.recipient) == ("news@example.org", "ana@xn--bcher-kva.example.com")
    assert not message.smtputf8


def test_a_mailbox_beyond_ascii_needs_smtputf8_and_says_so(postal_mime: Any) -> None:
    message = make_writer().write(reader(email="añà@example.com", first_name="Añà"), NOW)
    assert message.smtputf8
    assert message.recipient == "añà@example.com"
    assert parsed(message.content)["To"].addresses[0].addr_spec == "añà@example.com"
    assert postal_mime(message.content)["to"] == [{"address": "añà@example.com", "name": "Añà"}]
    head, _, body = message.content.partition(b"\r\n\r\n")
    assert "<añà@example.com>".encode() in head
    assert body.isascii()


def test_a_sender_beyond_ascii_makes_every_message_smtputf8() -> None:
    message = make_writer(Letter(sender="Ärzte <ärzte@example.org>")).write(reader(), NOW)
    assert message.smtputf8
    assert parsed(message.content)["From"].addresses[0].addr_spec == "ärzte@example.org"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ana",
        "ana@example.com\r\nBcc: eve@example.com",
        "a@b.example>\r\nRCPT TO:<v@example.com",
        "=?utf-8?q?a=40b?=@example.com",
    ],
)
def test_an_address_that_is_none_stops_its_message_alone(email: str) -> None:
    with pytest.raises(MessageError) as refused:
        WRITER.write(reader(email=email), NOW)
    assert "\r" not in str(refused.value)
    assert WRITER.write(reader(), NOW)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:40])
def test_any_name_reads_back_in_two_foreign_parsers(name: str, postal_mime: Any) -> None:
    ana = reader(first_name=name, last_name="Lima")
    content = WRITER.write(ana, NOW).content
    shown = one_spaced(clean(f"{name} Lima"))
    ours = parsed(content)
    theirs = postal_mime(content)
    assert theirs["subject"] == ours["Subject"] == f"Data sharing for {one_spaced(clean(name))}"
    assert theirs["to"] == [{"address": "ana@example.com", "name": shown}]
    assert theirs["from"] == {"address": "news@example.org", "name": "Safe Online"}
    assert theirs["text"].strip() == everything(ours)["text"].strip() == WRITER.text_for(ana).strip()
    assert theirs["html"].strip() == everything(ours)["html"].strip() == WRITER.html_for(ana).strip()
    assert [key for key, _ in theirs["headers"]] == [key.lower() for key in ours]
    assert theirs["attachments"] == []


TEXT = st.text(st.characters(), max_size=60)


@settings(deadline=None, max_examples=75)
@given(TEXT, TEXT)
def test_any_reader_gets_a_sound_message(first: str, last: str) -> None:
    ana = reader(first_name=first, last_name=last)
    content = make_writer().write(ana, NOW).content  # a new writer reads its first message back itself
    head, _, body = content.partition(b"\r\n\r\n")
    assert content.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content)
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert all(len(line) <= 76 or b" " not in line.partition(b": ")[2] for line in head.split(b"\r\n"))
    assert not re.search(rb"(?m)^(?:From |\.)", body)
    message = parsed(content)
    assert message.keys() == parsed(WRITER.write(reader(), NOW).content).keys()
    seen = everything(message)
    assert seen["subject"] == one_spaced(
        f"Data sharing for {one_spaced(clean(first)) or ('friend' if not first else '')}"
    )
    document = html5lib.parse(seen["html"], namespaceHTMLElements=False)
    title = document.find("body/p[@title]").attrib["title"]
    assert title == (clean(first) if first else "friend")
    assert [link.text for link in document.iter("a")] == ["search", "Unsubscribe", "Preferences"]
    assert urlsplit(document.find("body/p[@title]/a").attrib["href"]).netloc == "example.org"


def test_a_reader_without_a_name_has_a_bare_address() -> None:
    assert parsed(WRITER.write(reader(), NOW).content)["To"] == "ana@example.com"
    assert parsed(WRITER.write(reader(first_name="\u202e", last_name=" \0"), NOW).content)["To"] == "ana@example.com"


def test_reply_to_stands_only_where_it_differs() -> None:
    assert parsed(make_writer().write(reader(), NOW).content)["Reply-To"] is None
    same = make_settings(reply_to="Team <news@example.org>")
    assert parsed(make_writer(None, same).write(reader(), NOW).content)["Reply-To"] is None
    other = make_settings(reply_to="Das Büro <office@example.org>")
    message = parsed(make_writer(None, other).write(reader(), NOW).content)
    assert message["Reply-To"].addresses[0].addr_spec == "office@example.org"
    assert message["Reply-To"].addresses[0].display_name == "Das Büro"
    assert message["List-Owner"] == "<mailto:office@example.org>"


def test_an_edition_may_have_its_own_sender() -> None:
    letter = Letter(sender='"Lima, Ana" <ana@news.example.org>', reply_to="Team <team@example.org>")
    message = parsed(make_writer(letter).write(reader(), NOW).content)
    assert message["From"] == '"Lima, Ana" <ana@news.example.org>'
    assert message["Reply-To"] == "Team <team@example.org>"
    assert message["List-Id"].endswith("<community.news.example.org>")
    assert message["Message-ID"].endswith("@news.example.org>")


def test_fields_that_are_there_on_request() -> None:
    settings = make_settings(feedback_id="series:community:safeonline")
    writer = make_writer(
        None, settings, archive_url="https://news.example.org/e", help_url="https://news.example.org/help"
    )
    message = parsed(writer.write(reader(), NOW).content)
    assert message["Feedback-ID"] == "series:community:safeonline"
    assert message["List-Archive"] == "<https://news.example.org/e>"
    assert message["List-Help"] == "<https://news.example.org/help>"


def test_one_click_needs_https() -> None:
    settings = make_settings(base_url="http://localhost:8000")
    message = parsed(make_writer(None, settings).write(reader(), NOW).content)
    assert message["List-Unsubscribe"].startswith("<http://localhost:8000/u/")
    assert message["List-Unsubscribe-Post"] is None


def test_a_prefix_before_the_subject() -> None:
    writer = make_writer(subject_prefix="[Test] ")
    assert parsed(writer.write(reader(), NOW).content)["Subject"] == "[Test] Data sharing for friend"
    fixed = make_writer(Letter(subject=("Données",)), subject_prefix="[Test] ")
    assert parsed(fixed.write(reader(), NOW).content)["Subject"] == "[Test] Données"


def test_a_subject_that_is_empty_for_one_reader_stops_that_message_alone() -> None:
    writer = make_writer(Letter(subject=(Fill("first_name", Context.HEADER),)))
    with pytest.raises(MessageError, match="Subject is empty"):
        writer.write(reader(), NOW)
    assert parsed(writer.write(reader(first_name="Ana"), NOW).content)["Subject"] == "Ana"


@pytest.mark.parametrize("value", [*SMUGGLING, "\u202e", "\0"], ids=ascii)
def test_what_writers_of_editions_and_settings_may_not_smuggle(value: str) -> None:
    for attempt in (
        lambda: make_writer(Letter(subject=(f"a{value}b",))),
        lambda: make_writer(Letter(subject=(f"a{value}b", Fill(NAME, Context.HEADER)))),
        lambda: make_writer(Letter(sender=f"a{value}b <news@example.org>")),
        lambda: make_writer(Letter(reply_to=f"a{value}b <team@example.org>")),
        lambda: make_writer(Letter(sender=f"news@example.org{value}b")),
        lambda: make_writer(list_title=f"a{value}b"),
        lambda: make_writer(list_slug=f"a{value}b"),
        lambda: make_writer(subject_prefix=f"a{value}b"),
        lambda: make_writer(archive_url=f"https://example.org/{value}"),
    ):
        with pytest.raises(MessageError):
            attempt()


@pytest.mark.parametrize("value", SMUGGLING, ids=ascii)
def test_static_text_cannot_end_the_message_or_a_part(value: str) -> None:
    letter = Letter(html=(f"<p>{value}</p>\n",), text=(f"a{value}b\n",))
    boundary = parsed(make_writer(letter).write(reader(), NOW).content).get_boundary()
    letter = replace(letter, text=(f"a{value}b\r\n--{boundary}--\r\n",))
    content = make_writer(letter).write(reader(), NOW).content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|(?m:^\.)", content)
    assert len(list(parsed(content).walk())) == 3
    assert value.replace("\r\n", "\n").replace("\r", "\n") in everything(parsed(content))["text"]


def test_control_characters_in_static_text_are_told_to_the_writer() -> None:
    with pytest.raises(MessageError, match=r"U\+0000.*near «Dear"):
        make_writer(Letter(text=("Dear \0\n",))).write(reader(), NOW)


def test_pictures_travel_inside_when_wanted() -> None:
    html = (f'<p><img src="cid:{PNG.content_id}" alt="Logo"> Dear ', Fill(NAME, Context.HTML), "</p>\n")
    letter = Letter(html=html, pictures=(PNG, GIF), embedded=True)
    message = parsed(make_writer(letter).write(reader(), NOW).content)
    kinds = ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    assert [part.get_content_type() for part in message.walk()] == kinds
    related = list(message.walk())[2]
    assert related.get_param("type") == "text/html"
    picture = list(message.walk())[4]
    assert picture["Content-ID"] == f"<{PNG.content_id}>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_filename() == PNG.name
    assert picture.get_content() == PNG.content


def test_pictures_that_a_variant_does_not_show_stay_out() -> None:
    html = ("<p>Without</p>\n",)
    shown = {(True,): (f'<img src="cid:{PNG.content_id}" alt=""><img src="cid:{GIF.content_id}" alt="">\n',)}
    letter = Letter(html=html, shown=shown, conditions=('"picture" in tags',), pictures=(PNG, GIF), embedded=True)
    writer = make_writer(letter)
    without = parsed(writer.write(reader(), NOW).content)
    within = parsed(writer.write(reader(tags=("picture",)), NOW).content)
    assert [part.get_content_type() for part in without.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert [part.get_content_type() for part in within.walk()][-2:] == ["image/png", "image/gif"]


def test_postal_mime_finds_the_pictures_too(postal_mime: Any) -> None:
    letter = Letter(html=(f'<img src="cid:{PNG.content_id}" alt="">\n',), pictures=(PNG,), embedded=True)
    [picture] = postal_mime(make_writer(letter).write(reader(), NOW).content)["attachments"]
    assert (picture["filename"], picture["mimeType"], picture["disposition"]) == (PNG.name, "image/png", "inline")
    assert (picture["contentId"], picture["related"], picture["size"]) == (f"<{PNG.content_id}>", True, 768)


@pytest.mark.parametrize("name", ["", 'a"b.png', "a b.png", "../a.png", "é.png", "a\r\nb.png", "x" * 300])
def test_a_picture_with_an_unfit_name_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="cannot travel"):
        make_writer(Letter(pictures=(replace(PNG, name=name),), embedded=True))


def test_an_unknown_link_of_a_theme_is_told() -> None:
    letter = Letter(text=("See ", Fill("forward", Context.PLAIN, link=True), "\n"))
    with pytest.raises(MessageError, match="«forward»"):
        make_writer(letter).write(reader(), NOW)


def test_each_variant_is_its_readers_own() -> None:
    letter = Letter(conditions=('country == "KE"',), shown={(True,): ("<p>Karibu ", Fill(NAME, Context.HTML), "</p>")})
    writer = make_writer(letter)
    assert everything(parsed(writer.write(reader(country="KE"), NOW).content))["html"] == "<p>Karibu friend</p>\n"
    assert "Karibu" not in everything(parsed(writer.write(reader(country="UG"), NOW).content))["html"]


def test_no_foreign_value_in_anybodys_message() -> None:
    """Line 35 of the email checklist: N readers, N messages, nobody else's address or name in any of them."""
    people = [reader(f"person{n}@example.com", 2000 + n, first_name=f"Name{n}x") for n in range(20)]
    contents = [WRITER.write(person, NOW).content for person in people]
    for n, content in enumerate(contents):
        assert set(re.findall(rb"person(\d+)@", content)) == {str(n).encode()}
        assert set(re.findall(rb"Name(\d+)x", content)) == {str(n).encode()}


def test_nothing_tells_about_machine_or_program() -> None:
    content = WRITER.write(reader(), NOW).content.lower()
    for word in (b"x-mailer", b"user-agent", b"received:", b"return-path", b"bcc:", b"localhost", b"python"):
        assert word not in content


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(MessageError, match="zone"):
        WRITER.write(reader(), NOW.replace(tzinfo=None))


def test_writers_and_readers_are_plain_values() -> None:
    assert isinstance(WRITER, MessageWriter)
    assert reader() == Reader(42, 1001, "ana@example.com", {"email": "ana@example.com", "tags": (), "attributes": {}})
