"""Draw the matrix of routes as one SVG, without external resources.

The picture is for light and dark pages and for screen readers. It has a row for each source and a
column for each target. Each cell is a rectangle with a sign and the kind of the route.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Spot = tuple[str, str]

# The sign of each kind of route, as an SVG path on a field of 16 by 16. Other words have no sign.
_SIGNS: Final = {
    "zero-copy": (
        "M9.5 8a3.7 3.7 0 1 1-7.4 0a3.7 3.7 0 0 1 7.4 0z"
        "M14 8a3.7 3.7 0 1 1-7.4 0a3.7 3.7 0 0 1 7.4 0z"
    ),
    "copy": "M2.5 2.5h7.5v7.5h-7.5zM6 12.5v1h7.5v-7.5h-1",
    "device copy": "M2 8h11.5M9.5 4l4 4l-4 4",
    "host copy": "M5 13.5V2.5M2 5.5l3-3l3 3M11 2.5v11M8 10.5l3 3l3-3",
    "unavailable": "M13.5 8a5.5 5.5 0 1 1-11 0a5.5 5.5 0 0 1 11 0zM4.2 4.2l7.6 7.6",
    "broken": "M3.5 3.5l9 9M12.5 3.5l-9 9",
}
# For each kind of route: the background and the text on a light page, then on a dark page.
_COLOURS: Final = {
    "zero-copy": ("#dcf3e3", "#0f5f2c", "#12371f", "#86e3a6"),
    "copy": ("#d9f1f4", "#0b5663", "#0d3941", "#90dfec"),
    "device copy": ("#dfeafd", "#12479d", "#152f5a", "#a5ccff"),
    "host copy": ("#fdebd0", "#7f4300", "#472b0a", "#ffc981"),
    "unavailable": ("#eef0f2", "#57606a", "#22282f", "#9aa3ad"),
    "broken": ("#ffe1de", "#ab1f14", "#4b1b18", "#ffb4ad"),
}
# The card, its lines, its text and its muted text, on a light page, then on a dark page.
_PAGE: Final = (
    ("#ffffff", "#d5dae0", "#1f2328", "#59636e"),
    ("#161b22", "#30363d", "#e6edf3", "#9aa3ad"),
)
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
# Distances are in pixels.
_MARGIN: Final = 28  # of the card
_TOP: Final = 138  # of the first row
_RULE: Final = 90  # left edge of the line between the devices and the names of the rows
_LETTER: Final = 11  # width of a letter in the widest font
_WIDTH: Final = 107  # of a cell
_HEIGHT: Final = 42  # of a cell
_GAP: Final = 6  # between two cells
_GROUP_GAP: Final = 16  # between two devices
_LEGEND: Final = 26  # height of a line of the legend
_NARROWEST: Final = 620  # width of the picture


def draw(cells: Mapping[tuple[Spot, Spot], str], legend: Mapping[str, str]) -> str:
    """Return the picture.

    Parameters
    ----------
    cells : mapping
        The kind of the route for each pair of source and target. A source or target is a framework
        and a device (``("torch", "cuda:0")``). The device is ``""`` if the framework has none here.
        Rows and columns have the order of the mapping.
    legend : mapping
        The meaning of each kind. The picture explains only the kinds that occur.

    Returns
    -------
    str
        An SVG document. Equal cells give equal documents.
    """
    left = _RULE + 28 + _LETTER * max((len(name) for (name, _), _ in cells), default=0)
    rows = _offsets((source for source, _ in cells), _TOP, _HEIGHT)
    columns = _offsets((target for _, target in cells), left, _WIDTH)
    used = {word: meaning for word, meaning in legend.items() if word in cells.values()}
    bottom = max(rows.values(), default=_TOP) + _HEIGHT
    width = max(max(columns.values(), default=left) + _WIDTH + _MARGIN, _NARROWEST)
    height = bottom + _MARGIN + len(used) * _LEGEND + _MARGIN - 8
    body = [
        *_head(width, height),
        *_labels_above(columns),
        *_labels_left(rows, left - 14),
        *(_cell(columns[target], rows[source], word) for (source, target), word in cells.items()),
        *_explained(used, bottom + _MARGIN),
    ]
    return "\n".join(
        [_opening(width, height), *_described(cells), _style(used), *body, "</svg>", ""]
    )


def _opening(width: int, height: int) -> str:
    """Return the opening tag of the document."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    # The ids have a prefix, because ids of an inline SVG belong to the whole page.
    about = 'aria-labelledby="interop-routes-title interop-routes-text"'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="interop-routes" role="img" '
        f'{size} font-family="{_FONT}" {about}>'
    )


def _offsets(spots: Iterable[Spot], first: int, size: int) -> dict[Spot, int]:
    """Return the start of each row or column, with a wider gap between two devices."""
    found: dict[Spot, int] = {}
    start = first
    last: str | None = None
    for spot in dict.fromkeys(spots):
        device = spot[1]
        if last is not None:
            gap = _GAP if device == last else _GROUP_GAP
            start += size + gap
        found[spot] = start
        last = device
    return found


