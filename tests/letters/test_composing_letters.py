"""What letters say and how they are put together: words, links, both parts, headers, and texts of strangers."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.consent import Consent
from newsletter.audience.lists import subscribe
from newsletter.database.schema import ConsentMethod
from newsletter.letters.composing import compose_letter
from newsletter.letters.wording import Matter
from newsletter.letters.writing import Addressed, LetterWriter, visitors_mailbox
from newsletter.rendering.escaping import clean
from newsletter.rendering.theme import default_templates, open_theme
from newsletter.sending.rereading import verify
from newsletter.tokens import Signer
from tests.letters.correspondence import ALL, NOW, WITH_LINK, LetterKind, Post, part, read
from tests.rendering.composing import tree

PAGES = {
    LetterKind.CONFIRM: "confirm",
    LetterKind.ALREADY: "p",
    LetterKind.ACCESS: "me",
    LetterKind.ERASE: "erase",
}
TITLE = "Stories & *more* {{x}}"
WORDS = {
    Path(each.name).stem: tomllib.loads(each.read_text(encoding="utf-8"))
    for each in (default_templates() / "letters").iterdir()
}


def links(html: str) -> list[str]:
    return [str(link.get("href")) for link in tree(html).iter("a")]


def shown(html: str) -> str:
    """The words of a page, with single blanks."""
    body = tree(html).find("body")
    assert body is not None
    return " ".join("".join(body.itertext()).split())


# Headers


@pytest.mark.parametrize("kind", ALL)
def test_a_letter_has_the_headers_of_a_letter_and_no_others(post: Post, kind: LetterKind) -> None:
    """Items 42 and 93, RFC 3834 section 5: automatic, to one person, of no list."""
    message = post.receive(kind)
    assert {name.lower() for name in message} == {
        *("from", "to", "reply-to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"),
    }
    assert message["From"] == "Data for Change <news@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_the_message_id_tells_the_letter_to_us_alone(post: Post) -> None:
    message = post.receive(LetterKind.ACCESS)
    token, _, domain = str(message["Message-ID"]).strip("<>").partition("@")
    assert domain == "example.org"
    assert post.signer.read("letter", token, now=NOW) == (1,)


def test_answers_go_to_the_team_and_to_the_visitor_where_a_form_asked_for_an_address(post: Post) -> None:
    assert post.receive(LetterKind.CONFIRM)["Reply-To"] == "The team <team@example.org>"
    assert post.receive(LetterKind.ENTRY)["Reply-To"] == "visitor@example.net"
    for given_ in ("nonsense", "a@b@example.net", "x@example.net\r\nBcc: y@example.net", "ü@example.net", "", None):
        message = post.receive(LetterKind.ENTRY, details={"entry": post.entry(email=given_, news="x")})
        assert message["Reply-To"] == "The team <team@example.org>"
        assert "If you answer" not in part(message, "plain")
        assert message["Bcc"] is None


# What they say


@pytest.mark.parametrize("kind", WITH_LINK)
def test_a_letter_with_a_link_has_that_link_and_no_other(post: Post, kind: LetterKind) -> None:
    """Item 93: no marketing, nothing to leave, nothing to look at on the web."""
    message = post.receive(kind)
    html, text = part(message, "html"), part(message, "plain")
    (link,) = links(html)
    assert link.startswith(f"https://news.example.org/{PAGES[kind]}/")
    assert re.findall(r"https?://\S+", text) == [link]
    assert "Stay in the loop" not in html + text
    assert "nsubscribe" not in html + text
    for wanted in ("Sent by Safe Online", "1 Example Street", "Example Town", "You get this one message because"):
        assert wanted in shown(html)
        assert wanted in " ".join(text.split())


def test_links_say_what_their_pages_read(post: Post) -> None:
    person = post.person("ben@example.com")
    read_at = NOW
    tokens = {}
    for kind in (LetterKind.ALREADY, LetterKind.ACCESS, LetterKind.ERASE):
        message = post.receive(kind, email="ben@example.com", person=person)
        tokens[kind] = links(part(message, "html"))[0].rpartition("/")[2]
    assert post.signer.read("preferences", tokens[LetterKind.ALREADY], now=read_at) == (person, 1, 0)
    assert post.signer.read("access", tokens[LetterKind.ACCESS], now=read_at) == (person, 2)
    assert post.signer.read("erase", tokens[LetterKind.ERASE], now=read_at) == (person, 3)


def test_a_letter_about_several_lists_names_them_all(post: Post) -> None:
    with (post.root / "newsletter.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[lists.events]\ntitle = "Events"\n')
    post.newsletter = post.again()
    person = post.person("ana@example.com")
    with post.newsletter.database() as database, database.write() as connection:
        subscribe(connection, person, "events", Consent("x", ConsentMethod.FORM, NOW))
    message = post.receive(LetterKind.ALREADY, person=person, email="ana@example.com", details={"lists": "1 2 99"})
    assert message["Subject"] == f"You are on the list already: {TITLE} and Events"


@pytest.mark.parametrize("kind", [LetterKind.CONFIRM, LetterKind.ALREADY])
def test_the_title_of_a_list_is_shown_as_it_is(post: Post, kind: LetterKind) -> None:
    message = post.receive(kind)
    assert TITLE in message["Subject"]
    assert TITLE in " ".join(part(message, "plain").split())
    assert [each.text for each in tree(part(message, "html")).iter("strong")] == [TITLE]


@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_letter_speaks_every_language_of_the_theme(post: Post, language: str) -> None:
    for kind in ALL:
        matter = Matter(kind, language, 2 if kind is LetterKind.ENTRY else 0, kind is LetterKind.ENTRY)
        composition = compose_letter(post.newsletter.project, matter)
        page = "".join(piece if isinstance(piece, str) else "…" for piece in composition.variant(()).html)
        assert composition.language == language
        assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in page
        assert WORDS[language][kind]["why"] in shown(page)
        assert not re.search(r"\{\w*\}", shown(page))


def test_all_languages_have_the_same_words_with_the_same_signs() -> None:
    def shape(words: dict[str, dict[str, str]]) -> dict[str, list[str]]:
        return {
            f"{kind}.{name}": sorted(set(re.findall(r"\{\w+\}", word)))
            for kind, table in words.items()
            for name, word in table.items()
        }

    theme = {path.stem for path in (Path(str(default_templates())) / "words").glob("*.toml")}
    assert WORDS.keys() == theme
    for language, words in WORDS.items():
        assert shape(words) == shape(WORDS["en"]), language
        assert all(word.strip() for table in words.values() for word in table.values())


def test_the_readers_language_counts_if_there_are_words_for_it(post: Post) -> None:
    assert "confirmer" in str(post.receive(LetterKind.CONFIRM, language="fr-CA")["Subject"])
    assert "confirm that" in str(post.receive(LetterKind.CONFIRM, email="b@example.com", language="tlh")["Subject"])
    for number, odd in enumerate(("fr_FR", "FR", "fr-1", "fr-zz-zz-zz")):
        message = post.receive(LetterKind.CONFIRM, email=f"c{number}@example.com", language=odd)
        assert "confirmer" in message["Subject"], odd
    for number, odd in enumerate(("", "../fr", "\u202efr", "x" * 300)):
        message = post.receive(LetterKind.CONFIRM, email=f"d{number}@example.com", language=odd)
        assert "confirm that" in message["Subject"], odd


def test_a_project_changes_words_and_templates_of_letters(post: Post) -> None:
    templates = post.root / "templates"
    (templates / "letters").mkdir(parents=True)
    assert post.receive(LetterKind.ACCESS)["Subject"] == "Your link to your data"
    (templates / "letters" / "en.toml").write_text('[access]\nsubject = "Here you are"\n', encoding="utf-8")
    shipped = (default_templates() / "letter.txt.j2").read_text(encoding="utf-8")
    (templates / "letter.txt.j2").write_text(f"Hello!\n{shipped}", encoding="utf-8")
    message = post.receive(LetterKind.ACCESS, email="b@example.com")
    assert message["Subject"] == "Here you are"
    assert part(message, "plain").startswith("Hello!\n")
    assert "See my data" in part(message, "plain")


def test_wrong_words_and_templates_are_told_and_the_letter_waits(post: Post) -> None:
    templates = post.root / "templates"
    (templates / "letters").mkdir(parents=True)
    (templates / "letters" / "en.toml").write_text('[access]\ntext = "{{ nonsense }}"\n', encoding="utf-8")
    number = post.write(LetterKind.ACCESS)
    assert post.letters.deliver_due().waiting == 1
    assert "templates/letters/en.toml" in post.row(number).reason
    (templates / "letters" / "en.toml").unlink()
    post.clock.pass_(minutes=5)
    assert post.letters.deliver_due().sent == 1


@pytest.mark.parametrize("kind", [LetterKind.ACCESS, LetterKind.ENTRY])
def test_a_theme_that_puts_a_list_to_leave_into_letters_keeps_them_waiting(post: Post, kind: LetterKind) -> None:
    (post.root / "templates").mkdir()
    shipped = (default_templates() / "letter.txt.j2").read_text(encoding="utf-8")
    (post.root / "templates" / "letter.txt.j2").write_text(f"{shipped}{{{{ links.unsubscribe }}}}", encoding="utf-8")
    number = post.write(kind)
    assert post.letters.deliver_due().waiting == 1
    assert "«unsubscribe»" in post.row(number).reason


# What strangers typed

NASTY = "**bold** [click](https://evil.example.net) {{ email }} {% x %} <script>alert(1)</script> &amp; `code`"


def test_answers_of_strangers_stay_text(post: Post) -> None:
    """No Markdown, no links, no slots, no tags, no header, no second question."""
    news = f"{NASTY}\r\nBcc: you@example.org\r\n\r\n# A heading\n\nMay we write?\nYes\u202e\x00\x07\u2028end"
    message = post.receive(LetterKind.ENTRY, details={"entry": post.entry(email="v@example.net", news=news)})
    html, text = part(message, "html"), part(message, "plain")
    page = tree(html)
    assert links(html) == []
    assert not [*page.iter("script"), *page.iter("code"), *page.iter("h2")]
    assert NASTY in shown(html)
    assert NASTY in text
    assert message["Bcc"] is None
    for line in ("Bcc: you@example.org", "May we write?", "Yes end"):
        assert f"\n> {line}" in text
    assert not set("\x00\x07\u2028\u202e") & set(html + text)


def test_all_questions_are_shown_with_their_answers_as_they_are_written(post: Post) -> None:
    entry = post.entry(news="x", topics="Data", agree=False, older=["a", "b"], email=None)
    message = post.receive(LetterKind.ENTRY, details={"entry": entry})
    text = part(message, "plain")
    assert message["Subject"] == "New entry: Community [Updates] {{ form }}"
    assert "*Your *email* address*\nNo answer\n" in text
    assert "*Your news {{ or }} <b>*\nx\n" in text
    assert "*May we write?*\nNo\n" in text
    assert "*older*\na, b\n" in text
    assert "November 23, 2026, 9:30" in text


def test_an_entry_of_a_form_that_is_gone_is_still_told(post: Post) -> None:
    entry = post.entry(email="v@example.net", news="Old news")
    settings = (post.root / "newsletter.toml").read_text(encoding="utf-8")
    (post.root / "newsletter.toml").write_text(settings.partition("[forms.")[0], encoding="utf-8")
    post.newsletter = post.again()
    message = post.receive(LetterKind.ENTRY, details={"entry": entry})
    assert message["Subject"] == "New entry: updates"
    assert "*news*\nOld news" in part(message, "plain")


def writer_of(post: Post) -> LetterWriter:
    project = post.newsletter.project
    return LetterWriter(
        compose_letter(project, Matter(LetterKind.ENTRY, "en", 1)),
        project.settings,
        signer=Signer(b"k" * 32),
        page=None,
        same_for_all={"form_title": "A form", "question_0": "A question"},
    )


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> LetterWriter:
    return writer_of(Post(tmp_path_factory.mktemp("one") / "project", "sqlite:///nowhere.db"))


@settings(max_examples=40)
@given(answer=st.text(max_size=200) | st.text("<>&\"'{}%[]()*_`#\r\n\\=?.\u2028", max_size=60))
def test_no_answer_whatever_breaks_out(writer: LetterWriter, answer: str) -> None:
    """The strict reader accepts the message, and shows the answer as text and nothing else."""
    values = {"attributes.answer_0": answer, "attributes.moment": "now"}
    message = writer.write(Addressed(1, "team@example.org", values=values), NOW)
    verify(message.content, recipient="team@example.org", letter=True)
    opened = read(message.content)
    page = tree(part(opened, "html"))
    assert not list(page.iter("a"))
    lines = [clean(line) for line in re.split(r"\r\n|\r|\n", answer)]
    assert "".join("".join(lines).split()) in "".join("".join(page.itertext()).split())
    same = writer.substituted(Addressed(1, "team@example.org", values=values), NOW)
    assert same.template.html.rstrip() == part(opened, "html").rstrip()


@settings(max_examples=40)
@given(st.text(max_size=80) | st.emails())
def test_what_is_typed_as_an_address_is_one_or_is_left_out(typed: str) -> None:
    mailbox = visitors_mailbox(typed)
    if mailbox is not None:
        assert re.fullmatch(r"[!-~]+@[!-~]+", mailbox.address)
        assert mailbox.address.count("@") == 1 or '"' in mailbox.address


def test_the_same_letter_at_the_same_time_is_the_same_bytes(post: Post) -> None:
    letter = Addressed(7, "ana@example.com", values={"attributes.answer_0": "x\ny", "attributes.moment": "now"})
    assert writer_of(post).write(letter, NOW).content == writer_of(post).write(letter, NOW).content


def test_a_language_without_a_file_of_letters_is_told(post: Post) -> None:
    theme = open_theme(post.root / "templates")
    assert theme.speaks("pt-BR", "letters")
    assert not theme.speaks("tlh", "letters")
    assert theme.words("tlh", "letters") == theme.words("en", "letters")
