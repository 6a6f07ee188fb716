"""Convert arrays between torch, NumPy, CuPy, JAX and other frameworks, without a copy if possible.

>>> import numpy as np, interop
>>> interop.to_torch(np.arange(3))
tensor([0, 1, 2])

The import of this module is fast. The rest of interop is loaded at the first use of a public name,
and the adapter of a framework at the first conversion from or to that framework. The public names
are listed in `interop._api`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the import of `typing` would take longer than this module
if TYPE_CHECKING:
    from typing import Any

    from interop._api import *  # noqa: F403 - for type checkers: all of its __all__

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load interop at the first use of a public name.

    All public names become attributes of the module, and this function is removed.
    """
    from importlib import import_module  # noqa: PLC0415 - importing this loads nothing
    from importlib.util import find_spec  # noqa: PLC0415

    if not name.startswith("__") and find_spec(f"{__name__}.{name}"):
        # A submodule is imported alone, because a pickle may need one before the public names.
        return import_module(f"{__name__}.{name}")
    public = _load()
    globals().update(
        {key: getattr(public, key) for key in public.__all__},
        __all__=[*public.__all__, "__version__"],
    )
    # A module with a `__getattr__` is slower: CPython does not cache the look-up of a name.
    globals().pop("__getattr__", None)
    if name in globals():
        return globals()[name]
    hint = import_module("interop._identify.hints").of_attribute(name, public.__all__)
    msg = f"module {__name__!r} has no attribute {name!r}{hint}"
    raise AttributeError(msg, name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_load().__all__})


def _load() -> Any:
    # `from interop import _api` would call `__getattr__`.
    from importlib import import_module  # noqa: PLC0415

    return import_module("interop._api")


def _register_fork_hooks() -> None:
    # Inside, because otherwise `os` would be a name of the package.
    import os  # noqa: PLC0415
    from importlib import import_module  # noqa: PLC0415

    # The module is loaded by the first fork, since the load takes as long as that of this module.
    def hook(name: str) -> Any:
        def call() -> None:
            getattr(import_module("interop._lock"), name)()

        return call

    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(
            before=hook("before_fork"),
            after_in_parent=hook("after_fork_in_parent"),
            after_in_child=hook("after_fork_in_child"),
        )


# Now, because another thread may be loading the rest when the process forks.
_register_fork_hooks()
