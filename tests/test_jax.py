"""JAX on the host: immutable arrays, aligned memory, and 32-bit numbers by default."""

import gc
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import foreign
import interop
from interop import to_jax

pytestmark = pytest.mark.requires("jax", "ml_dtypes")


def buffer(count: int = 16, *, shift: int = 0, dtype: str = "float32") -> NDArray[Any]:
    """Return memory that is aligned to 64 bytes, plus `shift` bytes."""
    size = np.dtype(dtype).itemsize * count
    memory = np.zeros(size + 128, "u1")
    start = -memory.ctypes.data % 64 + shift
    array = memory[start : start + size].view(dtype)
    array[...] = np.arange(count)
    return array


@pytest.fixture
def wide() -> Iterator[None]:
    import jax

    config: Any = jax.config
    config.update("jax_enable_x64", True)
    yield
    config.update("jax_enable_x64", False)


# -- shared memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("again", range(4))  # planned, cached, and by the fast path
def test_to_jax_aligned_memory_is_shared(again: int) -> None:
    array = buffer()
    x = to_jax(array)
    assert interop.shares_memory(x, array), again
    assert np.array_equal(interop.to_numpy(x), array)


@pytest.mark.requires("jax-orders")
def test_to_jax_transposed_array_is_shared_with_the_same_strides() -> None:
    array = buffer(12).reshape(3, 4).T
    x = to_jax(array)
    assert interop.shares_memory(x, array)
    assert np.array_equal(interop.to_numpy(x), array)
    assert interop.to_numpy(x).strides == array.strides


@pytest.mark.requires("torch")
def test_to_torch_jax_array_is_copied_unless_readonly_is_share() -> None:
    import torch

    tensor = torch.arange(16.0)
    x = to_jax(tensor)
    assert interop.shares_memory(x, tensor)
    assert (
        interop.explain(x, "torch").reason
        == "it is read-only, and torch would write to it all the same"
    )
    back = interop.to_torch(x)
    assert not interop.shares_memory(back, x)
    assert interop.shares_memory(interop.to_torch(x, readonly="share"), tensor)
    with pytest.raises(interop.CopyRequiredError):
        interop.to_torch(x, copy=False)


def test_to_numpy_jax_array_is_a_read_only_view() -> None:
    import jax.numpy as jnp

    x = jnp.arange(4.0)
    array = interop.to_numpy(x)
    assert interop.shares_memory(x, array)
    assert not array.flags.writeable
    assert interop.to_numpy(x, copy=True).flags.writeable


