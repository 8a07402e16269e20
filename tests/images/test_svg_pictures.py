"""SVG becomes PNG, twice as sharp as shown, and a drawing gets nothing but what stands in it."""

import base64
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from newsletter.errors import ImageError
from newsletter.rendering.images import prepare_picture
from newsletter.rendering.svg import read_svg

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'


def prepare(folder: Path, source: str, max_width: int = 300):
    path = folder / "a.svg"
    path.write_text(source, encoding="utf-8")
    return prepare_picture(path, max_width=max_width)


def pixel(picture, at: tuple[int, int]) -> tuple[int, ...]:
    return Image.open(io.BytesIO(picture.content)).convert("RGBA").getpixel(at)


def data(image: Image.Image, kind: str = "PNG") -> str:
    out = io.BytesIO()
    image.save(out, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def test_it_is_drawn_twice_as_sharp_as_shown(tmp_path):
    picture = prepare(tmp_path, f'{OPEN}<rect width="40" height="20" fill="#0f4c5c"/></svg>')
    assert (picture.width, picture.height, picture.media_type) == (40, 20, "image/png")
    assert Image.open(io.BytesIO(picture.content)).size == (80, 40)
    assert pixel(picture, (5, 5)) == (0x0F, 0x4C, 0x5C, 255)


def test_it_is_shown_no_wider_than_asked(tmp_path):
    picture = prepare(tmp_path, f'{OPEN}<rect width="40" height="20"/></svg>', max_width=10)
    assert (picture.width, picture.height) == (10, 5)
    assert Image.open(io.BytesIO(picture.content)).size == (20, 10)


def test_where_nothing_is_drawn_it_is_transparent(tmp_path):
    assert pixel(prepare(tmp_path, f'{OPEN}<circle cx="30" cy="10" r="5"/></svg>'), (5, 5))[3] == 0


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="120" height="60"', (120, 60)),
        ('width="120px" height="60px" viewBox="0 0 10 5"', (120, 60)),
        ('viewBox="0 0 120 60"', (120, 60)),
        ('width="100%" height="100%" viewBox="0,0,120,60"', (120, 60)),
        ('width="120" viewBox="0 0 240 120"', (120, 60)),
        ('height="60" viewBox="0 0 240 120"', (120, 60)),
        ('width="1in" height="0.5in"', (96, 48)),
        ('width="1e2" height="50"', (100, 50)),
    ],
)
def test_its_size_is_read_as_browsers_do(tmp_path, attributes, size):
    picture = prepare(
        tmp_path, f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}><rect width="5" height="5"/></svg>'
    )
    assert (picture.width, picture.height) == size


def test_same_drawing_same_bytes(tmp_path):
    gradient = '<linearGradient id="g"><stop stop-color="red"/><stop offset="1"/></linearGradient>'
    source = f'{OPEN}{gradient}<rect width="40" height="20" fill="url(#g)"/></svg>'
    (tmp_path / "b").mkdir()
    assert prepare(tmp_path, source) == prepare(tmp_path / "b", source)


@pytest.mark.parametrize("href", ["href", "xlink:href"])
def test_a_picture_inside_is_shown(tmp_path, href):
    source = f'{OPEN}<image {href}="{data(Image.new("RGB", (4, 2), "#ff0000"))}" width="40" height="20"/></svg>'
    assert pixel(prepare(tmp_path, source), (40, 20)) == (255, 0, 0, 255)


def test_parts_of_the_drawing_may_be_used_again(tmp_path):
    source = (
        f'{OPEN}<defs><rect id="r" width="10" height="10" fill="#ff0000"/></defs><use xlink:href="#r" x="20"/></svg>'
    )
    assert pixel(prepare(tmp_path, source), (50, 10)) == (255, 0, 0, 255)


@pytest.mark.parametrize("element", ["image", "feImage"])
@pytest.mark.parametrize(
    "target", ["red.png", "{folder}/red.png", "file://{folder}/red.png", "http://127.0.0.1:9/red.png"]
)
def test_other_files_are_refused(tmp_path, element, target):
    Image.new("RGB", (4, 2), "#ff0000").save(tmp_path / "red.png")
    source = f'{OPEN}<{element} href="{target.format(folder=tmp_path)}" width="40" height="20"/></svg>'
    with pytest.raises(ImageError, match=r"«a\.svg» shows another file"):
        prepare(tmp_path, source)


def test_a_drawing_inside_a_drawing_is_refused(tmp_path):
    inner = base64.b64encode(f'{OPEN}<image href="/etc/hostname"/></svg>'.encode()).decode()
    with pytest.raises(ImageError, match="shows another file"):
        prepare(tmp_path, f'{OPEN}<image href="data:image/svg+xml;base64,{inner}"/></svg>')


