"""Draws SVG pictures as PNG, since few mail programs show SVG, and gives a drawing nothing but what stands in it.

Left to itself the drawing library reads other files that a drawing names, needs fonts that differ from machine to
machine, and can be made to use all memory. So a drawing is read by us first, written anew with what is allowed, and
drawn by a child process with limits.
"""

import base64
import binascii
import importlib.util
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

from PIL import Image

from newsletter.errors import ImageError

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of an SVG file."""
_MOST_ELEMENTS: Final = 50_000
_DEEPEST: Final = 100
_MOST_PIXELS: Final = 25_000_000  # of all pictures inside the drawing together

_SVG: Final = "{http://www.w3.org/2000/svg}"
_TEXTUAL: Final = frozenset({f"{_SVG}text", f"{_SVG}foreignObject"})
_HREFS: Final = ("href", "{http://www.w3.org/1999/xlink}href")
_LENGTH = re.compile(r"\s*\+?(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2}))?\s*(px|pt|pc|mm|cm|in)?\s*")
_PIXELS: Final = {None: 1.0, "px": 1.0, "pt": 96 / 72, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_DATA = re.compile(r"\s*data:image/(?:png|jpe?g|gif|webp)(?:;[\w=-]+)*?(;base64)?,(.*)", re.IGNORECASE | re.DOTALL)

# The child sees nothing but the drawing and the library's folder. CPU seconds and bytes of memory are bounded where the
# system can do so; a clock bounds the rest.
_SECONDS: Final = 1
_MEMORY: Final = 1 << 29
_PATIENCE: Final = 15.0
_CHILD: Final = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, ({_SECONDS}, {_SECONDS + 1}))
    resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
except (ImportError, ValueError, OSError):
    pass
sys.path.insert(0, sys.argv[1])
import resvg_py
drawing = sys.stdin.buffer.read().decode()
picture = resvg_py.svg_to_bytes(svg_string=drawing, width=int(sys.argv[2]), dpi=96, skip_system_fonts=True)
sys.stdout.buffer.write(picture)
"""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG picture that holds nothing but itself.

    Attributes:
        source: SVG as we wrote it.
        width: In CSS pixels.
        height: In CSS pixels.
    """

    source: bytes
    width: float
    height: float

    def draw(self, width: int) -> bytes:
        """The picture as PNG, `width` pixels wide.

        Raises:
            ImageError: It cannot be drawn, or not within bounds.
        """
        spec = importlib.util.find_spec("resvg_py")
        library = Path(str(spec.origin)).parent.parent if spec else Path()
        command = [sys.executable, "-I", "-S", "-c", _CHILD, str(library), str(width)]
        try:
            done = subprocess.run(  # noqa: S603 our own program
                command, input=self.source, capture_output=True, timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise ImageError(_TOO_MUCH) from None
        except OSError as error:
            raise ImageError(f"cannot be drawn here: {error.strerror}. Export it as PNG.") from error
        if done.returncode == 0 and done.stdout.startswith(b"\x89PNG"):
            return done.stdout
        if done.returncode == 1 and b"ValueError" in done.stderr and b"limit" not in done.stderr:
            raise ImageError("holds something that cannot be drawn. Export it again as plain SVG, or as PNG.")
        raise ImageError(_TOO_MUCH)


_TOO_MUCH: Final = "takes too much time or memory to draw. Simplify it, or export it as PNG."


def read_svg(content: bytes) -> Drawing:
    """Read a drawing and keep what can be shown.

    Raises:
        ImageError: It is no drawing, or one that depends on other files, on fonts, or on tricks. The message continues
            a sentence that begins with the picture's name.
    """
    if len(content) > LARGEST:
        raise ImageError(f"is larger than {LARGEST >> 20} MB, which is much for SVG. Export it as PNG.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImageError("is not saved as UTF-8. Export it again as plain SVG, or as PNG.") from None
    if "<!ENTITY" in text:  # abbreviations can unfold to gigabytes, or to other files
        raise ImageError("holds abbreviations (ENTITY), which are not read here. Export it again as plain SVG.")
    try:
        root = ET.fromstring(text)  # noqa: S314 no entities, and the size is bounded
    except (ET.ParseError, ValueError, LookupError):
        raise ImageError("is damaged: its XML does not hold together. Export it again.") from None
    if root.tag != f"{_SVG}svg":
        raise ImageError("is not a picture but a page or another document. Export it as PNG, JPEG or SVG.")
    _clean(root)
    width, height = _size(root)
    root.set("width", f"{width:.4f}")
    root.set("height", f"{height:.4f}")
    return Drawing(ET.tostring(root), width, height)


def _clean(root: ET.Element) -> None:
    """Take out what does not belong into a picture, and see that it needs nothing from elsewhere."""
    pixels = 0
    for number, (element, depth) in enumerate(_walk(root)):
        if number > _MOST_ELEMENTS or depth > _DEEPEST:
            raise ImageError("has too many parts, or too many inside one another. Simplify it, or export it as PNG.")
        if element.tag in _TEXTUAL and "".join(element.itertext()).strip():
            fix = "Export it with the text as outlines (paths), or as PNG."
            raise ImageError(f"holds text, which looks different on each machine. {fix}")
        if element.tag in {f"{_SVG}script", f"{_SVG}foreignObject"}:
            element.clear()
        for name in _HREFS:
            href = element.get(name, "")
            if not href or href.lstrip().startswith("#"):
                continue
            if element.tag in {f"{_SVG}image", f"{_SVG}feImage"}:
                clean, size = _inner_picture(href)
                pixels += size
                element.set(name, clean)
            else:
                del element.attrib[name]
    if pixels > _MOST_PIXELS:
        raise ImageError("holds too large pictures inside. Make them smaller, or export it as PNG.")


def _walk(root: ET.Element) -> Iterator[tuple[ET.Element, int]]:
    """Every element with its depth; no recursion, which deep drawings would exhaust."""
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        yield element, depth
        waiting += [(child, depth + 1) for child in element]


def _inner_picture(href: str) -> tuple[str, int]:
    """A picture inside the drawing, written anew, and its number of pixels."""
    match = _DATA.fullmatch(href)
    if match is None:
        fix = "Put the picture into the drawing (embed it), or export all of it as PNG."
        raise ImageError(f"shows another file, which readers do not have. {fix}")
    try:
        content = unquote_to_bytes(match[2])
        if match[1]:
            content = base64.b64decode(re.sub(rb"\s", b"", content), validate=True)
        with Image.open(BytesIO(content), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            pixels, kind = math.prod(image.size), str(image.format).lower()
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise ImageError("holds a damaged picture inside. Export it again, or as PNG.") from None
    kind = "jpeg" if kind == "mpo" else kind
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}", pixels


def _size(root: ET.Element) -> tuple[float, float]:
    """Width and height in CSS pixels, from the attributes or else from the view box (SVG 2, section 7.2)."""
    width, height = _length(root.get("width")), _length(root.get("height"))
    box = [
        float(part) for part in re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?", root.get("viewBox", ""))
    ]
    across, down = box[2:4] if len(box) == 4 else (width or 0, height or 0)
    if not (0 < across < 1e7 and 0 < down < 1e7):
        raise ImageError("does not say how large it is. Give it a width and a height, or export it as PNG.")
    if len(box) != 4:
        root.set("viewBox", f"0 0 {across:.4f} {down:.4f}")
    if width is None and height is None:
        return across, down
    if width is None or height is None:
        return (width, width * down / across) if width else ((height or 0) * across / down, height or 0)
    return width, height


def _length(value: str | None) -> float | None:
    """A length in CSS pixels; None where it is left to the view box."""
    match = _LENGTH.fullmatch(value or "")
    if not match:
        return None
    pixels = float(match[1]) * 10 ** int(match[2] or 0) * _PIXELS[match[3]]
    return pixels if 0 < pixels < 1e7 else None
