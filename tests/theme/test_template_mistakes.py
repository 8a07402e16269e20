"""Whatever is wrong with a project's own templates is told in words, with file and line, and all of it at once."""

import time
from typing import Any

import pytest

from newsletter.errors import ConfigError, Finding, TemplateError
from newsletter.rendering import sandbox
from tests.rendering.composing import EVERY_KIND, Bench

BLOCKS: list[dict[str, Any]] = [
    {"kind": "divider"},
    {"kind": "quote", "text": "So it is.", "name": "Ana"},
    {"kind": "quote", "text": "So be it."},
]
QUOTE = "blocks/quote.mjml.j2"


def findings(bench: Bench, blocks: list[dict[str, Any]] = BLOCKS) -> tuple[Finding, ...]:
    with pytest.raises(TemplateError) as caught:
        bench.compose(blocks)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value.findings


def mistake(bench: Bench, source: str, name: str = QUOTE) -> Finding:
    """What is told about this template of a quote; once, though two blocks use it."""
    bench.template(name, source)
    (finding,) = findings(bench)
    assert finding.file == f"templates/{name}"
    assert finding.rule == "template"
    return finding


WHOLE = "<mj-text>\n{}\n</mj-text>"


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("<mj-text>\n{% if block.text %}</mj-text>", 2, "Unexpected end of template"),
        ("<mj-text>\n\n{{ block.text </mj-text>", 3, "Unexpected"),
        (WHOLE.format("{{ block.text | upcase }}"), 2, "No filter named 'upcase'"),
        (WHOLE.format("{{ blok.text }}"), 2, "«blok». Did you mean block?"),
        (WHOLE.format("{{ part.heading(block.text) }}"), 2, '{% import "parts.mjml.j2" as part with context %}'),
        (WHOLE.format("{{ block.txt }}"), 2, "«txt» in this; did you mean text?"),
        (WHOLE.format("{{ words.unsubscrib }}"), 2, "did you mean unsubscribe?"),
        (WHOLE.format("{{ nothing_like_it }}"), 2, "docs/reference/theme.md"),
        ('{% import "parts.mjml.j2" as part with context %}\n{{ part.headin("x") }}', 2, "did you mean heading?"),
        ('<mj-text>\n{% include "nowhere.mjml.j2" %}</mj-text>', 2, "no template «nowhere.mjml.j2»"),
        ('<mj-text>\n{% include "../newsletter.toml" %}</mj-text>', 2, "no template «../newsletter.toml»"),
        ("{% extends 'blocks/quote.mjml.j2' %}", None, ""),
        (WHOLE.format("{{ block.text + 1 }}"), 2, ""),
        (WHOLE.format("{{ 1 / 0 }}"), 2, "Division"),
        (WHOLE.format("{% for x in none %}{% endfor %}"), 2, ""),
        ("<mj-text>\n<p>{{ block.text }}</mj-text>", None, "not well-formed"),
        ("<mj-text>\n<p>{{ block.text }}</p>", None, "not well-formed: mismatched tag."),
        ("<mj-text>\n<p class=x>{{ block.text }}</p></mj-text>", 1, "near «<p class=x>So it is.</p>"),
        ("<mj-text>\n<p onclick='x'>{{ block.text }}</p></mj-text>", 2, "«onclick»"),
        ("<mj-text>\n<marquee>{{ block.text }}</marquee></mj-text>", 2, "<marquee> does not work in mail"),
        ("\n<mj-txt>{{ block.text }}</mj-txt>", 2, "<mj-txt> is not a component"),
        ("\n<mj-text colour='#ffffff'>{{ block.text }}</mj-text>", 2, "no attribute «colour»"),
        ("\n<mj-column><mj-text>{{ block.text }}</mj-text></mj-column>", 2, "cannot stand inside <mj-column>"),
        ("<mj-spacer height='1px'/>\nloose words", 2, "«loose» stands between"),
        ("\n<mj-image src='x'/>", 2, "needs an alt text"),
        ("<mj-text padding='10%'>x</mj-text>", 1, "percent"),
    ],
)
def test_a_mistake_is_told_with_its_line(bench: Bench, source: str, line: int | None, says: str) -> None:
    finding = mistake(bench, source)
    assert says in f"{finding.what} {finding.fix}"
    assert finding.what.endswith((".", "?"))
    assert line is None or finding.line == line
    assert (finding.block or "").startswith("block 2")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ block.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ self._TemplateReference__context }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ ''|attr('__class__') }}",
        "{{ block.text|safe }}",
        "{{ block.update({'text': 'x'}) }}",
        "{{ footer.links.append(1) }}",
        "{{ range(10**9) }}",
        "{{ range(10**30) }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{ 'x' * 10**9 }}",
        "{{ [0] * 10**9 }}",
        "{{ 10**10**10 * 10**10**10 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ 'x'.center(999999999) }}",
        "{{ 'x'|center(999999999) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ lipsum(n=10**6) }}",
        "{{ [1, 2, 3]|random }}",
    ],
)
def test_a_template_gets_nowhere(bench: Bench, source: str) -> None:
    """Neither into Python's insides, nor to work without end; told within seconds, without a traceback."""
    start = time.perf_counter()
    finding = mistake(bench, WHOLE.format(source))
    assert time.perf_counter() - start < 3
    assert finding.what.endswith(".")


