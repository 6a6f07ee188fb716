"""The decorator `interop.implemented_in`: arguments and results are converted around a function."""
