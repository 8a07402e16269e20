"""The environment goes before newsletter.toml, and a variable that means nothing is told by its name."""

from pathlib import Path

import pytest

from newsletter.config import Settings, load_settings
from newsletter.config.environment import override
from newsletter.errors import ConfigError

FILE = """[newsletter]
name = "Our News"
base_url = "https://news.example.org"
[identity]
from = "Our News <news@example.org>"
postal_address = "1 Example Street"
[lists.our-friends]
title = "Friends"
[checks]
image-alt = "off"
"""


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "newsletter.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def told(path: Path, environ: dict[str, str]) -> dict[str, str]:
    """For each variable, what is said about it."""
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ)
    return {finding.file: str(finding) for finding in caught.value.findings}


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("NEWSLETTER_NEWSLETTER__NAME", "Other", lambda s: s.newsletter.name, "Other"),
        ("NEWSLETTER_IDENTITY__FROM", "X <x@example.org>", lambda s: s.identity.from_, "X <x@example.org>"),
        ("NEWSLETTER_SENDER__SMTP__PORT", "2525", lambda s: s.sender.smtp.port, 2525),
        ("NEWSLETTER_SENDER__SENDGRID__SANDBOX", "true", lambda s: s.sender.sendgrid.sandbox, True),
        ("NEWSLETTER_BRAND__DARK__TEXT", "#FFF", lambda s: s.brand.dark.text, "#ffffff"),
        ("NEWSLETTER_FOOTER__PURPOSE", "One, two", lambda s: s.footer.purpose, ("One", "two")),
        ("NEWSLETTER_FOOTER__PURPOSE", '["One, two", "3"]', lambda s: s.footer.purpose, ("One, two", "3")),
        ("NEWSLETTER_FOOTER__LINKS", '[{"label": "W", "url": "tel:1"}]', lambda s: s.footer.links[0].label, "W"),
        ("NEWSLETTER_LISTS__OUR_FRIENDS__TITLE", "Pals", lambda s: s.lists["our-friends"].title, "Pals"),
        ("NEWSLETTER_LISTS__BIG_DONORS__TITLE", "Donors", lambda s: s.lists["big-donors"].title, "Donors"),
        ("NEWSLETTER_CHECKS__IMAGE_ALT", "must fix", lambda s: s.checks, {"image-alt": "must fix"}),
        ("NEWSLETTER_DATABASE", '{"url": "sqlite:///x.db"}', lambda s: s.database.url, "sqlite:///x.db"),
        ("NEWSLETTER_NEWSLETTER__NAME", "", lambda s: s.newsletter.name, "Our News"),
        ("OTHER_THING", "1", lambda s: s.newsletter.name, "Our News"),
    ],
)
def test_a_variable_goes_before_the_file(project, name, value, read, expected):
    settings: Settings = load_settings(project, {name: value})
    assert read(settings) == expected


def test_what_came_from_the_file_is_left_as_it_was():
    data = {"newsletter": {"name": "Our News"}}
    changed, variables, _ = override(data, {"NEWSLETTER_NEWSLETTER__NAME": "Other"})
    assert changed == {"newsletter": {"name": "Other"}}
    assert variables == {("newsletter", "name"): "NEWSLETTER_NEWSLETTER__NAME"}
    assert data == {"newsletter": {"name": "Our News"}}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NEWSLETTER_SENDER__SMTP__PORT", "hello", "whole number"),
        ("NEWSLETTER_DATABSE__URL", "x", "NEWSLETTER_DATABASE__URL"),
        ("NEWSLETTER_DATABASE_URL", "x", "NEWSLETTER_DATABASE__URL"),
        ("NEWSLETTER_LISTS__OUR_FRIENDS__OPTIN", "x", "NEWSLETTER_LISTS__OUR_FRIENDS__OPT_IN"),
        ("NEWSLETTER_SENDER__SMTP__PASSWORD", "x", "NEWSLETTER_SMTP_PASSWORD"),
        ("NEWSLETTER_SENDER__SENDGRID__API_KEY", "x", "SENDGRID_API_KEY"),
        ("NEWSLETTER_FOOTER__LINKS", "[{", "JSON"),
        ("NEWSLETTER_FOOTER__LINKS", "[" * 100_000, "JSON"),
        ("NEWSLETTER_LISTS", "x", "JSON"),
        ("NEWSLETTER_NEWSLETTER__NAME__X", "x", "NEWSLETTER_NEWSLETTER__NAME"),
        ("NEWSLETTER_LISTS__", "x", "no setting"),
        ("NEWSLETTER_", "x", "no setting"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(project, name, value, words):
    assert words in told(project, {name: value})[name]


def test_file_and_environment_are_judged_together(project):
    project.write_text(FILE + '[brand]\nprimary = "teal"\n', encoding="utf-8")
    assert set(told(project, {"NEWSLETTER_SENDING__CHUNK": "0"})) == {"newsletter.toml", "NEWSLETTER_SENDING__CHUNK"}


def test_secrets_are_no_settings(project):
    load_settings(project, {"NEWSLETTER_SECRET_KEY": "s", "NEWSLETTER_SMTP_PASSWORD": "p", "SENDGRID_API_KEY": "k"})


def test_a_password_in_the_address_of_the_database_is_never_shown(project):
    settings = load_settings(project, {"NEWSLETTER_DATABASE__URL": "postgresql://me:hunter2@db.example.org/news"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(told(project, {"NEWSLETTER_DATABASE__URL": "mysql://me:hunter2@db.example.org/news"}))


def test_a_finding_about_a_setting_from_the_environment_names_the_variable(project):
    settings = load_settings(project, {"NEWSLETTER_BRAND__PRIMARY": "#ffffff"})
    assert settings.place("brand.primary") is None
    assert settings.finding("brand.primary", rule="r", what="w").file == "NEWSLETTER_BRAND__PRIMARY"
