"""Writes the project's colours and fonts as CSS variables, for pages of every kind: light, and dark where asked for."""

from newsletter.config import Settings
from newsletter.rendering.palette import Tones, make_palette


def palette_sheet(settings: Settings) -> str:
    """The project's colours and fonts as a style sheet.

    Raises:
        ConfigError: Colours that the project chose cannot be read on one another.
    """
    palette, fonts = make_palette(settings), settings.brand.fonts
    light, dark = _variables(palette.light), _variables(palette.dark)
    return (
        f":root{{color-scheme:light dark;{light};--picture:{palette.light.tint};"
        f"--heading-font:{_quoted(fonts.heading)};--body-font:{_quoted(fonts.body)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def _variables(tones: Tones) -> str:
    names = Tones.__dataclass_fields__
    return ";".join(f"--{name.replace('_', '-')}:{getattr(tones, name)}" for name in names)


def _quoted(stack: str) -> str:
    """Font names, quoted where they are more than one word."""
    return ",".join(f'"{name}"' if " " in name else name for name in (part.strip() for part in stack.split(",")))
