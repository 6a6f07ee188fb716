"""Devices of array-API libraries without an adapter: only the library moves arrays."""

import pickle
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import interop
from interop._identify import registry
from interop.adapter import Device, LibraryDevice
from registering import registered

BASE = np.arange(6.0).reshape(2, 3)
DEVICES = [strict.Device(name) for name in ("device1", "device2", "no_float64")]
FIRST, SECOND = DEVICES[:2]
HOST = strict.Device("CPU_DEVICE")


def placed(device: Any = FIRST, dtype: str = "float32") -> Any:
    return strict.asarray(BASE.astype(dtype), device=device, copy=True)


# -- as a source -----------------------------------------------------------------------------------


@pytest.mark.requires("torch")
@pytest.mark.parametrize("place", DEVICES, ids=str)
@pytest.mark.parametrize(
    "to", ["numpy", "torch", pytest.param("dask", marks=pytest.mark.requires("dask"))]
)
@pytest.mark.parametrize("keywords", [{}, {"device": "cpu"}], ids=str)
def test_convert_from_a_library_device_moves_to_the_host(
    place: Any, to: str, keywords: dict[str, Any]
) -> None:
    x = placed(place)
    if to == "dask":
        with pytest.raises(
            interop.UnsupportedArrayError,
            match=r"Move it to the host first: interop\.to_numpy\(x\)\.",
        ):
            interop.convert(x, to, **keywords)
        x = interop.to_numpy(x)
    result = interop.convert(x, to, **keywords)
    assert interop.to_numpy(result).tolist() == BASE.tolist()
    interop.to_numpy(result)[0, 0] = 9
    assert interop.to_numpy(placed(place)).tolist() == BASE.tolist()


def test_explain_from_a_library_device_plans_one_move() -> None:
    plan = interop.explain(placed(), "numpy")
    assert [step.verb for step in plan.steps] == ["move", "share"]
    assert plan.bytes_copied == plan.host_bytes == 24
    assert (plan.source_device, str(plan.device)) == (LibraryDevice(FIRST), "cpu")
    assert str(plan.source_device) == "array_api_strict.Device('device1')"
    assert plan.reason.startswith(
        "only its library can read memory on array_api_strict.Device('device1')"
    )


@pytest.mark.requires("torch")
def test_convert_from_a_library_device_casts_in_the_same_step() -> None:
    plan = interop.explain(placed(dtype="float64"), "torch", dtype="float32")
    assert [(step.verb, step.dtype) for step in plan.steps] == [
        ("move", "float32"),
        ("share", "float32"),
    ]
    assert (
        interop.to_numpy(interop.convert(placed(dtype="float64"), "torch", dtype="float32")).dtype
        == np.float32
    )


def test_copy_false_refuses_to_move_from_a_library_device() -> None:
    with pytest.raises(interop.CopyRequiredError, match=r"moves from .*device1.* to cpu"):
        interop.to_numpy(placed(), copy=False)


def test_policy_counts_a_move_from_a_library_device() -> None:
    with (
        interop.options(host_copy="error"),
        pytest.raises(interop.HostCopyError, match="24 bytes travel"),
    ):
        interop.to_numpy(placed())
    with interop.watch() as log:
        interop.to_numpy(placed())
    assert [record.host_bytes for record in log.records] == [24]


