"""Report the installed frameworks and measure the conversions between them: ``python -m interop``.

The command converts a small array between all frameworks and devices of this machine. For each
conversion, the report states whether memory was shared or copied, and what kind of copy was made.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import interop
from interop._doctor import cli

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments, by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    return cli.main(arguments, interop.__version__)


if __name__ == "__main__":
    sys.exit(cli.run_in_pipe(main))
