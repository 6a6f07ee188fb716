"""Generate the tables of docs/versions.md from tests/versions, which `make test-range` uses.

The first table has the supported versions, the second one the environments of the tests.
"""

import sys
import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
YEARS = {"python": 3}
"""Years after which SPEC 0 drops a release. For packages it is two years."""


def write(folder: Path) -> None:
    """Write both tables as Markdown, which docs/versions.md includes."""
    (folder / "versions_floors.md").write_text(render_floors(), encoding="utf-8")
    (folder / "versions_environments.md").write_text(render_environments(), encoding="utf-8")


def floors() -> dict[str, tuple[str, date]]:
    """Return the oldest supported release of each package, and the day of this release."""
    table = tomllib.loads((TESTS / "versions" / "floors.toml").read_text(encoding="utf-8"))
    return {name: (row["floor"], row["released"]) for name, row in table.items()}


def keep_until(package: str, released: date) -> date:
    """Return the day until which SPEC 0 keeps a release."""
    return released.replace(year=released.year + YEARS.get(package, 2))


def render_floors() -> str:
    """Return a table with a row for each package."""
    rows = [("package", "oldest supported version", "released", "SPEC 0 keeps it until")]
    for package, (floor, released) in floors().items():
        until = keep_until(package, released)
        rows.append((package, floor, f"{released:%B %Y}", f"{until:%B %Y}"))
    return _table(rows)


def render_environments() -> str:
    """Return a table with a row for each environment."""
    sys.path.insert(0, str(TESTS))
    try:
        from versions import environments  # noqa: PLC0415 - the path is set just above
    finally:
        sys.path.remove(str(TESTS))
    rows = [("environment", "Python", "extras", "versions", "in CI")]
    for row in environments.load().values():
        versions = row.packages or [f"the {'oldest' if 'lowest' in row.resolution else 'newest'}"]
        in_ci = "yes" if row.in_ci else "with `ALL=1`"
        cells = (", ".join(row.extras) or "none", ", ".join(versions))
        rows.append((f"`{row.name}`", row.python, *cells, in_ci))
    return _table(rows)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
