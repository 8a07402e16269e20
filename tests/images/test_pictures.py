"""Pictures leave as JPEG, PNG or GIF, no larger than needed, with nothing in them but the picture, whatever came in."""

import io
import itertools
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from newsletter.errors import ImageError
from newsletter.rendering.images import LARGEST_FILE, LONGEST_SIDE, MOST_PIXELS, prepare_picture


def photo(size: tuple[int, int] = (800, 400)) -> Image.Image:
    """Something with as many colours as a photo."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge(
        "RGB", (across, Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size))
    )


def drawing(size: tuple[int, int] = (800, 400)) -> Image.Image:
    """Something with few colours, and not the same in any two corners."""
    image = Image.new("RGB", size, "#ffffff")
    image.paste("#0f4c5c", (0, 0, (size[0] + 1) // 2, size[1] // 3))
    return image


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def shown(picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.content))
    image.load()
    return image


def prepare(path: Path, max_width: int = 300):
    return prepare_picture(path, max_width=max_width)


@pytest.mark.parametrize(
    ("name", "image", "kind"),
    [
        ("a.jpg", photo(), "JPEG"),
        ("a.png", photo(), "JPEG"),
        ("a.webp", photo(), "JPEG"),
        ("a.tiff", photo(), "JPEG"),
        ("a.bmp", drawing(), "PNG"),
        ("a.png", drawing(), "PNG"),
        ("a.gif", drawing(), "PNG"),
        ("a.jpg", drawing(), "JPEG"),
    ],
)
def test_photos_become_jpeg_and_drawings_png(tmp_path, name, image, kind):
    picture = prepare(saved(tmp_path / name, image))
    assert shown(picture).format == kind
    assert picture.media_type == f"image/{kind.lower()}"
    assert picture.name.endswith({"JPEG": ".jpg", "PNG": ".png"}[kind])


@pytest.mark.parametrize(
    ("width", "max_width", "width_shown", "pixels"),
    [(2000, 300, 300, 600), (500, 300, 300, 500), (300, 300, 300, 300), (120, 300, 120, 120), (1, 300, 1, 1)],
)
def test_a_file_has_at_most_twice_the_pixels_that_are_shown(tmp_path, width, max_width, width_shown, pixels):
    picture = prepare(saved(tmp_path / "a.png", drawing((width, 100))), max_width)
    assert picture.width == width_shown
    assert picture.height == max(1, round(100 * width_shown / width))
    assert shown(picture).width == pixels


def test_jpeg_is_progressive(tmp_path):
    assert shown(prepare(saved(tmp_path / "a.jpg", photo()))).info["progressive"]


def test_transparency_stays_and_makes_a_png(tmp_path):
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    result = shown(prepare(saved(tmp_path / "a.webp", image, lossless=True)))
    assert (result.format, result.mode) == ("PNG", "RGBA")
    assert result.getchannel("A").getextrema() == (0, 255)


def test_transparency_that_hides_nothing_is_dropped(tmp_path):
    assert shown(prepare(saved(tmp_path / "a.png", photo().convert("RGBA")))).format == "JPEG"


def test_a_palette_with_a_transparent_colour_stays_transparent(tmp_path):
    image = drawing().quantize(8)
    result = shown(prepare(saved(tmp_path / "a.png", image, transparency=image.getpixel((799, 399)))))
    assert result.getpixel((599, 299))[3] == 0
    assert result.getpixel((50, 50))[3] == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA"])
def test_every_way_to_store_colours_is_read(tmp_path, mode):
    image = Image.new("L", (40, 20), 0)
    image.paste(255, (20, 0, 40, 20))
    converted = Image.new("I;16", (40, 20)) if mode == "I;16" else image.convert(mode)
    if mode == "I;16":
        converted.paste(65535, (20, 0, 40, 20))
    result = shown(prepare(saved(tmp_path / "a.tiff", converted))).convert("RGB")
    assert max(result.getpixel((5, 10))) < 10
    assert min(result.getpixel((35, 10))) > 245


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_the_camera_asks(tmp_path, orientation):
    upright = drawing((80, 40))
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turned[orientation]) if orientation in turned else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = prepare(saved(tmp_path / "a.png", stored, exif=exif))
    assert (picture.width, picture.height) == (80, 40)
    assert shown(picture).convert("RGB").tobytes() == upright.tobytes()


def test_nothing_travels_along(tmp_path):
    """EXIF with the place, XMP, colour profile, comments, text, and what was appended are gone."""
    exif = Image.Exif()
    exif[0x010E] = "canary"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "canary")
    notes.add_itxt("XML:com.adobe.xmp", "<x>canary</x>")
    saved(tmp_path / "a.jpg", photo(), exif=exif, icc_profile=profile, comment=b"canary", xmp=b"<x>canary</x>")
    saved(tmp_path / "b.png", drawing(), exif=exif, icc_profile=profile, pnginfo=notes)
    saved(tmp_path / "c.webp", photo(), exif=exif, icc_profile=profile, xmp=b"<x>canary</x>")
    saved(tmp_path / "d.gif", drawing(), comment=b"canary")
    frames = [drawing((40, 20 + number)).resize((40, 20)) for number in range(3)]
    saved(tmp_path / "e.gif", photo((40, 20)), save_all=True, append_images=frames, comment=b"canary")
    for path in sorted(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes() + b"<script>canary</script>")  # a file of two kinds at once
        picture = prepare(path)
        assert b"canary" not in picture.content, path.name
        assert not {"exif", "icc_profile", "xmp", "comment", "dpi", "XML:com.adobe.xmp"} & shown(picture).info.keys()
        assert not shown(picture).getexif()


def test_colours_of_another_profile_are_moved_to_srgb(tmp_path):
    """What the numbers mean in their own profile must come out, not the numbers."""
    image = Image.new("RGB", (40, 20), (128, 128, 128))
    result = shown(prepare(saved(tmp_path / "a.png", image, icc_profile=linear_profile()))).convert("RGB")
    assert result.getpixel((5, 5))[0] == pytest.approx(188, abs=2)  # half of the light is 188 in sRGB


def linear_profile() -> bytes:
    """The profile of sRGB with its curves replaced by a straight line."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for number in range(count):
        at = 132 + 12 * number
        name, offset, size = struct.unpack(">4sII", profile[at : at + 12])
        if name in {b"rTRC", b"gTRC", b"bTRC"}:
            profile[offset : offset + 12] = b"curv" + bytes(8)  # no points: identity
            profile[offset + 12 : offset + size] = bytes(size - 12)
    return bytes(profile)


