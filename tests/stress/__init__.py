"""Stress: kinds of load and failure that run for as long as you like. See `make stress`.

A kind is a module of this folder that defines `run(trial)`. Each kind runs in its own process.

- `__main__.py`: the command line
- `runner.py`: starts a process for each kind, and reports
- `child.py`: the process of one kind
- `trial.py`: what a kind gets: random numbers, a clock and counts
"""
