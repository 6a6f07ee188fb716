"""Lazy arrays, JAX, and arrays on a GPU."""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import array_api_strict
import numpy as np

import interop

from .dtypes import to
from .rows import Row, row

DASK: Final = ("torch", "dask")
JAX: Final = ("jax",)


def dask_array() -> Any:
    return importlib.import_module("dask.array")


def float8() -> Any:
    return np.ones(2, importlib.import_module("ml_dtypes").float8_e5m2)


def lazy() -> Any:
    return dask_array().ones(4, chunks=2)


def double(x: Any) -> Any:
    return x * 2


def whole(x: Any, **keywords: Any) -> Any:
    return interop.implemented_in("numpy", **keywords)(double)(x)


def no_copy(x: Any, copy: bool | None = False) -> Any:
    return interop.to_numpy(x, copy=copy)


def chunked(x: Any, chunks: Any = 2) -> Any:
    return interop.to_torch(x, chunks=chunks)


def misfit(x: Any, chunks: Any = (3, 3)) -> Any:
    return interop.convert(x, "dask", chunks=chunks)


def ordered(x: Any, stream: Any = 7) -> Any:
    return interop.convert(x, "torch", stream=stream)


def first(x: Any, per_block: bool = True) -> Any:
    return interop.implemented_in("numpy", per_block=per_block)(lambda block: block[:1])(
        x
    ).compute()


def listed(x: Any, per_block: bool = True) -> Any:
    return interop.implemented_in("numpy", per_block=per_block)(lambda block: [block])(x)


def walk(x: Any) -> Any:
    yield x


def generator(_: Any, per_block: bool = True) -> Any:
    return interop.implemented_in("numpy", per_block=per_block)(walk)


def strict_on_a_device() -> Any:
    return array_api_strict.ones(2, device=array_api_strict.Device("device1"))


def unknown_chunks() -> Any:
    x = dask_array().from_array(np.arange(4), chunks=2)
    return x[x > 1]


def limited(x: Any) -> Any:
    with interop.options(max_host_bytes=1000):
        return interop.to_numpy(x)


def batched(x: Any) -> Any:
    return list(interop.batches(x, "numpy", size=1))


def limited_after_counting(x: Any) -> Any:
    return limited(x.compute_chunk_sizes())


def per_block_of_first(x: Any) -> Any:
    return dask_array().map_blocks(lambda block: block[:1], x, chunks=((1, 1),))


def failing(x: Any) -> Any:
    return interop.implemented_in("numpy", per_block=True)(two_at_least)(x)


def two_at_least(block: Any) -> Any:
    if block.shape != (2,):
        raise ValueError(block.shape)
    return block


def in_jit(x: Any) -> Any:
    import jax

    return jax.jit(interop.to_numpy)(x)


def by_callback(x: Any) -> Any:
    jax: Any = importlib.import_module("jax")
    result = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.jit(lambda y: jax.pure_callback(interop.to_numpy, result, y))(x)