def test_an_edition_of_the_largest_kind_is_not_too_many_steps(bench: Bench) -> None:
    items = [{"label": f"L{number}", "url": "https://www.example.org/"} for number in range(50)]
    links = {"kind": "links", "items": items}
    bench.compose([{"kind": "columns", "columns": [[links] * 20, [links] * 20, [links] * 3]}])
    assert sandbox.MOST_STEPS >= 10_000


def test_all_broken_templates_are_told_at_once(bench: Bench) -> None:
    """Of blocks and of the frame, in HTML and in plain text, mistakes of Jinja and of MJML."""
    bench.template("blocks/quote.mjml.j2", "{{ blok }}")
    bench.template("blocks/divider.mjml.j2", "\n<mj-divider colour='#ffffff' />")
    bench.template("blocks/heading.mjml.j2", "\n\n<mj-text><p>{{ block.text }}</mj-text>")
    bench.template("blocks/button.txt.j2", "{{ block.lable }}")
    bench.template("masthead.mjml.j2", "{{ editio }}")
    bench.template("edition.txt.j2", "\n{% for %}")
    (bench.folder / "images" / "broken.png").write_bytes(b"broken")
    found = findings(bench, [*EVERY_KIND, {"kind": "image", "src": "images/broken.png", "alt": ""}])
    assert sorted((finding.file, finding.line) for finding in found) == [
        ("editions/demo/edition.yaml", 3),
        ("templates/blocks/button.txt.j2", 1),
        ("templates/blocks/quote.mjml.j2", 1),
        ("templates/edition.txt.j2", 2),
        ("templates/masthead.mjml.j2", 1),
    ]
    (bench.root / "templates" / "masthead.mjml.j2").unlink()
    found = findings(bench, EVERY_KIND)
    assert sorted((finding.file, finding.line) for finding in found) == [
        ("templates/blocks/button.txt.j2", 1),
        ("templates/blocks/divider.mjml.j2", 2),
        ("templates/blocks/heading.mjml.j2", 3),
        ("templates/blocks/quote.mjml.j2", 1),
        ("templates/edition.txt.j2", 2),
    ]


def test_a_mistake_in_a_column_names_the_block_inside(bench: Bench) -> None:
    bench.template(QUOTE, "<mj-text><p></mj-text>")
    text = {"kind": "text", "body": "Left."}
    (bench.folder / "edition.yaml").write_text(
        "title: T\nsubject: S\nblocks:\n  - kind: columns\n    columns:\n      - - {kind: text, body: Left.}\n"
        "      - - {kind: text, body: Right.}\n        - {kind: quote, text: T, name: Ana}\n"
    )
    (finding,) = findings(bench, [{"kind": "columns", "columns": [[text], [text, BLOCKS[1]]]}])
    assert finding.block == "block 1, columns, column 2, block 2, quote «Ana»"
    assert finding.file == f"templates/{QUOTE}"


