"""Run the tests with other versions of Python and of the frameworks, and print the counts.

python tests/versions                       # the environments of CI
python tests/versions oldest newest         # some, by name
python tests/versions --all                 # all of environments.toml
python tests/versions oldest -- -k copyto   # what follows -- goes to pytest
"""

import argparse
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # `versions` is a package in tests

from aligned import print_table  # noqa: E402
from versions import pythons  # noqa: E402
from versions.environments import Environment, load  # noqa: E402
from versions.runner import Result, run  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run environments one after the other. Return 1 if one of them fails."""
    options = parse(arguments)
    results = []
    problems = []
    for environment in choose(options.names, everything=options.all):
        python = pythons.find(environment.python)
        if python is None:
            print(f"{environment.name} is not run: there is no Python {environment.python}")
            if os.environ.get("CI"):
                problems.append(f"{environment.name} was not run")
            continue
        result = run(environment, python, options.pytest)
        results.append(result)
        if result.failed or not result.passed:
            problems.append(f"{result.environment}: {result.failed} failed")
    print_table(Result._fields, results)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line. Everything after ``--`` is for pytest."""
    parser = argparse.ArgumentParser("tests/versions", description="Test other versions.")
    parser.add_argument("names", nargs="*", metavar="name", help="by default those of CI")
    parser.add_argument("--all", action="store_true", help="also those that CI leaves out")
    end = len(arguments)
    if "--" in arguments:
        end = arguments.index("--")
    options = parser.parse_args(arguments[:end])
    options.pytest = arguments[end + 1 :]
    return options


def choose(names: list[str], *, everything: bool) -> list[Environment]:
    """Return the environments with the given names, or all, or those of CI."""
    known = load()
    if unknown := set(names) - known.keys():
        sys.exit(f"no environment {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    if names:
        return [known[name] for name in names]
    return [row for row in known.values() if everything or row.in_ci]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
