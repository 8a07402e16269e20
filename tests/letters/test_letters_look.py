"""Letters as readers see them, in Chromium: legible in light and dark, on phones, with nothing asked of the network."""

import os
from pathlib import Path

import pytest

from tests.letters.correspondence import ALL, LetterKind, Post, part
from tests.pictures.chromium import Scheme, Viewer

HOSTILE = (
    "Dear all,\n\n**bold** [a link](https://evil.example.net) {{ email }} <script>alert(1)</script>\r\n"
    "Bcc: you@example.org\n" + "a-very-long-word" * 12
)
FOLDER = os.environ.get("LETTER_PICTURES")
"""Where pictures are kept for people to look at, if they want to."""


@pytest.mark.parametrize("kind", ALL)
def test_every_letter_can_be_read_on_every_screen(viewer: Viewer, post: Post, kind: LetterKind) -> None:
    language = {LetterKind.ERASE: "ar", LetterKind.ALREADY: "fr"}.get(kind)
    details = {"details": {"entry": post.entry(email="visitor@example.net", news=HOSTILE, agree=True)}}
    more = details if kind is LetterKind.ENTRY else {"language": language}
    page = part(post.receive(kind, **more), "html")
    scheme: Scheme
    for width in (320, 640):
        for scheme in ("light", "dark"):
            assert viewer.look(page, width=width, scheme=scheme).problems() == [], (width, scheme)
            if FOLDER:
                picture = viewer.picture(page, width=width, scheme=scheme)
                Path(FOLDER, f"{kind}-{width}-{scheme}.png").write_bytes(picture)
