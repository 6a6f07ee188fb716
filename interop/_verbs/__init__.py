"""Functions of the public interface that take arrays: convert, stack, unify, export, and inspection."""