def test_what_reaches_the_drawing_library_names_no_other_file():
    source = f"""{OPEN}<?xml-stylesheet href="x.css"?><script href="http://h.example.org/x.js">alert(1)</script>
        <a href="https://www.example.org"><use xlink:href="other.svg#part"/><rect width="9" height="9"/></a></svg>"""
    drawn = read_svg(source.encode()).source
    for word in (b"x.css", b"alert", b"x.js", b"www.example.org", b"other.svg"):
        assert word not in drawn
    assert b"rect" in drawn


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"{OPEN}<text>Our News</text></svg>", "text as outlines"),
        (f"{OPEN}<foreignObject><p>Our News</p></foreignObject></svg>", "text as outlines"),
        (f'<!DOCTYPE svg [<!ENTITY a "b">]>{OPEN}<desc>&a;</desc></svg>', "ENTITY"),
        (f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>{OPEN}<desc>&a;</desc></svg>', "ENTITY"),
        (f"{OPEN}<rect", "XML does not hold together"),
        ("<svg><rect/></svg>", "page or another document"),
        ('<html xmlns="http://www.w3.org/1999/xhtml"/>', "page or another document"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "how large it is"),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 100000"/>', "too large"),
        (f'{OPEN}<image href="data:image/png;base64,AAAA"/></svg>', "damaged picture inside"),
        (f'{OPEN}<image href="data:image/png;base64,!!"/></svg>', "damaged picture inside"),
        (f"{OPEN}{'<g>' * 500}{'</g>' * 500}</svg>", "too many parts"),
        (f"{OPEN}{'<g/>' * 60_000}</svg>", "too many parts"),
        (f"{OPEN}<desc>{'x' * (2 << 20)}</desc></svg>", "larger than 2 MB"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_cannot_be_drawn_is_told_within_a_second(tmp_path, source, words):
    begin = time.process_time()
    with pytest.raises(ImageError, match=r"«a\.svg» ") as caught:
        prepare(tmp_path, source)
    assert words in str(caught.value)
    assert time.process_time() - begin < 1


def test_another_encoding_is_told(tmp_path):
    (tmp_path / "a.svg").write_bytes(f"{OPEN}<title>ö</title></svg>".encode("cp1252"))
    with pytest.raises(ImageError, match="UTF-8"):
        prepare_picture(tmp_path / "a.svg", max_width=300)


def test_pictures_inside_are_bounded_together(tmp_path):
    square = data(Image.new("L", (5_000, 5_000)), "PNG")
    with pytest.raises(ImageError, match="too large pictures inside"):
        prepare(tmp_path, f'{OPEN}{f"""<image href="{square}"/>""" * 2}</svg>')


LARGE = OPEN.replace('"40"', '"600"').replace('"20"', '"600"')
BOMBS = {
    "a thousand million copies": f'{LARGE}<g id="a0"><rect width="1" height="1"/></g>'
    + "".join(f'<g id="a{n}">{f"""<use href="#a{n - 1}"/>""" * 10}</g>' for n in range(1, 10))
    + "</svg>",
    "noise without end": f'{LARGE}<filter id="f"><feTurbulence numOctaves="1000000" baseFrequency=".05"/></filter>'
    '<rect filter="url(#f)" width="600" height="600"/></svg>',
    "a tile of ten gigabytes": f'{LARGE}<pattern id="p" width="100000" height="100000" patternUnits="userSpaceOnUse">'
    '<rect width="1" height="1"/></pattern><rect fill="url(#p)" width="600" height="600"/></svg>',
    "masks in masks": LARGE
    + "".join(
        f'<mask id="m{n}" mask="url(#m{n - 1})"><rect width="600" height="600" fill="#fff"/></mask>'
        for n in range(1, 300)
    )
    + '<rect mask="url(#m299)" width="600" height="600"/></svg>',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_stopped_and_told(tmp_path, bomb):
    """The child's own limit is one second of work; the clock here allows for a busy machine."""
    begin = time.monotonic()
    with pytest.raises(ImageError, match="too much time or memory"):
        prepare(tmp_path, BOMBS[bomb])
    assert time.monotonic() - begin < 10


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound a process's memory")
def test_memory_is_bounded(tmp_path):
    """Three hundred layers of the whole picture, of which each takes six megabytes."""
    layers = "".join(
        f'<g id="a{n}" opacity=".9"><rect width="600" height="600"/><use href="#a{n - 1}"/></g>' for n in range(1, 300)
    )
    (tmp_path / "a.svg").write_text(f'{LARGE}<defs>{layers}</defs><use href="#a299"/></svg>', encoding="utf-8")
    program = """
import resource, sys
from pathlib import Path
from newsletter.errors import ImageError
from newsletter.rendering.images import prepare_picture
try:
    prepare_picture(Path(sys.argv[1]), max_width=600)
except ImageError:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.svg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 520  # megabytes