def _described(cells: Mapping[tuple[Spot, Spot], str]) -> list[str]:
    """Return the title and the description, which screen readers read out."""
    sentences: list[str] = []
    for source, group in groupby(cells.items(), key=lambda item: item[0][0]):
        routes = [f"to {_format_spot(target)} {word}" for (_, target), word in group]
        sentences.append(f"From {_format_spot(source)}: {', '.join(routes)}.")
    title = "What each conversion between frameworks and devices costs"
    text = escape(" ".join(sentences))
    return [
        f'<title id="interop-routes-title">{title}</title>',
        f'<desc id="interop-routes-text">{text}</desc>',
    ]


def _style(used: Iterable[str]) -> str:
    """Return the style sheet with the colours of the used kinds of routes."""
    light, dark = ([*_page(_PAGE[i]), *(_fill(word, 2 * i) for word in used)] for i in range(2))
    # Each rule names the picture, because the style of an inline SVG applies to the whole page.
    dark_rule = "@media (prefers-color-scheme: dark) {"
    return "\n".join(["<style>", *light, dark_rule, *dark, "}", "</style>"])


def _page(colours: Sequence[str]) -> list[str]:
    card, line, text, muted = colours
    return [
        f".interop-routes .card {{ fill: {card}; stroke: {line} }}",
        f".interop-routes .rule {{ stroke: {line} }}",
        f".interop-routes text {{ fill: {text} }}",
        f".interop-routes .muted {{ fill: {muted} }}",
    ]


def _fill(word: str, first: int) -> str:
    field, ink = _COLOURS[word][first : first + 2]
    name = f".interop-routes .{_class(word)}"
    return (
        f"{name} rect {{ fill: {field} }} {name} text {{ fill: {ink} }} "
        f"{name} path {{ stroke: {ink} }}"
    )


def _head(width: int, height: int) -> list[str]:
    about = "Measured, from the location on the left to the location at the top"
    title = f'x="{_MARGIN}" y="44" font-size="19" font-weight="600"'
    return [
        # Half a pixel, so that the border of one pixel is sharp.
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12"/>',
        f"<text {title}>What a conversion costs</text>",
        f'<text class="muted" x="{_MARGIN}" y="66" font-size="13">{about}</text>',
    ]


def _labels_above(columns: Mapping[Spot, int]) -> list[str]:
    lines: list[str] = []
    for device, group in groupby(columns, key=lambda spot: spot[1]):
        spots = list(group)
        start = columns[spots[0]]
        end = columns[spots[-1]] + _WIDTH
        at = f'x="{(start + end) / 2:g}" y="{_TOP - 38}" text-anchor="middle"'
        lines += [
            f'<text class="muted" {at} font-size="13">{_device(device)}</text>',
            f'<path class="rule" fill="none" d="M{start} {_TOP - 29}H{end}"/>',
        ]
        lines += [_name(spot, columns[spot] + _WIDTH / 2, _TOP - 11, "middle") for spot in spots]
    return lines


def _labels_left(rows: Mapping[Spot, int], right: int) -> list[str]:
    lines: list[str] = []
    for device, group in groupby(rows, key=lambda spot: spot[1]):
        spots = list(group)
        start = rows[spots[0]]
        end = rows[spots[-1]] + _HEIGHT
        at = f'x="{_MARGIN}" y="{(start + end) / 2 + 5:g}"'
        lines += [
            f'<text class="muted" {at} font-size="13">{_device(device)}</text>',
            f'<path class="rule" fill="none" d="M{_RULE} {start}V{end}"/>',
        ]
        lines += [_name(spot, right, rows[spot] + _HEIGHT / 2 + 5, "end") for spot in spots]
    return lines


def _name(spot: Spot, x: float, y: float, anchor: str) -> str:
    position = f'x="{x:g}" y="{y:g}" font-size="14" font-weight="600" text-anchor="{anchor}"'
    return f"<text {position}>{escape(spot[0])}</text>"


def _cell(x: float, y: float, word: str) -> str:
    """Draw a rectangle with the sign on the left, and the word beside the sign."""
    box = f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="7"/>'
    text = f'<text x="{x + 26}" y="{y + _HEIGHT / 2 + 4:g}" font-size="12">{word}</text>'
    return f'<g class="{_class(word)}">{box}{_sign(word, x + 8, y + _HEIGHT / 2 - 7)}{text}</g>'


def _explained(used: Mapping[str, str], top: float) -> list[str]:
    """Draw the legend."""
    lines: list[str] = []
    for i, (word, meaning) in enumerate(used.items()):
        y = top + i * _LEGEND
        box = f'<rect x="{_MARGIN}" y="{y}" width="{_WIDTH}" height="20" rx="5"/>'
        text = f'<text x="{_MARGIN + 26}" y="{y + 14}" font-size="12">{word}</text>'
        at = f'x="{_MARGIN + _WIDTH + 14}" y="{y + 14}"'
        lines += [
            f'<g class="{_class(word)}">{box}{_sign(word, _MARGIN + 8, y + 3)}{text}</g>',
            f'<text class="muted" {at} font-size="13">{escape(meaning)}</text>',
        ]
    return lines


def _sign(word: str, x: float, y: float) -> str:
    look = 'fill="none" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"'
    return f'<path transform="translate({x:g} {y:g}) scale(0.9)" d="{_SIGNS[word]}" {look}/>'


def _class(word: str) -> str:
    return word.replace(" ", "-")


def _device(name: str) -> str:
    return escape(name or "not here")


def _format_spot(spot: Spot) -> str:
    return " ".join(filter(None, spot))
