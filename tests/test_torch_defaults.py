"""torch's default device and default dtype do not influence any function of interop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

import interop
from child import run_child

pytestmark = pytest.mark.requires("torch", "ml_dtypes")

convert: Any = interop.convert  # the result may be lazy
HUGE = 1_100_000  # float32: more than 4 MiB


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


Context = Callable[[], AbstractContextManager[Any]]
CONTEXTS: dict[str, Context] = {
    "set_default_device(meta)": lambda: default_device("meta"),
    "with torch.device(meta)": lambda: torch.device("meta"),
    "set_default_dtype(float64)": lambda: default_dtype(torch.float64),
    "set_default_dtype(float16)": lambda: default_dtype(torch.float16),
}
ON_GPU: dict[str, Context] = {
    "set_default_device(cuda)": lambda: default_device("cuda"),
    "set_default_device(cuda:1)": lambda: default_device("cuda:1"),
    "with torch.device(cuda)": lambda: torch.device("cuda"),
}
EVERY = [pytest.param(context, id=name) for name, context in CONTEXTS.items()] + [
    pytest.param(context, id=name, marks=pytest.mark.requires("gpu"))
    for name, context in ON_GPU.items()
]
everywhere = pytest.mark.parametrize("context", EVERY)


class Image(torch.Tensor):
    """A subclass of some other package."""


def array(**keywords: Any) -> Any:
    return np.arange(6, dtype="f4").reshape(2, 3).astype(**{"dtype": "f4", **keywords})


def tensor(**keywords: Any) -> Any:
    return torch.from_numpy(array()).to(**keywords)


def readonly() -> Any:
    x = array()
    x.flags.writeable = False
    return x


def copied(dst: Any, src: Any) -> Any:
    interop.copyto(dst, src, casting="unsafe")
    return dst


@interop.implemented_in("torch")
def in_torch(x: Any) -> Any:
    assert (x.device.type, x.dtype) == ("cpu", torch.float32)
    return x


@interop.implemented_in("numpy")
def in_numpy(x: Any) -> Any:
    return x + 1


HOST: dict[str, Callable[[], Any]] = {
    "share with torch": lambda: interop.to_torch(array()),
    "share read-only": lambda: interop.to_torch(readonly(), readonly="share"),
    "copy read-only": lambda: interop.to_torch(readonly()),
    "copy reversed": lambda: interop.to_torch(array()[::-1]),
    "cast": lambda: interop.to_torch(array(), dtype="float64"),
    "cast to bfloat16": lambda: interop.to_torch(array(), dtype="bfloat16"),
    "cast something huge": lambda: interop.to_torch(np.zeros(HUGE, "f4"), dtype="float16"),
    "scalar": lambda: interop.to_torch(np.float64(3)),
    "bytes": lambda: interop.to_torch(b"abc"),
    "device": lambda: interop.to_torch(array(), device="cpu"),
    "share with NumPy": lambda: interop.to_numpy(tensor()),
    "share bfloat16": lambda: interop.to_numpy(tensor(dtype=torch.bfloat16)),
    "cast to NumPy": lambda: interop.to_numpy(tensor(), dtype="float64"),
    "copy within torch": lambda: interop.to_torch(tensor(), copy=True),
    "copy something huge": lambda: interop.to_torch(
        torch.zeros(HUGE, dtype=torch.float32, device="cpu"), copy=True
    ),
    "cast within torch": lambda: interop.to_torch(tensor(), dtype="float64"),
    "cast a subclass": lambda: interop.to_torch(tensor().as_subclass(Image), dtype="float64"),
    "convert_like": lambda: interop.convert_like(array(), tensor()),
    "convert_tree": lambda: interop.convert_tree({"x": array()}, "torch")["x"],
    "unify": lambda: interop.unify(tensor(), array())[1],
    "stack in torch": lambda: interop.stack([tensor(), tensor()], "torch"),
    "stack in NumPy": lambda: interop.stack([array(), array()], "torch"),
    "stack both": lambda: interop.stack([array(), tensor()], "torch"),
    "stack something huge": lambda: interop.stack(
        [torch.zeros(HUGE, dtype=torch.float32, device="cpu")] * 2, "torch"
    ),
    "batches": lambda: next(iter(interop.batches(array(), "torch", size=1))),
    "implemented_in torch": lambda: in_torch(array()),
    "implemented_in numpy": lambda: in_numpy(tensor()),
    "copyto torch": lambda: copied(torch.empty(2, 3, dtype=torch.bfloat16, device="cpu"), array()),
    "copyto NumPy": lambda: copied(np.empty((2, 3)), tensor()),
    "copyto within torch": lambda: copied(
        torch.empty(2, 3, dtype=torch.float64, device="cpu"), tensor()
    ),
    "export": lambda: np.from_dlpack(interop.export(tensor())),
    "export to torch": lambda: from_dlpack(interop.export(array())),
    "explain": lambda: str(interop.explain(array(), "torch", dtype="float64")),
    "device_of": lambda: interop.device_of(tensor()),
    "shares_memory": lambda: interop.shares_memory(tensor(), array()),
}


def on_device() -> Any:
    return tensor(device="cuda:0")


GPU: dict[str, Callable[[], Any]] = {
    "upload": lambda: interop.to_torch(array(), device="cuda"),
    "upload to another": lambda: interop.to_torch(array(), device="cuda:1"),
    "upload within torch": lambda: interop.to_torch(tensor(), device="cuda"),
    "download": lambda: interop.to_numpy(on_device()),
    "download within torch": lambda: interop.to_torch(on_device(), device="cpu"),
    "copyto upload": lambda: copied(
        torch.empty(2, 3, dtype=torch.float32, device="cuda:0"), array()
    ),
    "copyto download": lambda: copied(np.empty((2, 3), "f4"), on_device()),
    "copyto download to torch": lambda: copied(
        torch.empty(2, 3, dtype=torch.float32, device="cpu"), on_device()
    ),
    "device_of": lambda: interop.device_of(on_device()),
    "stream": lambda: interop.stream(torch.cuda.current_stream()) is None,
}
CUPY: dict[str, Callable[[], Any]] = {
    "to CuPy": lambda: interop.to_cupy(on_device()),
    "to CuPy, uploaded": lambda: interop.to_cupy(tensor()),
    "to CuPy, moved": lambda: interop.to_cupy(on_device(), device="cuda:1"),
    "back from CuPy": lambda: interop.to_torch(interop.to_cupy(on_device())),
    "copyto from CuPy": lambda: copied(
        torch.empty(2, 3, dtype=torch.float32, device="cuda:0"), interop.to_cupy(array())
    ),
    "export": lambda: pytest.importorskip("cupy").from_dlpack(interop.export(on_device())),
}
DASK: dict[str, Callable[[], Any]] = {
    "blocks": lambda: convert(lazy(), "torch", dtype="float16").compute(),
    "meta": lambda: convert(lazy(), "torch")._meta,
    "from torch": lambda: interop.convert(tensor(), "dask").compute(),
    "computed": lambda: interop.to_torch(lazy()),
    "copyto": lambda: copied(torch.empty(2, 3, dtype=torch.float32, device="cpu"), lazy()),
}


def lazy() -> Any:
    import dask.array

    chunks: Any = (1, 3)
    return dask.array.from_array(array(), chunks=chunks)


def seen(x: Any) -> Any:
    """Return all that two results must have in common."""
    if isinstance(x, torch.Tensor):
        values = (
            x.shape if x.numel() > 100 or x.is_meta else x.detach().cpu().to(torch.float64).tolist()
        )
        return type(x), x.device, x.dtype, values
    if hasattr(x, "dtype"):
        return type(x), str(interop.device_of(x)), x.dtype, x.tolist()
    return x


def assert_same(job: Callable[[], Any], context: Context) -> None:
    expected = seen(job())
    with context():
        result = job()
    assert seen(result) == expected


@everywhere
@pytest.mark.parametrize("job", HOST.values(), ids=HOST)
def test_verbs_with_changed_torch_defaults_give_the_same_results(
    job: Callable[[], Any], context: Context
) -> None:
    assert_same(job, context)


@everywhere
@pytest.mark.requires("gpu")
@pytest.mark.parametrize("job", GPU.values(), ids=GPU)
def test_verbs_on_a_device_with_changed_torch_defaults_give_the_same_results(
    job: Callable[[], Any], context: Context
) -> None:
    assert_same(job, context)


@everywhere
@pytest.mark.requires("gpu", "cupy")
@pytest.mark.parametrize("job", CUPY.values(), ids=CUPY)
def test_verbs_with_cupy_and_changed_torch_defaults_give_the_same_results(
    job: Callable[[], Any], context: Context
) -> None:
    assert_same(job, context)


@everywhere
@pytest.mark.requires("dask")
@pytest.mark.parametrize("job", DASK.values(), ids=DASK)
def test_verbs_with_dask_and_changed_torch_defaults_give_the_same_results(
    job: Callable[[], Any], context: Context
) -> None:
    assert_same(job, context)


@pytest.mark.parametrize("device", ["meta", "cuda"])
def test_import_with_changed_torch_default_device_gives_the_same_results(device: str) -> None:
    code = f"""
        import numpy as np, torch
        torch.set_default_device({device!r})
        import interop
        x = interop.to_torch(np.ones(3), dtype="float32")
        print(x.device, x.tolist(), interop.to_numpy(x, dtype="float64").tolist())
        interop.frameworks()"""
    assert run_child(code).split("\n")[0] == "cpu [1.0, 1.0, 1.0] [1.0, 1.0, 1.0]"
