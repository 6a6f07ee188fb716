"""Generate the table of docs/reliability.md from docs/reliability.json, which `make stress` wrote.

make stress MINUTES=60 ARGS="--json docs/reliability.json"
INTEROP_COMPILED=0 make stress MINUTES=60 ARGS="--json docs/reliability.json"
"""

import ast
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KINDS = HERE.parent / "tests" / "stress"
MODES = {"compiled": "compiled", "pure": "pure Python"}


def write(path: Path) -> None:
    """Write the counts of the last long run as Markdown, which docs/reliability.md includes."""
    results = json.loads((HERE / "reliability.json").read_text(encoding="utf-8"))
    path.write_text(render(results), encoding="utf-8")


def render(results: dict[str, Any]) -> str:
    """Return a table with a row per kind of stress, and a line per mode."""
    modes = [mode for mode in MODES if mode in results]
    names = dict.fromkeys(name for mode in modes for name in results[mode]["kinds"])
    head = ["kind", "what it does", *(MODES[mode] for mode in modes)]
    rows = [head, ["---"] * len(head)]
    for name in names:
        cells = [_counts(results[mode]["kinds"].get(name)) for mode in modes]
        rows.append([f"`{name}`", summary_of(name), *cells])
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*table, "", *(_run(mode, results[mode]) for mode in modes), ""])


def _counts(kind: dict[str, Any] | None) -> str:
    if kind is None:
        return "not run"
    lines = [f"{count:,} {name}" for name, count in kind["counts"].items()]
    if not kind["held"]:
        lines.append("**failed**")
    return "<br>".join([*lines, f"in {kind['seconds']:,} s, seed {kind['seed']}"])


def summary_of(name: str) -> str:
    """Return the first line of a kind's docstring."""
    module = ast.parse((KINDS / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(module) or "").partition("\n")[0].replace("|", r"\|")


def _run(mode: str, result: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    simulated = ", simulated CUDA" if result["simulated CUDA"] else ""
    return f"- {MODES[mode]}: {versions}{simulated}"
