"""newsletter.toml is read into settings, and every mistake in it is told at once, in words, at its place."""

import datetime as dt
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.config import Settings, load_settings, parse_duration
from newsletter.config.places import DEEPEST, Scan, TooDeepError
from newsletter.errors import ConfigError, Finding

MINIMAL = """[newsletter]
name = "Our News"
base_url = "https://news.example.org/"

[identity]
from = "Our News <news@example.org>"
postal_address = '''
Our Organisation
1 Example Street'''

[lists.community]
title = "Community"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("properties")


def load(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Settings:
    path = folder / "newsletter.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(path, environ or {})


def mistakes(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> tuple[Finding, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    assert caught.value.findings
    return caught.value.findings


def only_mistake(folder: Path, added: str) -> Finding:
    (finding,) = mistakes(folder, MINIMAL + added)
    return finding


def test_a_minimal_file_works_with_sensible_defaults(tmp_path):
    settings = load(tmp_path, MINIMAL)
    assert settings.newsletter.base_url == "https://news.example.org"  # without the slash
    assert settings.newsletter.organisation == "Our News"
    assert (settings.newsletter.language, settings.newsletter.timezone) == ("en", "UTC")
    assert settings.identity.from_ == "Our News <news@example.org>"
    assert settings.identity.postal_address == "Our Organisation\n1 Example Street"
    assert settings.footer.heading == "Stay in the loop"
    assert settings.lists["community"].opt_in == "double"
    assert settings.sending.hold == dt.timedelta(seconds=60)
    assert settings.sending.images == "link"
    assert settings.sender.kind == "outbox"
    assert settings.dkim is None


def test_every_table_can_be_set(tmp_path):
    settings = load(
        tmp_path,
        MINIMAL
        + """
        [brand]
        primary = "#0AB"
        logo = "images/logo.svg"
        fonts = {heading = "serif", body = "'Comic Neue', Verdana"}
        [brand.dark]
        text = "#FFFFFF"
        [footer]
        links = [{label = "Web", url = "https://www.example.org/a"}]
        purpose = ["One.", "Two."]
        [[footer.social]]
        label = "Write"
        url = "mailto:team@example.org"
        [database]
        url = "postgresql://me@db.example.org/news"
        [sending]
        hold = "1 h 30 min"
        rate = "3000/h"
        chunk = 50
        images = "embed"
        feedback_id = "series:community:example-org"
        [sender]
        kind = "smtp"
        smtp = {host = "mail.example.org", username = "news", connections = 2}
        sendgrid = {region = "eu", sandbox = true, api_url = "http://127.0.0.1:4010"}
        [dkim]
        domain = "example.org"
        selector = "news2026"
        key_file = "/etc/newsletter/dkim.pem"
        [checks]
        image-alt = "should fix"
        [glossary]
        "NGO & co" = "organisations"
        [segments]
        kenya = 'country == "KE"'
        """,
    )
    assert settings.brand.primary == "#00aabb"
    assert settings.brand.dark.text == "#ffffff"
    assert settings.brand.fonts.heading.endswith("Times, serif")
    assert settings.brand.fonts.body == "Comic Neue, Verdana, sans-serif"
    assert settings.footer.links[0].url == "https://www.example.org/a"
    assert settings.database.url == "postgresql+psycopg://me@db.example.org/news"
    assert settings.sending.hold == dt.timedelta(minutes=90)
    assert settings.sending.rate == pytest.approx(3000 / 3600)
    assert settings.sender.smtp.port_number == 587
    assert settings.checks == {"image-alt": "should fix"}


def test_settings_do_not_change(tmp_path):
    settings = load(tmp_path, MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        settings.newsletter.name = "Other"


def test_settings_know_where_they_were_written(tmp_path):
    settings = load(
        tmp_path, MINIMAL + '[brand]\n  primary = "#0f4c5c"\n[footer]\nlinks = [\n  {label = "a", url = "tel:1"}]\n'
    )
    assert settings.place("identity.from") == (6, 1)
    assert settings.place("brand.primary") == (14, 3)
    assert settings.place("footer.links.0.url") == (17, 17)
    assert settings.place("brand.accent") is None
    finding = settings.finding("brand.accent", rule="r", what="w")
    assert (finding.file, finding.line) == ("newsletter.toml", 13)  # of its table, as it is not given itself


def test_an_empty_file_says_all_that_is_missing(tmp_path):
    told = "\n".join(str(finding) for finding in mistakes(tmp_path, ""))
    for table in ("[newsletter]", "[identity]", "[lists.community]"):
        assert table in told


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path):
    findings = mistakes(
        tmp_path,
        MINIMAL.replace("news@example.org", "news@@example.org").replace('name = "Our News"', 'nmae = "Our News"')
        + '[brand]\nprimary = "teal"\nlogo = "../secret.png"\n'
        + '[sending]\nchunk = 0\nhold = 60\nimages = "cid"\n[sendr]\nkind = 1\n',
    )
    assert [finding.line for finding in findings] == [1, 2, 6, 14, 15, 17, 18, 19, 20]
    assert all(finding.file == "newsletter.toml" and finding.column == 1 for finding in findings)
    assert all(finding.what.endswith(".") and finding.fix for finding in findings)


@pytest.mark.parametrize(
    ("added", "line", "column", "words"),
    [
        ('[brand]\nprimry = "#fff"', 14, 1, "Did you mean «primary»?"),
        ('[foter]\nheading = "x"', 13, 1, "Did you mean «footer»?"),
        ('[sender]\nhost = "mail.example.org"', 14, 1, "It belongs in [sender.smtp]."),
        ('[sending]\nsecurity = "tls"', 14, 1, "[sender.smtp]"),
        ('[brand]\nprimary = "teal"', 14, 1, "six digits"),
        ('[brand]\nprimary = "#12"', 14, 1, "six digits"),
        ('[brand]\nlogo = "C:\\\\logo.png"', 14, 1, "Windows"),
        ('[brand]\nlogo = "https://www.example.org/a.png"', 14, 1, "on the web"),
        ('[brand]\nlogo = "/etc/passwd"', 14, 1, "inside the project"),
        ("[brand]\nlogo_width = 9999", 14, 1, "at most 600"),
        ('[brand.fonts]\nbody = "serf"', 14, 1, "«serif»"),
        ('[brand.fonts]\nbody = "x; color: red"', 14, 1, "not the name of a font"),
        ('[footer]\nlinks = [{label = "a", url = "www.example.org"}]', 14, 24, "https://www.example.org"),
        ('[footer]\nlinks = [{label = "a", url = "javascript:alert(1)"}]', 14, 24, "is not a link"),
        ('[footer]\nlinks = [{lable = "a", label = "b", url = "tel:1"}]', 14, 11, "«label»"),
        ('[footer]\npurpose = "one"', 14, 1, "must be a list"),
        ('[lists."Our List"]\ntitle = "x"', 13, 1, "our-list"),
        ('[lists.donors]\ntitle = "x"\nopt_in = "duble"', 15, 1, "«double»"),
        ('[sending]\nhold = "soon"', 14, 1, "60 s"),
        ('[sending]\nhold = "8 days"', 14, 1, "7 days"),
        ('[sending]\nrate = "0/s"', 14, 1, "3000/h"),
        ("[sending]\nchunk = 1001", 14, 1, "at most 1000"),
        ('[sending]\nfeedback_id = "a:b:c:d:sender"', 14, 1, "Feedback-ID"),
        ('[sending]\nfeedback_id = "a:a:sender"', 14, 1, "twice"),
        ('[sender.smtp]\nhost = "mail.example.org"\nsecurity = "none"', 15, 1, "unencrypted"),
        ('[sender.sendgrid]\napi_url = "http://api.example.org"', 14, 1, "anybody on the way"),
        ('[dkim]\ndomain = "example.org"\nselector = "a"', 13, 1, "key_file"),
        ('[checks]\nimage-alt = "fatal"', 14, 1, "must fix"),
        ('[segments]\nkenya = "country ="', 14, 1, "kenya"),
        ('[database]\nurl = "mysql://root@db/x"', 14, 1, "sqlite:///"),
        ('[database]\nurl = "sqlite:///:memory:"', 14, 1, "sqlite:///"),
    ],
)
def test_a_mistake_is_told_at_its_place_with_advice(tmp_path, added, line, column, words):
    finding = only_mistake(tmp_path, added)
    assert (finding.line, finding.column) == (line, column)
    assert words in str(finding)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("https://news.example.org/", "http://news.example.org", "https://news.example.org"),
        ("https://news.example.org/", "news.example.org", "https://"),
        ("https://news.example.org/", "https://news.example.org/?a=1", "question mark"),
        ("https://news.example.org/", "https://me:pw@news.example.org", "password"),
        ("https://news.example.org/", "https://", "name of a web site"),
        ('name = "Our News"', 'name = " "', "is empty"),
        ('name = "Our News"', 'name = "Our\\u202eNews"', "invisible"),
        ('name = "Our News"', 'name = "Our\\nNews"', "more than one line"),
        ('name = "Our News"', 'name = "Our News"\nlanguage = "pt_br"', "Write pt-BR"),
        ('name = "Our News"', 'name = "Our News"\ntimezone = "Berlin"', "Europe/Berlin"),
        ('name = "Our News"', 'name = "Our News"\ntimezone = "../etc/passwd"', "time zone"),
        ("Our News <news@example.org>", "a@example.org, b@example.org", "not one mailbox"),
        ("Our News <news@example.org>", "Our News", "not one mailbox"),
        ("Our News <news@example.org>", "A\\nBcc: b@example.org <a@example.org>", "line break"),
        ("Our Organisation\n1 Example Street", "  \n", "is empty"),
        ("Our Organisation\n1 Example Street", "12345", "postal address"),
    ],
)
def test_what_must_be_given_is_checked(tmp_path, was, now, words):
    assert was in MINIMAL
    (finding,) = mistakes(tmp_path, MINIMAL.replace(was, now))
    assert words in str(finding)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://NEWS.example.org:8443/letters/", "https://news.example.org:8443/letters"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://bücher.example.org", "https://xn--bcher-kva.example.org"),
    ],
)
def test_base_url_is_normalised(tmp_path, url, normal):
    text = MINIMAL.replace("https://news.example.org/", url)
    assert load(tmp_path, text).newsletter.base_url == normal


@pytest.mark.parametrize(
    "sender", ["news@example.org", '"News, ours" <news@example.org>', "Nöws <post@bücher.example.org>"]
)
def test_a_mailbox_may_be_written_in_all_usual_ways(tmp_path, sender):
    text = MINIMAL.replace('"Our News <news@example.org>"', f"'{sender}'")
    assert load(tmp_path, text).identity.from_ == sender


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60 s", 60), ("2 min", 120), ("1 h", 3600), ("1h30min", 5400), ("2 days", 172800), ("0", 0), ("1.5 h", 5400)],
)
def test_durations(text, seconds):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "60", "s", "1 fortnight", "-1 s", "1 s 2"])
def test_what_is_no_duration_is_refused_with_advice(text):
    with pytest.raises(ValueError, match=r"60 s, 2 min or 1 h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("added", "home"),
    [
        ('[sender.smtp]\npassword = "hunter2"', "NEWSLETTER_SMTP_PASSWORD"),
        ('[sender.sendgrid]\napi_key = "hunter2"', "SENDGRID_API_KEY"),
        ('[sender.sendgrid]\nregion = "SG.hunter2hunter2.abc"', "SENDGRID_API_KEY"),
        ('[database]\nurl = "postgresql://me:hunter2@db/news"', "NEWSLETTER_DATABASE__URL"),
        ('[dkim]\ndomain = "example.org"\nselector = "a"\nkey_file = "-----BEGIN PRIVATE KEY-----hunter2"', "key_file"),
        ('[mine]\nsecret_key = "hunter2"', "NEWSLETTER_SECRET_KEY"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path, added, home):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL + added)
    secret = next(finding for finding in caught.value.findings if finding.rule == "secret")
    assert secret.line is not None
    assert secret.line >= 13
    assert home in secret.fix
    assert "hunter2" not in str(caught.value)


def test_words_of_the_glossary_are_not_taken_for_secrets(tmp_path):
    assert load(tmp_path, MINIMAL + '[glossary]\ntoken = "A small thing."\n').glossary["token"]


SYNTAX = [
    ('name = "Our News', 2, 8, 'Write " at its end'),
    ("name = “Our News”", 2, 8, "Typographic quotation marks"),
    ('name = "Our News”', 2, 8, "typographic quotation mark (”)"),
    ("name = Our News", 2, 8, 'name = "Our News"'),
    ("name: Our News", 2, 5, "not a colon"),
    ("name =", 2, 7, "There is no value for name"),
    ('the name = "Our News"', 2, 5, "the_name"),
    ('name = "C:\\images"', 2, 11, "backslash"),
    ('name = "C:\\users"', 2, 11, "backslash"),
    ('name = "Our "best" News"', 2, 14, "single quotation marks"),
    ("name = 14/s", 2, 10, '"14/s"'),
    ("name = #0f4c5c", 2, 8, '"#0f4c5c"'),
    ("name = Yes", 2, 8, "true"),
    ('name = "Our\x07News"', 2, 12, "control character"),
    ('name = ["a" "b"]', 2, 13, "comma is missing"),
    ('name = {a = "b",}', 2, 17, "without a comma before the }"),
    ('name = {a = b, c = "d"}', 2, 13, 'Write a = "b"'),
    ('name = "a"\nname = "b"', 3, 1, "line 2 already"),
    ("- Our News", 2, 3, "hyphens"),
    ("// a remark", 2, 1, "begins with #"),
    ("just words", 2, 6, "neither a setting nor a table"),
]


@pytest.mark.parametrize(("line_two", "line", "column", "words"), SYNTAX)
def test_mistakes_of_writing_are_told_in_words(tmp_path, line_two, line, column, words):
    (finding,) = mistakes(tmp_path, MINIMAL.replace('name = "Our News"', line_two))
    assert (finding.rule, finding.line, finding.column) == ("toml", line, column)
    assert words in str(finding)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[newsletter\n", 1, "name of a table"),
        ("[our newsletter]\n", 1, "name of a table"),
        ("a = 1\n[b]\n[b]\n", 3, "line 2 already"),
        ('a = """one\ntwo\n', 1, "never ends"),
        ('a = [\n "b"\n "c"\n]', 3, "comma is missing"),
    ],
)
def test_mistakes_over_several_lines_are_told_too(tmp_path, text, line, words):
    (finding,) = mistakes(tmp_path, text)
    assert finding.line == line
    assert words in str(finding)


