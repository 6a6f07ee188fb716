"""Conversions in batches and copies into existing memory: `interop.batches` and `interop.copyto`."""
