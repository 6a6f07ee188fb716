"""The command `python -m interop`: frameworks, measured routes, formats and exit codes."""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import interop
from interop.__main__ import main
from interop._doctor import measure, report, routes, tables, terminal

pytestmark = pytest.mark.requires("torch")

ROUTE = {"source", "target", "kind", "reason", "bytes"}


def kinds(found: Any) -> dict[tuple[str, str], str]:
    return {(route["source"], route["target"]): route["kind"] for route in found}


def run_doctor(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["--json", *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    document: dict[str, Any] = json.loads(said.out)
    return document


# Measurements


def test_doctor_host_routes_between_numpy_and_torch_are_zero_copy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = kinds(run_doctor(capsys)["routes"])
    for source in ("numpy cpu", "torch cpu"):
        for target in ("numpy cpu", "torch cpu"):
            assert found[source, target] == "zero-copy"


@pytest.mark.requires("cupy", "gpu")
def test_doctor_gpu_routes_state_the_kind_of_copy(capsys: pytest.CaptureFixture[str]) -> None:
    found = kinds(run_doctor(capsys)["routes"])
    assert (
        found["torch cuda:0", "cupy cuda:0"] == found["cupy cuda:0", "torch cuda:0"] == "zero-copy"
    )
    assert found["numpy cpu", "cupy cuda:0"] == found["torch cuda:0", "numpy cpu"] == "host copy"
    if ("cupy cuda:1", "torch cuda:0") in found:
        assert (
            found["cupy cuda:1", "torch cuda:0"]
            == found["torch cuda:0", "torch cuda:1"]
            == "device copy"
        )


@pytest.mark.requires("numpy-dlpack")
def test_doctor_special_arrays_are_copied_for_torch_and_never_for_numpy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = kinds(run_doctor(capsys)["special"])
    copied = {
        source
        for (source, target), kind in found.items()
        if target == "torch cpu" and kind == "copy"
    }
    assert copied == {
        "negative strides",
        "read-only",
        "overlapping elements",
        "swapped bytes",
        "not aligned",
    }
    assert {kind for (_, target), kind in found.items() if target == "numpy cpu"} <= {
        "zero-copy",
        "unavailable",
    }


def test_doctor_special_route_states_reason_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    (route,) = (
        r
        for r in run_doctor(capsys)["special"]
        if (r["source"], r["target"]) == ("negative strides", "torch cpu")
    )
    assert (route["reason"], route["bytes"]) == ("torch has no negative strides", 128)


def test_measure_orders_devices_with_the_host_first() -> None:
    locations = measure.measure().locations
    assert [p.framework for p in locations if p.framework in {"numpy", "torch"}][:2] == [
        "numpy",
        "torch",
    ]
    assert [p.device for p in locations] == sorted(p.device for p in locations)


# Output


def test_doctor_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    document = run_doctor(capsys)
    assert set(document) == {
        "interop", "python", "platform", "frameworks", "routes", "special", "warnings", "problems",
    }  # fmt: skip
    assert set(document["interop"]) == {
        "version",
        "location",
        "compiled",
        "INTEROP_COMPILED",
        "also_owned_by",
    }
    assert document["interop"]["location"] == str(Path(interop.__file__).parent)
    for info in document["frameworks"]:
        assert set(info) == {*interop.FrameworkInfo._fields, "problem"}
    assert all(set(route) == ROUTE for route in [*document["routes"], *document["special"]])
    assert document["problems"] == []
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for key in (*document, *document["interop"], *document["frameworks"][0], *ROUTE):
        assert key in said


def test_doctor_text_has_the_same_words_with_and_without_rich(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([]) == 0
    rich = capsys.readouterr().out
    for name in ("rich", "rich.console"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([]) == 0
    plain = capsys.readouterr().out
    *lines, last = plain.splitlines()
    assert last == "For tables in colour: pip install 'array-interop[doctor]'"
    assert last not in rich
    for line in lines:
        assert set(line.split()) <= set(rich.split()), line


@pytest.mark.parametrize("hide", [(), ("rich", "rich.console")])
def test_doctor_text_lists_version_location_frameworks_and_routes(
    hide: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in hide:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["--check"]) == 0
    said = capsys.readouterr().out
    for words in (
        f"interop {interop.__version__}", str(Path(interop.__file__).parent), "numpy cpu", "torch cpu", "zero-copy",
        "negative strides", "the same memory", "none: all installed frameworks work", sys.version.split()[0],
    ):  # fmt: skip
        assert words in said


def test_doctor_plain_text_aligns_columns() -> None:
    part = tables.Section("Routes", ("from", "b"), [("a long name", "x"), ("c", "y")])
    assert terminal._as_text(part) == "Routes\n  from         b\n  a long name  x\n  c            y"


def test_doctor_second_owner_of_the_top_level_name_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        importlib.metadata,
        "packages_distributions",
        lambda: {"interop": ["other", "array-interop"]},
    )
    document = run_doctor(capsys, "--check")
    assert document["interop"]["also_owned_by"] == ["other"]
    assert document["warnings"][0] == (
        "the distribution other also owns a top-level package interop, and may have overwritten "
        "files of array-interop. Install array-interop into an environment without it."
    )


def test_doctor_report_replaces_the_home_folder_with_a_tilde(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert report._without_home({"a": ["/home/somebody/x.so: no", None, 1]}) == {
        "a": ["~/x.so: no", None, 1]
    }
    monkeypatch.setenv("HOME", "/")
    assert report._without_home(("/lib/x.so",)) == ["/lib/x.so"]


def test_doctor_table_hides_gpus_after_the_second_with_a_note() -> None:
    locations = [
        routes.Location("a", "cpu"),
        *(routes.Location("a", f"cuda:{i}") for i in range(4)),
    ]
    pairs = [routes.MeasuredRoute(str(s), str(t), "copy", "") for s in locations for t in locations]
    matrix = routes.Matrix(tuple(locations), {}, tuple(pairs), (), ())
    assert [str(location) for location in matrix.shown] == ["a cpu", "a cuda:0", "a cuda:1"]
    assert len(matrix.cells) == 9
    assert tables._hidden(matrix) == [("a cuda:2, a cuda:3: measured, and listed by --json",)]


# Files


def test_doctor_svg_writes_the_picture_to_a_file_or_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "routes.svg"
    path.write_text("something old, and longer than what comes now" * 10_000)
    assert run_doctor(capsys, "--svg", str(path))["problems"] == []
    drawn = path.read_text()
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own file
    assert [file.name for file in tmp_path.iterdir()] == ["routes.svg"]
    assert main(["--svg", "-"]) == 0
    assert capsys.readouterr().out == drawn


@pytest.mark.parametrize(
    ("name", "reason"), [("no/such", "No such file or directory"), (".", "Is a directory")]
)
def test_doctor_svg_file_that_cannot_be_written_is_an_error(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"{tmp_path}/{name}"
    assert main(["--json", "--svg", path]) == 2
    assert capsys.readouterr() == ("", f"cannot write {path}: {reason}\n")
    assert not list(tmp_path.iterdir())


def test_doctor_json_and_svg_on_stdout_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--json", "--svg", "-"])
    assert caught.value.code == 2
    assert "Give --svg a file." in capsys.readouterr().err


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_doctor_wide_table_is_split_to_fit_the_width(width: int) -> None:
    head = ("from", *(f"place {n}" for n in range(6)))
    rows = [(f"row {n}", *(f"zero-copy {column}" for column in range(6))) for n in range(3)]
    pieces = terminal._fit(tables.Section("Routes", head, rows), width)
    assert [piece.title for piece in pieces] == ["Routes", *[""] * (len(pieces) - 1)]
    assert {piece.head[0] for piece in pieces} == {"from"}
    assert sum((piece.head[1:] for piece in pieces), ()) == head[1:]
    for i, row in enumerate(rows):
        assert sum((piece.rows[i][1:] for piece in pieces), ()) == row[1:]
    lengths = [
        sum(terminal._width(column) for column in zip(piece.head, *piece.rows, strict=True))
        for piece in pieces
    ]
    assert max(lengths) <= width
    assert len(pieces) == {30: 6, 50: 2, 80: 2, 200: 1}[width]
    narrow = tables.Section("Kinds", (), [("x" * 300,)])
    assert terminal._fit(narrow, width) == [narrow]
