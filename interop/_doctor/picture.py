"""The matrix of routes as a picture: one SVG that needs nothing else, for light and dark pages and for screen readers.

Pure text: where arrays come from and go to, and a word for each pair, become rectangles with a sign and that word.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Spot = tuple[str, str]

# Signs on a field of 16 by 16; a word that is not here gets none.
_SIGNS: Final = {
    "zero-copy": "M9.5 8a3.7 3.7 0 1 1-7.4 0a3.7 3.7 0 0 1 7.4 0zM14 8a3.7 3.7 0 1 1-7.4 0a3.7 3.7 0 0 1 7.4 0z",
    "copy": "M2.5 2.5h7.5v7.5h-7.5zM6 12.5v1h7.5v-7.5h-1",
    "device copy": "M2 8h11.5M9.5 4l4 4l-4 4",
    "host copy": "M5 13.5V2.5M2 5.5l3-3l3 3M11 2.5v11M8 10.5l3 3l3-3",
    "unavailable": "M13.5 8a5.5 5.5 0 1 1-11 0a5.5 5.5 0 0 1 11 0zM4.2 4.2l7.6 7.6",
    "broken": "M3.5 3.5l9 9M12.5 3.5l-9 9",
}
# By word: the field and what is written on it, on a light page and on a dark one.
_COLOURS: Final = {
    "zero-copy": ("#dcf3e3", "#0f5f2c", "#12371f", "#86e3a6"),
    "copy": ("#d9f1f4", "#0b5663", "#0d3941", "#90dfec"),
    "device copy": ("#dfeafd", "#12479d", "#152f5a", "#a5ccff"),
    "host copy": ("#fdebd0", "#7f4300", "#472b0a", "#ffc981"),
    "unavailable": ("#eef0f2", "#57606a", "#22282f", "#9aa3ad"),
    "broken": ("#ffe1de", "#ab1f14", "#4b1b18", "#ffb4ad"),
}
_PAGE: Final = (
    ("#ffffff", "#d5dae0", "#1f2328", "#59636e"),
    ("#161b22", "#30363d", "#e6edf3", "#9aa3ad"),
)
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_MARGIN, _TOP, _RULE = (
    28,
    138,
    90,
)  # of the card; of the first row; of the line between devices and names
_LETTER: Final = 11  # the widest font's, of a name
_WIDTH, _HEIGHT, _GAP, _GROUP_GAP = 107, 42, 6, 16  # of a cell; between cells, and between devices
_LEGEND, _NARROWEST = 26, 620  # a line of the legend; the picture


def draw(cells: Mapping[tuple[Spot, Spot], str], legend: Mapping[str, str]) -> str:
    """Return the picture.

    Parameters
    ----------
    cells : mapping
        From a pair of source and target, each a framework and a device (``("torch", "cuda:0")``; the device of a
        framework that can be nowhere is ``""``), to the word for that route. Rows and columns are in its order.
    legend : mapping
        From each word to what it means. Only the words that occur are explained.

    Returns
    -------
    str
        An SVG document, the same for the same cells.
    """
    left = _RULE + 28 + _LETTER * max((len(name) for (name, _), _ in cells), default=0)
    rows, columns = (
        _offsets((start for start, _ in cells), _TOP, _HEIGHT),
        _offsets((e for _, e in cells), left, _WIDTH),
    )
    used = {word: meaning for word, meaning in legend.items() if word in cells.values()}
    bottom = max(rows.values(), default=_TOP) + _HEIGHT
    width = max(max(columns.values(), default=left) + _WIDTH + _MARGIN, _NARROWEST)
    height = bottom + _MARGIN + len(used) * _LEGEND + _MARGIN - 8
    body = [
        *_head(width, height),
        *_labels_above(columns),
        *_labels_left(rows, left - 14),
        *(_cell(columns[end], rows[start], word) for (start, end), word in cells.items()),
        *_explained(used, bottom + _MARGIN),
    ]
    attributes = (
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="{_FONT}"'
    )
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="interop-routes" role="img" {attributes}'
    )
    about = ' aria-labelledby="interop-routes-title interop-routes-text">'
    return "\n".join([start + about, *_described(cells), _style(used), *body, "</svg>", ""])


def _offsets(spots: Iterable[Spot], at: int, size: int) -> dict[Spot, int]:
    """Return where each row or column starts: those of one device side by side, a gap before the next device."""
    found: dict[Spot, int] = {}
    last: str | None = None
    for spot in dict.fromkeys(spots):
        at += 0 if last is None else size + (_GAP if spot[1] == last else _GROUP_GAP)
        found[spot], last = at, spot[1]
    return found


def _described(cells: Mapping[tuple[Spot, Spot], str]) -> list[str]:
    """Say it all in words, for those who can't see it."""
    sentences = [
        f"From {_format_spot(source)}: {', '.join(f'to {_format_spot(end)} {word}' for (_, end), word in group)}."
        for source, group in groupby(cells.items(), key=lambda item: item[0][0])
    ]
    title = "What each conversion between frameworks and devices costs"
    text = escape(" ".join(sentences))
    return [
        f'<title id="interop-routes-title">{title}</title>',
        f'<desc id="interop-routes-text">{text}</desc>',
    ]


