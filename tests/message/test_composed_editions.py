"""The repository's own editions as finished messages: composed for real, read back by two foreign parsers."""

import re
from pathlib import Path
from typing import Any

import pytest

from newsletter.edition.files import read_edition
from newsletter.project import open_project
from newsletter.rendering.compose import compose
from newsletter.sending.message import MessageWriter
from newsletter.tokens import Signer
from tests.message.letters import NOW, parsed, reader

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("images", ["link", "embed"])
@pytest.mark.parametrize("slug", ["data-sharing", "collection-and-use"])
def test_an_edition_reads_back_as_it_was_composed(slug: str, images: str, postal_mime: Any) -> None:
    project = open_project(ROOT, {"NEWSLETTER_SENDING__IMAGES": images})
    composition = compose(read_edition(project.edition_file(slug), project.root), project)
    list_slug = next(iter(project.settings.lists))
    writer = MessageWriter(
        composition,
        project.settings,
        signer=Signer(b"k" * 32),
        mailing_id=1,
        list_slug=list_slug,
        list_id=1,
        list_title=project.settings.lists[list_slug].title,
    )
    ana = reader(first_name="Añá <3", last_name="Lima")
    content = writer.write(ana, NOW).content
    ours, theirs = parsed(content), postal_mime(content)
    assert theirs["subject"] == ours["Subject"] == writer.subject_for(ana)
    assert theirs["html"].strip() == writer.html_for(ana).strip()
    assert theirs["text"].strip() == writer.text_for(ana).strip()
    assert "Añá &lt;3" in theirs["html"]
    assert "Añá <3" in theirs["text"]
    shown = set(re.findall(r'src="cid:([^"]+)"', theirs["html"]))
    assert {picture["contentId"].strip("<>") for picture in theirs["attachments"]} == shown
    assert bool(shown) is (images == "embed")
    contents = {picture.name: picture.content for picture in composition.pictures}
    for part in ours.walk():
        if part.get_content_maintype() == "image":
            assert part.get_content() == contents[part.get_filename()]
