"""The public names. `interop.__getattr__` loads this module at the first use of a public name."""

from interop._decorator.implemented_in import implemented_in
from interop._identify.registration import register
from interop._model.plan import Plan, Step
from interop._model.shown_keywords import show_keywords
from interop._transfer.batches import batches
from interop._transfer.copyto import copyto
from interop._trees.convert_tree import convert_tree
from interop._verbs.convert import (
    convert,
    convert_like,
    explain,
    to_cupy,
    to_jax,
    to_numpy,
    to_torch,
)
from interop._verbs.export import export
from interop._verbs.frameworks import FrameworkInfo, frameworks
from interop._verbs.inspection import device_of, framework_of, namespace, shares_memory
from interop._verbs.options import options
from interop._verbs.stack import stack
from interop._verbs.stream import stream
from interop._verbs.unify import unify
from interop._watch.watch import watch
from interop.adapter import Device
from interop.errors import (
    CopyRequiredError,
    DeviceUnavailableError,
    FrameworkNotInstalledError,
    GradientError,
    HostCopyError,
    HostCopyWarning,
    InteropError,
    InvalidOptionError,
    NotAnArrayError,
    ShapeError,
    UnknownFrameworkError,
    UnsupportedArrayError,
)

__all__ = [
    "CopyRequiredError",
    "Device",
    "DeviceUnavailableError",
    "FrameworkInfo",
    "FrameworkNotInstalledError",
    "GradientError",
    "HostCopyError",
    "HostCopyWarning",
    "InteropError",
    "InvalidOptionError",
    "NotAnArrayError",
    "Plan",
    "ShapeError",
    "Step",
    "UnknownFrameworkError",
    "UnsupportedArrayError",
    "batches",
    "convert",
    "convert_like",
    "convert_tree",
    "copyto",
    "device_of",
    "explain",
    "export",
    "framework_of",
    "frameworks",
    "implemented_in",
    "namespace",
    "options",
    "register",
    "shares_memory",
    "stack",
    "stream",
    "to_cupy",
    "to_jax",
    "to_numpy",
    "to_torch",
    "unify",
    "watch",
]


def _publish(name: str) -> None:
    """Set `__module__` of a public object to "interop", and show all keywords in the signature."""
    public = globals()[name]
    # Tracebacks, `help` and pickles then show the name that users import.
    public.__module__ = "interop"
    if not isinstance(public, type):
        show_keywords(public)


for _name in __all__:
    _publish(_name)
