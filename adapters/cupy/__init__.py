"""The adapter of CuPy."""
