"""Malformed array interfaces on the host are refused with the reason, and read no other memory."""

import ctypes
import gc
import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

import interop
from standins import installed

MEMORY: Final = np.arange(6, dtype="float32").reshape(2, 3)
MISSING: Final = object()
VERBS: Final[dict[str, Callable[[Any], Any]]] = {
    "to_numpy": interop.to_numpy,
    "to_torch": interop.to_torch,
    "explain": lambda x: interop.explain(x, "torch"),
    "copyto": lambda x: interop.copyto(np.zeros((2, 3), "float32"), x),
    "copyto dst": lambda x: interop.copyto(x, np.zeros((2, 3), "float32")),
    "export": interop.export,
    "unify": lambda x: interop.unify(x, np.zeros(3)),
    "device_of": interop.device_of,
    "shares_memory": lambda x: interop.shares_memory(x, MEMORY),
}
if not installed("torch"):
    del VERBS["to_torch"], VERBS["explain"]
EACH_VERB = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


class Lender:
    """An object with a given array interface."""

    def __init__(self, **entries: Any) -> None:
        whole = {**MEMORY.__array_interface__, **entries}
        self.__array_interface__: Any = {k: v for k, v in whole.items() if v is not MISSING}


def buffer(size: int, **entries: Any) -> dict[str, Any]:
    return {"data": bytearray(size), "typestr": "<f4", **entries}


OUTSIDE: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "a larger shape": (
        buffer(8, shape=(1000000,)),
        "needs the bytes 0 to 4000000 of its data, which has 8 bytes",
    ),
    "one byte less": (buffer(23), "needs the bytes 0 to 24 of its data, which has 23 bytes"),
    "an offset": (buffer(24, offset=4), "needs the bytes 4 to 28"),
    "a negative offset": (buffer(24, offset=-4), "needs the bytes -4 to 20"),
    "larger strides": (buffer(24, strides=(400, 4)), "needs the bytes 0 to 412"),
    "negative strides": (buffer(24, strides=(-12, 4)), "needs the bytes -12 to 12"),
    "negative strides with an offset": (
        buffer(24, strides=(12, -4), offset=4),
        "needs the bytes -4 to 20",
    ),
    "an empty array behind the end": (
        buffer(24, shape=(0,), offset=25),
        "needs the bytes 25 to 25",
    ),
}
MALFORMED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no shape": ({"shape": MISSING}, "has no 'shape'"),
    "a number as shape": ({"shape": 6}, "has the shape 6, which is not a tuple"),
    "texts as shape": ({"shape": ("a",)}, "has the shape 'a', which is no integer"),
    "a negative shape": ({"shape": (-2, 3)}, r"has the negative shape \(-2, 3\)"),
    "too many axes": ({"shape": (1,) * 65}, "has 65 axes, and an array has 0 to 64"),
    "an overflowing shape": ({"shape": (2**40, 2**40)}, "beyond any memory"),
    "an overflowing length": ({"shape": (2**70,)}, "beyond any memory"),
    "no typestr": ({"typestr": MISSING}, "has no 'typestr'"),
    "a number as typestr": (
        {"typestr": 4},
        "has the typestr 4, which is not a dtype of plain numbers",
    ),
    "an unknown typestr": (
        {"typestr": "<f3"},
        "has the typestr '<f3', which is not a dtype of plain numbers",
    ),
    "too few strides": (
        {"strides": (4,)},
        r"has the strides \(4,\) for the shape \(2, 3\)",
    ),
    "strides beyond any memory": ({"strides": (2**62, 4)}, "beyond any memory"),
    "a number as strides": ({"strides": 4}, "has the strides 4, which is not a tuple"),
    "no data": ({"data": MISSING}, "has no data, and the object has no buffer"),
    "None as data": ({"data": None}, "has no data, and the object has no buffer"),
    "a number as data": (
        {"data": 64},
        "has int data, which is neither an address nor a buffer",
    ),
    "one entry as data": (
        {"data": (64,)},
        r"has the data \(64,\), which is not an address and a read-only flag",
    ),
    "a text as address": ({"data": ("64", False)}, "has the address '64', which is no integer"),
    "a null pointer": (
        {"data": (0, False)},
        r"has the shape \(2, 3\) and a null pointer as data",
    ),
    "a negative address": ({"data": (-8, False)}, "has the address -8, which is no address"),
    "an address at the end": ({"data": (2**64 - 8, False)}, "which is no address"),
}


def refusal(
    verb: Callable[[Any], Any], entries: dict[str, Any], reason: str
) -> interop.UnsupportedArrayError:
    with pytest.raises(
        interop.UnsupportedArrayError, match=f"its __array_interface__ .*{reason}"
    ) as caught:
        verb(Lender(**entries))
    assert caught.value.source == f"{__name__}.Lender"
    return caught.value


@EACH_VERB
@pytest.mark.parametrize(("entries", "reason"), OUTSIDE.values(), ids=OUTSIDE)
def test_array_interface_that_promises_more_than_its_buffer_is_refused(
    entries: dict[str, Any], reason: str, verb: Callable[[Any], Any]
) -> None:
    assert type(refusal(verb, entries, reason).__cause__) is BufferError


