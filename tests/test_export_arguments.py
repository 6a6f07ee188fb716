"""Arguments that consumers pass to `export`, strides, and arrays whose class redefines DLPack."""

import ctypes
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pytest

import interop
from child import run_child
from interop import export
from interop._model import text
from interop._verbs.dlpack_arguments import parse_stream
from interop.adapter.device import Device
from traps.producers import IS_COPIED, READ_ONLY, tensor_in, versioned_in

NEW: Final[Any] = {"max_version": (1, 0)}


def message(x: Any, **keywords: Any) -> str:
    with pytest.raises(interop.InvalidOptionError) as caught:
        export(x).__dlpack__(**keywords)
    return str(caught.value)


# -- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [object(), -2, -1, 0, 1, 2, 12345, True, 1.0, "1"])
def test_export_of_host_memory_refuses_every_stream(stream: Any) -> None:
    words = message(np.ones(3), stream=stream)
    assert (
        words
        == f"stream must be None, because memory on cpu has no streams, got {text.short_repr(stream)}. Leave it out."
    )
    assert message(np.ones(3), stream=stream, dl_device=(1, 0)) == words


@pytest.mark.requires("numpy-dlpack")
def test_export_of_host_memory_accepts_stream_none() -> None:
    assert np.from_dlpack(export(np.arange(3))).tolist() == [0, 1, 2]
    assert "versioned" in repr(export(np.arange(3)).__dlpack__(stream=None, **NEW))


CUDA, MANAGED, ROCM, METAL = Device(2), Device(13), Device(10), Device(8)
LARGE = 2**63 + 8  # a pointer is also a handle


@pytest.mark.parametrize(
    ("device", "allowed", "refused"),
    [
        (
            CUDA,
            [-1, 1, 2, 3, LARGE, np.int64(7)],
            [0, -2, -3, True, False, 1.0, "1", object(), [1]],
        ),
        (MANAGED, [-1, 1, 2, LARGE], [0, -2, object()]),
        (ROCM, [-1, 0, 3, LARGE], [1, 2, -2, True, object()]),
        (METAL, [-1], [0, 1, 2, -2, 12345, object()]),
        (Device(1), [], [-1, 0, 1, 2, object()]),
        (Device(3), [], [-1, 0, 1, 2, object()]),
    ],
    ids=["CUDA", "managed", "ROCm", "Metal", "host", "pinned"],
)
def test_parse_stream_follows_the_standard(
    device: Device, allowed: list[Any], refused: list[Any]
) -> None:
    assert parse_stream(None, device) is None
    assert [parse_stream(stream, device) for stream in allowed] == allowed
    for stream in refused:
        with pytest.raises(interop.InvalidOptionError, match=r"^stream must be "):
            parse_stream(stream, device)


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_on_a_gpu_refuses_an_invalid_stream(name: str) -> None:
    x = interop.convert(np.arange(3, dtype="f4"), name, device="cuda")
    for stream in (0, -2, True, object()):
        assert message(x, stream=stream).startswith(
            f"stream must be a stream of cuda:0, got {stream!r}. Pass None or 1 ("
        )
        assert message(x, stream=stream, dl_device=(1, 0)).startswith(
            f"stream must be a stream of cuda:0, got {stream!r}."
        )
    for stream in (None, -1, 1, 2):
        assert "dltensor" in repr(export(x).__dlpack__(stream=stream))


# -- versions, devices, copies ---------------------------------------------------------------------


class Kind(IntEnum):
    CPU = 1


@pytest.mark.parametrize("version", [(1,), 1, "1.0", (1, 0, 0), ("1", "0"), (1.0, 0.0), object()])
def test_export_refuses_a_max_version_that_is_not_a_pair(version: Any) -> None:
    assert message(np.ones(3), max_version=version) == (
        f"max_version must be a pair of integers such as (1, 0), or None, got {version!r}"
    )


@pytest.mark.parametrize("device", ["cpu", (1,), 1, (1, 0, 0), ("cpu", 0), object()])
def test_export_refuses_a_dl_device_that_is_not_a_pair(device: Any) -> None:
    assert message(np.ones(3), dl_device=device) == (
        f"dl_device must be a DLPack pair such as (1, 0) for the host, or None, got {device!r}"
    )


@pytest.mark.parametrize("copy", ["no", 0, 1, (), np.True_])
def test_export_refuses_an_invalid_copy_argument(copy: Any) -> None:
    assert (
        message(np.ones(3), copy=copy)
        == f"copy must be one of None, True, False, got {text.short_repr(copy)}"
    )


@pytest.mark.requires("numpy-dlpack")
def test_export_accepts_arguments_of_other_integer_classes() -> None:
    asked: Any = {"max_version": [np.int64(1), Kind.CPU], "dl_device": (Kind.CPU, np.int8(0))}
    capsule = export(np.ones(3)).__dlpack__(**asked)
    assert "versioned" in repr(capsule)


@pytest.mark.parametrize("version", [None, (0, 0), (0, 8), (1, 0), (1, 3), (2, 0)])
@pytest.mark.parametrize(
    "name", ["numpy", pytest.param("torch", marks=pytest.mark.requires("torch-dlpack")), "jax"]
)
@pytest.mark.requires("numpy-dlpack")
def test_export_gives_a_capsule_for_every_version(name: str, version: Any) -> None:
    pytest.importorskip(name, reason=f"needs {name}")
    x = interop.convert(np.arange(3, dtype="f4"), name)
    capsule = export(x).__dlpack__(max_version=version)
    is_new = version is not None and version >= (1, 0)
    assert ("versioned" in repr(capsule)) == is_new
    values = (ctypes.c_float * 3).from_address(tensor_in(capsule).data)
    assert list(values) == [0, 1, 2]