@pytest.mark.parametrize(
    ("name", "source", "line", "says"),
    [
        ("edition.mjml.j2", "<mjml><mj-body>\n{{ bloks }}</mj-body></mjml>", 2, "Did you mean blocks?"),
        ("edition.mjml.j2", "\n<p>no mail</p>", 2, "<p> is not a component"),
        ("edition.mjml.j2", "", None, "not well-formed"),
        ("head.mjml.j2", "<mj-head>\n<mj-style>p { color: #é }</mj-style></mj-head>", 2, "ASCII"),
        ("head.mjml.j2", "<mj-head>\n<mj-style>p{background:url(x)}</mj-style></mj-head>", 2, "load something"),
        ("footer.mjml.j2", "\n<mj-section>{{ publisher.adress }}</mj-section>", 2, "There is no «adress»"),
        ("parts.mjml.j2", "{% macro room() %}{% endmacro", 1, ""),
    ],
)
def test_a_mistake_in_the_frame_is_told(bench: Bench, name: str, source: str, line: int | None, says: str) -> None:
    bench.template(name, source)
    found = findings(bench, [{"kind": "divider"}])
    assert found[0].file == f"templates/{name}"
    assert says in f"{found[0].what} {found[0].fix}"
    assert line is None or found[0].line == line


FRAME = """<mjml><mj-head><mj-title>T</mj-title></mj-head><mj-body><mj-section><mj-column>
{}
</mj-column></mj-section></mj-body></mjml>"""


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("edition.mjml.j2", FRAME.format("{{ blocks[0].mjml }}"), "leaves out a block"),
        ("edition.mjml.j2", FRAME.format("<mj-text>{{ blocks[0].mjml }}</mj-text>"), "inside <mj-text>"),
        ("edition.mjml.j2", FRAME.format("{% for b in blocks %}{{ b.mjml | upper }}{% endfor %}"), ""),
        ("edition.mjml.j2", FRAME.format("{% for b in blocks %}{{ b.mjml[12:] }}{% endfor %}"), "cuts finished blocks"),
        ("edition.txt.j2", "{{ blocks[0].text }}", "leaves out a block"),
        ("edition.txt.j2", "{{ blocks | map(attribute='text') | join | truncate(40) }}", "cuts finished blocks"),
        ("edition.txt.j2", "{{ blocks | map(attribute='text') | join | reverse }}", ""),
        ("blocks/columns.txt.j2", "{{ block.columns[0] | join }}", "leaves out a block"),
    ],
)
def test_no_template_loses_what_somebody_wrote(bench: Bench, name: str, source: str, says: str) -> None:
    """A block that a template forgets, or shows in pieces, would otherwise be missed by nobody but its writer."""
    bench.template(name, source)
    quote, columns = BLOCKS[1], [[BLOCKS[0]], [{"kind": "text", "body": "Right."}]]
    (finding,) = findings(bench, [quote, {"kind": "columns", "columns": columns}])
    assert finding.file == f"templates/{name}"
    assert says in finding.what


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (QUOTE, b"\xff\xfe<mj-text>", "not UTF-8"),
        (QUOTE, b"x" * 300_000, "larger than 256 KB"),
        ("words/en.toml", b"view = \n", "cannot be read"),
        ("words/en.toml", b"view = '\xff'", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_template_is_told(bench: Bench, name: str, content: bytes, says: str) -> None:
    bench.template(name, "")
    (bench.root / "templates" / name).write_bytes(content)
    (finding,) = findings(bench)
    assert (finding.file, says in finding.what) == (f"templates/{name}", True)


def test_a_mistake_in_the_shipped_theme_would_be_told_as_such(bench: Bench) -> None:
    """A project's own part without what the shipped blocks need: where it shows, and that this file is not theirs."""
    bench.template("parts.mjml.j2", "{% macro heading(text) %}{{ text }}{% endmacro %}")
    found = findings(bench)
    assert {finding.file for finding in found} >= {"templates/blocks/quote.mjml.j2 (shipped)"}


@pytest.mark.parametrize("key", ["primary", "on_primary", "accent", "text", "muted", "surface", "background"])
@pytest.mark.parametrize("table", ["brand", "brand.dark"])
def test_no_colour_that_cannot_be_read_is_composed(bench: Bench, table: str, key: str) -> None:
    """Every colour that can be set; with what to write instead."""
    ground = {"surface": ("background", "#ffffff", "#000000"), "background": ("surface", "#ffffff", "#000000")}
    other, light, dark = ground.get(key, ("primary" if key == "on_primary" else "surface", "#777777", "#777777"))
    bench.toml = bench.toml.replace('[brand]\nprimary = "#0f4c5c"', f'[{table}]\n{key} = "{dark}"\n{other} = "{light}"')
    with pytest.raises(ConfigError) as caught:
        bench.compose(EVERY_KIND)
    assert all(finding.rule == "contrast" and "#" in finding.fix for finding in caught.value.findings)
    assert all(finding.file == "newsletter.toml" and finding.line for finding in caught.value.findings)
