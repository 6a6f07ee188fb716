"""Copies into existing memory, `interop.copyto`, and conversions in batches, `interop.batches`."""
