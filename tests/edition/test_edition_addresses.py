"""Where links may lead, where slots may stand in them, and which pictures an edition may show."""

import pytest

from newsletter.edition.addresses import address_problem

GOOD = [
    "https://www.example.org",
    "HTTPS://WWW.EXAMPLE.ORG/",
    "http://example.org/a",
    "https://example.org:8443/a/b?c=d&e=f#g",
    "https://example.org?x",
    "https://exämple.org/schön/%C3%A4",
    "https://मुंबई.example.org/",
    "https://192.0.2.1/",
    "https://[2001:db8::1]:8080/a",
    "http://localhost:8000/x",
    "https://en.example.org/wiki/Foo_(bar)",
    "https://example.org/a;b,c!$'*+=:@~[1]",
    "mailto:team@example.org",
    "mailto:a@example.org,b@example.org?subject=Hello%20you&body=x",
    "mailto:?subject=Look",
    "tel:+41-22-555-0100",
    "tel:112",
]
BAD = [
    ("", "no address"),
    ("www.example.org/a", "Write https://www.example.org/a"),
    ("example.org", "Write https://example.org"),
    ("example.org:8080/a", "Write https://example.org:8080/a"),
    ("//example.org/a", "Write https://example.org/a"),
    ("/stories/1", "only a part"),
    ("story.html?x", "only a part"),
    ("../a", "only a part"),
    ("#top", "inside the same message"),
    ("team@example.org", "Write mailto:team@example.org"),
    ("javascript:alert(1)", "cannot begin with «javascript:»"),
    ("JaVaScRiPt:alert(1)", "cannot begin"),
    ("data:text/html,x", "cannot begin"),
    ("vbscript:x", "cannot begin"),
    ("file:///etc/passwd", "cannot begin"),
    ("ftp://example.org", "cannot begin"),
    ("https:example.org", "Two slashes"),
    ("https:/example.org", "Two slashes"),
    ("https://", "name is missing"),
    ("https:///a", "name is missing"),
    ("https://.", "no name of a web site"),
    ("https://a..b/", "no name of a web site"),
    ("https://-a.org/", "no name of a web site"),
    ("https://exa_mple!.org/", "no name of a web site"),
    ("https://example.org:99999/", "no name of a web site"),
    ("https://example.org:x/", "no name of a web site"),
    ("https://[::g]/", "no name of a web site"),
    ("https://[::1/", "no name of a web site"),
    ("https://user:secret@example.org/", "name or password"),
    ("https://example.org@evil.example.com/", "name or password"),
    ("https://example.org\\@evil.example.com/", "cannot stand"),
    ("https://example.org/a b", "blank"),
    ("https://example.org/a\nb", "blank"),
    ("https://example.org/\u00a0", "blank"),
    ("https://example.org/\u200b", "invisible"),
    ("https://exam\u00adple.org/", "invisible"),
    ("https://example.org/\u202e", "invisible"),
    ("https://example.org/\x00", "invisible"),
    ('https://example.org/"', "Write %22"),
    ("https://example.org/<x>", "Write %3C"),
    ("https://example.org/{x}", "Write %7B"),
    ("https://example.org/100%", "Write %25"),
    ("https://example.org/%zz", "Write %25"),
    ("https://example.org/" + "a" * 2000, "2,000 are the most"),
    ("mailto:", "missing"),
    ("mailto:nobody", "no mail address"),
    ("mailto:a@b@example.org", "no mail address"),
    ("mailto:a@example.org%0ABcc:b@example.org", "no mail address"),
    ("tel:call-me", "no telephone number"),
    ("tel:", "no telephone number"),
]


@pytest.mark.parametrize("address", GOOD)
def test_an_address_that_is_right(address, block):
    assert address_problem(address) is None
    assert block(f'kind: button\nlabel: L\nurl: "{address}"').url == address


