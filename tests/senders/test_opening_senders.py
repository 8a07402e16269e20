"""Opening a sender by its kind: ours, another package's, and what is said when there is none."""

from pathlib import Path

import pytest

from newsletter.errors import ConfigError, SenderError
from newsletter.project import Project, open_project
from newsletter.sending.senders import open_sender, sender_kinds
from newsletter.sending.senders.outbox import OutboxSender

SETTINGS = """\
[newsletter]
name = "Data for Change"
organisation = "Example Fund"
base_url = "https://news.example.org"
language = "en"
timezone = "UTC"
[identity]
from = "Example Fund <news@example.org>"
reply_to = "hello@example.org"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
description = "Monthly."
opt_in = "double"
[sender.outbox]
dir = "written"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    return open_project(tmp_path, {})


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real installed distribution with three senders, one of them broken and one that takes our name."""
    site = tmp_path / "site"
    about = site / "pigeonpost-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeonpost\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[newsletter.senders]\npigeon = pigeonpost:Pigeon\nlost = pigeonpost:Lost\noutbox = pigeonpost:Pigeon\n"
    )
    (site / "pigeonpost.py").write_text(
        "class Pigeon:\n    kind = 'pigeon'\n    @classmethod\n    def open(cls, project):\n        return cls()\n"
    )
    monkeypatch.syspath_prepend(site)


def test_the_outbox_opens_where_the_project_says(project: Project) -> None:
    sender = open_sender(project, "outbox")
    assert isinstance(sender, OutboxSender)
    assert sender.directory == project.root / "written"
    sender.close()


def test_ours_are_found_without_any_installation(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.sending.senders.entry_points", lambda **_: ())
    assert sender_kinds() == ["outbox", "sendgrid", "smtp"]
    assert isinstance(open_sender(project, "outbox"), OutboxSender)


@pytest.mark.usefixtures("other_package")
def test_another_package_adds_a_sender_and_cannot_take_the_place_of_ours(project: Project) -> None:
    assert {"outbox", "pigeon"} <= set(sender_kinds())
    assert open_sender(project, "pigeon").kind == "pigeon"
    assert isinstance(open_sender(project, "outbox"), OutboxSender)


@pytest.mark.usefixtures("other_package")
def test_another_package_that_is_broken_is_told_by_name(project: Project) -> None:
    with pytest.raises(SenderError, match="«lost» of the package pigeonpost does not work here"):
        open_sender(project, "lost")


def test_a_mistyped_kind_is_told_the_nearest(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean «outbox»\? .*\[sender\] kind"):
        open_sender(project, "outbx")
    with pytest.raises(ConfigError, match="There are: outbox"):
        open_sender(project, "zzz")