@EACH_VERB
@pytest.mark.parametrize(("entries", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_array_interface_with_a_malformed_entry_is_refused(
    entries: dict[str, Any], reason: str, verb: Callable[[Any], Any]
) -> None:
    refusal(verb, entries, reason)


@pytest.mark.parametrize("interface", [{}, [], 5, "x", lambda: 1])
def test_array_interface_that_is_no_description_is_refused(interface: Any) -> None:
    x = Lender()
    x.__array_interface__ = interface
    with pytest.raises(interop.UnsupportedArrayError, match=r"its __array_interface__ (is|has no)"):
        interop.to_numpy(x)


INSIDE: Final[dict[str, tuple[dict[str, Any], list[Any]]]] = {
    "exactly": ({"shape": (3,)}, [0, 1, 2]),
    "an offset": ({"shape": (2,), "offset": 4}, [1, 2]),
    "reversed": ({"shape": (3,), "strides": (-4,), "offset": 8}, [2, 1, 0]),
    "every second": ({"shape": (2,), "strides": (8,)}, [0, 2]),
    "repeated": ({"shape": (3,), "strides": (0,), "offset": 8}, [2, 2, 2]),
    "nothing": ({"shape": (0, 9), "offset": 12}, []),
    "a list as shape": ({"shape": [3]}, [0, 1, 2]),
}


@pytest.mark.parametrize(("entries", "values"), INSIDE.values(), ids=INSIDE)
def test_array_interface_inside_its_buffer_is_converted(
    entries: dict[str, Any], values: list[Any]
) -> None:
    data = np.arange(3, dtype="float32").tobytes()
    for memory in (data, bytearray(data), memoryview(data)):
        x = Lender(data=memory, **entries)
        assert interop.to_numpy(x).tolist() == values
        assert interop.to_torch(x).tolist() == values


ADDRESSES: Final = (None, 0, 1, -8, 2**63 + 7, 2**64 - 2, 2**64 + 5, 2**200)
"""No array without elements is read at its address."""


def interface_without_elements(address: int | None) -> dict[str, Any]:
    return {"shape": (0, 3), "typestr": "<f4", "data": (address, False), "version": 3}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "float16"}], ids=str)
def test_array_interface_without_elements_converts_with_any_address(
    address: int | None, keywords: dict[str, Any]
) -> None:
    x = Lender(**interface_without_elements(address))
    for to in installed("numpy", "torch", "jax", "dask", "array_api_strict"):
        if to != "array_api_strict" or "dtype" not in keywords:
            assert interop.convert(x, to, **keywords).shape == (0, 3)
    for name, verb in VERBS.items():
        if not name.startswith("copyto"):
            verb(x)
    interop.copyto(np.zeros((0, 3), "float32"), x)
    interop.copyto(x, np.zeros((0, 3), "float32"))


@pytest.mark.parametrize("address", ADDRESSES)
def test_array_interface_without_elements_stays_read_only(address: int | None) -> None:
    x = Lender(**{**interface_without_elements(address), "data": (address, True)})
    assert not interop.to_numpy(x, readonly="share").flags.writeable
    with pytest.raises(interop.CopyRequiredError):
        interop.to_torch(x, readonly="error")


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("protocol", ["__array_interface__", "__cuda_array_interface__"])
@pytest.mark.parametrize("to", ["cupy", "torch"])
def test_interface_without_elements_converts_to_a_device_with_any_address(
    to: str, protocol: str, address: int | None
) -> None:
    interface = interface_without_elements(address)
    x = type("Producer", (), {protocol: interface})()
    choices: list[dict[str, Any]] = [{}, {"copy": True}, {"dtype": "float64"}]
    for keywords in choices:
        result = interop.convert(x, to, device="cuda:0", **keywords)
        assert (result.shape, str(interop.device_of(result))) == ((0, 3), "cuda:0")


UNUSED_STRIDES: Final = (-(2**70), -5, 0, 3, 2**40, 2**63 - 1, 2**70)
"""Strides of an axis of length 1, which nobody uses."""


@pytest.mark.parametrize("stride", UNUSED_STRIDES)
def test_array_interface_with_any_stride_of_an_axis_of_length_1_is_shared(stride: int) -> None:
    address = MEMORY.ctypes.data
    entries = {"shape": (1, 3), "typestr": "<f4", "strides": (stride, 4), "version": 3}
    x = Lender(**entries, data=(address, False))
    for to in installed("numpy", "torch", "dask"):
        result = interop.convert(x, to)
        assert interop.to_numpy(result).tolist() == [[0, 1, 2]]
    assert interop.shares_memory(interop.to_numpy(x), MEMORY)


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("stride", UNUSED_STRIDES)
@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_cuda_array_interface_with_any_stride_of_an_axis_of_length_1_is_shared(
    to: str, stride: int
) -> None:
    memory = interop.to_cupy(MEMORY, device="cuda:0")
    entries = {**memory.__cuda_array_interface__, "shape": (1, 3), "strides": (stride, 4)}
    x = type("Producer", (), {"__cuda_array_interface__": entries})()
    assert interop.to_numpy(interop.convert(x, to)).tolist() == [[0, 1, 2]]


