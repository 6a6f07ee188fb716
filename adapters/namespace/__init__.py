"""The adapter of array-API namespaces without an adapter of their own."""