def test_several_mistakes_of_writing_are_told_at_once(tmp_path):
    findings = mistakes(tmp_path, "a = one\nb: 2\nc = 3\nd = “four”\n")
    assert [finding.line for finding in findings] == [1, 2, 4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (MINIMAL.encode("utf-16"), "UTF-16"),
        (MINIMAL.encode("utf-16-le"), "UTF-16"),
        (b"\xef\xbb\xbf" + MINIMAL.encode(), "BOM"),
        (MINIMAL.replace("Our News", "Unsere Nöte").encode("cp1252"), "«ö»"),
        (b"#" * (256 * 1024 + 1), "256 KB"),
    ],
)
def test_other_encodings_and_huge_files_are_told(tmp_path, content, words):
    (finding,) = mistakes(tmp_path, content)
    assert words in finding.what


def test_the_place_of_a_letter_in_another_encoding(tmp_path):
    (finding,) = mistakes(tmp_path, MINIMAL.replace("Our News <", "Our Nöws <").encode("cp1252"))
    assert (finding.line, finding.column) == (6, 14)


def test_windows_line_ends_change_nothing(tmp_path):
    text = MINIMAL + '[brand]\nprimary = "#0f4c5c"\n'
    assert load(tmp_path, text.replace("\n", "\r\n")).place("brand.primary") == (14, 1)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "a=" + "[" * 200_000,
        "a=" + "{a=" * 60_000,
        "a." * 100_000 + "a=1",
        "[" + "a." * 100_000 + "a]",
        "a=1\n" * 60_000,
        "a = " + "1" * 200_000,
        "a='''" + "'a" * 100_000,
        "a=[" + "{}," * 80_000,
        "".join(f"[a{number}]\n" for number in range(25_000)),
        "=" * 250_000,
    ],
    ids=lambda text: text[:8].strip(),
)
def test_a_bomb_ends_within_a_second(tmp_path, text):
    begin = time.process_time()
    assert len(mistakes(tmp_path, text)) <= 60
    assert time.process_time() - begin < 1.5  # a second, and room for a busy machine


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "newsletter.toml").mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        load_settings(tmp_path / "newsletter.toml", {})
    with pytest.raises(ConfigError, match="newsletter init"):
        load_settings(tmp_path / "other" / "newsletter.toml", {})


