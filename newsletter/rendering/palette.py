"""Every colour that the theme uses, light and dark, from the few that a project chooses; each pair of them can be read.

What a project chose is used as it is, or refused with the nearest colour that would do. What it left open is derived
from that, and made darker or lighter until it can be read.
"""

from dataclasses import dataclass
from typing import Final

from newsletter.config import Settings
from newsletter.errors import ConfigError, Finding
from newsletter.rendering.colours import Oklch, contrast, mix, nearest, to_hex, to_oklch

READABLE: Final = 4.5
"""The least contrast of text to its ground (WCAG 2.2, 1.4.3)."""


@dataclass(frozen=True, slots=True)
class Tones:
    """The colours of one mode, each `#rrggbb`. On a tinted ground only `text` and its own `on_` colour may stand.

    Attributes:
        primary: Bands and buttons; also readable as text on background and surface.
        on_primary: Text on them.
        accent: Links and labels on background and surface.
        background: Around the letter.
        surface: Of the letter.
        text: Of the letter.
        muted: Text that steps back, on background and surface.
        line: Rules and borders; never text.
        tint: A soft ground, for tags and pictures that do not load.
        on_tint: Text on it, tags and links.
        info: The ground of a callout that informs.
        on_info: Text and links on it.
        success: The ground of a callout with good news.
        on_success: Text and links on it.
        warning: The ground of a callout that warns.
        on_warning: Text and links on it.
    """

    primary: str
    on_primary: str
    accent: str
    background: str
    surface: str
    text: str
    muted: str
    line: str
    tint: str
    on_tint: str
    info: str
    on_info: str
    success: str
    on_success: str
    warning: str
    on_warning: str


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a project for readers whose mail program is light, and for those whose is dark."""

    light: Tones
    dark: Tones


PAIRS: Final = (
    *((ink, ground) for ink in ("text", "muted", "primary", "accent") for ground in ("surface", "background")),
    ("on_primary", "primary"),
    *((ink, ground) for ground in ("tint", "info", "success", "warning") for ink in ("text", f"on_{ground}")),
)
"""What may stand on what, by the names of `Tones`: each pair has a contrast of at least `READABLE`."""

LIGHT: Final = {
    "background": "#f1f5f5",
    "surface": "#ffffff",
    "primary": "#0f4c5c",
    "accent": "#a8451a",
    "text": "#1c2b33",
    "muted": "#51636c",
}
"""What is used where a project chooses nothing."""

_CHOSEN: Final = ("background", "surface", "primary", "on_primary", "accent", "text", "muted")
_HUES: Final = {"info": 4.2, "success": 2.6, "warning": 1.35}  # radians in OKLCH: blue, green, amber
_GROUNDS: Final = ("surface", "background")


def make_palette(settings: Settings) -> Palette:
    """The palette of a project.

    Raises:
        ConfigError: Colours that the project chose cannot be read on one another; all such findings at once. With every
            suggestion taken over, there are none.
    """
    brand = settings.brand
    findings: list[Finding] = []
    light = _Mode(settings, "brand", {name: chosen for name in _CHOSEN if (chosen := getattr(brand, name))}, findings)
    light_tones = light.tones(LIGHT, LIGHT, _darkened(LIGHT["primary"], LIGHT["accent"]))
    given = {name: chosen for name in _CHOSEN if (chosen := getattr(brand.dark, name))}
    start = _darkened(light_tones.primary, light_tones.accent)
    dark_tones = _Mode(settings, "brand.dark", given, findings).tones(start, LIGHT, start)
    if findings:
        raise ConfigError(findings=findings)
    return Palette(light_tones, dark_tones)


def _darkened(primary: str, accent: str) -> dict[str, str]:
    """Where the dark mode begins: grounds near black with a breath of the brand, colours lifted and calmed."""
    brand = to_oklch(primary)
    breath = min(brand.chroma, 0.014)

    def lifted(colour: str, lightness: float) -> str:
        bright = to_oklch(colour)
        return to_hex(Oklch(max(bright.lightness, lightness), min(bright.chroma * 0.85, 0.12), bright.hue))

    return {
        "background": to_hex(Oklch(0.175, breath, brand.hue)),
        "surface": to_hex(Oklch(0.225, breath, brand.hue)),
        "primary": lifted(primary, 0.79),
        "accent": lifted(accent, 0.79),
        "text": to_hex(Oklch(0.93, breath / 2, brand.hue)),
        "muted": to_hex(Oklch(0.76, breath, brand.hue)),
    }


class _Mode:
    """One mode in the making: what is chosen stays or is refused, what is open is derived."""

    def __init__(self, settings: Settings, table: str, chosen: dict[str, str], findings: list[Finding]) -> None:
        self.settings = settings
        self.table = table
        self.chosen = chosen
        self.findings = findings
        self.made: dict[str, str] = {}

    def tones(self, grounds: dict[str, str], on_light: dict[str, str], on_dark: dict[str, str]) -> Tones:
        """All colours of the mode.

        Args:
            grounds: Background and surface, where they are not chosen.
            on_light: Where to begin for the other colours on a light surface.
            on_dark: The same for a dark one.
        """
        self._grounds(grounds)
        surface = self.made["surface"]
        dark = contrast(surface, "#ffffff") > contrast(surface, "#000000")
        start = on_dark if dark else on_light
        for name in ("primary", "accent", "text", "muted"):
            self._settle(name, start[name], _GROUNDS)
        self._settle("on_primary", self._on_primary(), ("primary",))
        self.made["line"] = mix(self.made["text"], surface, 0.16)
        self._tint("tint", self.made["primary"], 0.16 if dark else 0.1)
        for name, hue in _HUES.items():
            self._tint(name, to_hex(Oklch(0.8 if dark else 0.44, 0.1, hue)), 0.16 if dark else 0.1)
        return Tones(**self.made)

    def _grounds(self, start: dict[str, str]) -> None:
        """Background and surface: near enough to one another for one text colour to be readable on both."""
        first, second = _GROUNDS if "surface" in self.chosen else ("background", "surface")
        self.made[first] = self.chosen.get(first, start[first])
        other = self.made[first]
        colour = self.chosen.get(second, start[second])
        if second not in self.chosen and not _share_an_ink(colour, other):
            base = to_oklch(other)
            colour = to_hex(base._replace(lightness=base.lightness + (0.05 if base.lightness < 0.5 else -0.05)))
        self.made[second] = nearest(colour, lambda tried: _share_an_ink(tried, other))
        if self.made[second] != colour and second in self.chosen:
            what = f"No text can be read on both {self._key(second)} ({colour}) and {self._key(first)} ({other})"
            self._refuse(second, f"{what}: one is light and one is dark.")

    def _settle(self, name: str, start: str, grounds: tuple[str, ...]) -> None:
        """One colour that is read on these grounds."""
        colour = self.chosen.get(name, start)
        self.made[name] = nearest(colour, lambda tried: self._reads(tried, grounds))
        if self.made[name] == colour or name not in self.chosen:
            return
        worst = min(grounds, key=lambda ground: contrast(colour, self.made[ground]))
        ratio = int(contrast(colour, self.made[worst]) * 100) / 100  # never rounded up to what is asked for
        what = (
            f"{self._key(name)} ({colour}) on {self._key(worst)} ({self.made[worst]}) has a contrast of {ratio:.2f}:1"
        )
        self._refuse(name, f"{what}; people need {READABLE}:1 to read it.")

    def _on_primary(self) -> str:
        """White or nearly black, whichever is easier to read on the primary colour."""
        primary = self.made["primary"]
        ink = to_oklch(primary)
        dark = to_hex(Oklch(0.16, min(ink.chroma, 0.03), ink.hue))
        return max(("#ffffff", dark), key=lambda colour: contrast(colour, primary))

    def _tint(self, name: str, colour: str, share: float) -> None:
        """A soft ground on which the text can be read, and a colour of its own for words on it."""
        surface, text = self.made["surface"], self.made["text"]
        steps = [share * step / 8 for step in range(8, -1, -1)]
        tints = (mix(colour, surface, step) for step in steps)  # the last is the surface, where text is readable
        tint = next(tried for tried in tints if contrast(text, tried) >= READABLE)
        self.made[name] = tint
        self.made[f"on_{name}"] = nearest(colour, lambda tried: contrast(tried, tint) >= READABLE)

    def _reads(self, colour: str, grounds: tuple[str, ...]) -> bool:
        return all(contrast(colour, self.made[ground]) >= READABLE for ground in grounds)

    def _key(self, name: str) -> str:
        """A colour in words: the setting if it was chosen, else by its part in the look."""
        return f"{self.table}.{name}" if name in self.chosen else f"the {name}"

    def _refuse(self, name: str, what: str) -> None:
        fix = f"Use {self.made[name]}, the nearest colour that does."
        key = f"{self.table}.{name}"
        self.findings.append(self.settings.finding(key, rule="contrast", what=what, fix=fix))


def _share_an_ink(one: str, other: str) -> bool:
    """Whether black or white can be read on both."""
    return any(min(contrast(ink, one), contrast(ink, other)) >= READABLE for ink in ("#000000", "#ffffff"))
