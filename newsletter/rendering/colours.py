"""The little colour science that the palette needs: contrast as WCAG 2 measures it, and OKLCH, where steps look even.

Colours are `#rrggbb` in lower case throughout; what comes out of a calculation is rounded to one, so that what is
measured is what readers get.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple


class Oklch(NamedTuple):
    """A colour as lightness (0 to 1), chroma (0 to about 0.4) and hue (radians).

    Björn Ottosson, A perceptual color space for image processing, 2020.
    """

    lightness: float
    chroma: float
    hue: float


def _channels(colour: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1, linear in light (IEC 61966-2-1)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _linear(red), _linear(green), _linear(blue)


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * math.pow(value, 1 / 2.4) - 0.055


@lru_cache(maxsize=4096)
def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white) (WCAG 2.2, definition of relative luminance)."""
    red, green, blue = _channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@lru_cache(maxsize=4096)
def to_oklch(colour: str) -> Oklch:
    """A colour in OKLCH."""
    red, green, blue = _channels(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return Oklch(lightness, math.hypot(a, b), math.atan2(b, a))


def to_hex(colour: Oklch) -> str:
    """The nearest `#rrggbb` of the same lightness and hue; chroma that no screen shows is taken away."""
    lightness = min(max(colour.lightness, 0.0), 1.0)
    if lightness in {0.0, 1.0}:
        return "#ffffff" if lightness else "#000000"
    low, high = 0.0, colour.chroma
    if not _shows(_to_linear(lightness, high, colour.hue)):
        for _ in range(16):
            middle = (low + high) / 2
            low, high = (middle, high) if _shows(_to_linear(lightness, middle, colour.hue)) else (low, middle)
        high = low
    channels = _to_linear(lightness, high, colour.hue)
    return "#" + "".join(f"{round(255 * min(max(_encoded(max(value, 0.0)), 0.0), 1.0)):02x}" for value in channels)


def _to_linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _shows(channels: tuple[float, float, float]) -> bool:
    """Whether a screen can show it."""
    return all(-0.0005 <= value <= 1.0005 for value in channels)


def mix(colour: str, into: str, share: float) -> str:
    """`share` (0 to 1) of one colour in another, mixed as screens mix: in sRGB."""
    pairs = ((int(colour[at : at + 2], 16), int(into[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one * share + other * (1 - share)):02x}" for one, other in pairs)


def nearest(colour: str, passes: Callable[[str], bool]) -> str:
    """The colour most like this one that passes: the same hue, lighter or darker by as little as does it.

    Raises:
        ValueError: Neither a lighter nor a darker one passes, black and white included.
    """
    if passes(colour):
        return colour
    start = to_oklch(colour)
    for step in range(1, 401):
        for sign in (-1, 1):
            lightness = start.lightness + sign * step / 400
            if -1 / 400 < lightness < 1 + 1 / 400 and passes(tried := to_hex(start._replace(lightness=lightness))):
                return tried
    raise ValueError(colour)
