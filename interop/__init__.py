"""Convert any array to any framework: zero-copy when the device allows it, by an explicit host copy when it doesn't.

>>> import numpy as np, interop
>>> interop.to_torch(np.arange(3))
tensor([0, 1, 2])

Importing this loads next to nothing: interop itself with the first name that is used, and a framework when one of its
arrays is met or wanted. The names are in `interop._api`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than this
if TYPE_CHECKING:
    from typing import Any

    from interop._api import *  # noqa: F403 - for type checkers: all of its __all__

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load interop at the first use of a name. From then on this is a module as others are, with its names at hand."""
    from importlib import import_module  # noqa: PLC0415 - importing this loads nothing
    from importlib.util import find_spec  # noqa: PLC0415

    if not name.startswith("__") and find_spec(f"{__name__}.{name}"):
        return import_module(
            f"{__name__}.{name}"
        )  # alone: what a pickle names is loaded before all others
    public = _load()
    globals().update(
        {key: getattr(public, key) for key in public.__all__},
        __all__=[*public.__all__, "__version__"],
    )
    globals().pop("__getattr__", None)  # a module that has one is asked by name each time
    if name in globals():
        return globals()[name]
    hint = import_module("interop._identify.hints").of_attribute(name, public.__all__)
    msg = f"module {__name__!r} has no attribute {name!r}{hint}"
    raise AttributeError(msg, name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_load().__all__})


def _load() -> Any:
    from importlib import import_module  # noqa: PLC0415 - `from interop import` would ask __getattr__

    return import_module("interop._api")
