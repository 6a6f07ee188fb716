"""The command ``python -m interop``: measurements, reports and the picture of the routes."""
