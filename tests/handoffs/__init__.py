"""Handoffs between GPU frameworks, as small programs that any schedule of the streams must leave right.

- `sides.py`: torch and CuPy by the same few verbs: streams, writes that are pending, reads that are pending
- `handoff.py`: one handoff, step by step; `collect.py`: the list that a scenario enters by its decorator
- `order.py`, `release.py`, `chains.py`, `places.py`, `moves.py`: the scenarios; `scenarios.py`: all of them
- `runs.py`: a scenario under a schedule; `table.py`: interop and raw `from_dlpack` side by side
"""
