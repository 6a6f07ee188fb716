"""Records of conversions, for `interop.watch`."""