@pytest.mark.requires("jax", "torch")
@pytest.mark.parametrize("version", [None, (0, 8), (1, 0)])
def test_export_copies_read_only_memory_that_the_capsule_cannot_flag(version: Any) -> None:
    """JAX's capsules have no flags for dtypes that NumPy lacks."""
    import jax.numpy as jnp
    import torch

    x = jnp.ones(3, jnp.bfloat16)
    capsule = export(x).__dlpack__(max_version=version)
    flagged = "versioned" in repr(capsule) and versioned_in(capsule).flags & READ_ONLY
    if not flagged:
        assert tensor_in(capsule).data != x.unsafe_buffer_pointer()
        torch.from_dlpack(capsule).fill_(7)  # type: ignore[attr-defined]
        with pytest.raises(interop.CopyRequiredError, match="it is read-only, and "):
            export(x).__dlpack__(max_version=version, copy=False)
    assert x.tolist() == [1, 1, 1]


# -- classes that redefine DLPack ------------------------------------------------------------------


class Legacy(np.ndarray[Any, Any]):
    """An ndarray with a DLPack version before 1.0."""

    def __dlpack__(self, stream: object = None) -> Any:  # type: ignore[override]
        assert stream is None
        return np.ndarray.__dlpack__(self)


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("version", [None, (1, 0)])
@pytest.mark.requires("numpy-dlpack")
def test_export_of_an_ndarray_subclass_ignores_a_legacy_dlpack_method(
    version: Any, copy: Any
) -> None:
    x = np.arange(3.0).view(Legacy)
    capsule = export(x).__dlpack__(max_version=version, copy=copy)
    assert ("versioned" in repr(capsule)) == (version is not None)
    if version:
        assert versioned_in(capsule).flags == (IS_COPIED if copy else 0)
    assert (tensor_in(capsule).data == x.ctypes.data) == (copy is not True)


@pytest.mark.requires("torch", "numpy-dlpack")
def test_export_of_a_tensor_subclass_ignores_a_legacy_dlpack_method() -> None:
    import torch

    class Odd(torch.Tensor):
        def __dlpack__(self, stream: object = None) -> Any:  # type: ignore[override]
            raise AssertionError

    x = torch.arange(3.0).as_subclass(Odd)
    for copy in (None, True):
        assert np.from_dlpack(export(x), copy=copy).tolist() == [0, 1, 2]


@pytest.mark.requires("cupy", "gpu")
def test_export_of_a_cupy_subclass_ignores_a_legacy_dlpack_method() -> None:
    import cupy

    class Odd(cupy.ndarray):  # type: ignore[misc]
        def __dlpack__(self, stream: object = None) -> Any:
            raise AssertionError

    x = interop.convert(np.arange(3.0), "cupy").view(Odd)
    assert versioned_in(export(x).__dlpack__(**NEW)).flags == 0


# -- strides ---------------------------------------------------------------------------------------


@pytest.mark.requires("torch")
def test_export_of_negative_strides_does_not_crash_torch() -> None:
    """`torch.from_dlpack` of the plain array crashes torch 2.13, so the test uses a process."""
    out = run_child("""
        import numpy as np, torch, interop
        for x in (np.arange(6.0)[::-1], np.arange(6.0).reshape(2, 3)[:, ::-1], np.arange(6.0)[::-1][:1]):
            print(torch.from_dlpack(interop.export(x)).tolist() == x.tolist())
    """)
    assert out.split() == ["True"] * 3


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: np.arange(4.0)[::-1], "its strides are negative"),
        (lambda: np.zeros(3, [("a", "u1"), ("b", "f8")])["b"], "it is not aligned in memory"),
        (lambda: np.lib.stride_tricks.as_strided(np.zeros(4, "c8"), (2,), (12,)), "its strides are not whole elements"),
        (lambda: np.empty((0, 3))[:, ::-1], None),
        (lambda: np.ones((1, 3))[::-1], None),
    ],
)  # fmt: skip
@pytest.mark.requires("numpy-dlpack")
def test_export_copy_false_refuses_unsupported_strides_with_the_reason(
    make: Any, why: str | None
) -> None:
    lent = export(make())
    if why is None:
        assert versioned_in(lent.__dlpack__(copy=False, **NEW)).flags == 0
        return
    with pytest.raises(
        interop.CopyRequiredError, match=rf"it takes a copy, because {why}.*\. Leave copy=False out"
    ):
        lent.__dlpack__(copy=False, **NEW)


@pytest.mark.requires("cupy", "gpu", "kernels")
def test_export_of_negative_strides_on_a_gpu_copies() -> None:
    x = interop.convert(np.arange(6.0), "cupy")[::-1]
    assert versioned_in(export(x).__dlpack__(**NEW)).flags == IS_COPIED


@pytest.mark.requires("cupy", "gpu")
def test_export_of_negative_strides_on_a_gpu_refuses_copy_false() -> None:
    x = interop.convert(np.arange(6.0), "cupy")[::-1]
    with pytest.raises(interop.CopyRequiredError, match="its strides are negative"):
        export(x).__dlpack__(copy=False, **NEW)