@pytest.mark.parametrize("name", [
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float8_e8m0fnu",
])  # fmt: skip
def test_to_jax_small_floats_are_shared_with_numpy(name: str) -> None:
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, name))
    array = buffer(16, dtype="u1").view(dtype)[: 16 // dtype.itemsize]
    x = to_jax(array)
    assert x.dtype == dtype
    assert interop.shares_memory(x, array)
    assert interop.to_numpy(x).dtype == dtype
    assert interop.shares_memory(interop.to_numpy(x), array)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_to_jax_small_floats_are_shared_with_torch(name: str) -> None:
    import torch

    tensor = torch.arange(64).to(getattr(torch, name))
    x = to_jax(tensor)
    assert str(x.dtype) == name
    assert interop.shares_memory(x, tensor)
    assert interop.to_torch(x).dtype == tensor.dtype
    assert interop.to_torch(x).tolist() == tensor.tolist()


def test_to_jax_array_keeps_the_shared_memory_alive() -> None:
    array = buffer(100_000)
    x = to_jax(array)
    assert interop.shares_memory(x, array)
    expected = array.copy()
    del array
    gc.collect()
    _ = [np.full(100_000, 7, "f4") for _ in range(8)]
    assert np.array_equal(interop.to_numpy(x), expected)


def test_to_jax_donated_array_leaves_the_source_unchanged() -> None:
    """A computation may write into a donated argument, but not into shared memory."""
    import jax

    for array in (buffer(), buffer().reshape(4, 4).T):
        expected = array.copy()
        x = to_jax(array)
        with warnings.catch_warnings(action="ignore"):  # JAX warns of an unused donation
            jax.jit(lambda x: x + 41, donate_argnums=0)(x).block_until_ready()
        assert np.array_equal(array, expected)
        with pytest.raises(
            interop.UnsupportedArrayError, match="it was deleted, or donated to a computation"
        ):
            interop.to_numpy(x)


# -- copies and their reasons ----------------------------------------------------------------------


def test_to_jax_unaligned_memory_is_copied_once() -> None:
    array = buffer(shift=4)
    with interop.watch() as seen:
        x = to_jax(array)
    assert np.array_equal(interop.to_numpy(x), array)
    assert not interop.shares_memory(x, array)
    (record,) = seen.records
    assert (record.bytes_copied, record.reason) == (64, interop.explain(array, "jax").reason)
    with pytest.raises(
        interop.CopyRequiredError,
        match="jax needs 64 bytes of alignment for float32, and this memory is aligned to 4",
    ):
        to_jax(array, copy=False)


COPIED = {
    "gaps": (lambda: buffer()[::2], "JAX does not support strides"),
    "reversed": (lambda: buffer()[::-1], "JAX does not support strides"),
    "repeated": (lambda: np.broadcast_to(buffer(4), (3, 4)), "JAX does not support strides"),
    "read-only and permuted": (
        lambda: np.broadcast_to(buffer(16).reshape(4, 4).T, (4, 4)),
        "JAX shares read-only memory only in row-major order",
    ),
    "permuted bfloat16": (
        lambda: buffer(16, dtype="u2").view("bfloat16").reshape(4, 4).T,
        "JAX shares bfloat16 only in row-major order",
    ),
}


@pytest.mark.parametrize(("make", "reason"), COPIED.values(), ids=COPIED)
def test_to_jax_unsupported_layout_is_copied_once(make: Any, reason: str) -> None:
    array = make()
    plan = interop.explain(array, "jax")
    assert (plan.bytes_copied, plan.reason) == (array.nbytes, reason)
    x = to_jax(array)
    assert np.array_equal(interop.to_numpy(x), array)
    assert not interop.shares_memory(x, array)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_to_jax_stride_of_an_axis_of_length_one_has_no_effect(dtype: str) -> None:
    array = buffer(64, dtype="u1").view(dtype)[:4].reshape(2, 2)[:1].T[:1]
    array.flags.writeable = False
    assert array.shape == (1, 1)
    assert interop.explain(array, "jax").zero_copy
    assert interop.shares_memory(to_jax(array), array)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_to_jax_cast_between_small_floats_goes_by_way_of_float32(shape: Any) -> None:
    array = np.full(shape, 2, "float8_e8m0fnu")
    x = to_jax(array, dtype="float8_e4m3fn")
    assert (str(x.dtype), x.astype("float32").tolist()) == ("float8_e4m3fn", (array.tolist()))


@pytest.mark.parametrize("shift", [0, 4])
def test_to_jax_copy_true_copies_once_for_any_alignment(shift: int) -> None:
    array = buffer(shift=shift)
    with interop.watch() as seen:
        x = to_jax(array, copy=True)
    assert not interop.shares_memory(x, array)
    assert [record.bytes_copied for record in seen.records] == [64]
    array[...] = -1
    assert interop.to_numpy(x).tolist() == list(range(16))


# -- 64 bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "narrow"), [
    ("float64", "float32"), ("int64", "int32"), ("uint64", "uint32"), ("complex128", "complex64"),
])  # fmt: skip
def test_to_jax_64_bit_dtype_is_refused_without_x64(dtype: str, narrow: str) -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        to_jax(np.ones(3, dtype))
    assert str(caught.value) == (
        f"cannot convert numpy {dtype} (3,) on cpu to jax: JAX converts {dtype} to {narrow} unless jax_enable_x64 is on. "
        f'Call jax.config.update("jax_enable_x64", True) first, or pass dtype="{narrow}".'
    )
    x = to_jax(np.ones(3, dtype), dtype=narrow)
    assert str(x.dtype) == narrow
    assert np.array_equal(interop.to_numpy(x), np.ones(3))


SPEAKERS = {
    "ndarray": lambda x: x,
    "DLPack": foreign.DLPack,
    "read by __array__": foreign.Array,
    "torch": interop.to_torch,
    "array_api_strict": lambda x: interop.convert(x, "array_api_strict"),
}


@pytest.mark.requires("torch", "array_api_strict")
@pytest.mark.parametrize("dtype", ["float8_e5m2", "float8_e8m0fnu", "bfloat16", "int32"])
@pytest.mark.parametrize("shift", [0, 8])
@pytest.mark.parametrize("speak", SPEAKERS.values(), ids=SPEAKERS)
def test_to_jax_cast_of_a_dtype_that_jax_lacks_is_planned_for_any_source_and_address(
    speak: Any, shift: int, dtype: str
) -> None:
    array = buffer(4, shift=shift, dtype="int64")
    array[...] = 2
    x = speak(array)
    assert not interop.explain(x, "jax", dtype=dtype).zero_copy
    result = to_jax(x, dtype=dtype)
    assert (result.tolist(), str(result.dtype)) == ([2, 2, 2, 2], dtype)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("dtype", ["float64", "int64", "uint64", "complex128"])
