"""The adapter of Dask."""
