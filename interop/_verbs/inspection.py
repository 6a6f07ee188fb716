"""Public functions that inspect arrays. The functions copy nothing, and wait for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from interop import errors
from interop._identify import namespaces, registration, registry
from interop._model import layout

if TYPE_CHECKING:
    from interop._identify.operand import Operand
    from interop.adapter import Device, Facts


def framework_of(x: object, /) -> str:
    """Return the name of the framework of an array.

    A subclass from another package counts as an array of the framework of the base class.

    Raises
    ------
    NotAnArrayError
        `x` is not an array.
    UnknownFrameworkError
        `x` can be converted, but the framework of `x` has no adapter.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.framework_of(np.ones(3))
    'numpy'
    """
    return identify_native(x).adapter.name


def device_of(x: object, /) -> Device:
    """Return the device of an array, with the kind and the id that DLPack defines.

    Pinned memory is reported as CPU memory.

    Raises
    ------
    NotAnArrayError
        `x` is not an array.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.device_of(np.ones(3)), str(interop.device_of(np.ones(3)))
    (Device(kind=1, id=0), 'cpu')
    """
    return registry.identify(x).describe().device


def shares_memory(a: object, b: object, /) -> bool:
    """Return whether two arrays of any frameworks have at least one byte in common.

    The result is exact, as the result of `numpy.shares_memory`.

    Raises
    ------
    NotAnArrayError
        `a` or `b` is not an array.
    UnsupportedArrayError
        `a` or `b` has no plain memory (sparse, meta), or both are on a device whose addresses only
        a library knows.
    """
    first = _extent(a)
    second = _extent(b)
    if first.facts.device == second.facts.device and not first.facts.device.has_addresses:
        raise errors.UnsupportedArrayError(
            "only their library knows where they are",
            attempt="{source} and {target}",
            source=first.facts,
            target=second.facts,
            hint="Compare copies on the host.",
        )
    if first.facts.device != second.facts.device:
        return False
    if not first.facts.nbytes or not second.facts.nbytes:
        return False
    low, high = layout.bounds(*first)
    other_low, other_high = layout.bounds(*second)
    if high <= other_low or other_high <= low:
        return False
    # The bounds overlap, but slices with steps may still have no byte in common. NumPy solves this.
    import numpy as np  # noqa: PLC0415 - importing interop loads no NumPy

    return np.shares_memory(np.asarray(_AddressOnly(*first)), np.asarray(_AddressOnly(*second)))


def namespace(*arrays: Any) -> Any:
    """Return the array-API namespace of arrays of one framework.

    The namespace is that of array-api-compat. An array without an adapter must have the method
    ``__array_namespace__``.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        An argument has no known framework and no namespace.
    UnsupportedArrayError
        The arrays are of different frameworks, or there are no arrays.

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
    from array_api_compat import array_namespace  # noqa: PLC0415 - loads NumPy

    try:
        return array_namespace(*arrays)
    except MemoryError:
        raise
    except Exception as error:
        reason = f"array-api-compat raised {errors.quote(error)}"
        source = registry.class_name_of(arrays[0])
        raise errors.UnsupportedArrayError(reason, attempt="no namespace", source=source) from error


def _namespace_name(x: Any) -> str | None:
    """Return the name of an array's own namespace, if the class of the array has no adapter."""
    if registry.adapter_of(type(x)) or not namespaces.has_namespace(type(x)):
        return None
    namespace = x.__array_namespace__()
    return getattr(namespace, "__name__", None) or repr(namespace)


def identify_native(x: object) -> Operand:
    """Identify an array, or raise UnknownFrameworkError if the framework has no adapter."""
    operand = registry.identify(x)
    if registry.adapter_of(type(x)) is None:
        class_name = registry.class_name_of(x)
        known = ", ".join(registration.known_names())
        reason = f"{class_name} can be converted, but is of none of the frameworks {known}"
        hint = "interop.register adds one."
        raise errors.UnknownFrameworkError(reason, source=class_name, hint=hint)
    return operand


class _Extent(NamedTuple):
    """The memory of an array: facts, and the address of the first element."""

    facts: Facts
    address: int


def _extent(x: object) -> _Extent:
    """Find the memory of an array. An object that has to be read first has no memory yet."""
    operand = registry.identify(x)
    facts = operand.describe()
    # Sparse and meta tensors have no strides. Strings and dates are not supported, but have memory.
    if facts.unsupported and not facts.strides:
        raise errors.UnsupportedArrayError(
            facts.unsupported, attempt="{source} has no memory to compare", source=facts
        )
    # No address of such an array is known, and `shares_memory` needs none without bytes.
    if facts.needs_read or not facts.device.has_addresses:
        return _Extent(facts._replace(nbytes=0), 0)
    return _Extent(facts, operand.adapter.address(operand.array))


class _AddressOnly:
    """An array interface with addresses for `numpy.shares_memory` to compare.

    The addresses may be those of a device. Nothing reads the memory.
    """

    def __init__(self, facts: Facts, address: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            # Bytes of the size of an element, because NumPy has no bfloat16, for example. With raw
            # bytes (V), NumPy 2.1.0 crashes.
            "typestr": f"|S{facts.nbytes // layout.count(facts)}",
            "shape": facts.shape,
            "strides": facts.strides,
            "data": (address, True),
        }
