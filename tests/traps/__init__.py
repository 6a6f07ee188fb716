"""What goes wrong between frameworks, and what interop does instead: one class of tests for each trap.

The docstring of the class is its row on the page of traps, which `docs/_traps.py` makes:

    Trap <number>[, silent]: <what goes wrong without interop.>

    interop <what it does instead.>

The tests below it show both. What goes wrong may be mended upstream one day: where it is, only the second half is
asserted, and no version is ever asked for. What may end the process happens in a child process.
"""
