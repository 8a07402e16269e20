"""Takes the pictures in docs/pictures: editions as readers see them, light and dark, wide and narrow, images or not.

Run it after changing the theme or an edition, where Chromium is: `.venv/bin/python scripts/pictures.py`.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from newsletter.app import Newsletter  # noqa: E402 found by the line above
from newsletter.rendering.composition import Composition  # noqa: E402
from newsletter.rendering.escaping import fill_pieces  # noqa: E402
from newsletter.starter import start_project  # noqa: E402
from tests.pictures.chromium import Viewer, find_chromium  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
EDITIONS = {
    "data-sharing": ("640-light", "640-dark", "375-light", "375-dark", "640-light-images-off"),
    "collection-and-use": ("640-light", "640-dark", "375-light", "375-dark", "640-light-images-off"),
    "kitchen-sink": ("640-light", "375-dark"),
    "kitchen-sink-arabic": ("640-light", "375-dark"),
}
"""For each edition, the pictures to take: width, scheme, and whether images are off."""

READER = {
    "email": "amina@example.org",
    "first_name": "Amina",
    "last_name": "Otieno",
    "language": "en",
    "country": "KE",
    "tags": ("researcher",),
    "joined": None,
    "attributes": {},
}
LINKS = {
    "unsubscribe": "https://news.example.org/u/x",
    "preferences": "https://news.example.org/p/x",
    "list_title": "Data for Change community",
}
COLOURS = 128
LARGEST = 250_000


def composed(folder: Path) -> dict[str, Composition]:
    """The editions, composed with the settings of this repository."""
    start_project(folder)
    shutil.copy(ROOT / "newsletter.toml", folder)
    shutil.copytree(ROOT / "templates" / "images", folder / "templates" / "images")
    for name in EDITIONS:
        source = next(
            path for path in (ROOT / "editions" / name, ROOT / "tests/fixtures/editions" / name) if path.is_dir()
        )
        shutil.copytree(source, folder / "editions" / name)
    newsletter = Newsletter.open(folder, {})
    return {name: newsletter.compose(name)[0] for name in EDITIONS}


def take(viewer: Viewer, composition: Composition, how: str) -> Image.Image:
    """One picture of the whole page, with all conditional blocks shown."""
    width, scheme, *rest = how.split("-", 2)
    page = fill_pieces(composition.variant((True,) * len(composition.conditions)).html, READER, LINKS)
    pictures = {composition.address_of(picture, ""): picture.content for picture in composition.pictures}
    taken = viewer.picture(
        page, int(width), "dark" if scheme == "dark" else "light", images=not rest, pictures=pictures
    )
    return Image.open(io.BytesIO(taken)).convert("RGB")


def save(image: Image.Image, name: str) -> None:
    """Write a picture with few colours, so that it stays small in every clone."""
    path = PICTURES / f"{name}.png"
    colours = COLOURS
    while True:
        few = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size < LARGEST or colours <= 8:
            break
        colours //= 2
    print(f"{path.relative_to(ROOT)}: {image.width} x {image.height}, {path.stat().st_size // 1000} KB")  # noqa: T201


def framed(picture: Image.Image, frame: int, radius: int, colour: str) -> Image.Image:
    """A picture with round corners in a frame; twice as large, so that the corners can be made smooth."""
    picture = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.LANCZOS)
    frame, radius = 2 * frame, 2 * radius
    whole = Image.new("RGBA", (picture.width + 2 * frame, picture.height + 2 * frame))
    ImageDraw.Draw(whole).rounded_rectangle((0, 0, whole.width - 1, whole.height - 1), radius + frame, fill=colour)
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, picture.width - 1, picture.height - 1), radius, fill=255)
    whole.paste(picture, (frame, frame), mask)
    return whole


def side_by_side(desktop: Image.Image, phone: Image.Image) -> Image.Image:
    """The picture of the README: an edition on a desktop in daylight, and further down on a phone in the dark."""
    canvas = Image.new("RGB", (2 * 1_180, 2 * 1_080), "#dfe7e9")
    seen = framed(desktop.crop((0, 0, desktop.width, 1_000)), 1, 12, "#b9c6ca")
    canvas.paste(seen, (2 * 47, 2 * 39), seen)
    seen = framed(phone.crop((0, 805, phone.width, 805 + 812)), 12, 28, "#2e3a3f")
    canvas.paste(seen, (2 * 736, 2 * 122), seen)
    return canvas.resize((canvas.width // 2, canvas.height // 2), Image.Resampling.LANCZOS)


def main() -> None:
    """Take all pictures anew."""
    program = find_chromium()
    if program is None:
        raise SystemExit("Chromium is not here. Run scripts/setup tests, or set CHROMIUM.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    viewer = Viewer(program)
    try:
        with tempfile.TemporaryDirectory() as folder:
            editions = composed(Path(folder) / "project")
        for name, ways in EDITIONS.items():
            for how in ways:
                save(take(viewer, editions[name], how), f"{name}-{how}")
        first = editions["data-sharing"]
        save(side_by_side(take(viewer, first, "640-light"), take(viewer, first, "375-dark")), "readme")
    finally:
        viewer.close()


if __name__ == "__main__":
    main()
