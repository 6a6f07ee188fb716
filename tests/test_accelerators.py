"""MPS, XPU and devices without a number in DLPack, with a stand-in: see `accelerators.py`.

Nothing here ran on such a device.
"""

from pathlib import Path

import pytest

from child import run_child

HERE = Path(__file__).parent
START = """
import warnings
import accelerators
accelerators.load({name!r})
import numpy as np, torch
import interop
from interop.adapter import Device, LibraryDevice

ORDER = "stream= orders work on CUDA and ROCm only"
native = torch.device("cuda", 1)  # the stand-in's name for a device of the other type
host = np.arange(6, dtype="float32").reshape(2, 3)
x = interop.to_torch(host, device=native)
there = interop.device_of(x)


def message(error, function, *args, **keywords):
    try:
        function(*args, **keywords)
    except error as caught:
        return str(caught)
    raise AssertionError(error)
"""

pytestmark = pytest.mark.requires("simcuda", "torch", "cupy", "jax", "dask")
on_each = pytest.mark.parametrize("name", ["mps", "xpu", "hpu"])


def run_on(name: str, code: str) -> None:
    run_child(START.format(name=name) + code, path=HERE, sees_gpu=True)


@on_each
def test_convert_on_an_accelerator_keeps_moves_and_counts_host_bytes(name: str) -> None:
    run_on(
        name,
        """
assert there == {"mps": Device(8, 1), "xpu": Device(14, 1), "hpu": LibraryDevice(native)}[NAME]
assert interop.to_torch(x) is x
assert interop.explain(x, "torch").zero_copy

plan = interop.explain(x, "numpy")
assert [step.verb for step in plan.steps] == ["move", "share"]
assert plan.host_bytes == plan.bytes_copied == 24
assert interop.to_numpy(x).tolist() == host.tolist()
assert interop.to_torch(x, device="cpu").numpy().tolist() == host.tolist()
assert interop.to_torch(host, device=torch.device("cuda")).device.index == 0  # the current one
assert interop.convert_like(host, x).device == native
assert [y.device for y in interop.unify(x, host)] == [native, native]
tree = interop.convert_tree({"a": x, "b": [x]}, "numpy")
assert tree["a"].tolist() == tree["b"][0].tolist() == host.tolist()
assert interop.implemented_in("numpy")(lambda a: a * 2)(x).device == native

with interop.watch() as seen:
    interop.to_numpy(x)
    interop.to_torch(host, device=native)
assert sum(one.host_bytes for one in seen) == 48
with interop.options(host_copy="error"):
    assert "24 bytes travel" in message(interop.HostCopyError, interop.to_numpy, x)
assert "it moves from" in message(interop.CopyRequiredError, interop.to_numpy, x, copy=False)
""".replace("NAME", repr(name)),
    )


@on_each
def test_convert_to_an_accelerator_casts_where_the_plan_says(name: str) -> None:
    run_on(
        name,
        """
for start, end in ("float64", "float32"), ("complex128", "complex64"), ("float64", "int8"):
    values = host.astype(start)
    keywords = {"device": native, "dtype": end, "casting": "unsafe"}
    y = interop.to_torch(values, **keywords)
    assert interop.explain(values, "torch", **keywords).host_bytes == y.nbytes
    assert interop.to_numpy(y).tolist() == values.astype(end).tolist()
down = interop.explain(x, "numpy", dtype="float64")
assert down.host_bytes == 24
assert interop.to_numpy(x, dtype="float64").tolist() == host.tolist()
""",
    )


@on_each
def test_stream_on_an_accelerator_is_refused_by_name(name: str) -> None:
    run_on(
        name,
        """
UNSUPPORTED = interop.UnsupportedArrayError
for function, args, keywords in (
    (interop.to_numpy, (x,), {}),
    (interop.to_torch, (host,), {"device": native}),
    (interop.stack, ([x, x], "numpy"), {}),
    (interop.stack, ([host, host], "torch"), {"device": native}),
):
    text = message(UNSUPPORTED, function, *args, stream=1, **keywords)
    assert ORDER in text or "stream= cannot order a copy" in text, text
    assert text.endswith("Leave stream= out."), text
assert interop.to_numpy(x, stream=-1).tolist() == host.tolist()
with interop.stream(1):  # torch has no such streams, and stays as it is
    assert interop.to_numpy(x).tolist() == host.tolist()
""",
    )


