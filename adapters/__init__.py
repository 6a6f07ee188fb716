"""One framework each. Ships as `interop.adapters`; the core reaches it by string, on first use."""

# The folder lies beside `interop` in the checkout. A top-level package `adapters` belongs to somebody else.
if __name__ != "interop.adapters":
    msg = f"import interop.adapters, not {__name__}: this folder is a part of the package interop"
    raise ImportError(msg)
