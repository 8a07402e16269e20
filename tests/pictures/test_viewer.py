"""The viewer sees what it is there to see: each measure passes on a good document and fails on a bad one."""

import asyncio
import io

import pytest
from PIL import Image

from tests.pictures.chromium import Scheme, Viewer

GOOD = """<!doctype html><html lang="en"><head><meta name="color-scheme" content="light dark">
<style>@media (prefers-color-scheme: dark) { .card { background: #222222 !important; color: #eeeeee !important } }
</style></head><body style="margin:0"><div style="display:none;font-size:1px;color:#ffffff">Preheader</div>
<div class="card" style="background:#ffffff;color:#222222;font-size:16px;padding:20px">Hello &#128075; reader
<img src="https://example.com/a.png" alt="Two people" width="40" height="30"></div></body></html>"""


def png(color: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """A plain picture."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


PICTURES = {"https://example.com/a.png": png("#ff0000")}


def colors(picture: bytes) -> set[tuple[int, ...]]:
    """The colours of the picture's points."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return {color for _, color in image.getcolors(image.width * image.height) or ()}


@pytest.mark.parametrize(
    ("width", "scheme", "images", "style"),
    [(320, "light", True, True), (320, "dark", False, True), (640, "dark", True, False), (640, "light", False, False)],
)
def test_a_good_document_has_no_problems(viewer: Viewer, width: int, scheme: Scheme, images: bool, style: bool) -> None:
    look = viewer.look(GOOD, width=width, scheme=scheme, images=images, style=style, pictures=PICTURES)
    assert look.problems() == []
    assert [text.text for text in look.texts] == ["Hello 👋 reader", *([] if images else ["Two people"])]


def test_a_picture_shows_the_whole_page_at_the_width_asked_for(viewer: Viewer) -> None:
    image = Image.open(io.BytesIO(viewer.picture('<body style="margin:0"><div style="height:2000px">x</div>', 375)))
    assert (image.format, *image.size) == ("PNG", 375, 2000)


def test_the_scheme_is_what_the_device_prefers(viewer: Viewer) -> None:
    light, dark = (viewer.look(GOOD, scheme=scheme, pictures=PICTURES) for scheme in ("light", "dark"))
    assert {text.background for text in light.texts} == {"#ffffff"}
    assert {text.background for text in dark.texts} == {"#222222"}
    assert (34, 34, 34) in colors(viewer.picture(GOOD, scheme="dark"))


def test_images_come_from_the_given_pictures_or_are_off(viewer: Viewer) -> None:
    blue = {"https://example.com/a.png": png("#0000ff")}
    assert (255, 0, 0) in colors(viewer.picture(GOOD, pictures=PICTURES))
    assert (255, 0, 0) not in colors(viewer.picture(GOOD, pictures=PICTURES, images=False))
    assert (0, 0, 255) in colors(viewer.picture(GOOD, pictures=blue)), "nothing of an earlier visit is left"


def test_embedded_images_are_shown(viewer: Viewer) -> None:
    html = '<img src="cid:a.png@stayintheloop" alt="">'
    pictures = {"cid:a.png@stayintheloop": png("#00ff00")}
    assert (0, 255, 0) in colors(viewer.picture(html, pictures=pictures))
    assert viewer.look(html, pictures=pictures).leaks() == []


def test_style_can_be_dropped(viewer: Viewer) -> None:
    html = "<style>p { color: #ffffff }</style><p>Hello</p>"
    assert viewer.look(html).faint()
    assert viewer.look(html, style=False).faint() == []


def test_scrolling_sideways_names_the_culprit(viewer: Viewer) -> None:
    look = viewer.look('<body style="margin:0"><p class="wide" style="width:321px">Too wide</p>', width=320)
    assert look.sideways() == [
        'The content is 321 px wide in a window of 320 px: <p class="wide"> reaches 321 px («Too wide»).'
    ]


@pytest.mark.parametrize(
    ("html", "contrast"),
    [
        ('<p style="color:#777777">Grey on white</p>', 4.48),
        ('<div style="background:#777777"><p style="color:#ffffff">White on grey</p></div>', 4.48),
        ('<p style="color:rgba(0,0,0,0.5)">Half see-through</p>', 3.95),
        ('<p style="opacity:0.5;color:#000000">Half there</p>', 3.95),
        ('<div style="background:#000"><p style="background:rgba(255,255,255,0.5);color:#fff">Veiled</p></div>', 3.95),
        ('<p style="color:color(srgb 1 1 1)">Another notation</p>', 1),
    ],
)
def test_faint_text_is_found_with_its_contrast(viewer: Viewer, html: str, contrast: float) -> None:
    look = viewer.look(html)
    assert look.texts[0].contrast == pytest.approx(contrast, abs=0.03)
    assert len(look.faint()) == 1


def test_black_on_white_has_the_highest_contrast(viewer: Viewer) -> None:
    assert viewer.look("<p style='color:#000000'>x").texts[0].contrast == pytest.approx(21)


def test_dark_paper_counts_as_background(viewer: Viewer) -> None:
    """A page that knows dark lies on dark paper: its fixed dark text cannot be read there."""
    html = '<meta name="color-scheme" content="light dark"><p style="color:#222222">Ink</p>'
    assert viewer.look(html).faint() == []
    assert viewer.look(html, scheme="dark").faint()


def test_the_words_instead_of_an_image_are_measured_when_images_are_off(viewer: Viewer) -> None:
    image = '<img src="https://example.com/a.png" alt="Two">'
    html = f'<div style="background:#000000;color:#111111;font-size:10px">{image}</div>'
    assert viewer.look(html, pictures=PICTURES).problems() == []
    look = viewer.look(html, images=False)
    assert [len(found) for found in (look.faint(), look.small(), look.leaks())] == [1, 1, 0]


def test_small_text_is_found(viewer: Viewer) -> None:
    assert viewer.look('<p style="font-size:13px">Small</p>').small() == ["«Small» is 13 px, not 14."]


@pytest.mark.parametrize(
    "html",
    [
        '<p style="display:none;font-size:1px">x</p>',
        '<p style="visibility:hidden;font-size:1px">x</p>',
        '<p style="opacity:0;font-size:1px">x</p>',
        '<div style="max-height:0;overflow:hidden;font-size:1px">x</div>',
        '<p style="font-size:1px">&zwnj;&nbsp;&shy;</p>',
    ],
)
def test_what_is_hidden_is_not_measured(viewer: Viewer, html: str) -> None:
    assert viewer.look(html).problems() == []


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://example.com/x.png" alt="">',
        '<link rel="stylesheet" href="https://example.com/x.css">',
        "<style>@import url(https://example.com/x.css);</style>",
        '<p style="background-image:url(https://example.com/x.png)">x</p>',
        "<style>@font-face{font-family:f;src:url(https://example.com/x.woff)}p{font-family:f}</style><p>x</p>",
        '<iframe src="https://example.com/x.html"></iframe>',
    ],
)
def test_every_request_is_stopped_and_told(viewer: Viewer, html: str) -> None:
    look = viewer.look(html)
    assert len(look.leaks()) == 1
    assert look.requests[0].startswith("https://example.com/x.")


def test_a_link_that_nobody_follows_is_no_request(viewer: Viewer) -> None:
    assert viewer.look('<a href="https://example.com/">Read</a>').leaks() == []


def test_scripts_do_not_run(viewer: Viewer) -> None:
    """Mail programs run none."""
    assert [text.text for text in viewer.look("<p>a</p><script>document.write('b')</script>").texts] == ["a"]


def test_asyncio_can_be_used_beside_the_browser(viewer: Viewer) -> None:
    viewer.look("<p>x</p>")

    async def answer() -> int:
        return 1

    assert asyncio.run(answer()) == 1


def test_the_browser_itself_can_be_had(viewer: Viewer) -> None:
    assert viewer.run(lambda browser: browser.browser_type.name) == "chromium"
