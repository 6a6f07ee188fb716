"""Blocks between processes: how `dask.distributed` serialises and restores them."""

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest

import interop
from child import run_child

pytestmark = pytest.mark.requires("dask", "distributed", "torch", "ml_dtypes")

SMALL = 2048  # bytes: the size of headers and pickles, without the memory


@pytest.fixture(autouse=True)
def _registered() -> None:
    register("torch")


def register(to: str) -> None:
    """Make a lazy array of a framework's blocks, in a process that has loaded Distributed."""
    import dask.array as da
    import distributed.protocol

    assert distributed.protocol
    interop.convert(da.ones(1, chunks=1, dtype="f4"), to)


def wire() -> Any:
    return importlib.import_module("interop.adapters.dask.wire")


def pack(x: Any) -> tuple[Any, list[Any]]:
    from distributed.protocol.serialize import serialize

    header, frames = serialize(x, on_error="raise")
    return header, [memoryview(frame).cast("B") for frame in frames]


def unpack(header: Any, frames: list[Any]) -> Any:
    from distributed.protocol.serialize import deserialize

    return deserialize(header, frames)


def travel(x: Any) -> Any:
    """Send an object as Distributed does: msgpack headers, and frames received into new memory."""
    from distributed.protocol.core import dumps, loads
    from distributed.protocol.serialize import to_serialize

    frames = [bytearray(frame) for frame in dumps({"x": to_serialize(x)}, on_error="raise")]
    message: Any = loads(frames)
    return message["x"]


def bits(x: Any) -> bytes:
    from memory import bits

    return bits(x)


# -- round trips -----------------------------------------------------------------------------------

NAMES = [
    "float32",
    "bool",
    "int64",
    "uint8",
    "complex64",
    "bfloat16",
    "float16",
    "float8_e4m3fn",
    "float8_e5m2",
]


def tensor(name: str, shape: tuple[int, ...] = (3, 4)) -> Any:
    import torch

    return (torch.arange(int(np.prod(shape))) % 5).reshape(shape).to(getattr(torch, name))


SHAPES: dict[str, Callable[[str], Any]] = {
    "contiguous": tensor,
    "0-d": lambda name: tensor(name, ()),
    "empty": lambda name: tensor(name, (0, 3)),
    "transposed": lambda name: tensor(name).T,
    "strided": lambda name: tensor(name)[:, ::2],
    "repeated": lambda name: tensor(name, (3, 1)).expand(3, 4),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_serialization_of_tensor_keeps_dtype_shape_and_values(name: str, shape: str) -> None:
    import torch

    x = SHAPES[shape](name)
    y = travel(x)
    assert type(y) is torch.Tensor
    assert (y.dtype, y.shape, y.device, y.requires_grad) == (x.dtype, x.shape, x.device, False)
    assert bits(y) == bits(x)


@pytest.mark.parametrize("kind", ["conj", "neg"])
def test_serialization_of_conjugated_or_negated_tensor_resolves_lazy_bits(kind: str) -> None:
    import torch

    z = torch.tensor([1 + 2j, 3 - 4j])
    x = z.conj() if kind == "conj" else z.conj().imag
    assert x.is_conj() or x.is_neg()
    assert travel(x).tolist() == x.tolist()


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e4m3fn"])
def test_serialization_of_tensor_keeps_requires_grad(name: str) -> None:
    import torch

    for x in (tensor(name).requires_grad_(), torch.nn.Parameter(tensor(name))):
        y = travel(x)
        assert (type(y), y.dtype, y.requires_grad, y.is_leaf) == (type(x), x.dtype, True, True)
        assert bits(y) == bits(x)
    frozen = torch.nn.Parameter(tensor(name), requires_grad=False)
    assert not travel(frozen).requires_grad


def test_serialization_of_tensor_keeps_the_gradient() -> None:
    import torch

    x = torch.ones(3, requires_grad=True)
    (2 * x).sum().backward()  # type: ignore[no-untyped-call]
    assert travel(x).grad.tolist() == [2, 2, 2]


def test_serialization_of_expanded_tensor_sends_repeated_memory_once() -> None:
    import torch

    _, frames = pack(torch.ones(1).expand(1_000_000))
    assert sum(frame.nbytes for frame in frames) < SMALL


def test_serialization_of_containers_keeps_the_tensors() -> None:
    x = {"a": [tensor("bfloat16"), tensor("float32")], "b": (tensor("bool"), 1)}
    y = travel(x)
    assert [bits(t) for t in y["a"]] == [bits(t) for t in x["a"]]
    assert bits(y["b"][0]) == bits(x["b"][0])


def test_serialization_of_meta_keeps_the_shape() -> None:
    import dask.array as da

    lazily: Any = interop.convert(da.ones(3, dtype="f4"), "torch")
    meta = lazily._meta
    assert travel(meta).shape == (0,)


def test_serialization_of_sparse_tensor_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match="Could not serialize") as caught:
        pack(tensor("float32").to_sparse())
    assert isinstance(caught.value.__cause__, interop.errors.UnsupportedArrayError)
    assert "Use x.to_dense()" in str(caught.value.__cause__)