def _style(used: Iterable[str]) -> str:
    light, dark = ([*_page(_PAGE[i]), *(_fill(word, 2 * i) for word in used)] for i in range(2))
    return "\n".join(
        ["<style>", *light, "@media (prefers-color-scheme: dark) {", *dark, "}", "</style>"]
    )


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
    return f"{name} rect {{ fill: {field} }} {name} text {{ fill: {ink} }} {name} path {{ stroke: {ink} }}"


def _head(width: int, height: int) -> list[str]:
    about = "Measured: from the place on the left to the place at the top"
    return [
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12"/>',
        f'<text x="{_MARGIN}" y="44" font-size="19" font-weight="600">What a conversion costs</text>',
        f'<text class="muted" x="{_MARGIN}" y="66" font-size="13">{about}</text>',
    ]


def _labels_above(columns: Mapping[Spot, int]) -> list[str]:
    lines: list[str] = []
    for device, group in groupby(columns, key=lambda spot: spot[1]):
        spots = list(group)
        start, end = columns[spots[0]], columns[spots[-1]] + _WIDTH
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
        start, end = rows[spots[0]], rows[spots[-1]] + _HEIGHT
        lines += [
            f'<text class="muted" x="{_MARGIN}" y="{(start + end) / 2 + 5:g}" font-size="13">{_device(device)}</text>',
            f'<path class="rule" fill="none" d="M{_RULE} {start}V{end}"/>',
        ]
        lines += [_name(spot, right, rows[spot] + _HEIGHT / 2 + 5, "end") for spot in spots]
    return lines


def _name(spot: Spot, x: float, y: float, anchor: str) -> str:
    position = f'x="{x:g}" y="{y:g}" font-size="14" font-weight="600" text-anchor="{anchor}"'
    return f"<text {position}>{escape(spot[0])}</text>"


def _cell(x: float, y: float, word: str) -> str:
    """Draw a rectangle with the sign above the middle's left, and the word beside it."""
    box = f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="7"/>'
    text = f'<text x="{x + 26}" y="{y + _HEIGHT / 2 + 4:g}" font-size="12">{word}</text>'
    return f'<g class="{_class(word)}">{box}{_sign(word, x + 8, y + _HEIGHT / 2 - 7)}{text}</g>'


def _explained(used: Mapping[str, str], top: float) -> list[str]:
    lines: list[str] = []
    for i, (word, meaning) in enumerate(used.items()):
        y = top + i * _LEGEND
        box = f'<rect x="{_MARGIN}" y="{y}" width="{_WIDTH}" height="20" rx="5"/>'
        text = f'<text x="{_MARGIN + 26}" y="{y + 14}" font-size="12">{word}</text>'
        lines += [
            f'<g class="{_class(word)}">{box}{_sign(word, _MARGIN + 8, y + 3)}{text}</g>',
            f'<text class="muted" x="{_MARGIN + _WIDTH + 14}" y="{y + 14}" font-size="13">{escape(meaning)}</text>',
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
