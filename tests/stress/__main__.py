"""Run the kinds of stress, one process per kind, and print the counts.

python tests/stress --minutes 5                        # all of them, with equal shares
python tests/stress --only fuzz,threads --seed 12345   # some of them, as in an earlier run
"""

import argparse
import json
import os
import random
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # `stress` is a package in tests

from stress.runner import HERE, Kind, Outcome, Run, find_kinds, run_kind  # noqa: E402

PACKAGES = ("torch", "numpy", "cupy-cuda13x", "jax", "dask")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests/stress", description="Stress interop, kind by kind.")
    parser.add_argument("--minutes", type=float, default=5.0, help="of all kinds together")
    parser.add_argument("--seed", type=int, help="of the random numbers; by default a new one")
    parser.add_argument("--only", default="", help="names of kinds, separated by commas")
    parser.add_argument("--json", type=Path, help="file for the counts of this mode")
    parser.add_argument("--folder", type=Path, default=HERE, help="folder of the kinds")
    parser.add_argument("--turn", type=int, default=0, help="first turn of a kind that has turns")
    parser.add_argument("--grace", type=float, default=60.0, help="seconds before a kind hangs")
    return parser.parse_args(arguments)


def choose(kinds: list[Kind], only: str) -> list[Kind]:
    """Return the kinds with the given names, or all kinds."""
    names = [kind.name for kind in kinds]
    wanted = only.split(",") if only else names
    if unknown := set(wanted) - set(names):
        sys.exit(f"no kind {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    return [kind for kind in kinds if kind.name in wanted]


def report(outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    """Return the results of a run for JSON: versions, and seed and counts per kind."""
    return {
        "simulated CUDA": bool(os.environ.get("INTEROP_SIMCUDA")),
        "versions": {"python": sys.version.split()[0]} | _versions(),
        "kinds": {
            outcome.kind: {
                "seed": seed,
                "seconds": round(outcome.seconds),
                "held": not outcome.failure,
                "counts": outcome.counts,
                "notes": outcome.notes,
            }
            for outcome in outcomes
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package.partition("-")[0]] = version(package)
        except PackageNotFoundError:
            continue
    return found


def save(path: Path, outcomes: list[Outcome], seed: int) -> None:
    """Write the results to a file. Results of the other mode and of kinds that did not run stay."""
    mode = "compiled" if any(outcome.compiled for outcome in outcomes) else "pure"
    modes = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    earlier = modes.get(mode, {}).get("kinds", {})
    modes[mode] = report(outcomes, seed)
    modes[mode]["kinds"] = dict(sorted({**earlier, **modes[mode]["kinds"]}.items()))
    path.write_text(json.dumps(modes, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    kinds = choose(find_kinds(options.folder), options.only)
    seed = random.randrange(2**32) if options.seed is None else options.seed  # noqa: S311
    print(f"seed {seed}", flush=True)
    run = Run(seed, options.folder, options.grace, options.turn)
    whole = sum(kind.weight for kind in kinds)
    outcomes = []
    for kind in kinds:
        seconds = 60 * options.minutes * kind.weight / whole
        outcome = run_kind(kind.name, seconds, run)
        print(outcome.failure + "\n" if outcome.failure else "", outcome, sep="", flush=True)
        outcomes.append(outcome)
    if options.json:
        save(options.json, outcomes, seed)
    return int(any(outcome.failure for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