@pytest.mark.requires("jax")
@pytest.mark.parametrize("name", ["float32", "int32", "bfloat16"])
def test_serialization_of_jax_array_keeps_dtype_shape_and_values(name: str) -> None:
    register("jax")
    x = interop.to_jax(np.arange(6, dtype="f4").reshape(2, 3), dtype=name, casting="unsafe")
    y = travel(x)
    assert interop.framework_of(y) == "jax"
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    assert interop.to_numpy(y).tolist() == interop.to_numpy(x).tolist()


# -- no unnecessary copies -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_serialize_puts_the_tensor_memory_in_a_frame_without_a_copy(name: str) -> None:
    x = tensor(name, (512, 512))
    header, frames = pack(x)
    addresses = [np.frombuffer(frame, "u1").ctypes.data for frame in frames]
    assert x.data_ptr() in addresses
    rest = sum(
        frame.nbytes
        for frame, address in zip(frames, addresses, strict=True)
        if address != x.data_ptr()
    )
    assert rest + len(pickle.dumps(header)) < SMALL


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_deserialize_uses_the_received_memory_without_a_copy(name: str) -> None:
    x = tensor(name, (512, 512))
    header, frames = pack(x)
    received = [bytearray(frame) for frame in frames]
    y = unpack(header, received)
    starts = [np.frombuffer(frame, "u1").ctypes.data for frame in received]
    assert y.data_ptr() in starts
    y.zero_()
    assert not any(received[starts.index(y.data_ptr())]), "writable, and not a copy"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_deserialize_of_readonly_frames_copies(name: str) -> None:
    x = tensor(name)
    header, frames = pack(x)
    received = [bytes(frame) for frame in frames]
    y = unpack(header, received)
    before = list(map(bytes, map(bytearray, received)))
    y.zero_()
    assert received == before


# -- processes without interop ---------------------------------------------------------------------

PAYLOADS: dict[str, Callable[[], Any]] = {
    "float32": lambda: tensor("float32"),
    "bfloat16": lambda: tensor("bfloat16"),
    "float8": lambda: tensor("float8_e5m2"),
    "0-d": lambda: tensor("bfloat16", ()),
    "transposed": lambda: tensor("bfloat16").T,
    "conj": lambda: tensor("complex64").conj(),
    "gradient": lambda: tensor("bfloat16").requires_grad_(),
}


@pytest.mark.slow
@pytest.mark.parametrize("first", ["float32", "bfloat16", "gradient"])
def test_deserialize_in_process_without_interop_restores_the_tensors(
    first: str, tmp_path: Path
) -> None:
    sent = [PAYLOADS[name]() for name in sorted(PAYLOADS, key=lambda name: name != first)]
    code = f"""
        import pathlib, pickle, sys
        import torch
        from distributed.protocol.serialize import deserialize
        assert "interop" not in sys.modules
        for header, frames in pickle.loads(pathlib.Path({write(tmp_path, *sent)!r}).read_bytes()):
            x = deserialize(header, [bytearray(frame) for frame in frames])
            print(x.dtype, tuple(x.shape), x.requires_grad, x.detach().to(torch.complex64).tolist())
            if "dask.array" not in sys.modules:
                raise SystemExit("nothing has been registered")
        from dask.array.dispatch import concatenate_lookup
        print(type(concatenate_lookup.dispatch(type(x))([x, x])).__name__)
    """
    import torch

    lines = [
        f"{x.dtype} {tuple(x.shape)} {x.requires_grad} {x.detach().to(torch.complex64).tolist()}"
        for x in sent
    ]
    assert run_child(code).splitlines() == [*lines, "Tensor"]


def write(folder: Path, *arrays: Any) -> str:
    """Write the bytes that Distributed would send into a file."""
    payloads = [(header, list(map(bytes, frames))) for header, frames in map(pack, arrays)]
    (folder / "payloads").write_bytes(pickle.dumps(payloads))
    return str(folder / "payloads")


