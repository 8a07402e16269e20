"""Makes pictures fit for mail: a type that every program shows, no larger than needed, nothing in them but the picture.

What a file is, its bytes say, not its name. Sizes are judged before anything is unpacked. The original stays as it is.
How heavy a picture is in the end stands in `len(picture.content)`; above 1 MB (email-standards 63) its writer should be
told.
"""

import functools
import hashlib
import re
import stat
import unicodedata
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageCms, ImageOps, ImageSequence, UnidentifiedImageError

from newsletter.errors import ImageError
from newsletter.rendering.composition import Picture
from newsletter.rendering.svg import read_svg

LARGEST_FILE: Final = 20 * 1024 * 1024
MOST_PIXELS: Final = 25_000_000
LONGEST_SIDE: Final = 10_000
"""Bytes, pixels and pixels along one side (email-standards 144); above any of them a file is not unpacked."""

_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
_MOVING: Final = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_MOST_FRAMES: Final = 500
_MOST_FRAME_PIXELS: Final = 100_000_000  # over all frames
_FEW_COLOURS: Final = 1024
_QUALITY: Final = 82
_STRANGERS: Final = (
    (re.compile(rb"....ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL), "a HEIC photo, as iPhones take them"),
    (re.compile(rb"....ftyp", re.DOTALL), "a video"),
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"\x1f\x8b"), "a compressed file (perhaps SVGZ)"),
    (re.compile(rb"8BPS"), "a Photoshop document"),
    (
        re.compile(rb"version https://git-lfs"),
        "a note in place of a picture that git has not fetched yet (git lfs pull)",
    ),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "a JPEG XL picture, which mail programs do not show"),
)


def prepare_picture(path: Path, *, max_width: int) -> Picture:
    """The picture in a file, ready for mail. The same file gives the same bytes.

    JPEG stays JPEG; what has transparency or few colours becomes PNG; what moves becomes GIF. The file has twice as
    many pixels as are shown, if the original has them.

    Args:
        path: JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP or SVG.
        max_width: As shown at most, in CSS pixels.

    Raises:
        ImageError: It cannot be used.
    """
    try:
        kept = path.stat()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "is not there. Check its name, capital letters too" if missing else "cannot be read. Check its rights"
        raise ImageError(f"The picture «{_shown(path)}» {reason}.") from None
    if not stat.S_ISREG(kept.st_mode):
        raise ImageError(f"«{_shown(path)}» is not a file. Write the name of a picture.")
    if kept.st_size > LARGEST_FILE:
        size = f"{kept.st_size / (1 << 20):.0f} MB; {LARGEST_FILE >> 20} MB are the most"
        raise ImageError(f"The picture «{_shown(path)}» has {size}. Save a smaller one.")
    return _prepare(path, kept.st_mtime_ns, kept.st_size, max_width)


@functools.lru_cache(maxsize=64)
def _prepare(path: Path, _changed: int, _size: int, max_width: int) -> Picture:
    """As `prepare_picture`; kept as long as the file does not change."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which is taken out anyway
            return _picture(path.stem, content, max_width)
    except ImageError as error:
        raise ImageError(f"The picture «{_shown(path)}» {error}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"The picture «{_shown(path)}» {_too_large()}") from None
    except Exception as error:
        what = "is damaged or cut off. Save or download it again"
        raise ImageError(f"The picture «{_shown(path)}» {what}.") from error


def _picture(stem: str, content: bytes, max_width: int) -> Picture:
    if _is_markup(content):
        drawing = read_svg(content)
        shown = max(1, min(round(drawing.width), max_width))
        size = (2 * shown, max(1, round(2 * shown * drawing.height / drawing.width)))
        _check_size(size)
        image: Image.Image = Image.open(BytesIO(drawing.draw(size[0])), formats=("PNG",))
        _check_size(image.size)
        return _finish(stem, _encode(_flattened(image.convert("RGBA"))), shown, size)
    with _open(content) as image:
        _check_size(image.size)
        if image.format in _MOVING and getattr(image, "is_animated", False):
            _check_length(image, content)
            shown = min(image.width, max_width)
            return _finish(stem, _film(image, _file_size(image.size, shown)), shown, image.size)
        upright = _upright(image)
        lossy = image.format in {"JPEG", "MPO"}
        shown = min(upright.width, max_width)
        clean = _flattened(_plain(upright))
        few = not lossy and clean.getcolors(_FEW_COLOURS) is not None
        target = _file_size(clean.size, shown)
        scaled = clean if target == clean.size else clean.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return _finish(stem, _encode(scaled, lossy=lossy, few_colours=few), shown, upright.size)


def _is_markup(content: bytes) -> bool:
    return content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        sort = next((name for pattern, name in _STRANGERS if pattern.match(content)), None)
        what = f"is {sort}" if sort else "is empty" if not content else "is not a picture, whatever its name says"
        raise ImageError(f"{what}. Use JPEG, PNG, GIF, WebP or SVG.") from None


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS or max(size) > LONGEST_SIDE:
        raise ImageError(_too_large(f"{size[0]:,} × {size[1]:,} pixels. "))


def _too_large(has: str = "") -> str:
    limit = f"{MOST_PIXELS // 1_000_000} million pixels, and {LONGEST_SIDE:,} along one side, are the most"
    return f"is too large: {has}{limit}. Save a smaller one; 1,200 pixels across are plenty."


def _file_size(size: tuple[int, int], shown: int) -> tuple[int, int]:
    """Pixels of the file: at most twice as many as are shown, never more than there were."""
    width = min(size[0], 2 * shown)
    return width, max(1, round(size[1] * width / size[0]))


def _finish(stem: str, made: tuple[bytes, str], shown: int, size: tuple[int, int]) -> Picture:
    content, kind = made
    digest = hashlib.sha256(content).hexdigest()[:10]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:40].strip("-") or "picture"
    extension = "jpg" if kind == "jpeg" else kind
    height = max(1, round(size[1] * shown / size[0]))
    return Picture(f"{slug}-{digest}.{extension}", content, f"image/{kind}", shown, height)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera's note (EXIF) asks."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 a damaged note; the picture itself is whole
        return image


def _plain(image: Image.Image) -> Image.Image:
    """In sRGB, with 8 bits, as RGB or RGBA."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits of grey; converting alone would cut off all that is bright
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if profile:
        image = _in_srgb(image, profile, mode)
    return image.convert(mode)


