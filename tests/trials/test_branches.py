"""--all-branches: one message for each variant that somebody can see, and a word about what nobody sees."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.expressions import parse_expression
from newsletter.expressions.examples import Cluster, clusters
from newsletter.expressions.supposed import changed, told
from newsletter.sending.personas import PersonaTable
from tests.cli.conftest import Newsletter
from tests.trials.looking import EVERYDAY, bodies, fields, letters

HEAD = "title: T\nsubject: S\npreheader: P\nblocks:\n  - kind: text\n    body: Always here\n"


def block(body: str, when: str) -> str:
    return f"  - kind: text\n    body: {body}\n    when: '{when}'\n"


def write(project: Path, *blocks: str) -> None:
    (project / "editions" / "welcome" / "edition.yaml").write_text(HEAD + "".join(blocks), encoding="utf-8")


def seen(project: Path, *words: str) -> set[tuple[bool, ...]]:
    """For each message of a test, which of the words it holds; the page and the text agree."""
    found = set()
    for content in letters(project, test=True):
        page, text = bodies(content)["text/html"], bodies(content)["text/plain"]
        assert [word in page for word in words] == [word in text for word in words]
        found.add(tuple(word in page for word in words))
    return found


def test_one_message_for_each_variant(people: Path, newsletter: Newsletter) -> None:
    write(people, block("Kenya", 'country == "KE"'), block("Science", '"researcher" in tags'))
    said = newsletter("test", "welcome", "--to", "a@example.org,b@example.org", "--all-branches")
    assert said.code == 0
    assert "«T» in all 4 variants" in said.out
    assert seen(people, "Kenya", "Science") == {(True, True), (True, False), (False, True), (False, False)}
    subjects = [dict(fields(content))["Subject"] for content in letters(people, test=True)]
    assert subjects == [f"[Test {number}/4] S" for number in (1, 2, 3, 4)] * 2
    (first, *_) = letters(people, test=True)
    assert "Kenya" in bodies(first)["text/plain"]  # who sees most comes first
    assert "Science" in bodies(first)["text/plain"]


def test_an_edition_without_conditions_is_one_test(people: Path, newsletter: Newsletter) -> None:
    write(people)
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    assert said.json["variants"] == 1
    assert [message["subject"] for message in said.json["messages"]] == ["[Test] S"]


def test_what_only_looks_different_is_one_variant(people: Path, newsletter: Newsletter) -> None:
    """Inside a block that is not shown, the conditions of what it holds make no difference."""
    columns = (
        "  - kind: columns\n    when: 'country == \"KE\"'\n    columns:\n"
        "      - - kind: text\n          body: Left\n          when: '\"researcher\" in tags'\n"
        "      - - kind: text\n          body: Right\n"
    )
    write(people, columns)
    assert newsletter("test", "welcome", "--to", "a@example.org", "--all-branches").code == 0
    assert seen(people, "Left", "Right") == {(True, True), (False, True), (False, False)}
    assert len(list(letters(people, test=True))) == 3


def test_a_block_that_nobody_can_see_is_told_by_its_place(people: Path, newsletter: Newsletter) -> None:
    write(people, block("Ghost", 'country == "KE" and country == "UG"'), block("All", "email != none"))
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    assert said.code == 0
    findings = {finding["rule"]: finding for finding in said.json["findings"]}
    assert findings["unreachable-block"]["line"] == 9
    assert findings["unreachable-block"]["block"] == "block 2, text"
    assert 'country == "KE" and country == "UG"' in findings["unreachable-block"]["what"]
    assert findings["needless-condition"]["line"] == 12
    assert said.json["variants"] == 1


def test_a_block_whose_surroundings_rule_it_out_is_told(people: Path, newsletter: Newsletter) -> None:
    columns = (
        "  - kind: columns\n    when: 'country == \"KE\"'\n    columns:\n"
        "      - - kind: text\n          body: Left\n          when: 'country != \"KE\"'\n"
        "      - - kind: text\n          body: Right\n"
    )
    write(people, columns, block("Others", 'country != "KE"'))
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    (finding,) = said.json["findings"]
    assert (finding["rule"], finding["line"]) == ("unreachable-block", 12)
    assert said.json["variants"] == 2


def test_more_variants_than_anybody_reads_become_a_few_that_show_and_leave_out_each_block(
    people: Path, newsletter: Newsletter
) -> None:
    words = [f"Part{number:02}" for number in range(14)]
    write(people, *(block(word, f'"{word}" in tags') for word in words))
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    assert said.code == 0
    assert said.json["variants"] > 4000
    shown = seen(people, *words)
    assert 2 <= len(shown) <= 32
    assert all({one[place] for one in shown} == {True, False} for place in range(14))


def test_a_persona_goes_before_somebody_thought_up(people: Path, newsletter: Newsletter) -> None:
    text = '[personas.ada]\nfirst_name = "Ada"\n\n[personas.wanjiru]\nfirst_name = "Wanjiru"\ncountry = "KE"\n'
    (people / "personas.toml").write_text(text, encoding="utf-8")
    write(people, block("Kenya", 'country == "KE"'), block("Science", '"researcher" in tags'))
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    assert [message["as"] for message in said.json["messages"]] == [
        "country KE, tagged researcher",
        "persona «wanjiru»",
        "tagged researcher",
        "persona «ada»",
    ]


def test_subscribers_of_the_list_show_what_nobody_else_would(
    people: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if nobody could be thought up for the condition."""
    write(people, block("Uganda", 'country == "UG"'))
    monkeypatch.setattr(
        "newsletter.sending.branches.clusters", lambda conditions, like: [Cluster((0,), {(False,): ()}, complete=False)]
    )
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--list", "community", "--json")
    assert [message["as"] for message in said.json["messages"]] == ["thomas@example.com", "persona «everyday»"]
    assert said.json["findings"] == []
    said = newsletter("test", "welcome", "--to", "a@example.org", "--all-branches", "--json")
    assert [message["as"] for message in said.json["messages"]] == ["persona «everyday»"]
    assert [finding["rule"] for finding in said.json["findings"]] == ["unreachable-block"]


