"""The process of one kind: python -m stress.child FOLDER KIND SEED SECONDS TURN RESULT."""

import faulthandler
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import stress
from stress.trial import Trial

GRACE: Final = 60.0
"""Seconds that a kind may take beyond its share, for imports and for its last turn."""


def is_compiled() -> bool:
    """Return whether interop's compiled modules are in use."""
    from interop._engine import fastpath
    from interop._identify import registry

    return fastpath.is_compiled(registry.adapter_named("torch"))


def result_of(trial: Trial, *, compiled: bool) -> dict[str, Any]:
    """Return the results of a trial, for JSON."""
    return {"compiled": compiled, "counts": dict(trial.counts), "notes": trial.notes}


def main(folder: str, kind: str, seed: str, seconds: str, turn: str, result: str) -> None:  # noqa: PLR0913, PLR0917
    """Run one kind, and write its results to a file even if it fails."""
    grace = float(os.environ.get("INTEROP_STRESS_GRACE", GRACE))
    faulthandler.enable()
    faulthandler.dump_traceback_later(float(seconds) + grace, exit=True)
    if os.environ.get("INTEROP_SIMCUDA"):
        import simcuda

        simcuda.load()  # before torch or CuPy load
    stress.__path__.append(folder)
    module = import_module(f"stress.{kind}")
    compiled = is_compiled()  # loads torch before the clock starts
    trial = Trial(int(seed), float(seconds), int(turn))
    try:
        module.run(trial)
    finally:
        Path(result).write_text(json.dumps(result_of(trial, compiled=compiled)), encoding="utf-8")
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(*sys.argv[1:])
