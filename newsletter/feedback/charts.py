"""Draws numbers: as SVG that a screen reader can tell, and as text for a terminal, the same from the same numbers.

Colours are the variables of the project's palette, so a chart is light where the page is light and dark where it is
dark. Series differ in pattern and not in colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 340
_BAR, _GAP, _LABEL = 16, 10, 17
_PLOT, _FOOT, _LEFT = 150, 24, 46
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_PATTERNS: Final = 3


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers of one kind, one for each column of a chart."""

    name: str
    numbers: tuple[int, ...]


def text_bars(rows: Sequence[tuple[str, int]], *, width: int = 24, plain: bool = False) -> list[str]:
    """Bars of characters, one line each: label, bar, number.

    Args:
        rows: What is drawn, each not below zero.
        width: Of the longest bar, in characters.
        plain: Whether only ASCII may be used.
    """
    most = max((number for _, number in rows), default=0)
    names = max((len(label) for label, _ in rows), default=0)
    figures = max((len(f"{number:,}") for _, number in rows), default=0)
    return [
        f"{label:<{names}}  {number:>{figures},}  {_text_bar(number, most, width, plain=plain)}".rstrip()
        for label, number in rows
    ]


def _text_bar(number: int, most: int, width: int, *, plain: bool) -> str:
    """A bar; whatever is not zero is seen."""
    eighths = 0 if not number else max(1, round(number * width * 8 / most))
    if plain:
        return "#" * max(1, eighths // 8) if number else ""
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def bars(rows: Sequence[tuple[str, int]], *, name: str, title: str, description: str) -> str:
    """Bars that lie, each with its label above it, as SVG.

    Args:
        rows: What is drawn, each not below zero.
        name: An id for the page, of small letters.
        title: What the chart shows.
        description: What can be seen in it, in a sentence.
    """
    most = max((number for _, number in rows), default=0) or 1
    drawn = []
    for place, (label, number) in enumerate(rows):
        top = place * (_LABEL + _BAR + _GAP)
        length = max(2.0, number / most * (_WIDTH - 2)) if number else 0
        drawn.append(
            f'<text x="0" y="{top + 13}">{_text(_short(label, 40))}</text>'
            f'<text x="{_WIDTH}" y="{top + 13}" text-anchor="end" class="number">{number:,}</text>'
            f'<rect x="0" y="{top + _LABEL + 2}" width="{_WIDTH}" height="{_BAR}" rx="3" class="ground"/>'
            f'<rect x="0" y="{top + _LABEL + 2}" width="{length:.1f}" height="{_BAR}" rx="3" class="series-1"/>'
        )
    height = max(1, len(rows)) * (_LABEL + _BAR + _GAP)
    return _svg("".join(drawn), height, name=name, title=title, description=description)


def columns(labels: Sequence[str], series: Sequence[Series], *, name: str, title: str, description: str) -> str:
    """Columns that stand, one upon the other, as SVG: up to three series over the same labels.

    Args:
        labels: Below the columns, of which the first and the last are shown.
        series: What is drawn, each as long as the labels.
        name: An id for the page, of small letters.
        title: What the chart shows.
        description: What can be seen in it, in a sentence.
    """
    sums = [sum(one.numbers[place] for one in series) for place in range(len(labels))]
    top = _round_up(max(sums, default=0))
    step = (_WIDTH - _LEFT) / max(1, len(labels))
    wide = max(1.0, min(28.0, step * 0.78))
    drawn = [_patterns(name)]
    for share in (0, 0.5, 1):
        level = _PLOT + 8 - share * _PLOT
        drawn.append(
            f'<line x1="{_LEFT}" y1="{level:.1f}" x2="{_WIDTH}" y2="{level:.1f}" class="rule"/>'
            f'<text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{top * share:,.0f}</text>'
        )
    for place in range(len(labels)):
        level = _PLOT + 8.0
        for number, one in enumerate(series[:_PATTERNS], 1):
            height = one.numbers[place] / top * _PLOT
            if not height:
                continue
            height = max(1.5, height)
            level -= height
            left = _LEFT + step * place + (step - wide) / 2
            fill = "" if number == 1 else f' fill="url(#{name}-pattern-{number})"'
            drawn.append(
                f'<rect x="{left:.1f}" y="{level:.1f}" width="{wide:.1f}" height="{height:.1f}" '
                f'class="series-{number}"{fill}/>'
            )
    if labels:
        base = _PLOT + 8 + 17
        # A single column stands in the middle, and so does what it is called.
        place, anchor = (_LEFT, "start") if len(labels) > 1 else ((_LEFT + _WIDTH) // 2, "middle")
        drawn.append(f'<text x="{place}" y="{base}" text-anchor="{anchor}">{_text(labels[0])}</text>')
    if len(labels) > 1:
        drawn.append(f'<text x="{_WIDTH}" y="{base}" text-anchor="end">{_text(labels[-1])}</text>')
    return _svg("".join(drawn), _PLOT + 8 + _FOOT, name=name, title=title, description=description)


def legend(series: Sequence[Series], *, name: str) -> str:
    """What the patterns of the columns mean, as a list with little squares."""
    items = []
    for number, one in enumerate(series[:_PATTERNS], 1):
        fill = "" if number == 1 else f' fill="url(#{name}-pattern-{number})"'
        square = f'<rect x="1" y="1" width="14" height="14" class="series-{number}"{fill}/>'
        items.append(
            f'<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">{square}</svg> '
            f"{_text(one.name)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _patterns(name: str) -> str:
    """Stripes and dots, so that series can be told apart without colours."""
    return (
        f'<defs><pattern id="{name}-pattern-2" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" class="ground-2"/>'
        '<rect width="3" height="6" class="ink-2"/></pattern>'
        f'<pattern id="{name}-pattern-3" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<rect width="6" height="6" class="ground-3"/><circle cx="3" cy="3" r="1.6" class="ink-3"/></pattern></defs>'
    )


def _svg(drawn: str, height: float, *, name: str, title: str, description: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{_text(title)}</title>'
        f'<desc id="{name}-description">{_text(description)}</desc>{drawn}</svg>'
    )


def _round_up(number: int) -> int:
    """The next round number at which a scale can end, which can be halved."""
    size = 2
    while True:
        for factor in (1, 2, 5):
            if number <= size * factor:
                return size * factor
        size *= 10


def _text(words: str) -> str:
    """Words as they can stand in XML, where not even a reference to a control character may (XML 1.0, section 2.2)."""
    return escape("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words))


def _short(label: str, most: int) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