def test_a_damaged_profile_is_no_reason_to_refuse(tmp_path):
    assert prepare(saved(tmp_path / "a.png", drawing(), icc_profile=b"nonsense")).width == 300


def test_moving_pictures_still_move(tmp_path):
    frames = [Image.new("RGB", (200, 100), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)
    picture = prepare(tmp_path / "a.gif", max_width=50)
    result = Image.open(io.BytesIO(picture.content))
    assert (result.format, result.n_frames, result.size) == ("GIF", 3, (100, 50))
    assert (picture.width, picture.height, picture.media_type) == (50, 25, "image/gif")
    assert result.info["loop"] == 0
    for number, frame in enumerate(frames):
        result.seek(number)
        assert result.convert("RGB").getpixel((50, 25)) == frame.getpixel((0, 0))
        assert result.info["duration"] == 100 * (number + 1)


def test_what_is_hardly_there_vanishes_in_moving_pictures(tmp_path):
    """GIF knows only all or nothing: a soft shadow must not become a black block."""
    frames = [Image.new("RGBA", (20, 10), (0, 0, 0, 40 + number)) for number in range(2)]
    for number, frame in enumerate(frames):
        frame.paste((200, 30, 30, 255), (number, 0, 5, 10))
    saved(tmp_path / "a.png", frames[0], save_all=True, append_images=frames[1:], duration=100)
    result = Image.open(io.BytesIO(prepare(tmp_path / "a.png").content)).convert("RGBA")
    assert [result.getpixel((at, 5))[3] for at in (2, 15)] == [255, 0]


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_other_moving_pictures_become_gif_with_their_transparency(tmp_path, name):
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (60, 30), (0, 0, 0, 0))
        ImageDraw.Draw(frame).rectangle((20 * number, 0, 20 * number + 19, 29), fill=(200, 30, 30, 200))
        frames.append(frame)
    saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], duration=100, lossless=True)
    result = Image.open(io.BytesIO(prepare(tmp_path / name).content))
    assert (result.format, result.n_frames) == ("GIF", 3)
    for number in range(3):
        result.seek(number)
        alphas = [result.convert("RGBA").getpixel((20 * at + 10, 15))[3] for at in range(3)]
        assert alphas == [255 if at == number else 0 for at in range(3)]


def test_the_type_is_read_from_the_bytes(tmp_path):
    saved(tmp_path / "a.png", drawing())
    (tmp_path / "a.png").rename(tmp_path / "wrong.jpg")
    assert prepare(tmp_path / "wrong.jpg").media_type == "image/png"


@pytest.mark.parametrize(
    ("stem", "begins"),
    [
        ("Our Picture_2", "our-picture-2-"),
        ("Crème brûlée", "creme-brulee-"),
        ("картинка", "picture-"),
        ("x" * 100, "x" * 40 + "-"),
        ("a'\"<b>", "a-b-"),
    ],
)
def test_names_are_safe_in_addresses_and_say_what_is_in_them(tmp_path, stem, begins):
    picture = prepare(saved(tmp_path / f"{stem}.png", drawing()))
    assert picture.name.startswith(begins)
    assert len(picture.name.removeprefix(begins)) == len("0123456789.png")
    assert picture.name.isascii()


