"""Questions about arrays: whose, where, the same memory? None of them copies or waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from interop import errors
from interop._identify import namespaces, registration, registry
from interop._model import layout
from interop.adapter import LIBRARY

if TYPE_CHECKING:
    from interop._identify.operand import Operand
    from interop.adapter import Device, Facts


def framework_of(x: object, /) -> str:
    """Return the name of the framework whose array `x` is; subclasses count, from whatever package.

    Raises
    ------
    NotAnArrayError
        It is no array.
    UnknownFrameworkError
        It is an array that can be converted, but of no framework that has an adapter.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.framework_of(np.ones(3))
    'numpy'
    """
    return identify_native(x).adapter.name


def device_of(x: object, /) -> Device:
    """Return where the memory of an array is, as DLPack's (kind, id). Pinned memory is the CPU's.

    Raises
    ------
    NotAnArrayError
        It is no array.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.device_of(np.ones(3)), str(interop.device_of(np.ones(3)))
    (Device(kind=1, id=0), 'cpu')
    """
    return registry.identify(x).describe().device


def shares_memory(a: object, b: object, /) -> bool:
    """Whether two arrays, of whatever frameworks, have a byte in common. Exact, as `numpy.shares_memory`.

    Raises
    ------
    NotAnArrayError, UnsupportedArrayError
        One of them is no array, or has no plain memory (sparse, meta). Both are on a device that only their library can
        address, and so are their addresses.
    """
    first, second = _extent(a), _extent(b)
    if first.facts.device == second.facts.device and first.facts.device.kind == LIBRARY:
        raise errors.UnsupportedArrayError(
            "only their library knows where they are",
            attempt="{source} and {target}",
            source=first.facts,
            target=second.facts,
            hint="Compare copies on the host.",
        )
    if first.facts.device != second.facts.device or not (
        first.facts.nbytes and second.facts.nbytes
    ):
        return False
    (low, high), (other_low, other_high) = layout.bounds(*first), layout.bounds(*second)
    if high <= other_low or other_high <= low:
        return False
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    return np.shares_memory(np.asarray(_AddressOnly(*first)), np.asarray(_AddressOnly(*second)))


def namespace(*arrays: Any) -> Any:
    """Return the array-API namespace of arrays of one framework, from array-api-compat.

    Arrays that no adapter knows, but that have a namespace of their own (``__array_namespace__``), are taken, too.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        One is no array of a known framework, and has no namespace.
    UnsupportedArrayError
        They are of several frameworks.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.namespace(np.ones(3)).__name__
    'array_api_compat.numpy'
    """
    names = sorted({_namespace_name(x) or framework_of(x) for x in arrays})
    if len(names) != 1:
        problem = "and none was given"
        hint = "Pass at least one."
        if names:
            problem = f"not of {' and '.join(names)}"
            hint = "Convert them first."
        reason = f"one namespace needs arrays of one framework, {problem}"
        raise errors.UnsupportedArrayError(reason, hint=hint)
    from array_api_compat import array_namespace  # noqa: PLC0415 - importing interop loads neither it nor NumPy

    return array_namespace(*arrays)


def _namespace_name(x: Any) -> str | None:
    """Return the name of an array's own namespace, if the class of the array has no adapter."""
    if registry.adapter_of(type(x)) or not namespaces.has_namespace(type(x)):
        return None
    namespace = x.__array_namespace__()
    return getattr(namespace, "__name__", None) or repr(namespace)


def identify_native(x: object) -> Operand:
    """Identify an array, and insist on a framework that has an adapter."""
    operand = registry.identify(x)
    if registry.adapter_of(type(x)) is None:
        class_name, known = registry.class_name_of(x), ", ".join(registration.known_names())
        reason = f"{class_name} can be converted, but is of none of the frameworks {known}"
        hint = "interop.register adds one."
        raise errors.UnknownFrameworkError(reason, source=class_name, hint=hint)
    return operand


class _Extent(NamedTuple):
    facts: Facts
    address: int


def _extent(x: object) -> _Extent:
    """Find where an array lies. What has to be read first has no memory yet."""
    operand = registry.identify(x)
    adapter, array, facts = operand.adapter, operand.array, operand.describe()
    if (
        facts.unsupported and not facts.strides
    ):  # sparse, meta; strings and dates have memory like all others
        raise errors.UnsupportedArrayError(
            facts.unsupported, attempt="{source} has no memory to compare", source=facts
        )
    nowhere = facts.needs_read or facts.device.kind == LIBRARY
    return (
        _Extent(facts._replace(nbytes=0), 0) if nowhere else _Extent(facts, adapter.address(array))
    )


class _AddressOnly:
    """The same addresses as an array NumPy can compare, on whatever device: nothing ever reads through it."""

    def __init__(self, facts: Facts, address: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"|V{facts.nbytes // layout.count(facts)}",
            "shape": facts.shape,
            "strides": facts.strides,
            "data": (address, True),
        }