@pytest.mark.parametrize(("address", "sentence"), BAD)
def test_an_address_that_is_wrong_is_refused_with_advice(address, sentence):
    problem = address_problem(address)
    assert problem is not None
    assert sentence in f"{problem.what} {problem.fix}"
    assert 0 <= problem.offset <= len(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/{{ first_name }}",
        "https://example.org/?who={{ email | lower }}&x={{ country | default('none') }}",
        "https://example.org#{{ language }}",
        "https://example.org?{{ language }}",
        "mailto:team@example.org?subject=From%20{{ first_name }}",
    ],
)
def test_slots_may_stand_in_path_query_and_fragment(address, block):
    assert block(f'kind: button\nlabel: L\nurl: "{address}"').url == address
    body = block(f'kind: text\nbody: "[words]({address.replace(" ", "")})"').body
    assert address.replace(" ", "") in body


@pytest.mark.parametrize(
    ("address", "column"),
    [
        ("{{ attributes.site }}", 1),
        ("{{ attributes.site }}/x", 1),
        ("{{ language }}://example.org", 1),
        ("https://{{ language }}", 9),
        ("https://{{ language }}.example.org/", 9),
        ("https://example.org{{ language }}", 20),
        ("https://example.org:{{ language }}/", 21),
        ("https://a:{{ language }}@example.org/", 11),
        ("java{{ language }}:x", 5),
        ("mailto:{{ email }}", 8),
        ("mailto:a@example.org,{{ email }}?subject=x", 22),
        ("tel:+4{{ country }}", 7),
    ],
)
def test_a_slot_never_chooses_where_a_link_leads(address, column, told):
    found = told(f'kind: button\nlabel: L\nurl: "{address}"')
    assert len(found) == 1
    assert found[0].startswith(f"3:{column + 6} url: A slot cannot")
    in_body = told(f"kind: text\nbody: '[words](<{address}>)'")
    assert any("A slot cannot" in sentence for sentence in in_body)


def test_a_bad_slot_is_told_and_nothing_else(told):
    assert len(told('kind: button\nlabel: L\nurl: "https://{{ contry }}.example.org"')) == 1


@pytest.mark.parametrize("src", ["images/a.png", "./images/a.png"])
def test_a_picture_of_the_edition(src, block):
    assert block(f'kind: image\nsrc: {src}\nalt: ""').src == src


@pytest.mark.parametrize(
    "src",
    [
        "/etc/passwd",
        "../other/images/a.png",
        "images/../../x.png",
        "..",
        "~/a.png",
        "C:/a.png",
        "images\\\\a.png",
        "https://example.org/a.png",
        "//example.org/a.png",
        "data:image/png;base64,x",
        "file:///a.png",
        "images/",
        "images/{{ first_name }}.png",
        ".",
        r"a\0.png",
        r"a\nb.png",
    ],
)
@pytest.mark.parametrize("kind", ["image", "video", "spotlight"])
def test_no_picture_from_elsewhere(src, kind, told):
    block = {
        "image": f'src: "{src}"\nalt: ""',
        "video": f'url: https://example.org\ntitle: T\nthumbnail: "{src}"',
        "spotlight": f'organisation: O\nimage: {{src: "{src}", alt: ""}}',
    }[kind]
    assert len(told(f"kind: {kind}\n{block}")) == 1


def test_a_missing_picture_is_told_with_the_nearest_name(findings):
    text = 'title: T\nsubject: S\nblocks:\n  - kind: image\n    src: images/aa.png\n    alt: ""\n'
    video = '{kind: video, url: "https://example.org", title: V, thumbnail: images/none.png}'
    text += f"  - kind: columns\n    columns:\n      - - {video}\n      - - kind: divider\n"
    found = findings(text)
    assert [(f.rule, f.line, f.column, f.block) for f in found] == [
        ("missing-picture", 5, 10, "block 1, image «images/aa.png»"),
        (
            "missing-picture",
            9,
            text.split("\n")[8].index("images/none") + 1,
            "block 2, columns, column 1, block 1, video «V»",
        ),
    ]
    assert found[0].fix == "Write images/a.png."


def test_a_picture_reached_through_a_link_out_of_the_folder_is_refused(root, told):
    (root / "secret.png").write_bytes(b"x")
    (root / "editions" / "demo" / "images" / "out.png").symlink_to(root / "secret.png")
    assert "outside of the edition's folder" in told('kind: image\nsrc: images/out.png\nalt: ""')[0]


def test_a_name_that_no_file_can_have_is_a_missing_picture(told):
    assert "There is no picture" in told(f'kind: image\nsrc: images/{"é" * 240}.png\nalt: ""')[0]
