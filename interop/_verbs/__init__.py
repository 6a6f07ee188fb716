"""The public functions for arrays: convert, stack, unify, export, stream and inspection."""
