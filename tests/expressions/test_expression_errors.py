"""What people write by mistake is refused at the right word, with what to write instead."""

import subprocess
import sys
import time
import warnings

import pytest

from newsletter.errors import ExpressionError
from newsletter.expressions import parse_expression

SLIPS = [
    # source, what stands at the caret, part of what is wrong, part of what to write
    ("firstname", "firstname", "«firstname» is not a name", "Did you mean first_name?"),
    ('"x" in tags and contry == "KE"', "contry", "«contry»", "Did you mean country?"),
    ("First_Name", "First_Name", "«First_Name»", "Did you mean first_name?"),
    ("surname", "surname", "not a name", "Did you mean last_name?"),
    ("country == KE", "KE", "«KE» is not a name", 'A text stands in quotes: "KE"'),
    ("country in [KE]", "KE", "«KE» is not a name", 'in quotes: "KE"'),
    ("not blood_group", "blood_group", "not a name", "attributes.blood_group"),
    ("country == null", "null", "«null»", "Did you mean none?"),
    ("TRUE", "TRUE", "«TRUE»", "Did you mean true?"),
    ("first_name | uper", "uper", "no filter «uper»", "Did you mean upper?"),
    ("first_name | capitalize", "capitalize", "no filter", "Did you mean title?"),
    ("first_name | safe", "safe", "no filter «safe»", "made safe for the place"),
    ("tags | join(', ')", "join", "no filter", "commas between them"),
    ("first_name | frobnicate", "frobnicate", "no filter", "Known filters: default, title, upper, lower, date"),
    ('country = "KE"', "=", "single =", "=="),
    ('country === "KE"', "==", "no such comparison", "=="),
    ('country <> "KE"', "<>", "no such comparison", "Write !=."),
    ('country => "KE"', "=>", "no such comparison", ">="),
    ('country == "KE" && tags', "&&", "&& means nothing", "Write the word and."),
    ("tags || joined", "||", "|| means nothing", "Write the word or."),
    ("!tags", "!", "! means nothing", "the word not"),
    ("country ≠ first_name", "≠", "means nothing", "!="),
    ('country == "KE" AND tags', "AND", "«AND»", "small letters: and"),
    ("NOT tags", "NOT", "«NOT»", "small letters: not"),
    ('"x" In tags', "In", "«In»", "small letters: in"),
    ("first_name | default(“friend”)", "“", "typographic quote", '"friend"'),
    ("first_name | default(«friend»)", "«", "typographic quote", '"friend"'),
    ('first_name | default("friend”)', '"', "never closed", "straight"),
    ('first_name | default("friend)', '"', "never closed", 'closing "'),
    ("country == 'KE", "'", "never closed", "closing '"),
    ("country == &quot;KE&quot;", "&quot;", "HTML", "the sign itself"),
    ('tags contains "x"', "contains", "«contains»", '"x" in tags'),
    ('tags has "two words"', "has", "«has»", '"two words" in tags'),
    ('country equals "KE"', "equals", "«equals»", "=="),
    ("first_name | default friend", "friend", "Something is missing", ""),
    ('first_name | default: "friend"', ":", "stands in brackets", 'default("friend")'),
    ('first_name | default "friend"', '"friend"', "stands in brackets", 'default("friend")'),
    ("first_name | default(friend)", "friend", "written down", 'default("friend")'),
    ("first_name | default(last_name)", "default", "written down", "default("),
    ('first_name | default("a", true)', "default", "one value", 'default("friend")'),
    ("first_name | default", "default", "one value", 'default("friend")'),
    ('first_name | default(value="a")', '"a"', "no «value»", "Leave out the name"),
    ("first_name | default(*tags)", "default", "Stars", "star"),
    ("first_name | default(none)", "default", "written down", "default("),
    ("first_name | default(5)", "default", "default of a text is a text", 'default("5")'),
    ("first_name | upper(1)", "upper", "takes nothing", "| upper"),
    ('"Ada" | upper', "upper", "fixed value", "without quotes"),
    ("tags | upper", "upper", "on tags", "tags alone"),
    ('tags | default("none")', "default", "no default", "when: tags"),
    ('joined | default("never")', "default", "format before its default", "joined | date("),
    ("joined | upper", "upper", "on a date", "joined | date("),
    ("first_name | date", "date", "this is a text", "joined"),
    ('joined | date("lnog")', "date", "no date format «lnog»", "Did you mean long?"),
    ('joined | date("%d.%m.%Y")', "date", "no date format", "short, medium, long, full"),
    ("first_name |", "|", "name of a filter", "default("),
    ("| upper", "|", "value before it", "default("),
    ("upper(first_name)", "upper", "Calls", "first_name | upper"),
    ("first_name.upper()", "first_name", "Calls", "first_name | upper"),
    ('attributes.get("x")', "attributes", "Calls", "attributes.NAME"),
    ('email.endswith("@example.org")', "email", "Calls", "in email"),
    ("range(5)", "range", "Calls", "Filters stand behind"),
    ('first_name + " " + last_name', "first_name", "cannot be added", "two slots"),
    ("first_name ~ last_name", "first_name", "cannot be added", "two slots"),
    ("first-name", "first", "not computed", "hyphen"),
    ("attributes.age * 2", "attributes", "not computed", ""),
    ("7*7", "7*7", "not computed", ""),
    ('-first_name == "x"', "-", "not computed", ""),
    ("-true", "-", "Only a number", "minus"),
    ("first_name is none", "is", "«is none»", "== none"),
    ("first_name is not none", "is", "«is none»", "!= none"),
    ("first_name is defined", "is", "«is defined»", "name alone"),
    ('first_name if tags else "x"', "if", "«if»", "default("),
    ('if country == "KE"', "if", "«if»", "condition alone"),
    ('{{ country == "KE" }}', "{{", "without curly brackets", "Take them out"),
    ("{% if tags %}", "{%", "Template statements", "condition"),
    ("tags }}", "}}", "no partner", ""),
    ('{"a": 1}', "{", "curly brackets", ""),
    ("country in {1: 2}", "{", "Curly brackets", '["KE", "UG"]'),
    ('country == "KE" or "UG"', '"UG"', '"UG" alone', 'country in ["KE", "UG"]'),
    ('first_name or "friend"', '"friend"', "alone", 'default("friend")'),
    ('country == ("KE" or "UG")', '"KE"', "one value", 'country in ["KE", "UG"]'),
    ('(country == "KE") == true', "country", "condition stands where a value", "== true"),
    ("18 <= attributes.age < 65", "<", "two sides", "and"),
    ('"country" == "KE"', "==", "same for everybody", "Write country without quotes."),
    ('"KE" in ["KE", "UG"]', "in", "same for everybody", ""),
    ("country == 5", "==", "a text, never a number", '"5"'),
    ("country == true", "==", "a text, never true", "country alone"),
    ("country in [1]", "in", "never a number", '"1"'),
    ("country < none", "<", "smaller or larger than none", "=="),
    ("attributes.x >= true", ">=", "smaller or larger than true", "=="),
    ('country in ["KE", none]', "none", "not looked for", "== none"),
    ("country in [first_name]", "first_name", "written values", "first_name"),
    ('country in "KE"', "in", "After in", 'country in ["KE"]'),
    ('country in ("KE")', "in", "After in", 'country in ["KE"]'),
    ("country == first_name == last_name", "==", "two sides", "and"),
    ('country == ["KE"]', "[", "list only stands after in", "in ["),
    ('["a"] in tags', "[", "list only stands after in", "in tags"),
    ('tags == "x"', "==", "tags are several", '"x" in tags'),
    ("tags == none", "==", "tags are several", "not tags"),
    ('tags in ["a", "b"]', "in", "tags are several", '"a" in tags or "b" in tags'),
    ("5 in tags", "in", "Only a text can be in tags", '"5"'),
    ("joined in tags", "in", "Only a text can be in tags", ""),
    ('"2026" in joined', "in", "holds nothing", ">="),
    ('joined > "31.1.2026"', ">", "no date", '"2026-01-31"'),
    ('joined > "2026-02-30"', ">", "calendar", "month"),
    ("joined > 2026", ">", "no date", '"2026-01-31"'),
    ("joined == attributes.day", "==", "compared with a date", ""),
    ('first_name | title == "Ada"', "first_name", "for showing", "Leave it out"),
    ('tags and joined | date == "x"', "joined", "for showing", "date itself"),
    ("attributes", "attributes", "needs its name", "attributes.NAME"),
    ("attributes.a.b", "attributes", "Only attributes", "attributes.NAME"),
    ("attributes[0]", "0", "is a text", 'attributes["my field"]'),
    ('attributes[""]', '""', "is a text", ""),
    ("attributes[1:2]", "1", "is a text", ""),
    ("subscriber.first_name", "subscriber", "Only attributes", "Write first_name."),
    ("country ==", "==", "stops in the middle", "after «==»"),
    ("country == and tags", "tags", "Something is missing", ""),
    ("and", "and", "value is missing", ""),
    ('(country == "KE"', "(", "never closed", ")"),
    ('country in ["KE"', "[", "never closed", "]"),
    ('country == "KE")', ")", "no partner", ""),
    ('"a" "b"', '"b"', "next to each other", "comma"),
    ('country in ["KE" "UG"]', '"UG"', "next to each other", "comma"),
    ("first_name, last_name", ",", "comma only stands in a list", "square brackets"),
    ("first_name upper", "upper", "Something is missing", ""),
    ("country == *", "*", "means nothing", "compared, not computed"),
    ("tags; joined", ";", "not expected", ""),
    ('"\\d"', "\\d", "means nothing", "backslash"),
    ('"\\n"', "\\n", "means nothing", "backslash"),
    ('"a\nb"', "\n", "line break", "same line"),
    ('"a\x00b"', "\x00", "invisible", ""),
    ('"a\ud800b"', "\ud800", "invisible", ""),
    ("first_name\u200b", "\u200b", "invisible character here (zero width space)", "Delete it"),
    ("first_name #", "#", "«#» means nothing", ""),
    ("1e999", "1e999", "too large", ""),
    ("attributes.x == 9223372036854775808", "9223372036854775808", "too large", "in quotes"),
    ("9" * 900, "9", "too large", ""),
    ("", "", "no expression", "condition"),
    (" \t\n", "", "no expression", "condition"),
]


