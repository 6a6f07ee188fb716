"""The diagram of the routes: well-formed, self-contained, and readable without colours."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from interop._doctor import measure, picture
from interop._doctor.routes import KINDS
from interop._identify import registration, shipped

SVG = "{http://www.w3.org/2000/svg}"
ROUTES = Path(__file__).resolve().parents[1] / "docs" / "_static" / "routes.svg"
HOST, GPU, ODD, NOWHERE = ("numpy", "cpu"), ("torch", "cuda:0"), ("<&>", "cpu"), ("jax", "")
CELLS = {
    (HOST, HOST): "zero-copy", (HOST, ODD): "copy", (HOST, GPU): "host copy", (HOST, NOWHERE): "unavailable",
    (GPU, HOST): "host copy", (GPU, ODD): "broken", (GPU, GPU): "device copy", (GPU, NOWHERE): "unavailable",
}  # fmt: skip


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_picture_labels_every_framework_device_and_kind_of_route() -> None:
    said = texts(ET.fromstring(picture.draw(CELLS, KINDS)))  # noqa: S314 - our own file
    for name in ("numpy", "torch", "<&>", "jax", "cpu", "cuda:0", "not here"):
        assert name in said
    for kind, meaning in KINDS.items():
        assert said.count(kind) == list(CELLS.values()).count(kind) + 1  # the legend's
        assert meaning in said


def test_picture_legend_explains_only_the_kinds_in_use() -> None:
    said = texts(ET.fromstring(picture.draw({(HOST, HOST): "zero-copy"}, KINDS)))  # noqa: S314
    assert KINDS["zero-copy"] in said
    assert not {KINDS[kind] for kind in KINDS if kind != "zero-copy"} & set(said)


def test_picture_has_a_title_and_description_for_screen_readers() -> None:
    root = ET.fromstring(picture.draw(CELLS, KINDS))  # noqa: S314
    title, text = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert text is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    assert text.text == (
        "From numpy cpu: to numpy cpu zero-copy, to <&> cpu copy, to torch cuda:0 host copy, to jax unavailable. "
        "From torch cuda:0: to numpy cpu host copy, to <&> cpu broken, to torch cuda:0 device copy, to jax unavailable."
    )


def test_picture_has_no_external_resources_or_scripts() -> None:
    drawn = picture.draw(CELLS, KINDS)
    assert re.findall(r"https?://[^\"']+", drawn) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|@import|url\(|href|foreignObject", drawn)
    assert "prefers-color-scheme: dark" in drawn


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("kind", KINDS)
def test_picture_text_has_enough_contrast_in_light_and_dark_mode(kind: str) -> None:
    """WCAG requires a contrast of 4.5 to 1 for text of this size."""
    colours = picture._COLOURS[kind]
    for field, ink in (colours[:2], colours[2:]):
        low, high = sorted([luminance(field), luminance(ink)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_picture_cells_lie_inside_and_do_not_overlap() -> None:
    root = ET.fromstring(picture.draw(CELLS, KINDS))  # noqa: S314
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{SVG}rect")
    ]
    cells = boxes[1:]  # the first one is the page
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in cells)
    for i, (x, y, w, h) in enumerate(cells):
        assert not any(
            x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in cells[:i]
        )


@pytest.mark.requires("simcuda", "torch", "cupy", "jax")
def test_picture_in_the_docs_matches_the_measured_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an intended change of routes, run python docs/_routes.py."""
    monkeypatch.setattr(
        registration, "known_names", lambda: sorted(shipped.TABLE)
    )  # without the tests' plugin
    assert ROUTES.read_text(encoding="utf-8") == picture.draw(measure.measure().cells, KINDS)
