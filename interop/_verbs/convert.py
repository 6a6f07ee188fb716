"""The verbs that convert one array.

Plain arrays take the fast path here. All others take `interop._engine.pipeline`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from interop._engine import fastpath
from interop._engine.pipeline import convert_any, prepare
from interop._engine.verb import verb
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
@verb()
def convert(x: Any, to: Any, /, **keywords: Any) -> Any:
    """Convert an array to a framework: the same memory where that can be, an explicit copy where it can't.

    Parameters
    ----------
    x : array
        Of any known framework, or anything that speaks `__dlpack__`, `__cuda_array_interface__`,
        `__array_interface__`, the buffer protocol or `__array__`.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    device : str, pair, framework's device or Device, optional
        Where the result is to live. By default where `x` is, if the target framework can be there, else at home.
    dtype : str or framework's dtype, optional
        Of the result. By default that of `x`.
    copy : bool, optional
        None copies only when needed, True always, False never.
    stream : int or object with `__cuda_stream__`, optional
        The stream on which the result will be used. By default the target framework's current one; -1 orders nothing.
    detach : bool, default False
        Whether a tensor that requires grad may leave its framework without its gradient.
    readonly : {"copy", "share", "error"}, default "copy"
        What happens to read-only memory when the target can't protect it.
    casting : {"same_kind", "unsafe"}, default "same_kind"
        "unsafe" allows a `dtype` that drops imaginary parts, fractions or signs (complex to real, float to
        integer, signed to unsigned). A narrower dtype of the same kind is not refused, since `dtype` asks for it.
    compute : bool, default False
        Whether a lazy array (Dask's) is computed. If not, it stays lazy, and each of its blocks is converted when it is
        computed, by these same keywords. `to_numpy` and its kin, which promise an array of theirs, compute.
    chunks : int, tuple, str or other, optional
        How an array is cut into blocks, where the target is lazy (``"dask"``), as Dask spells it. By default "auto".

    Returns
    -------
    array
        Of the target framework: same shape, same values. `x` itself if nothing has to change. For a lazy array that is
        not computed: a lazy array whose blocks are the target's. If `x` is of the target framework, and of a subclass,
        a copy is the one that the subclass makes of itself; where that is another array than was asked for, or lacks
        the attributes of `x`, the result is of the framework's own class.

    Raises
    ------
    InteropError
        One of its subclasses: `interop.errors` draws the tree.

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
    raise NotImplementedError  # `verb` implements the function


@verb("numpy")
def to_numpy(x: Any, /, **keywords: Unpack[Keywords]) -> NDArray[Any]:
    """Convert an array to a `numpy.ndarray`. As ``convert(x, "numpy", **keywords)``, see `convert`."""
    raise NotImplementedError  # `verb` implements the function


@verb("torch")
def to_torch(x: Any, /, **keywords: Unpack[Keywords]) -> torch.Tensor:
    """Convert an array to a `torch.Tensor`. As ``convert(x, "torch", **keywords)``, see `convert`.

    A tensor over memory that torch did not allocate, copies from other frameworks included, can't be resized in place.
    """
    raise NotImplementedError  # `verb` implements the function


@verb("cupy")
def to_cupy(x: Any, /, **keywords: Unpack[Keywords]) -> cupy.ndarray:
    """Convert an array to a `cupy.ndarray`. As ``convert(x, "cupy", **keywords)``, see `convert`."""
    raise NotImplementedError  # `verb` implements the function


@verb("jax")
def to_jax(x: Any, /, **keywords: Unpack[Keywords]) -> jax.Array:
    """Convert an array to a `jax.Array`. As ``convert(x, "jax", **keywords)``, see `convert`.

    JAX takes its arrays for immutable: memory that is shared with it should not be written to any more.
    """
    raise NotImplementedError  # `verb` implements the function


def convert_like(x: Any, ref: Any, /, **keywords: Unpack[Keywords]) -> Any:
    """Convert an array to the framework and the device of another one. See `convert`.

    Raises
    ------
    NotAnArrayError, UnknownFrameworkError
        `ref` is of no known framework, and names no array-API namespace.
    """
    namespace = registry.namespace_of(ref)
    adapter = registry.find(namespace) if namespace else identify_native(ref).adapter
    return convert_any(
        x, namespace or adapter.name, {"device": adapter.describe(ref).device, **keywords}
    )


def explain(x: Any, to: str | ModuleType | type, /, **keywords: Unpack[Keywords]) -> Plan:
    """Tell what `convert` would do with the same arguments, without doing it: steps, bytes, reason.

    Returns
    -------
    Plan
        Readable as text, as HTML in a notebook, and by its fields.

    Raises
    ------
    InteropError
        What `convert` would raise.

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
    """Convert to an array of just that framework: a lazy one is computed."""
    cls = type(x)
    if registry.adapter_of(cls) is None:
        cls = type(registry.unwrap(x))  # what it wraps may be lazy
    keywords = {"compute": True, **keywords} if registry.is_lazy(cls) else keywords
    return convert(x, to, **keywords)


fastpath.register_all(registry.loaded_adapters())
