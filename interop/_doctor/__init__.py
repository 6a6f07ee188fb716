"""Measurements and reports of ``python -m interop``."""