@pytest.mark.parametrize(("source", "caret", "what", "fix"), SLIPS, ids=[slip[0][:40] for slip in SLIPS])
def test_a_slip_is_refused_at_its_word_with_what_to_write(source: str, caret: str, what: str, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(source)
    error = caught.value
    assert what in error.what
    assert fix in error.fix
    assert error.source == source
    assert source[error.offset :].startswith(caret)
    assert error.what.endswith(".")
    assert error.fix == "" or error.fix.endswith((".", "?"))
    assert "jinja" not in str(error).lower()
    assert len(str(error)) < 250


@pytest.mark.parametrize(
    "source",
    [
        "(" * 1000,
        "(" * 400 + "tags" + ")" * 400,
        "[" * 1000,
        "not " * 249 + "tags",
        "-" * 999 + "1",
        "not(" * 250,
        "a if " * 190 + "a",
        "a." * 499 + "a",
        "first_name" + "|upper" * 160,
        "tags" + "()" * 490,
        "first_name" + "[0]" * 320,
        "1" + "+1" * 490,
        "1" + "**1" * 330,
        "1" + "~1" * 490,
        "1" + " or 1" * 190,
        " or ".join(["tags"] * 101),
        "country in [" + "1," * 400 + "1]",
        "9" * 1000,
        "1e" + "9" * 900,
        "0x" + "f" * 900,
        '"' + "a" * 998,
        '"' + "\\" * 997 + '"',
        "{" * 1000,
        "x" * 1000,
        "x" * 1_000_000,
        "é" * 1000,
        '""' * 500,
        "tags is " * 125,
        "," * 1000,
        "|" * 1000,
        "tags<" * 200 + "tags",
    ],
    ids=lambda source: source[:12],
)
def test_hostile_expressions_are_refused_within_milliseconds(source: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError):
        parse_expression(source)
    assert time.process_time() - began < 0.25  # milliseconds in truth; generous for a busy machine


def test_an_expression_at_the_bounds_is_read_and_answers() -> None:
    wide = parse_expression(" or ".join(["not tags"] * 49))
    deep = parse_expression("(" * 20 + "tags" + ")" * 20)
    negated = parse_expression("not " * 20 + "tags")
    for expression in (wide, deep, negated):
        assert isinstance(expression.test({"tags": ("a",)}), bool)
    assert parse_expression('country == "' + "x" * 987 + '"').test({}) is False


def test_reading_works_close_to_the_recursion_limit() -> None:
    """The deepest expression needs a bounded number of frames: it is read with 600 left."""
    script = (
        "import sys; from newsletter.expressions import parse_expression as p; p('tags')\n"
        "sys.setrecursionlimit(600)\n"
        "p('(not tags and ' * 10 + 'tags' + ')' * 10); p('(' * 20 + 'tags' + ')' * 20).test({})\n"
        "print('read')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "read\n", done.stderr


def test_odd_escapes_warn_nobody() -> None:
    """Python warns when it decodes an unknown escape; we refuse before it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ExpressionError, match="means nothing"):
            parse_expression('"\\q"')
