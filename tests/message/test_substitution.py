"""A reader sees the same through substitutions as in finished bytes: proven by replacing the tags, as SendGrid does."""

import functools
import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.edition.files import read_edition
from newsletter.errors import MessageError, MisreadMessageError
from newsletter.project import open_project
from newsletter.rendering.compose import compose
from newsletter.rendering.pieces import Context, Fill
from newsletter.sending import substitution
from newsletter.sending.message import MessageWriter, Reader
from newsletter.sending.rereading import lines_of
from newsletter.sending.senders.protocol import Handover, Origin
from newsletter.sending.senders.sendgrid.requests import Letter as Addressed
from newsletter.sending.senders.sendgrid.requests import Request, problem_of, problem_of_template, shared_part
from newsletter.sending.substitution import LIMIT, SubstitutedMessage, SubstitutionWriter
from newsletter.tokens import Signer
from tests.message.letters import NAME, NOW, Letter, make_settings, make_writer, parsed, reader
from tests.senders.sendgrid_rules import problems
from tests.senders.sendgrid_server import Accepted, received

ROOT = Path(__file__).parents[2]
EDITIONS = ["data-sharing", "collection-and-use"]
ORIGIN = Origin(7, "data-sharing", NOW)

NAMES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            " ",
            "محمد",
            "<b>",
            "-tag-",
            "-t.1-",
            "%name%",
            "a\r\nBcc: x@example.org",
            'O\'Neil & "Sons"',
            "\\",
            "`",
            "😀",
        ]
    ),
    st.text(max_size=40),
)


def through_sendgrid(message: SubstitutedMessage) -> Accepted:
    """What a reader gets out of the request; the strict rules find nothing wrong with it."""
    shared = shared_part(message.template, sandbox=False)
    assert problem_of_template(message.template, len(shared)) is None
    assert problem_of(message) is None
    body = json.loads(Request((Addressed(Handover(1, ORIGIN, message), message),)).body(shared, "a" * 32))
    assert problems(body) == []
    (accepted,) = received(body)
    (person,) = body["personalizations"]
    person["substitutions"] = dict(reversed(person.get("substitutions", {"-": "-"}).items()))  # in whatever order
    (again,) = received(body)
    assert (again.subject, again.html, again.text) == (accepted.subject, accepted.html, accepted.text)
    return accepted


