"""The adapters, one for each framework.

The folder ships as `interop.adapters`. The core imports an adapter by name when it is first needed.
"""

# The folder lies beside `interop` in the checkout. The top-level name `adapters` belongs to another
# project.
if __name__ != "interop.adapters":
    msg = f"import interop.adapters, not {__name__}: this folder is a part of the package interop"
    raise ImportError(msg)
