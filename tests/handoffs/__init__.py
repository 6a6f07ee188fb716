"""Handoffs between GPU frameworks: small programs that are correct under every stream schedule.

- `sides.py`: one interface to torch and CuPy for streams, pending writes and pending reads
- `handoff.py`: one handoff, step by step
- `collect.py`: the list of scenarios, and the decorator that adds one
- `order.py`, `release.py`, `chains.py`, `places.py`, `moves.py`: the scenarios
- `scenarios.py`: imports all scenarios
- `runs.py`: runs a scenario under a schedule
- `table.py`: compares interop with raw `from_dlpack`
"""