def answers(*sources: str) -> set[tuple[bool, ...]]:
    """Every combination of answers to conditions that hang together."""
    (found,) = clusters([parse_expression(source) for source in sources], EVERYDAY)
    assert found.complete
    return set(found.answers)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (['country == "KE"', 'country in ["KE", "UG"]'], {(True, True), (False, True), (False, False)}),
        (['country == "KE"', 'country != "KE"'], {(True, False), (False, True)}),
        (["country == none", 'country != "KE"'], {(True, True), (False, True), (False, False)}),
        (["not first_name", 'first_name | default("x") == "x"'], {(True, True), (False, True), (False, False)}),
        (
            ["tags", '"a" in tags'],
            {(True, True), (True, False), (False, False)},
        ),
        (['joined >= "2026-01-31"', 'joined < "2025-01-01"'], {(True, False), (False, True), (False, False)}),
        (["attributes.age >= 18", "attributes.age < 65"], {(True, True), (True, False), (False, True), (False, False)}),
        (['country | lower == "ke"', 'country == "KE"'], {(True, True), (True, False), (False, False)}),
        (
            ['"@example.org" in email', '"test" in email'],
            {(True, True), (True, False), (False, True), (False, False)},
        ),
        (["first_name in email", "first_name"], {(True, True), (False, True), (False, False)}),
        (["attributes.vip", "attributes.vip == true"], {(True, True), (True, False), (False, False)}),
        (["first_name == last_name", "first_name == none"], {(True, False), (False, False), (False, True)}),
        (["country in tags", 'country == "KE"'], {(True, True), (True, False), (False, True), (False, False)}),
        (["joined == none", 'joined < "2025-01-01"'], {(False, True), (False, False)}),  # everybody joined some day
        (["true", 'country == "KE"'], None),
    ],
)
def test_every_combination_of_answers_is_found(sources: list[str], expected: set[tuple[bool, ...]] | None) -> None:
    if expected is None:
        found = clusters([parse_expression(source) for source in sources], EVERYDAY)
        assert [set(group.answers) for group in found] == [{(True,)}, {(True,), (False,)}]
    else:
        assert answers(*sources) == expected