@on_each
def test_export_from_an_accelerator_gives_copies_on_the_host(name: str) -> None:
    run_on(
        name,
        """
exported = interop.export(x)
assert exported.__dlpack_device__() == (1, 0)
with interop.watch() as seen:
    assert np.from_dlpack(exported).tolist() == host.tolist()
assert sum(one.host_bytes for one in seen) == 24
assert "stream must be None" in message(interop.InvalidOptionError, exported.__dlpack__, stream=1)
with interop.options(host_copy="error"):
    message(interop.HostCopyError, exported.__dlpack__)
text = message(interop.HostCopyError, np.asarray, exported)
assert text.endswith("Write interop.to_numpy(x) to copy them."), text
if NAME != "hpu":
    text = message(interop.UnsupportedArrayError, exported.__dlpack__, dl_device=tuple(there))
    assert "interop orders work on CUDA and ROCm only" in text, text
    assert "pass (1, 0) for a copy on the host" in text, text
""".replace("NAME", repr(name)),
    )


@on_each
def test_copyto_an_accelerator_writes_or_is_refused_by_name(name: str) -> None:
    run_on(
        name,
        """
out = np.zeros_like(host)
interop.copyto(out, x)
assert out.tolist() == host.tolist()
dst = interop.to_torch(np.zeros_like(host), device=native)
if NAME == "hpu":
    text = message(interop.UnsupportedArrayError, interop.copyto, dst, host)
    assert "only its library can write to memory on cuda:1" in text, text
else:
    interop.copyto(dst, host)
    assert dst.cpu().tolist() == host.tolist()
if NAME == "xpu":
    interop.copyto(dst, x)
    assert interop.shares_memory(x, x) and not interop.shares_memory(x, dst)
if NAME == "mps":
    text = message(interop.UnsupportedArrayError, interop.copyto, dst, x)
    assert "memory on metal:1 has no addresses" in text, text
    assert "only their library knows" in message(
        interop.UnsupportedArrayError, interop.shares_memory, x, dst
    )
""".replace("NAME", repr(name)),
    )


@on_each
def test_convert_between_an_accelerator_and_other_frameworks_meets_on_the_host(name: str) -> None:
    run_on(
        name,
        """
import dask.array as da

for target in ("jax", "cupy"):
    assert interop.explain(x, target).host_bytes >= 24
    y = interop.convert(x, target)
    assert interop.to_numpy(y).tolist() == host.tolist()
lazy = interop.convert(da.from_array(host), "torch", device=native)
assert interop.to_numpy(lazy, compute=True).tolist() == host.tolist()
""",
    )


def test_convert_to_mps_refuses_dtypes_that_metal_lacks() -> None:
    run_on(
        "mps",
        """
for dtype, narrower in ("float64", "float32"), ("complex128", "complex64"):
    text = message(
        interop.UnsupportedArrayError, interop.to_torch, host.astype(dtype), device=native
    )
    hint = f'torch has no {dtype} on metal:1. Pass dtype="{narrower}", or device="cpu".'
    assert text.endswith(hint), text
    y = interop.to_torch(host.astype(dtype), device=native, dtype=narrower)
    assert interop.to_numpy(y).tolist() == host.tolist()
assert "no float64" in message(interop.UnsupportedArrayError, interop.to_torch, x, dtype="float64")
# Between dtypes of one size, the device would cast. Metal cannot read float64, so the host does.
z = interop.to_torch(host.astype("float64"), device="mps", dtype="int64", casting="unsafe")
assert interop.to_numpy(z).tolist() == host.tolist()
""",
    )


@on_each
def test_convert_to_a_missing_accelerator_is_refused_by_name(name: str) -> None:
    run_on(
        name,
        """
missing = torch.device("cuda", 7)
text = message(interop.DeviceUnavailableError, interop.to_torch, host, device=missing)
assert "finds 2 devices of type cuda here" in text
text = message(interop.InvalidOptionError, interop.to_torch, host, device="cuda")
assert "torch can't be on cuda" in text
""",
    )
