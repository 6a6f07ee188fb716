"""The environments of `make test-range`: environments.toml as values."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

TABLE: Final = Path(__file__).with_name("environments.toml")


class Environment(NamedTuple):
    """Versions with which the tests run. environments.toml explains the fields."""

    name: str
    title: str
    python: str
    extras: list[str]
    packages: list[str]
    resolution: str
    require: list[str]
    sdists: Sequence[str] = ()
    environ: Mapping[str, str] = {}
    tests: Sequence[str] = ()
    in_ci: bool = True

    @property
    def requirement(self) -> str:
        """The requirement of the checkout with its extras."""
        if not self.extras:
            return "."
        return f".[{','.join(self.extras)}]"


def load(path: Path = TABLE) -> dict[str, Environment]:
    """Return the environments by name, in the order of the file."""
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Environment(name, **row) for name, row in table.items()}
