"""Environments with other versions of Python and of the frameworks: `make test-range`."""