@pytest.mark.requires("cupy", "simcuda")
def test_deserialize_gpu_tensor_without_gpu_raises_device_unavailable(tmp_path: Path) -> None:
    code = f"""
        import logging, pathlib, pickle
        from distributed.protocol.serialize import deserialize
        logging.disable()  # Distributed says it, too
        [(header, frames)] = pickle.loads(pathlib.Path({write(tmp_path, tensor("float32").cuda())!r}).read_bytes())
        try:
            deserialize(header, frames)
        except Exception as error:
            print(type(error).__name__, error)
    """
    said = run_child(code)
    assert said.startswith("DeviceUnavailableError")
    assert "finds no device of type cuda here" in said


# -- on a device -----------------------------------------------------------------------------------


@pytest.mark.requires("cupy", "simcuda")
@pytest.mark.parametrize("name", ["float32", "bool", "bfloat16", "float8_e4m3fn"])
def test_serialization_of_gpu_tensor_keeps_the_device(name: str) -> None:
    x = tensor(name).cuda()
    y = travel(x)
    assert (y.dtype, y.shape, y.device) == (x.dtype, x.shape, x.device)
    assert bits(y.cpu()) == bits(x.cpu())


@pytest.mark.requires("cupy", "simcuda")
def test_deserialize_by_torch_reader_of_distributed_keeps_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed.protocol.torch import deserialize_torch_Tensor

    x = tensor("bfloat16").cuda()
    header, frames = pack(x)
    monkeypatch.setattr(wire(), "_registered", set())
    monkeypatch.setattr(wire(), "_register", lambda *_: None)
    y = deserialize_torch_Tensor(header["sub-header"], frames)
    assert (y.dtype, y.device) == (x.dtype, x.device)
    assert bits(y.cpu()) == bits(x.cpu())


@pytest.mark.requires("cupy", "simcuda")
@pytest.mark.parametrize("name", ["float32", "bool", "complex64", "int64"])
def test_serialization_of_cupy_array_keeps_device_and_values(name: str) -> None:
    register("cupy")
    x = interop.to_cupy(np.arange(6).reshape(2, 3).astype(name))
    y = travel(x)
    assert interop.framework_of(y) == "cupy"
    assert (y.dtype, y.shape, y.device) == (x.dtype, x.shape, x.device)
    assert y.get().tolist() == x.get().tolist()


# -- registration ----------------------------------------------------------------------------------


def test_register_twice_keeps_the_first_functions() -> None:
    import torch
    from distributed.protocol.serialize import dask_deserialize, dask_serialize
    from distributed.protocol.torch import deserialize_torch_Tensor, serialize_torch_Tensor

    functions = dask_serialize.dispatch(torch.Tensor), dask_deserialize.dispatch(torch.Tensor)
    register("torch")
    assert (
        dask_serialize.dispatch(torch.Tensor),
        dask_deserialize.dispatch(torch.Tensor),
    ) == functions
    assert functions[0].keywords["dumps"] is serialize_torch_Tensor
    assert functions[1].keywords["loads"] is deserialize_torch_Tensor


def test_register_from_several_threads_registers_a_class_once() -> None:
    from distributed.protocol.serialize import dask_deserialize, dask_serialize

    class Box:
        pass

    def dumps(_: Box) -> Any:
        return {}, []

    dask_serialize.register(Box, dumps)
    dask_deserialize.register(Box, lambda _header, _frames: Box())
    barrier = Barrier(8)

    def start() -> None:
        barrier.wait()
        wire().register(Box, lambda _: (Box, ()), lambda: None)

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dask_serialize.dispatch(Box).keywords["dumps"] is dumps
    assert isinstance(travel(Box()), Box)


def test_convert_without_dask_arrays_loads_neither_dask_nor_distributed() -> None:
    code = """
        import sys
        import numpy as np, interop
        interop.to_numpy(np.ones(3))
        interop.to_torch(np.ones(3))
        print({"dask", "distributed"} & set(sys.modules))
    """
    assert run_child(code) == "set()\n"


def test_register_runs_with_the_first_blocks_after_importing_distributed() -> None:
    code = """
        import sys
        import dask.array as da, interop
        d = da.ones(4, chunks=2, dtype="f4")
        interop.convert(d, "numpy", dtype="f8")
        from interop.adapters.dask import wire
        print("torch" in sys.modules, "distributed" in sys.modules, len(wire._registered))
        interop.convert(d, "torch")
        print("distributed" in sys.modules, len(wire._registered))
        import distributed.protocol
        interop.convert(d, "numpy")
        print(len(wire._registered))
        interop.convert(d, "torch")
        print(wire._registered)
    """
    assert run_child(code).splitlines() == [
        "False False 0",
        "False 0",
        "0",
        "{<class 'torch.Tensor'>}",
    ]