NAMES = st.sampled_from(["a", "b", "key", "größe", "x-y", "a b", ""])
LEAVES = st.one_of(st.text(max_size=8), st.integers(0, 9), st.booleans())
TABLES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)


def written(value: object) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, list):
        return "[\n " + ", # note\n ".join(written(entry) for entry in value) + "\n]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f'"{key}" = {written(entry)}' for key, entry in value.items()) + "}"


def paths(value: object, path: tuple[str | int, ...] = ()):
    if isinstance(value, dict):
        for key, entry in value.items():
            yield (*path, key)
            yield from paths(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield (*path, number)
            yield from paths(entry, (*path, number))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, TABLES, min_size=1, max_size=4))
def test_every_key_of_any_file_has_its_place(data):
    text = "".join(f'"{key}" = {written(value)}\n' for key, value in data.items())
    scan = Scan(text)
    places = scan.places()
    for path in paths(data):
        line, column = places[path]
        rest = text.split("\n")[line - 1][column - 1 :]
        if isinstance(path[-1], str):
            assert rest.startswith(f'"{path[-1]}"')
    assert set(places) == set(paths(data))


def test_tables_of_each_entry_have_their_own_places():
    scan = Scan("[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2\n[[a.d]]\ne = 3\n")
    assert scan.twice == []
    places = scan.places()
    assert places["a", 0, "b", "c"] == (3, 1)
    assert places["a", 1, "b", "c"] == (6, 1)
    assert places["a", 1, "d", 0, "e"] == (8, 1)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab=[]{}.,\"'#\\\n \t1é", max_size=60))
def test_the_scanner_takes_any_text(text):
    try:
        scan = Scan(text)
    except TooDeepError:
        assert max(text.count("["), text.count("{"), text.count(".")) >= DEEPEST
        return
    for line, column in scan.places().values():
        assert 1 <= column <= len(text.split("\n")[line - 1]) + 1


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abn=[]{}.,\"'#\\\n \t1é“:-", max_size=60))
def test_any_text_is_settings_or_a_mistake_with_words(folder, text):
    path = folder / "newsletter.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert all(finding.what and finding.fix for finding in caught.value.findings)