def _in_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB":
            image = image.convert(mode)
        elif (space, image.mode) in {("CMYK", "CMYK"), ("GRAY", "L")}:
            mode = "RGB"
        else:
            return image
        moved = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a damaged profile: the colours are then taken as they are
    return moved if moved is not None else image


def _flattened(image: Image.Image) -> Image.Image:
    """Without a transparency that hides nothing."""
    if image.mode != "RGBA":
        return image
    lowest, _ = image.getchannel("A").getextrema()
    return image if int(str(lowest)) < 255 else image.convert("RGB")


def _encode(image: Image.Image, *, lossy: bool = False, few_colours: bool = False) -> tuple[bytes, str]:
    """The picture's bytes, and `png` or `jpeg`: what it looks better in, and where both do, what is lighter."""
    if image.mode == "RGBA" or few_colours:
        return _saved(image, "PNG", compress_level=9), "png"
    photo = _saved(image, "JPEG", quality=_QUALITY, progressive=True, optimize=True)
    if lossy:
        return photo, "jpeg"
    drawing = _saved(image, "PNG", compress_level=9)
    return (drawing, "png") if len(drawing) <= 1.5 * len(photo) else (photo, "jpeg")


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    image.info = {}  # what travelled along: Pillow would write profiles and comments again
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _check_length(image: Image.Image, content: bytes) -> None:
    """See that a moving picture has not too many frames to unpack them all."""
    most = min(_MOST_FRAMES, _MOST_FRAME_PIXELS // (image.width * image.height))
    count = _count_frames(content, most) if image.format == "GIF" else int(getattr(image, "n_frames", 1))
    if count > most:
        fix = "Make it shorter or smaller, or show a still picture that links to a video"
        raise ImageError(f"moves for too long: {most} pictures of this size are the most. {fix}.")


def _count_frames(content: bytes, most: int) -> int:
    """How many frames a GIF has, counted by its blocks (GIF89a, section 12) and only until there are too many."""
    count, at = 0, 13 + _table_size(content[10])
    while at + 10 < len(content) and count <= most:
        if content[at] == 0x2C:  # an image: its descriptor, colours and code size, then data
            count += 1
            at += 11 + _table_size(content[at + 9])
        elif content[at] == 0x21:  # an extension
            at += 2
        else:
            break
        while at < len(content) and content[at]:
            at += content[at] + 1
        at += 1
    return count


def _table_size(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _film(image: Image.Image, size: tuple[int, int]) -> tuple[bytes, str]:
    """A moving picture as GIF."""
    see_through = bool(image.has_transparency_data)
    frames = _frames(image, size, see_through=see_through)
    first = next(frames)
    options: dict[str, Any] = {"disposal": 2} if see_through else {}
    if "loop" in image.info:
        options["loop"] = image.info["loop"]
    out = BytesIO()
    first.save(out, "GIF", save_all=True, append_images=frames, **options)
    return out.getvalue(), "gif"


def _frames(image: Image.Image, size: tuple[int, int], *, see_through: bool) -> Iterator[Image.Image]:
    """Each frame, scaled, with nothing but how long it stands (in milliseconds)."""
    for frame in ImageSequence.Iterator(image):
        duration = frame.info.get("duration")
        still = frame.convert("RGBA" if see_through else "RGB")
        if still.size != size:
            still = still.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if see_through:  # GIF knows only all or nothing
            still.putalpha(still.getchannel("A").point(lambda value: 255 if value >= 128 else 0))
        still.info = {"duration": duration} if duration else {}
        yield still


def _shown(path: Path) -> str:
    return "".join(character if character.isprintable() else "�" for character in path.name)[:80]
