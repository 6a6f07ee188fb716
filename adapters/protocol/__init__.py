"""The adapter of foreign objects that offer their memory by a protocol."""
