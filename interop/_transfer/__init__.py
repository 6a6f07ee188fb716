"""Copies into existing memory and conversions in chunks: `interop.copyto` and `interop.batches`."""