def test_to_jax_64_bit_dtype_is_shared_with_x64(dtype: str) -> None:
    array = buffer(dtype=dtype)
    x = to_jax(array)
    assert str(x.dtype) == dtype
    assert interop.shares_memory(x, array)


def test_to_jax_cached_64_bit_conversion_is_refused_after_x64_is_off() -> None:
    import jax

    array, config = buffer(dtype="float64"), cast("Any", jax.config)
    config.update("jax_enable_x64", True)
    try:
        results = [to_jax(array) for _ in range(4)]
    finally:
        config.update("jax_enable_x64", False)
    assert {str(x.dtype) for x in results} == {"float64"}
    for _ in range(3):
        with pytest.raises(interop.UnsupportedArrayError, match="jax_enable_x64"):
            to_jax(array)
    assert np.array_equal(interop.to_numpy(results[0]), array)  # the array is still exported


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", ["jit", "vmap", "grad"])
def test_convert_jax_tracer_is_refused(transform: str) -> None:
    import jax
    import jax.numpy as jnp

    function: Any = {"jit": jax.jit, "vmap": jax.vmap, "grad": jax.grad}[transform]
    x: Any = 1.0 if transform == "grad" else jnp.ones(3)
    for body in (interop.to_numpy, lambda t: interop.convert_tree([t], "numpy"), interop.export):
        with pytest.raises(
            interop.UnsupportedArrayError, match=r"inside jax\.jit, vmap or grad an array has no"
        ):
            function(body)(x)


def test_to_numpy_jax_key_or_int4_is_refused_with_a_hint() -> None:
    import jax
    import jax.numpy as jnp

    with pytest.raises(interop.UnsupportedArrayError, match=r"Use jax\.random\.key_data\(x\)"):
        interop.to_numpy(jax.random.key(0))
    assert interop.to_numpy(jax.random.key_data(jax.random.key(0))).dtype == np.uint32
    with pytest.raises(interop.UnsupportedArrayError, match=r"int4 has no counterpart elsewhere"):
        interop.to_numpy(jnp.zeros(3, jnp.int4))


def test_to_jax_accepts_the_cpu_device_and_refuses_cuda() -> None:
    import jax

    with pytest.raises(interop.InvalidOptionError, match="interop reaches JAX on the host only"):
        to_jax(buffer(), device="cuda")
    assert interop.device_of(to_jax(buffer(), device=jax.devices("cpu")[0])) == (1, 0)


def test_convert_accepts_jax_by_name_module_or_class() -> None:
    import jax
    import jax.numpy as jnp

    x = to_jax(buffer())
    assert interop.framework_of(x) == "jax"
    for to in ("jax", jax, jax.Array):
        assert interop.convert(x, to) is x
    assert interop.convert(buffer(), "jax", dtype=jnp.bfloat16).dtype == jnp.bfloat16
    assert interop.namespace(x) is jnp


def test_jax_works_with_convert_tree_stack_and_implemented_in() -> None:
    import jax

    tree = interop.convert_tree({"a": [buffer(), 1, None]}, "jax")
    assert isinstance(tree["a"][0], jax.Array)
    assert np.array_equal(
        interop.to_numpy(interop.stack([buffer(), buffer()], "jax")), [buffer()] * 2
    )

    @interop.implemented_in("numpy")
    def double(x: Any) -> Any:
        return 2 * x

    result = double(tree["a"][0])
    assert isinstance(result, jax.Array)
    assert np.array_equal(interop.to_numpy(result), 2 * buffer())


@pytest.mark.requires("numpy-dlpack")
def test_export_jax_array_is_read_only() -> None:
    from traps.producers import READ_ONLY, versioned_in

    x = to_jax(buffer())
    assert versioned_in(interop.export(x).__dlpack__(max_version=(1, 0))).flags == READ_ONLY
    array = np.from_dlpack(interop.export(x))
    assert interop.shares_memory(array, x)
    assert not array.flags.writeable


def test_export_jax_array_is_copied_for_a_legacy_consumer() -> None:
    from traps.producers import tensor_in

    x = to_jax(buffer())
    capsule = interop.export(x).__dlpack__()
    assert "versioned" not in repr(capsule)
    assert tensor_in(capsule).data != interop.to_numpy(x).ctypes.data