def test_same_file_same_bytes_and_the_original_stays(tmp_path):
    path = saved(tmp_path / "a.jpg", photo())
    before = path.read_bytes()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.jpg").write_bytes(before)
    assert prepare(path) == prepare(tmp_path / "b" / "a.jpg")
    assert path.read_bytes() == before


def test_a_changed_file_is_read_again(tmp_path):
    path = saved(tmp_path / "a.png", drawing((100, 50)))
    assert prepare(path).height == 50
    saved(path, drawing((100, 70)))
    assert prepare(path).height == 70


# What cannot be used


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bare_png(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def gif_of(frames: int, size: int) -> bytes:
    one = b"!\xf9\x04\0\2\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", size, size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + one * frames + b";"


def big_webp() -> bytes:
    side = struct.pack("<I", 16_382)[:3]
    head = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + side + side
    body = head + b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", 40) + bytes(40)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


UNUSABLE = {
    "50,000 squared": (bare_png(50_000, 50_000), "too large"),
    "just too wide": (bare_png(LONGEST_SIDE + 1, 10), "10,001 × 10"),
    "just too many pixels": (bare_png(5_001, 5_000), "too large"),
    "a large frame": (big_webp(), "too large"),
    "a long film": (gif_of(200_000, 10), "moves for too long"),
    "a large film": (gif_of(60, 2_000), "moves for too long"),
    "cut JPEG": (encoded(photo(), "JPEG")[:5_000], "damaged or cut off"),
    "cut PNG": (encoded(photo(), "PNG")[:5_000], "damaged or cut off"),
    "cut GIF": (encoded(photo(), "GIF")[:5_000], "damaged or cut off"),
    "cut WebP": (encoded(photo(), "WEBP")[:500], "damaged"),
    "empty": (b"", "is empty"),
    "text": (b"hello", "is not a picture"),
    "a page": (b"<!DOCTYPE html><html><body>hello</body></html>", "page or another document"),
    "PDF": (b"%PDF-1.7", "PDF"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
    "GIF and nothing": (b"GIF89a" + bytes(40), "not a picture"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "TIFF head": (b"II*\0\xff\xff\xff\xff", ""),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_used_is_told_within_a_second(tmp_path, case):
    content, words = UNUSABLE[case]
    (tmp_path / "a.png").write_bytes(content)
    begin = time.process_time()
    with pytest.raises(ImageError, match=r"«a\.png» .*\.$") as caught:
        prepare(tmp_path / "a.png")
    assert words in str(caught.value)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_a_damaged_file_is_used_or_refused_but_nothing_else(tmp_path, kind):
    whole = encoded(photo((120, 60)), kind)
    steps = max(1, len(whole) // 12)
    for number, at in enumerate(range(8, len(whole), steps)):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(whole[:at] + b"\xff\0\xfe" + whole[at + 3 :] if number % 2 else whole[:at])
        try:
            assert prepare(path).content
        except ImageError as error:
            assert str(error).endswith(".")  # noqa: PT017 either is right


def test_what_is_not_there_or_no_file_is_told(tmp_path):
    with pytest.raises(ImageError, match=r"«none\.png» is not there"):
        prepare(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is not a file"):
        prepare(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        prepare(Path("a\0b.png"))


def test_a_file_too_large_is_not_even_opened(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ImageError, match="20 MB are the most"):
        prepare(tmp_path / "a.png")


def test_bombs_do_not_take_memory(tmp_path):
    """One process over all the bombs stays below what one 25-megapixel picture would take."""
    names = ("50,000 squared", "just too many pixels", "a large frame", "a long film", "a large film")
    for number, name in enumerate(names):
        (tmp_path / f"{number}.png").write_bytes(UNUSABLE[name][0])
    program = """
import resource, sys
from pathlib import Path
from newsletter.errors import ImageError
from newsletter.rendering.images import prepare_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in Path(sys.argv[1]).iterdir():
    try:
        prepare_picture(path, max_width=300)
    except ImageError:
        continue
    raise SystemExit("was taken")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 3 * MOST_PIXELS >> 20


def test_the_largest_picture_that_is_taken(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (5_000, 5_000), "#0f4c5c"))
    assert prepare(path).width == 300


def test_weight_can_be_told_by_the_caller(tmp_path):
    noise = Image.effect_noise((700, 600), 90)
    image = Image.merge("RGBA", tuple(itertools.repeat(noise, 4)))
    assert len(prepare(saved(tmp_path / "a.png", image), max_width=600).content) > 1_000_000