TEXTS = ["KE", "UG", "BR", ""]
DAYS = [date(2025, 1, 1), date(2025, 6, 30), date(2026, 1, 31)]
comparisons = st.one_of(
    st.builds('country {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from(TEXTS)),
    st.builds('"{}" {} tags'.format, st.sampled_from("abc"), st.sampled_from(["in", "not in"])),
    st.builds('joined {} "{}"'.format, st.sampled_from(["<", "<=", ">", ">=", "=="]), st.sampled_from(DAYS)),
    st.builds("attributes.n {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "=="]), st.sampled_from([0, 1, 5])),
    st.sampled_from(["first_name", "country == none", "tags", "attributes.n", 'country in ["KE", "UG"]']),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=4,
)
people_at_large = st.fixed_dictionaries(
    {
        "email": st.just("somebody@example.net"),
        "first_name": st.sampled_from([None, "", "Zoë"]),
        "last_name": st.none(),
        "language": st.none(),
        "country": st.sampled_from([None, "ZW", *TEXTS]),
        "tags": st.sets(st.sampled_from("abcz")).map(tuple),
        "joined": st.dates(date(2024, 1, 1), date(2027, 1, 1)) | st.sampled_from(DAYS),
        "attributes": st.fixed_dictionaries({}, optional={"n": st.integers(-2, 7) | st.sampled_from([0.5, "1", True])}),
    }
)


@hypothesis_settings(max_examples=150)
@given(st.lists(conditions, min_size=1, max_size=3), st.lists(people_at_large, min_size=1, max_size=20))
def test_nobody_answers_in_a_way_that_was_not_thought_of(sources: list[str], somebody: list[dict[str, Any]]) -> None:
    """Whatever people say to some conditions, somebody was thought up who says the same."""
    asked = [parse_expression(source) for source in sources]
    groups = clusters(asked, EVERYDAY)
    for group in groups:
        if not group.complete:
            continue
        for person in somebody:
            assert tuple(asked[member].test(person) for member in group.members) in group.answers
    assert sorted(member for group in groups for member in group.members) == list(range(len(asked)))


@hypothesis_settings(max_examples=100)
@given(st.lists(conditions, min_size=1, max_size=3))
def test_who_was_thought_up_gives_the_answers_that_are_said(sources: list[str]) -> None:
    asked = [parse_expression(source) for source in sources]
    for group in clusters(asked, EVERYDAY):
        for given_answers, changes in group.answers.items():
            person = changed(EVERYDAY, changes)
            assert tuple(asked[member].test(person) for member in group.members) == given_answers
            assert set(person) == set(EVERYDAY)


def test_who_was_thought_up_differs_as_little_as_can_be_and_is_told_in_words() -> None:
    (group,) = clusters([parse_expression('country == "UG" and "donor" in tags and not first_name')], EVERYDAY)
    assert group.answers[(False,)] == ()
    person = changed(EVERYDAY, group.answers[(True,)])
    assert person == {**EVERYDAY, "country": "UG", "tags": ("donor",), "first_name": None}
    assert told(group.answers[(True,)]) == "country UG, no first_name, tagged donor"
    like = PersonaTable.model_validate({"tags": ["donor"], "attributes": {"vip": True}}).as_persona("x").person
    (group,) = clusters([parse_expression('"donor" in tags or attributes["vip"]')], like)
    assert told(group.answers[(False,)]) == "no attributes.vip, not tagged donor"


def test_conditions_without_end_are_looked_through_in_bounded_time() -> None:
    sources = [f'attributes.a{number} == "x" or attributes.a{number + 1} == "y"' for number in range(30)]
    (group,) = clusters([parse_expression(source) for source in sources], EVERYDAY)
    assert not group.complete
    for place in range(30):
        assert {key[place] for key in group.answers} == {True, False}