def jax_of(name: str, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
    def make() -> Any:
        import jax

        function: Any = jax
        for part in name.split("."):
            function = getattr(function, part)
        return function(*arguments, **keywords)

    return make


def on_devices(*platforms: str) -> Callable[[Any], Any]:
    """Return a call that raises the refusal of a JAX array on other devices than this machine's."""

    def call(x: Any) -> Any:
        adapter: Any = importlib.import_module("interop.adapters.jax.adapter")
        sharding = SimpleNamespace(
            device_set=[SimpleNamespace(platform=platform) for platform in platforms]
        )
        stand_in: Any = SimpleNamespace(dtype=x.dtype, sharding=sharding, is_deleted=lambda: False)
        raise interop.UnsupportedArrayError(adapter._why_unsupported(stand_in))

    return call


def first_device() -> dict[str, Any]:
    import jax

    return {"device": jax.devices()[0]}


def wide(x: Any) -> Any:
    """Convert to JAX with 64-bit numbers enabled."""
    import jax

    config: Any = jax.config  # `jax.enable_x64` is newer than JAX 0.6
    config.update("jax_enable_x64", True)
    try:
        return interop.to_jax(x)
    finally:
        config.update("jax_enable_x64", False)


def to_jax_on_gpu(x: Any) -> Any:
    return interop.to_jax(x, device="cuda")


def copied_to_strict(x: Any) -> Any:
    return interop.copyto(strict_on_a_device(), x)


def share(block: Any) -> Any:
    return block / block.sum()


def shares(x: Any) -> Any:
    return interop.implemented_in("numpy", per_block=True)(share)(x)


ROWS: Final[list[Row]] = [
    row("a lazy argument", lazy, "interop.convert(x, 'numpy', compute=True)", call=whole, requires=DASK,
        runs={"per_block=True": lambda x: whole(x, per_block=True)}),
    row("no copy of a lazy array", lazy, call=no_copy, runs={"copy=False": "copy=None"}, requires=DASK),
    row("chunks of a tensor", lambda: np.ones(4), call=chunked, runs={"chunks=": "chunks=None"}),
    row("chunks that do not fit", lambda: np.ones(4), call=misfit, requires=DASK,
        runs={"chunks=(3, 3)": "chunks=(2, 2)"}),
    row("a stream for a lazy array", lazy, call=ordered, runs={"stream=": "stream=None"}, requires=DASK),
    row("the size of unknown chunks", unknown_chunks, call=limited, requires=DASK,
        runs={"compute_chunk_sizes()": limited_after_counting}),
    row("batches of unknown chunks", unknown_chunks, call=batched, requires=DASK,
        runs={"x.compute_chunk_sizes()": lambda x: batched(x.compute_chunk_sizes())}),
    row("blocks of another shape", lazy, call=first, requires=DASK, words=("per_block=True",),
        runs={"dask.array.map_blocks": per_block_of_first, "chunks=": per_block_of_first}),
    row("blocks that need the others", lambda: dask_array().ones(4, chunks=2), call=shares, requires=DASK,
        runs={"x.rechunk({0: -1})": lambda x: shares(x.rechunk({0: -1})).compute(),
              "dask.array.map_blocks": lambda x: dask_array().map_blocks(share, x)}),
    row("blocks that are no arrays", lazy, call=listed, requires=DASK, words=("dtype=", "meta="),
        runs={"per_block=True": lambda x: listed(x.compute(), per_block=False)}),
    row("blocks of one element", lazy, call=failing, requires=DASK, words=("per_block=True",),
        runs={code: lambda x: dask_array().map_blocks(two_at_least, x, dtype=x.dtype, meta=x._meta)
              for code in ("dask.array.map_blocks", "dtype=", "meta=")}),
    row("a generator by blocks", lazy, call=generator, requires=DASK,
        runs={"per_block=True": lambda x: [*generator(x.compute(), per_block=False)(x.compute())]}),
    row("a destination on another device", lambda: np.ones(2), call=copied_to_strict,
        runs={"interop.convert_like(src, dst)": lambda x: interop.convert_like(x, strict_on_a_device())},
        requires=("array_api_strict",)),
    row("values inside jax.jit", jax_of("numpy.ones", 3), call=in_jit, runs={"jax.pure_callback": by_callback},
        words=("jax.jit",), requires=JAX),
    row("an array on several devices", jax_of("numpy.ones", 3), "jax.device_put(x, device)", more=first_device,
        call=on_devices("cpu", "cpu"), requires=JAX),
    row("an array of JAX on a GPU", jax_of("numpy.ones", 3), "jax.device_get(x)", call=on_devices("gpu"), requires=JAX),
    row("something to read for an export", lazy, "interop.to_numpy(x)", requires=DASK,
        call=lambda x: np.from_dlpack(interop.export(x))),
    row("keys of random numbers", jax_of("random.key", 0), "jax.random.key_data(x)", call=to("numpy"), requires=JAX),
    row("int4 of JAX", jax_of("numpy.ones", 3, "int4"), "x.astype(jax.numpy.int8)", call=to("numpy"), requires=JAX),
    row("64-bit numbers for JAX", lambda: np.ones(3), 'dtype="float32"', call=to("jax"), requires=JAX,
        runs={'jax.config.update("jax_enable_x64", True)': wide}),
    row("JAX has no float8", lambda: np.ones(3, "longdouble"), requires=JAX, call=to("jax"),
        runs={"x.astype(numpy.float64)": "x.astype(numpy.float64)"}),
    row("JAX on a GPU", lambda: np.ones(3), "interop.to_torch", "interop.to_cupy", call=to_jax_on_gpu,
        requires=("jax", "torch", "cupy", "gpu")),
    row("float8 for CuPy", float8, 'dtype="float32"', call=to("cupy"),
        requires=("ml_dtypes", "cupy", "gpu")),
]  # fmt: skip
