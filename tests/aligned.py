"""Tables in the output of the scripts in this folder."""

from collections.abc import Iterable, Sequence


def print_table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a line of names and a line for each row, with aligned columns."""
    lines = [tuple(head), *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
