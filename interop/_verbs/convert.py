"""The public functions that convert one array, and `explain`.

`interop._engine.implementation` implements the functions that are only declared here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from interop._engine import fastpath
from interop._engine.implementation import implement_conversion
from interop._engine.pipeline import convert_any, prepare
from interop._identify import registry
from interop._verbs.inspection import identify_native

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    import cupy
    import jax
    import torch
    from numpy.typing import NDArray

    from interop._model.plan import Plan
    from interop._model.request import Keywords

T = TypeVar("T")


@overload
def convert(x: object, to: Literal["numpy"], /, **keywords: Unpack[Keywords]) -> NDArray[Any]: ...
@overload
def convert(x: object, to: Literal["torch"], /, **keywords: Unpack[Keywords]) -> torch.Tensor: ...
@overload
def convert(x: object, to: Literal["cupy"], /, **keywords: Unpack[Keywords]) -> cupy.ndarray: ...
@overload
def convert(x: object, to: Literal["jax"], /, **keywords: Unpack[Keywords]) -> jax.Array: ...
@overload
def convert(x: object, to: str | ModuleType, /, **keywords: Unpack[Keywords]) -> Any: ...
@overload
def convert(x: object, to: type[T], /, **keywords: Unpack[Keywords]) -> T: ...
@implement_conversion()
def convert(x: Any, to: Any, /, **keywords: Any) -> Any:
    """Convert an array to another framework, without a copy if possible.

    Parameters
    ----------
    x : array
        Array of any known framework, or an object with `__dlpack__`, `__cuda_array_interface__`,
        `__array_interface__`, `__array__` or the buffer protocol.
    to : str, module or class
        The target framework: ``"torch"``, ``torch`` or ``torch.Tensor``.
    device : str, pair, framework's device or Device, optional
        Device of the result. By default the device of `x` if the target framework supports it, else
        the default device of the target framework.
    dtype : str or framework's dtype, optional
        Dtype of the result. By default the dtype of `x`.
    copy : bool, optional
        None copies only if necessary, True always copies, False never copies and raises
        CopyRequiredError instead.
    stream : int or object with `__cuda_stream__`, optional
        CUDA stream on which the result will be used. By default the current stream of the target
        framework. -1 skips the synchronization.
    detach : bool, default False
        Whether a tensor that requires grad may be converted to another framework, which drops the
        gradient. If False, such a tensor raises GradientError.
    readonly : {"copy", "share", "error"}, default "copy"
        Treatment of read-only memory if the target framework has no read-only arrays.
    casting : {"same_kind", "unsafe"}, default "same_kind"
        "unsafe" allows a `dtype` that drops imaginary parts, fractions or signs (complex to real,
        float to integer, signed to unsigned). Both values allow a narrower dtype of the same kind.
    compute : bool, default False
        Whether a lazy array (Dask) is computed. If False, the result is lazy, and each block is
        converted with the same keywords when the block is computed. `to_numpy` and the other
        functions that are named after a framework compute by default.
    chunks : int, tuple, str or other, optional
        Division into blocks if the target is lazy (``"dask"``), as in `dask.array.from_array`. By
        default "auto".

    Returns
    -------
    array
        Array of the target framework with the shape and the values of `x`, or `x` itself if nothing
        has to change. A lazy array that is not computed gives a lazy array with blocks of the
        target framework. A copy of a subclass of the target framework is made by the subclass. If
        the subclass changes the shape, the dtype or the attributes, the result is of the
        framework's own class.

    Raises
    ------
    InteropError
        A subclass of InteropError. The module `interop.errors` shows all of them.

    Examples
    --------
    >>> import numpy as np, interop
    >>> a = np.arange(3.0)
    >>> t = interop.convert(a, "torch")
    >>> t
    tensor([0., 1., 2.], dtype=torch.float64)
    >>> interop.shares_memory(a, t)
    True
    """
    raise NotImplementedError  # `implement_conversion` has the body


@implement_conversion("numpy")
def to_numpy(x: Any, /, **keywords: Unpack[Keywords]) -> NDArray[Any]:
    """Convert an array to a `numpy.ndarray`.

    The keywords are those of `convert`. A lazy array is computed. Do not call ``share_memory_`` of
    a tensor after its memory is shared with NumPy: torch then frees the memory. Call it before, or
    pass ``copy=True``.
    """
    raise NotImplementedError  # `implement_conversion` has the body


@implement_conversion("torch")
def to_torch(x: Any, /, **keywords: Unpack[Keywords]) -> torch.Tensor:
    """Convert an array to a `torch.Tensor`.

    The keywords are those of `convert`. A lazy array is computed. The result cannot be resized in
    place if torch did not allocate the memory, as for a copy that another framework makes.
    """
    raise NotImplementedError  # `implement_conversion` has the body


@implement_conversion("cupy")
def to_cupy(x: Any, /, **keywords: Unpack[Keywords]) -> cupy.ndarray:
    """Convert an array to a `cupy.ndarray`.

    The keywords are those of `convert`. A lazy array is computed.
    """
    raise NotImplementedError  # `implement_conversion` has the body


@implement_conversion("jax")
def to_jax(x: Any, /, **keywords: Unpack[Keywords]) -> jax.Array:
    """Convert an array to a `jax.Array`.

    The keywords are those of `convert`. A lazy array is computed. JAX assumes that arrays do not
    change, so do not write to `x` after the memory is shared with JAX.
    """
    raise NotImplementedError  # `implement_conversion` has the body


def convert_like(x: Any, ref: Any, /, **keywords: Unpack[Keywords]) -> Any:
    """Convert an array to the framework and the device of a reference array.

    Parameters
    ----------
    x : array
        Array as in `convert`.
    ref : array
        Array of a known framework, or with an array-API namespace.
    **keywords
        Keywords of `convert`. A `device` overrides the device of `ref`.

    Returns
    -------
    array
        Array of the framework of `ref`, with the dtype of `x`.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        `ref` has no known framework and no array-API namespace.
    InteropError
        Any error of `convert`.
    """
    namespace = registry.namespace_of(ref)
    adapter = registry.find(namespace) if namespace else identify_native(ref).adapter
    device = adapter.describe(ref).device
    # The device comes first, so that a `device` of the caller overrides it.
    return convert_any(x, namespace or adapter.name, {"device": device, **keywords})


def explain(x: Any, to: str | ModuleType | type, /, **keywords: Unpack[Keywords]) -> Plan:
    """Return the plan of a conversion, without the conversion.

    Parameters
    ----------
    x, to, **keywords
        Arguments of `convert`.

    Returns
    -------
    Plan
        Steps, bytes and reason. ``str`` formats the plan as text, and a notebook shows a table.

    Raises
    ------
    InteropError
        Any error that `convert` raises for the same arguments.

    Examples
    --------
    >>> import numpy as np, interop
    >>> print(interop.explain(np.arange(4, dtype="int16")[::-1], "torch"))
    numpy -> torch, int16 (4,) on cpu: 8 bytes copied, because torch has no negative strides
      copy by the source's framework: int16 on cpu, 8 bytes
      share: int16 on cpu
    """
    return prepare(x, to, keywords)[0]


def convert_computed(x: Any, to: Any, keywords: Mapping[str, Any]) -> Any:
    """Convert to an array of the target framework. A lazy array is computed."""
    cls = type(x)
    if registry.adapter_of(cls) is None:
        cls = type(registry.unwrap(x))  # a wrapper of a lazy array
    if registry.is_lazy(cls):
        # `compute` comes first, so that the caller can override it.
        keywords = {"compute": True, **keywords}
    return convert(x, to, **keywords)


# torch.compile cannot trace the registration, so all pairs are registered before the first call.
fastpath.register_all(registry.loaded_adapters())
