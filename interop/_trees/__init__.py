"""Conversion of every array in a tree of containers."""
