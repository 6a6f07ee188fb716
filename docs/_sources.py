"""Generate the tables of docs/sources.md from tests/sources/cases.py.

Each object is created, explained and converted while the page is built.
"""

import re
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
HEAD = "| object | to NumPy | to torch | reason |\n|---|---|---|---|"
COPIES = {"read": "read, a copy", "copy": "copy", "move": "copy"}
REFUSED, MISSING = "refused", "-"


def write(path: Path) -> None:
    """Write the tables as Markdown, which docs/sources.md includes."""
    sys.path.insert(0, str(TESTS))
    try:
        from sources import cases  # noqa: PLC0415 - the path is set just above
    finally:
        sys.path.remove(str(TESTS))
    path.write_text(render(cases.CASES), encoding="utf-8")


def render(cases: list[Any]) -> str:
    """Return a table for each library, in the order of its first case."""
    tables: dict[str, list[str]] = {}
    for case in cases:
        tables.setdefault(case.library, []).append(_row(case))
    return "\n".join(
        f"### {name}\n\n{HEAD}\n{chr(10).join(rows)}\n" for name, rows in tables.items()
    )


def _row(case: Any) -> str:
    if case.missing:
        cells = [MISSING, MISSING, f"{' and '.join(case.missing)} is not installed here"]
    else:
        x = case.source()
        to_numpy, _ = _outcome(x, "numpy")
        to_torch, reason = _outcome(x, "torch")
        cells = [to_numpy, to_torch, reason]
    return "| {} |".format(" | ".join(map(_cell, [case.name, *cells])))


def _cell(text: str) -> str:
    """Escape vertical bars, and format the names of protocols as code."""
    return re.sub(r"\b__\w+__\b", r"`\g<0>`", text.replace("|", r"\|"))


def _outcome(x: Any, to: str) -> tuple[str, str]:
    """Convert an object, and return the outcome and the reason for it."""
    import interop  # noqa: PLC0415 - docs/conf.py imports interop first

    try:
        plan = interop.explain(x, to)
    except interop.UnsupportedArrayError as refusal:
        return REFUSED, str(refusal).partition(f" to {to}: ")[2]
    interop.convert(x, to)
    verb = next((step.verb for step in plan.steps if step.writes), None)
    return COPIES[verb] if verb else plan.cost, plan.reason
