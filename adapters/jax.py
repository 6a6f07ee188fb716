"""JAX on the host: immutable arrays, shared where JAX takes the memory as it lies.

JAX has no strides but those of a whole array, wants memory aligned to 64 bytes, and makes 32-bit numbers of 64-bit ones
unless ``jax_enable_x64`` is on. What it can't take it copies from an ndarray, and nothing is narrowed here. On its GPUs
it tells nobody which stream reads what it was lent, so arrays there are refused, with what to do instead.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from interop import errors
from interop.adapter import CPU, EXTENDED_DTYPES, NOWHERE, PLAIN_DTYPES, Adapter, Device, Facts
from interop.adapter.dtypes import without_imaginary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream

_DTYPES: Final = {np.dtype(name): name for name in PLAIN_DTYPES} | {
    np.dtype(getattr(jnp, name)): name for name in EXTENDED_DTYPES if hasattr(jnp, name)
}
_NAMES: Final = {name: dtype for dtype, name in _DTYPES.items()}
_WIDE: Final = {
    "int64": "int32",
    "uint64": "uint32",
    "float64": "float32",
    "complex128": "complex64",
}
_ALIGNMENT: Final = 64  # bytes: what XLA wants of memory on the host


class JAXAdapter(Adapter):
    """`jax.Array`; tracers are known by name, and refused."""

    name: ClassVar[str] = "jax"
    array_type = jax.Array
    honours_readonly: ClassVar[bool] = True
    copies_ndarrays: ClassVar[bool] = True
    immutable: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Tell the facts of an array; that it can't be written to is one of them."""
        shape, name = tuple(x.shape), _DTYPES.get(x.dtype)
        if problem := _no_numbers(x, name):
            return Facts(
                "jax", shape, name or str(x.dtype), NOWHERE, readonly=True, unsupported=problem
            )
        size = x.dtype.itemsize
        order = x.format.layout.major_to_minor if x.ndim > 1 else range(x.ndim)
        return Facts(
            "jax", shape, name or "", CPU, _strides(shape, order, size), x.nbytes, readonly=True
        )

    def address(self, x: Any, /) -> int:
        """Return the address of the buffer on its device."""
        return int(x.unsafe_buffer_pointer())

    def resolve_device(self, device: Device, /) -> Device | str:
        """Accept the host only, whose devices are one to everybody else; and say who holds the rest."""
        if device.is_host:
            return CPU
        return errors.Reason(
            "interop reaches JAX on the host only",
            "For a GPU, use interop.to_torch or interop.to_cupy.",
        )

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Miss 64-bit numbers, as long as JAX would make 32-bit ones of them in silence."""
        if dtype not in _NAMES:
            return errors.Reason(f"JAX has no {dtype}", 'Pass dtype="float32".')
        if dtype in _WIDE and not jax.config.jax_enable_x64:  # type: ignore[attr-defined] # a property that JAX adds when it runs
            hint = f'Call jax.config.update("jax_enable_x64", True) first, or pass dtype="{_WIDE[dtype]}"'
            return errors.Reason(
                f"JAX makes {_WIDE[dtype]} of {dtype} unless jax_enable_x64 is on", f"{hint}."
            )
        return None

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        """Refuse strides with gaps, repetitions or signs: XLA has an order of axes, and no more."""
        size = facts.nbytes // max(prod(facts.shape), 1)
        if not facts.nbytes or facts.strides == _strides(
            facts.shape, range(len(facts.shape)), size
        ):
            return None
        order = sorted(range(len(facts.shape)), key=lambda axis: -facts.strides[axis])
        contiguous = all(
            have == want or n == 1
            for have, want, n in zip(
                facts.strides, _strides(facts.shape, order, size), facts.shape, strict=True
            )
        )
        if contiguous and not facts.readonly:
            return None
        return (
            "JAX takes read-only memory only in row-major order"
            if contiguous
            else "JAX has no strides"
        )

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all
        """Return the alignment that XLA requires of host memory.

        See ``MinAlign`` in xla/backends/cpu/alignment.h. JAX copies memory with another alignment.
        """
        return _ALIGNMENT

    def parse_device(self, spec: Any, /) -> Device:
        """Read a `jax.Device`."""
        if isinstance(spec, jax.Device) and spec.platform == "cpu":
            return CPU
        return super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Read what `jax.numpy.dtype` reads: its scalar types, too."""
        return _DTYPES[jnp.dtype(spec)]

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return the ndarray over the buffer, which can't be written to; it waits until the values are there."""
        return np.asarray(x)

    def adopt_host(self, array: NDArray[Any], /) -> Any:
        """Return an array over an ndarray, or refuse; JAX itself would copy, or narrow, without a word."""
        address = array.__array_interface__["data"][0]
        if address % _ALIGNMENT and array.size:
            msg = f"jax needs {_ALIGNMENT} bytes of alignment"
            raise BufferError(msg)
        contiguous = array.flags.c_contiguous
        x = (
            jax.device_put(array, _host(), may_alias=True)
            if contiguous
            else jax.dlpack.from_dlpack(array, copy=False)
        )
        if x.dtype != array.dtype or (array.size and x.unsafe_buffer_pointer() != address):
            msg = f"JAX did not take its memory as {array.dtype}"
            raise BufferError(msg)
        return x

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - host memory knows no streams
        """Return the read-only ndarray, whose DLPack says so; JAX's own has what NumPy's has not."""
        return x if _DTYPES[x.dtype] in EXTENDED_DTYPES else np.asarray(x)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:  # noqa: ARG002 - there is one device
        """Return a copy of an array or an ndarray, complete on return: JAX may still read what it copies."""
        wanted = _NAMES[dtype]
        x = without_imaginary(x, wanted)
        if isinstance(x, np.ndarray):
            with np.errstate(all="ignore"):
                own = np.array(
                    x, wanted, order="C"
                )  # nobody else has it, so JAX may take it as it lies
            return jax.device_put(own, _host()).block_until_ready()
        return jnp.array(jax.device_put(x, _host()), wanted, copy=True).block_until_ready()

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a view where its memory is aligned, else a copy: nobody could tell the two apart."""
        try:
            return super().view(x, index)
        except BufferError:
            return x[index]

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Stack as JAX does."""
        return jnp.stack(arrays, axis)