@pytest.mark.requires("torch", "cupy", "gpu")
def test_ndarray_without_elements_at_a_high_address_converts_to_cupy() -> None:
    x: Any = np.asarray(Lender(**interface_without_elements(2**64 - 2)))
    assert x.ctypes.data == 2**64 - 2
    for array in (x, memoryview(x)):
        result = interop.to_cupy(array)
        assert (result.shape, result.dtype) == ((0, 3), "float32")
        assert interop.to_cupy(array, dtype="float64").shape == (0, 3)


def test_array_interface_without_data_lends_the_buffer_of_the_object() -> None:
    """The buffer of an object is opened before its interface, so this is asked directly."""
    readers = importlib.import_module("interop.adapters.protocol.readers")

    class Buffer(bytearray):
        __array_interface__ = {"shape": (3,), "typestr": "<f4", "version": 3}  # noqa: RUF012

    x = Buffer(np.arange(3, dtype="float32").tobytes())
    opened: Any = readers.open_interface(x)
    assert opened.tolist() == [0, 1, 2]
    assert np.shares_memory(opened, np.frombuffer(x, "uint8"))


def test_array_interface_that_changes_after_the_check_is_read_once() -> None:
    class Changing:
        reads = 0

        @property
        def __array_interface__(self) -> Any:
            self.reads += 1
            shape = (2, 3) if self.reads == 1 else (2**20,)
            return {**MEMORY.__array_interface__, "shape": shape}

    x = Changing()
    assert interop.to_numpy(x).tolist() == MEMORY.tolist()
    assert x.reads == 1


def test_array_interface_keeps_its_object_alive() -> None:
    class Owner:
        def __init__(self) -> None:
            self.memory = MEMORY.copy()

        @property
        def __array_interface__(self) -> Any:
            return self.memory.__array_interface__

    result = interop.to_numpy(Owner())
    gc.collect()
    assert result.tolist() == MEMORY.tolist()


@pytest.mark.parametrize("mask", [np.zeros((2, 3), bool), True, 0])
def test_array_interface_with_a_mask_is_refused(mask: Any) -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="it is masked, and the mask"):
        interop.to_numpy(Lender(mask=mask))


def with_mask_from_the_second_read(interface: dict[str, Any]) -> property:
    reads: list[Any] = []

    def read(_: Any) -> Any:
        reads.append(interface)
        return interface if len(reads) == 1 else {**interface, "mask": np.ones((2, 3), bool)}

    return property(read)


def test_array_interface_with_a_mask_from_the_second_read_is_refused() -> None:
    interface = {**MEMORY.__array_interface__, "data": MEMORY.tobytes()}
    x = type("Producer", (), {"__array_interface__": with_mask_from_the_second_read(interface)})()
    with pytest.raises(interop.UnsupportedArrayError, match="has a mask, and had none before"):
        interop.to_torch(x)


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_cuda_array_interface_with_a_mask_from_the_second_read_is_refused(to: str) -> None:
    interface = interop.to_cupy(MEMORY).__cuda_array_interface__
    x = type(
        "Producer", (), {"__cuda_array_interface__": with_mask_from_the_second_read(interface)}
    )()
    with pytest.raises(interop.UnsupportedArrayError, match="has changed since the plan was made"):
        interop.convert(x, to)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("protocol", ["__array_interface__", "__cuda_array_interface__"])
def test_open_interrupts_and_memory_errors_of_a_property_are_raised(
    error: type[BaseException], protocol: str
) -> None:
    def interrupt(_: Any) -> Any:
        raise error

    with pytest.raises(error):
        interop.to_numpy(type("Interrupted", (), {protocol: property(interrupt)})())


def test_convert_array_struct_with_a_null_pointer_is_refused() -> None:
    """NumPy allocates memory for such a struct, and gives numbers of no meaning."""

    class Struct:
        def __init__(self, address: int | None, *shape: int) -> None:
            self.__array_struct__ = np.ones(shape).__array_struct__
            point = ctypes.pythonapi.PyCapsule_GetPointer
            point.restype, point.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_void_p]
            # Two integers, a character, two integers, and two pointers come first.
            data = point(self.__array_struct__, None) + 24 + 2 * ctypes.sizeof(ctypes.c_void_p)
            ctypes.c_void_p.from_address(data).value = address

    array = np.arange(3.0)
    assert interop.to_numpy(Struct(array.ctypes.data, 3)).tolist() == [0, 1, 2]
    assert interop.to_numpy(Struct(None, 0, 3)).shape == (0, 3)
    for name in {"to_numpy", "to_torch", "explain"} & VERBS.keys():
        with pytest.raises(interop.UnsupportedArrayError) as caught:
            VERBS[name](Struct(None, 2, 3))
        wanted = "BufferError: its __array_struct__ has the shape (2, 3) and a null pointer"
        assert wanted in str(caught.value)
