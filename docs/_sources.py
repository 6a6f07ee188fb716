"""The table of sources, made of tests/sources/cases.py: each is made, explained and converted while the page is."""

import re
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
HEAD = "| source | to NumPy | to torch | why |\n|---|---|---|---|"
COPIES = {"read": "read, a copy", "copy": "copy", "move": "copy"}
REFUSED, MISSING = "refused", "-"


def write(path: Path) -> None:
    """Write the tables, to be included in a page."""
    sys.path.insert(0, str(TESTS))
    try:
        from sources import cases  # noqa: PLC0415 - only the tests have it
    finally:
        sys.path.remove(str(TESTS))
    path.write_text(render(cases.CASES), encoding="utf-8")


def render(cases: list[Any]) -> str:
    """Return a table for each library, in the order of its first case."""
    tables: dict[str, list[str]] = {}
    for case in cases:
        tables.setdefault(case.library, []).append(_row(case))
    return "\n".join(f"### {name}\n\n{HEAD}\n{chr(10).join(rows)}\n" for name, rows in tables.items())


def _row(case: Any) -> str:
    if case.missing:
        cells = [MISSING, MISSING, f"{' and '.join(case.missing)} is not installed here"]
    else:
        x = case.source()
        (first, _), (second, why) = _outcome(x, "numpy"), _outcome(x, "torch")
        cells = [first, second, why]
    return "| {} |".format(" | ".join(map(_cell, [case.name, *cells])))


def _cell(text: str) -> str:
    """Keep the bars of the table apart, and the underscores of protocols' names."""
    return re.sub(r"\b__\w+__\b", r"`\g<0>`", text.replace("|", r"\|"))


def _outcome(x: Any, to: str) -> tuple[str, str]:
    """Tell what becomes of it, and why; what converts has been converted."""
    import interop  # noqa: PLC0415 - whoever imports this file has set the path

    try:
        plan = interop.explain(x, to)
    except interop.UnsupportedArrayError as refusal:
        return REFUSED, str(refusal).partition(f" to {to}: ")[2]
    interop.convert(x, to)
    verb = next((step.verb for step in plan.steps if step.writes), None)
    return COPIES[verb] if verb else plan.cost, plan.reason