def assert_the_same(writer: MessageWriter, message: SubstitutedMessage, ana: Reader) -> None:
    whole = parsed(writer.write(ana, NOW).content)
    got = through_sendgrid(message)
    html, text = whole.get_body(("html",)), whole.get_body(("plain",))
    assert html
    assert text
    assert got.subject == whole["Subject"]
    assert lines_of(got.html) == lines_of(html.get_content())
    assert lines_of(got.text) == lines_of(text.get_content())
    assert got.to == whole["To"].addresses[0].addr_spec
    assert got.sender == whole["From"].addresses[0].addr_spec
    for name, value in got.headers.items():
        assert re.sub(r"\s+", " ", str(whole[name])) == str(parsed(f"{name}: {value}\r\n\r\n".encode())[name]), name
    ours = {"From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    assert got.headers.keys() == set(whole.keys()) - ours
    assert "\r" not in got.subject
    assert "\n" not in got.subject
    assert message.content == writer.write(ana, NOW).content


@functools.cache
def edition_writer(slug: str, images: str = "link") -> MessageWriter:
    project = open_project(ROOT, {"NEWSLETTER_SENDING__IMAGES": images})
    composition = compose(read_edition(project.edition_file(slug), project.root), project)
    list_slug = next(iter(project.settings.lists))
    return MessageWriter(
        composition,
        project.settings,
        signer=Signer(b"k" * 32),
        mailing_id=1,
        list_slug=list_slug,
        list_id=1,
        list_title=project.settings.lists[list_slug].title,
    )


@functools.cache
def letter_writers() -> tuple[MessageWriter, SubstitutionWriter]:
    settings = make_settings(sender="Safe; Online <news@example.org>", feedback_id="series:community:example-org")
    writer = make_writer(Letter(), settings, list_title="Équité & co", subject_prefix="[Test]  ")
    return writer, SubstitutionWriter(writer)


@settings(max_examples=120)
@given(first=NAMES, last=NAMES)
def test_a_reader_sees_the_same_whatever_the_name(first: str | None, last: str | None) -> None:
    writer, substituting = letter_writers()
    ana = reader(first_name=first, last_name=last)
    assert_the_same(writer, substituting.write(ana, NOW), ana)


@pytest.mark.parametrize("slug", EDITIONS)
@settings(max_examples=15)
@given(first=NAMES)
def test_a_reader_of_our_editions_sees_the_same(slug: str, first: str | None) -> None:
    writer = edition_writer(slug)
    substituting = SubstitutionWriter(writer)
    ana = reader(first_name=first, country="KE", language="en", tags=("researcher",))
    assert_the_same(writer, substituting.write(ana, NOW), ana)


@pytest.mark.parametrize("slug", EDITIONS)
def test_pictures_that_travel_inside_go_along(slug: str) -> None:
    writer = edition_writer(slug, "embed")
    ana = reader(first_name="Añá <3")
    message = SubstitutionWriter(writer).write(ana, NOW)
    assert_the_same(writer, message, ana)
    shown = set(re.findall(r'cid:([^"]+)"', message.template.html))
    assert set(through_sendgrid(message).attachments) == shown != set()


def test_every_variant_has_a_template_of_its_own() -> None:
    conditions = ('"a" in tags', '"b" in tags')
    shown = {
        key: (f"<p>{key} ", Fill(NAME, Context.HTML), "</p>\n") for key in itertools.product((True, False), repeat=2)
    }
    writer = make_writer(Letter(conditions=conditions, shown=shown))
    substituting = SubstitutionWriter(writer)
    templates = set()
    for tags in [(), ("a",), ("b",), ("a", "b")]:
        for name in ("Ana", "<b>", None):
            ana = reader(first_name=name, tags=tags)
            message = substituting.write(ana, NOW)
            assert_the_same(writer, message, ana)
            templates.add(message.template.key)
    assert len(templates) == 4


def test_each_context_has_its_own_tag_and_readers_share_the_template() -> None:
    _, substituting = letter_writers()
    ana, ben = substituting.write(reader(first_name="<A>"), NOW), substituting.write(reader(first_name="Ben"), NOW)
    assert ana.template is ben.template
    assert ana.values.keys() == ben.values.keys()
    assert sorted(value for value in ana.values.values() if "A" in value and len(value) < 12) == [
        "%3CA%3E",
        "&lt;A&gt;",
        "&lt;A&gt;",
        "<A>",
    ]


def test_no_tag_occurs_by_accident_or_is_the_beginning_of_another() -> None:
    _, substituting = letter_writers()
    message = substituting.write(reader(first_name="Ana"), NOW)
    for tag, other in itertools.permutations(message.values, 2):
        assert tag not in other
    assert all(re.fullmatch(r"-[0-9a-f]{10}\.\d+-", tag) for tag in message.values)


def test_a_text_that_holds_the_tags_gets_others() -> None:
    word = make_writer().secret_word(0)
    letter = Letter(html=(f"<p>-{word}.1- ", Fill(NAME, Context.HTML), "</p>\n"))
    writer = make_writer(letter)
    ana = reader(first_name="Ana")
    message = SubstitutionWriter(writer).write(ana, NOW)
    assert not any(word in tag for tag in message.values)
    assert_the_same(writer, message, ana)


def test_a_reader_whose_name_is_a_tag_gets_a_message_rendered_whole() -> None:
    writer, substituting = letter_writers()
    tags = list(substituting.write(reader(first_name="Ana"), NOW).values)
    ana = reader(first_name=f"{tags[1]}{tags[0]}")
    message = substituting.write(ana, NOW)
    assert message.values == {}
    assert message.template.single
    assert_the_same(writer, message, ana)


@pytest.mark.parametrize("name", ["x" * 5000, "م" * 900, "😀" * 400])
def test_a_reader_with_too_much_of_their_own_gets_a_message_rendered_whole(name: str) -> None:
    writer, substituting = letter_writers()
    ana = reader(first_name=name)
    message = substituting.write(ana, NOW)
    assert message.values == {}
    assert_the_same(writer, message, ana)


@settings(max_examples=60)
@given(size=st.integers(0, 3000), letter=st.sampled_from('xم😀"<'))
def test_what_differs_never_is_more_than_sendgrid_takes(size: int, letter: str) -> None:
    _, substituting = letter_writers()
    message = substituting.write(reader(first_name=letter * size), NOW)
    assert len(json.dumps(message.values)) <= LIMIT


def test_a_subject_that_is_empty_for_a_reader_is_refused_as_by_the_other_writer() -> None:
    letter = Letter(subject=(Fill("first_name", Context.HEADER),))
    writer = make_writer(letter)
    substituting = SubstitutionWriter(writer)
    substituting.write(reader(first_name="Ana"), NOW)
    for write in (writer.write, substituting.write):
        with pytest.raises(MessageError, match="Subject is empty"):
            write(reader(first_name=" "), NOW)


def test_a_subject_without_slots_is_the_same_for_all() -> None:
    writer = make_writer(Letter(subject=("Data sharing",)))
    assert SubstitutionWriter(writer).write(reader(), NOW).template.subject == "Data sharing"


def test_the_first_of_a_variant_is_compared_before_any_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(substitution, "clean", lambda value: f"{value}!")
    with pytest.raises(MisreadMessageError, match="is another one"):
        SubstitutionWriter(make_writer()).write(reader(first_name="Ana"), NOW)


def test_an_address_beyond_ascii_is_told() -> None:
    assert SubstitutionWriter(make_writer()).write(reader("zoë@example.com"), NOW).smtputf8


def test_the_token_tells_the_mailing_and_the_message_id_is_that_of_the_bytes() -> None:
    message = SubstitutionWriter(make_writer()).write(reader(first_name="Ana"), NOW)
    assert Signer(b"k" * 32).read("events", message.mailing, now=NOW) == (7,)
    assert message.message_id == make_writer().write(reader(first_name="Ana"), NOW).message_id
