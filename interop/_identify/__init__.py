"""Identification: from an object or a name to the adapter of its framework."""