def test_host_bytes_of_a_library_device_count_the_dtype_on_the_device() -> None:
    # Only the host casts, so the dtype on the device travels.
    down = interop.explain(placed(FIRST, "float64"), "numpy", dtype="float32")
    up = interop.explain(BASE.astype("float32"), strict, device=FIRST, dtype="float64")
    assert (down.host_bytes, down.bytes_copied) == (BASE.nbytes, BASE.nbytes // 2)
    assert (up.host_bytes, up.bytes_copied) == (BASE.nbytes, BASE.nbytes)


def test_stream_is_refused_for_a_library_device() -> None:
    for call in (
        lambda s: interop.to_numpy(placed(), stream=s),
        lambda s: interop.convert(BASE, strict, device=FIRST, stream=s),
    ):
        with pytest.raises(interop.UnsupportedArrayError, match=r"Leave stream= out\."):
            call(7)
        call(-1)


# -- as a target -----------------------------------------------------------------------------------


def test_convert_and_explain_move_to_a_library_device() -> None:
    plan = interop.explain(BASE, strict, device=FIRST)
    assert [step.verb for step in plan.steps] == ["share", "move"]
    assert plan.device == LibraryDevice(FIRST)
    x = interop.convert(BASE, strict, device=FIRST)
    assert x.device == FIRST
    assert not np.shares_memory(x._array, BASE)
    assert interop.to_numpy(x).tolist() == BASE.tolist()
    with pytest.raises(interop.CopyRequiredError, match="moves from cpu to"):
        interop.convert(BASE, strict, device=FIRST, copy=False)


@pytest.mark.parametrize("start", [HOST, FIRST, SECOND], ids=str)
@pytest.mark.parametrize("end", [HOST, FIRST, SECOND], ids=str)
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_convert_between_devices_of_one_library_copies_and_casts(
    start: Any, end: Any, dtype: str | None
) -> None:
    x = placed(start, "float64")
    result = interop.convert(x, strict, device=end, dtype=dtype, copy=True)
    assert (result.device, str(result.dtype).rpartition(".")[2]) == (end, dtype or "float64")
    assert not np.shares_memory(result._array, x._array)
    assert result._array.tolist() == BASE.tolist()
    assert interop.explain(
        x, strict, device=end, dtype=dtype, copy=True
    ).device == interop.device_of(result)


def test_convert_keeps_an_array_on_a_library_device_by_default() -> None:
    x = placed()
    assert interop.convert(x, strict) is x
    assert interop.convert(x, strict, device=FIRST, copy=False) is x
    assert interop.convert(x, strict, dtype="float64").device == FIRST


def test_convert_and_explain_refuse_a_dtype_that_the_device_lacks() -> None:
    device = strict.Device("no_float64")
    for verb in (interop.convert, interop.explain):
        with pytest.raises(
            interop.UnsupportedArrayError, match=r'has no float64\. Pass dtype="float32"\.'
        ):
            verb(BASE, strict, device=device)
        with pytest.raises(
            interop.UnsupportedArrayError, match=r'has no float64\. Pass dtype="float32"\.'
        ):
            verb(strict.asarray(BASE), strict, device=device)
    assert interop.convert(BASE, strict, device=device, dtype="float32").device == device


@pytest.mark.requires("torch")
@pytest.mark.parametrize(
    "to", ["numpy", "torch", pytest.param("jax", marks=pytest.mark.requires("jax"))]
)
def test_convert_to_a_device_of_another_library_is_refused(to: str) -> None:
    with pytest.raises(interop.InteropError, match=rf"cannot convert numpy .* to {to}: "):
        interop.convert(BASE, to, device=FIRST)


# -- other functions -------------------------------------------------------------------------------


def test_device_of_returns_a_library_device_that_convert_accepts() -> None:
    device = interop.device_of(placed())
    assert interop.convert(BASE, strict, device=device).device == FIRST
    assert device == LibraryDevice(strict.Device("device1"))
    assert device not in (LibraryDevice(SECOND), (-1, 0), Device(-1), Device(1))
    assert {device, pickle.loads(pickle.dumps(device))} == {device}  # noqa: S301 - our own
    assert str(interop.device_of(placed(HOST))) == "cpu"


def test_convert_like_goes_to_the_library_device_of_the_reference() -> None:
    assert interop.convert_like(BASE, placed()).device == FIRST
    assert interop.convert_like(BASE, placed(HOST)).device == HOST
    assert interop.convert_like(placed(SECOND), placed(FIRST)).device == FIRST
    assert type(interop.convert_like(placed(), BASE)) is np.ndarray


def test_unify_goes_to_the_device_of_the_first_array() -> None:
    for arrays in ((placed(), placed(HOST)), (placed(), placed(SECOND))):
        assert [x.device for x in interop.unify(*arrays)] == [FIRST, FIRST]
    assert [x.device for x in interop.unify(placed(), BASE, to=strict)] == [FIRST, FIRST]
    assert [type(x) for x in interop.unify(placed(), BASE)] == [np.ndarray, np.ndarray]


def test_stack_stays_on_a_library_device() -> None:
    assert interop.stack([placed(), placed()], strict).device == FIRST
    assert interop.stack([placed(), placed()], "numpy").tolist() == [BASE.tolist()] * 2


def test_export_from_a_library_device_moves_to_the_host() -> None:
    x = placed()
    exported = interop.export(x)
    assert exported.__dlpack_device__() == (1, 0)
    assert np.from_dlpack(exported).tolist() == BASE.tolist()
    with pytest.raises(interop.CopyRequiredError, match="only its library can read memory"):
        exported.__dlpack__(copy=False)


def test_shares_memory_of_two_library_device_arrays_is_refused() -> None:
    assert not interop.shares_memory(placed(), BASE)
    with pytest.raises(interop.UnsupportedArrayError, match="only their library knows"):
        interop.shares_memory(placed(), placed())


def test_batches_from_a_library_device_moves_each_batch() -> None:
    with interop.watch() as log:
        pieces = list(interop.batches(placed(), "numpy", size=1))
    assert [piece.tolist() for piece in pieces] == [[row] for row in BASE.tolist()]
    assert [record.host_bytes for record in log.records] == [12, 12]
    assert [piece.device for piece in interop.batches(placed(), strict, size=1)] == [FIRST, FIRST]


def test_copyto_reads_from_a_library_device_and_does_not_write_there() -> None:
    dst = np.zeros((2, 3))
    interop.copyto(dst, placed())
    assert dst.tolist() == BASE.tolist()
    with pytest.raises(interop.UnsupportedArrayError, match=r"interop\.convert_like\(src, dst\)\."):
        interop.copyto(placed(), dst)


def test_register_namespace_keeps_the_library_devices() -> None:
    large = strict.ones((1200, 1200), device=FIRST)
    with registered(registry.find(strict)):
        assert interop.to_numpy(placed()).tolist() == BASE.tolist()
        double = interop.implemented_in("numpy")(lambda a: a * 2)(placed())
        assert (double.device, interop.to_numpy(double).tolist()) == (FIRST, (BASE * 2).tolist())
        assert interop.to_numpy(interop.stack([placed(), placed()], strict)).shape == (2, 2, 3)
        dst = np.zeros(large.shape)
        interop.copyto(dst, large)
        assert dst.all()
        with pytest.raises(interop.UnsupportedArrayError, match="only its library can write"):
            interop.copyto(large, dst)
        with pytest.raises(interop.UnsupportedArrayError, match="only their library knows"):
            interop.shares_memory(large, large)
        for to in ("numpy", strict):
            with pytest.raises(interop.UnsupportedArrayError, match=r"Leave stream= out\."):
                interop.stack([placed(), placed()], to, stream=7)