def _no_numbers(x: Any, name: str | None) -> str | None:  # noqa: PLR0911 - a list of reasons
    """Return why an array has no memory of plain numbers behind it."""
    if isinstance(x, Tracer):
        return errors.Reason(
            "inside jax.jit, vmap or grad there are no values yet",
            "Convert outside of it, or call the function that needs them by jax.pure_callback.",
        )
    if jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return errors.Reason(
            "its elements are keys of random numbers", "Use jax.random.key_data(x)."
        )
    if name is None:
        return errors.Reason(
            f"{x.dtype} has no counterpart elsewhere",
            "Use x.astype(jax.numpy.int8) or another whole byte.",
        )
    if x.is_deleted():
        return errors.Reason(
            "it was deleted, or donated to a computation", "Convert it before that."
        )
    if len(x.sharding.device_set) > 1:
        return errors.Reason(
            "it is spread over several devices",
            "Use jax.device_put(x, device) to gather it on one.",
        )
    if any(device.platform != "cpu" for device in x.sharding.device_set):
        return errors.Reason(
            "it is on a GPU, and JAX tells nobody its streams",
            "Bring it to the host: jax.device_get(x).",
        )
    return None


def _host() -> Any:
    """Return JAX's first device of the host, whatever its default is."""
    return jax.devices("cpu")[0]


def _strides(shape: tuple[int, ...], order: Sequence[int], size: int) -> tuple[int, ...]:
    """Return the strides in bytes of a whole array whose axes lie in an order, the outermost first."""
    strides = [size] * len(shape)
    for axis in reversed(order):
        strides[axis] = size
        size *= max(shape[axis], 1)
    return tuple(strides)


adapter = JAXAdapter()
