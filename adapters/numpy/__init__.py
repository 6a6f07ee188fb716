"""The adapter of NumPy."""
