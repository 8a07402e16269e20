"""The oracles answer, and the comparison sees what a reader would see and nothing else."""

import pytest
from mjml import mjml2html

from tests.oracle.dom import differences
from tests.oracle.programs import NpmMjml, PostalMime

DOCUMENT = """<mjml lang="en"><mj-head><mj-title>A title</mj-title><mj-preview>In short</mj-preview>
<mj-style>.dark { color: #fff; } @media (prefers-color-scheme: dark) { .dark { color: #000 !important; } }</mj-style>
</mj-head>
<mj-body width="640px" background-color="#f4f4f4"><mj-wrapper padding="10px 0px"><mj-section>
<mj-column width="33.33%"><mj-image src="https://example.com/a.png" alt="" width="100px" /></mj-column>
<mj-column width="66.67%"><mj-text css-class="z a">Hello <strong>you</strong> and <a href="https://example.com/">all</a>
<br />&lt;now&gt;</mj-text>
<mj-button href="https://example.com/go" background-color="#aabbcc">Go</mj-button></mj-column>
</mj-section></mj-wrapper><mj-section full-width="full-width"><mj-column border="1px solid #333333">
<mj-divider border-width="1px" /><mj-spacer height="20px" /><mj-table><tr><td>One</td></tr></mj-table>
<mj-social><mj-social-element src="https://example.com/i.png" alt="x" href="https://example.com/">Web</mj-social-element>
</mj-social></mj-column></mj-section></mj-body></mjml>"""


def test_npm_mjml_renders_and_finds_nothing_wrong(npm_mjml: NpmMjml) -> None:
    html, errors = npm_mjml(DOCUMENT)
    assert errors == []
    assert "<strong>you</strong>" in html


def test_npm_mjml_tells_every_mistake_with_its_line(npm_mjml: NpmMjml) -> None:
    column = "<mj-column>\n<mj-fly>x</mj-fly></mj-column>"
    source = f'<mjml><mj-body>\n<mj-section paddin="0px">{column}</mj-section></mj-body></mjml>'
    _, errors = npm_mjml(source)
    assert [(error["line"], error["tag"]) for error in errors] == [(2, "mj-section"), (3, "mj-fly")]


def test_npm_mjml_says_when_it_cannot_render(npm_mjml: NpmMjml) -> None:
    with pytest.raises(AssertionError, match="Malformed MJML"):
        npm_mjml("<mjml><mj-head /></mjml>")


def test_two_compilers_make_the_same_tree(npm_mjml: NpmMjml) -> None:
    """What both write differently without meaning is made equal, or this would list it."""
    assert differences(mjml2html(DOCUMENT, fonts={}), npm_mjml(DOCUMENT)[0]) == []


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("Hello <strong>", "Hello<strong>"),
        ("<strong>you</strong>", "<em>you</em>"),
        ("&lt;now&gt;", "now"),
        ("https://example.com/go", "https://example.com/stay"),
        ('src="https://example.com/a.png" alt=""', 'src="https://example.com/a.png" alt="Two people"'),
        ('background-color="#aabbcc"', 'background-color="#aabbcd"'),
        ("#000 !important", "#111 !important"),
        ('height="20px"', 'height="21px"'),
        ("10px 0px", "10px 1px"),
        ("33.33%", "34.33%"),
        ("In short", "In brief"),
    ],
)
def test_what_a_reader_could_meet_is_a_difference(part: str, other: str) -> None:
    assert part in DOCUMENT
    assert differences(mjml2html(DOCUMENT.replace(part, other), fonts={}), mjml2html(DOCUMENT, fonts={})) != []


def test_what_only_outlook_reads_is_compared_for_outlook_alone() -> None:
    ours = "<p>a<!--[if mso]><b>Outlook</b><![endif]--></p>"
    theirs = "<p>a<!--[if mso]><b>Old</b><![endif]--></p>"
    assert differences(ours, theirs, outlook=False) == []
    assert {line.split(":")[0] for line in differences(ours, theirs)} == {"outlook"}


def test_what_is_hidden_from_outlook_is_compared_for_the_others_alone() -> None:
    ours = "<p>a<!--[if !mso]><!--><b>b</b><!--<![endif]--></p>"
    theirs = "<p>a<!--[if !mso]><!--><b>c</b><!--<![endif]--></p>"
    assert {line.split(":")[0] for line in differences(ours, theirs)} == {"everyone"}


def test_postal_mime_reads_a_mail(postal_mime: PostalMime) -> None:
    mail = postal_mime(
        b'From: "Doe, Jo" <jo@example.com>\r\nTo: a@example.org, b@example.org\r\nSubject: =?utf-8?q?H=C3=A9?=\r\n'
        b"X-Note: one\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nH=C3=A9\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n--b--\r\n"
    )
    assert mail["from"] == {"name": "Doe, Jo", "address": "jo@example.com"}
    assert [person["address"] for person in mail["to"]] == ["a@example.org", "b@example.org"]
    assert mail["subject"] == "Hé"
    assert ["x-note", "one"] in mail["headers"]
    assert (mail["text"].strip(), mail["html"].strip()) == ("Hé", "<p>Hi</p>")
