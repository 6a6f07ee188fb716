"""The adapter of JAX on the host.

JAX arrays are immutable. JAX shares host memory that is contiguous and aligned to 64 bytes, and
narrows 64-bit numbers to 32 bits unless ``jax_enable_x64`` is on. This adapter copies other memory
from an ndarray, and refuses 64-bit numbers instead of narrowing them. JAX does not tell which
stream reads shared GPU memory, so arrays on a GPU are refused with a hint.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from interop.adapter import CPU, EXTENDED_DTYPES, NOWHERE, PLAIN_DTYPES, Adapter, Device, Facts
from interop.adapter.dtypes import NARROWER, without_imaginary, without_warnings
from interop.errors import Reason

from . import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from interop.adapter.streams import Stream

_DTYPES: Final = {np.dtype(name): name for name in PLAIN_DTYPES} | {
    np.dtype(getattr(jnp, name)): name for name in EXTENDED_DTYPES if hasattr(jnp, name)
}
_NAMES: Final = {name: dtype for dtype, name in _DTYPES.items()}
_ALIGNMENT: Final = 64
"""Bytes of alignment that XLA requires of host memory."""


class JAXAdapter(Adapter):
    """Adapter for `jax.Array`. Tracers are recognised, and refused."""

    name: ClassVar[str] = "jax"
    array_type = jax.Array
    honours_readonly: ClassVar[bool] = True
    copies_ndarrays: ClassVar[bool] = True
    immutable: ClassVar[bool] = True

    def describe(self, x: Any, /) -> Facts:
        """Return the facts of an array, which is always read-only."""
        shape = tuple(x.shape)
        name = _DTYPES.get(x.dtype) or str(x.dtype)
        if problem := _why_unsupported(x):
            return Facts("jax", shape, name, NOWHERE, readonly=True, unsupported=problem)
        order: Sequence[int] = range(x.ndim)
        if x.ndim > 1:
            order = features.major_to_minor(x)
        strides = _strides(shape, order, x.dtype.itemsize)
        return Facts("jax", shape, name, CPU, strides, x.nbytes, readonly=True)

    def address(self, x: Any, /) -> int:
        """Return the address of the buffer."""
        return int(x.unsafe_buffer_pointer())

    def resolve_device(self, device: Device, /) -> Device | str:
        """Return the CPU for host memory, or the reason to refuse another device.

        JAX may split the host into several devices. For all other frameworks they are one.
        """
        if device.is_host:
            return CPU
        hint = "For a GPU, use interop.to_torch or interop.to_cupy."
        return Reason("interop reaches JAX on the host only", hint)

    def why_no_dtype(self, dtype: str, /) -> str | None:
        """Return why JAX lacks a dtype, or None.

        64-bit dtypes are missing unless ``jax_enable_x64`` is on, because JAX would narrow them
        without a warning.
        """
        if dtype not in _NAMES:
            return Reason(f"JAX has no {dtype}", 'Pass dtype="float32".')
        narrow = NARROWER.get(dtype)
        # The attribute is missing in the type hints: JAX adds its options at run time.
        if narrow is None or jax.config.jax_enable_x64:  # type: ignore[attr-defined]
            return None
        switch = 'jax.config.update("jax_enable_x64", True)'
        return Reason(
            f"JAX converts {dtype} to {narrow} unless jax_enable_x64 is on",
            f'Call {switch} first, or pass dtype="{narrow}".',
        )

    def why_not_adoptable(self, facts: Facts, /) -> str | None:
        """Return why JAX cannot share memory with a layout, or None.

        XLA knows an order of the axes, but no gaps, repetitions or negative strides.
        """
        shape = facts.shape
        size = facts.nbytes // max(prod(shape), 1)
        if not facts.nbytes or _is_in_order(facts, range(len(shape)), size):
            return None
        order = sorted(range(len(shape)), key=lambda axis: -facts.strides[axis])
        if not _is_in_order(facts, order, size):
            return "JAX does not support strides"
        # Another order goes through DLPack, and JAX does not ask for a DLPack version that can
        # mark read-only memory.
        if facts.readonly:
            return "JAX shares read-only memory only in row-major order"
        # NumPy has no DLPack for the dtypes of ml_dtypes.
        if facts.dtype in EXTENDED_DTYPES:
            return f"JAX shares {facts.dtype} only in row-major order"
        if not features.adopts_other_orders():
            return "this release of JAX shares memory only in row-major order"
        return None

    def alignment(self, dtype: str, /) -> int:  # noqa: ARG002 - the same for all dtypes
        """Return the alignment that XLA requires of host memory.

        See ``MinAlign`` in xla/backends/cpu/alignment.h. JAX copies memory with another alignment.
        """
        return _ALIGNMENT

    def parse_device(self, spec: Any, /) -> Device:
        """Return the CPU for a CPU device of JAX, and refuse other devices."""
        if isinstance(spec, jax.Device) and spec.platform == "cpu":
            return CPU
        return super().parse_device(spec)

    def parse_dtype(self, spec: Any, /) -> str:
        """Return the name of anything that `jax.numpy.dtype` accepts, scalar types included."""
        return _DTYPES[jnp.dtype(spec)]

    def export_host(self, x: Any, /) -> NDArray[Any]:
        """Return a read-only ndarray over the buffer, once the values are computed."""
        return np.asarray(x)

    def adopt_host(self, array: NDArray[Any], /) -> Any:
        """Return an array over the memory of an ndarray.

        JAX copies or narrows without a warning if it cannot share, so the result is checked.

        Raises
        ------
        BufferError
            JAX cannot share the memory, or has not shared it.
        """
        address = array.__array_interface__["data"][0]
        if address % _ALIGNMENT and array.size:
            msg = f"jax needs {_ALIGNMENT} bytes of alignment"
            raise BufferError(msg)
        # `device_put` shares row-major memory only. `from_dlpack` also shares other orders, but no
        # read-only memory.
        if array.flags.c_contiguous:
            x = jax.device_put(array, _host(), may_alias=True)
        else:
            x = _adopt_in_another_order(array)
        if x.dtype != array.dtype or (array.size and x.unsafe_buffer_pointer() != address):
            msg = f"JAX did not share the memory as {array.dtype}"
            raise BufferError(msg)
        return x

    def export(self, x: Any, stream: Stream | None, /) -> Any:  # noqa: ARG002 - no streams
        """Return a read-only ndarray, or the array for a dtype that NumPy cannot export.

        An ndarray exports the read-only flag. JAX itself exports bfloat16 and the 8-bit floats.
        """
        if _DTYPES[x.dtype] in EXTENDED_DTYPES:
            return x
        return np.asarray(x)

    def copy(self, x: Any, device: Device, dtype: str, /) -> Any:  # noqa: ARG002 - one device
        """Return a copy of an array or an ndarray, complete on return.

        JAX works in the background, and would still read the source otherwise.
        """
        wanted = _NAMES[dtype]
        x = without_imaginary(x, wanted)
        if isinstance(x, np.ndarray):
            # The new ndarray has no other owner, so JAX may share its memory.
            own = without_warnings(_cast, x, wanted)
            return jax.device_put(own, _host()).block_until_ready()
        return jnp.array(jax.device_put(x, _host()), wanted, copy=True).block_until_ready()

    def view(self, x: Any, index: Any, /) -> Any:
        """Return a view if the memory is aligned, or else a copy.

        Arrays are immutable, so no caller can tell the two apart.
        """
        try:
            return super().view(x, index)
        except BufferError:
            return x[index]

    def stack(self, arrays: Sequence[Any], axis: int, /) -> Any:
        """Return the arrays stacked by JAX."""
        return jnp.stack(arrays, axis)


def _adopt_in_another_order(array: NDArray[Any]) -> Any:
    try:
        return jax.dlpack.from_dlpack(array, copy=False)
    except RuntimeError as error:  # since JAX 0.12, where earlier releases raise a BufferError
        raise BufferError(str(error)) from error


def _why_unsupported(x: Any) -> str | None:  # noqa: PLR0911 - a list of reasons
    """Return why an array has no memory with plain numbers on the host, or None."""
    # A tracer has no buffer and no devices of its own, for which the checks below ask.
    if isinstance(x, Tracer):
        return Reason(
            "inside jax.jit, vmap or grad an array has no values yet",
            "Convert outside of it, or call the function that needs the values by "
            "jax.pure_callback.",
        )
    if jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return Reason("its elements are random number keys", "Use jax.random.key_data(x).")
    if x.dtype not in _DTYPES:
        hint = "Use x.astype(jax.numpy.int8), or another dtype of whole bytes."
        return Reason(f"{x.dtype} has no counterpart elsewhere", hint)
    if x.is_deleted():
        reason = "it was deleted, or donated to a computation"
        return Reason(reason, "Convert it before that.")
    if len(x.sharding.device_set) > 1:
        hint = "Use jax.device_put(x, device) to gather it on one."
        return Reason("it is spread over several devices", hint)
    if any(device.platform != "cpu" for device in x.sharding.device_set):
        hint = "Copy it to the host: jax.device_get(x)."
        return Reason("it is on a GPU, and JAX does not expose its streams", hint)
    return None


def _cast(x: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    # ml_dtypes can cast few of its dtypes to each other, and all by way of float32.
    if wanted != x.dtype and {_DTYPES.get(x.dtype), _DTYPES[wanted]} <= set(EXTENDED_DTYPES):
        x = x.astype(np.float32)
    return np.array(x, wanted, order="C")


def _host() -> Any:
    """Return the first device of the host, which need not be the default device."""
    return jax.devices("cpu")[0]


def _is_in_order(facts: Facts, order: Sequence[int], size: int) -> bool:
    """Return whether memory is contiguous, given the axes from outermost on.

    The stride of an axis of length 1 has no effect.
    """
    steps = zip(facts.strides, _strides(facts.shape, order, size), facts.shape, strict=True)
    return all(n == 1 or have == want for have, want, n in steps)


def _strides(shape: tuple[int, ...], order: Sequence[int], size: int) -> tuple[int, ...]:
    """Return the strides in bytes of a contiguous array, given the axes from outermost on."""
    strides = [size] * len(shape)
    for axis in reversed(order):
        strides[axis] = size
        size *= max(shape[axis], 1)
    return tuple(strides)


adapter = JAXAdapter()
