"""Hostile producers of GPU memory: refused before a framework adopts what they say."""

import gc
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pytest

import interop
from foreign import DLPack, OldDLPack, altering
from interop.adapter import capsule
from sources.test_capsule_headers import (
    Change,
    set_device,
    set_dtype,
    set_field,
    set_shape,
    set_strides,
)

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")

VALUES: Final = np.arange(6, dtype="float32").reshape(2, 3)
MISSING: Final = object()
NAMES = pytest.mark.parametrize("name", ["torch", "cupy"])
TARGETS = pytest.mark.parametrize("to", ["torch", "cupy"])
VERBS: Final[dict[str, Callable[[Any], Any]]] = {
    "to_torch": interop.to_torch,
    "to_cupy": interop.to_cupy,
    "explain": lambda x: interop.explain(x, "torch"),
    "copyto": lambda x: interop.copyto(np.zeros((2, 3), "float32"), x),
    "export": interop.export,
    "device_of": interop.device_of,
}


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    runs.clean()


def on_device(name: str) -> Any:
    return interop.convert(VALUES, name, device="cuda")


# -- capsules --------------------------------------------------------------------------------------

BROKEN: Final[dict[str, tuple[Change, str]]] = {
    "fewer axes than none": (set_field("ndim", -1), "its capsule has -1 axes"),
    "too many axes": (set_field("ndim", 65), "its capsule has 65 axes"),
    "no shape": (set_field("shape", None), "a null pointer as its shape"),
    "a negative length": (set_shape(-2, 3), "negative shape"),
    "an overflowing size": (set_shape(2**40, 2**40), "beyond any memory"),
    "overflowing strides": (set_strides(2**60, 1), "beyond any memory"),
    "an overflowing offset": (set_field("byte_offset", 2**63), "the offset 9223372036854775808"),
    "no memory": (set_field("data", None), "a null pointer as its memory"),
    "an address at the end": (set_field("data", 2**64 - 8), "which is no address"),
    "an unknown dtype": (set_dtype(3, 64), "code 3, 64 bits, 1 lanes"),
    "vectors": (set_dtype(2, 32, 2), "code 2, 32 bits, 2 lanes"),
    "another GPU": (set_device(2, 1), "it says that it is on cuda:0, and its capsule says cuda:1"),
    "the host": (set_device(1, 0), "it says that it is on cuda:0, and its capsule says cpu"),
}


@NAMES
@pytest.mark.parametrize("base", [DLPack, OldDLPack])
@pytest.mark.parametrize(("change", "reason"), BROKEN.values(), ids=BROKEN)
def test_device_capsule_with_an_invalid_header_is_refused_and_freed(
    change: Change, reason: str, base: Any, name: str
) -> None:
    def refuse(verb: Callable[[Any], Any]) -> None:
        source = altering(change, base)(on_device(name))
        with pytest.raises(interop.UnsupportedArrayError, match=reason) as caught:
            verb(source)
        assert type(caught.value.__cause__) is BufferError

    gc.collect()
    before = used_bytes()
    for verb in VERBS.values():
        refuse(verb)
    gc.collect()
    assert used_bytes() == before, "the capsule's own destructor was to free it"


def used_bytes() -> tuple[int, int]:
    import cupy
    import torch

    return cupy.get_default_memory_pool().used_bytes(), torch.cuda.memory_allocated()


@pytest.mark.parametrize("attribute", ["shape", "dtype"])
@TARGETS
def test_device_capsule_that_contradicts_its_object_is_refused(attribute: str, to: str) -> None:
    source = DLPack(on_device("cupy"))
    stated = {"shape": (3, 2), "dtype": np.dtype("int32")}[attribute]
    setattr(source, attribute, stated)
    for call in (interop.explain, interop.convert):
        with pytest.raises(interop.UnsupportedArrayError, match=f"it has the {attribute} "):
            call(source, to)


@pytest.mark.parametrize("broken", ["stated", "changed"])
def test_device_producer_that_states_a_shape_is_not_trusted_after_a_bad_header(broken: str) -> None:
    """`explain` must not plan from attributes what `convert` then refuses."""
    source = altering(set_field("ndim", -1))(on_device("cupy"))
    source.shape = (2, 3)
    source.dtype = np.dtype("float32") if broken == "stated" else "float32"
    for call in (interop.explain, interop.convert):
        with pytest.raises(interop.UnsupportedArrayError, match="its capsule has -1 axes"):
            call(source, "torch")


# -- read-only -------------------------------------------------------------------------------------


class Frozen(DLPack):
    """A producer whose capsules are marked read-only."""

    def __dlpack__(self, **keywords: Any) -> Any:
        lent = super().__dlpack__(**keywords)
        capsule.add_flags(lent, capsule.READ_ONLY)
        return lent


class Ordered(Frozen):
    """A producer that refuses a capsule without a stream, and states a shape and a dtype."""

    shape = (2, 3)
    dtype = np.dtype("float32")

    def __dlpack__(self, **keywords: Any) -> Any:
        if keywords.get("stream") == -1:
            raise BufferError("no capsule without an order")
        return super().__dlpack__(**keywords)


class Unsigned(DLPack):
    """A producer written in C: nobody can ask for the keywords of its `__dlpack__`."""

    @property
    def __dlpack__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Method(self._array)


class Method:
    __signature__ = "none"

    def __init__(self, array: Any) -> None:
        self.array = array

    def __call__(self, **keywords: Any) -> Any:
        return Frozen(self.array).__dlpack__(**keywords)


class Interface:
    def __init__(self, array: Any, **entries: Any) -> None:
        self.array = array
        whole = {**array.__cuda_array_interface__, **entries}
        self.__cuda_array_interface__: Any = {k: v for k, v in whole.items() if v is not MISSING}


def frozen_interface(array: Any) -> Interface:
    return Interface(array, data=(array.data.ptr, True))


READONLY: Final = [Frozen, Ordered, Unsigned, frozen_interface]


@TARGETS
@pytest.mark.parametrize("make", READONLY)
def test_readonly_device_memory_is_copied_shared_or_refused_as_on_the_host(
    make: Callable[[Any], Any], to: str
) -> None:
    x = on_device("cupy")
    source = make(x)
    reason = f"it is read-only, and {to} would write to it all the same"
    assert interop.explain(source, to).reason == reason
    copied = interop.convert(source, to)
    assert not interop.shares_memory(copied, x)
    assert interop.to_numpy(copied).tolist() == VALUES.tolist()
    assert interop.explain(source, to, readonly="share").zero_copy
    assert interop.shares_memory(interop.convert(source, to, readonly="share"), x)
    refused: list[dict[str, Any]] = [{"copy": False}, {"readonly": "error"}]
    for keywords in refused:
        for call in (interop.explain, interop.convert):
            with pytest.raises(interop.CopyRequiredError, match="read-only"):
                call(source, to, **keywords)


@pytest.mark.parametrize("make", READONLY)
def test_export_readonly_device_memory_flags_the_capsule(make: Callable[[Any], Any]) -> None:
    lent = interop.export(make(on_device("cupy"))).__dlpack__(max_version=(1, 0))
    assert capsule.read_header(lent).readonly


# -- the CUDA Array Interface ----------------------------------------------------------------------

MALFORMED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no version": ({"version": MISSING}, "has no 'version'"),
    "a text as version": ({"version": "3"}, "has the version '3', which is no integer"),
    "a later version": ({"version": 4}, "has the version 4, and interop reads versions up to 3"),
    "a negative version": ({"version": -1}, "has the version -1"),
    "no shape": ({"shape": MISSING}, "has no 'shape'"),
    "bytes as shape": ({"shape": b"ab"}, "has the shape b'ab', which is not a tuple"),
    "a negative shape": ({"shape": (-2, 3)}, r"has the negative shape \(-2, 3\)"),
    "a length beyond any memory": ({"shape": (2**70,)}, "beyond any memory"),
    "an overflowing shape": ({"shape": (2**40, 2**40)}, "beyond any memory"),
    "no typestr": ({"typestr": MISSING}, "has no 'typestr'"),
    "an unknown typestr": ({"typestr": "<f3"}, "has the typestr '<f3'"),
    "no data": ({"data": MISSING}, "has no 'data'"),
    "None as data": ({"data": None}, "has the data None, which is not an address and a read-only"),
    "a float as address": ({"data": (1.5, False)}, "has the address 1.5, which is no integer"),
    "a null pointer": ({"data": (0, False)}, "a null pointer as data"),
    "no pointer": ({"data": (None, False)}, "a null pointer as data"),
    "a negative address": ({"data": (-8, False)}, "has the address -8, which is no address"),
    "an address at the end": ({"data": (2**64 - 8, False)}, "which is no address"),
    "memory of the host": ({"data": (VALUES.ctypes.data, False)}, "unknown to CUDA"),
    "another address": ({"data": (4096, False)}, "has the address 4096, unknown to CUDA"),
    "too few strides": ({"strides": (4,)}, r"has the strides \(4,\) for the shape \(2, 3\)"),
    "a number as strides": ({"strides": 4}, "has the strides 4, which is not a tuple"),
    "strides beyond any memory": ({"strides": (2**62, 4)}, "beyond any memory"),
    "the stream 0": ({"stream": 0}, "has the stream 0, which is not a handle of a stream"),
    "a negative stream": ({"stream": -2}, "has the stream -2"),
    "a text as stream": ({"stream": "x"}, "has the stream 'x', which is no integer"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize(("entries", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_cuda_array_interface_with_a_malformed_entry_is_refused(
    entries: dict[str, Any], reason: str, verb: Callable[[Any], Any]
) -> None:
    source = Interface(on_device("cupy"), **entries)
    with pytest.raises(
        interop.UnsupportedArrayError, match=f"its __cuda_array_interface__ .*{reason}"
    ) as caught:
        verb(source)
    assert caught.value.source == f"{__name__}.Interface"
    assert type(caught.value.__cause__) is BufferError


@pytest.mark.parametrize("interface", [{}, [], 5, "x"], ids=repr)
def test_cuda_array_interface_that_is_no_description_is_refused(interface: Any) -> None:
    source = Interface(on_device("cupy"))
    source.__cuda_array_interface__ = interface
    with pytest.raises(
        interop.UnsupportedArrayError, match=r"its __cuda_array_interface__ (is|has)"
    ):
        interop.to_torch(source)


UNSUPPORTED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "a mask": ({"mask": np.zeros((2, 3), bool)}, "it is masked"),
    "objects": ({"typestr": "|O8"}, "not a dtype of plain numbers"),
    "times": ({"typestr": "<M8[s]"}, "not a dtype of plain numbers"),
    "fields": ({"typestr": "|V4", "descr": [("a", "<i2"), ("b", "<i2")]}, "plain numbers"),
    "another byte order": ({"typestr": ">f4"}, "can't be asked for a copy"),
}


@TARGETS
@pytest.mark.parametrize(("entries", "reason"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_cuda_array_interface_without_plain_numbers_is_refused(
    entries: dict[str, Any], reason: str, to: str
) -> None:
    source = Interface(on_device("cupy"), **entries)
    for call in (interop.explain, interop.convert):
        with pytest.raises(interop.UnsupportedArrayError, match=reason):
            call(source, to)


@TARGETS
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_cuda_array_interface_of_each_version_shares_memory(version: int, to: str) -> None:
    x = on_device("cupy")
    source = Interface(x, version=version, shape=[2, 3], strides=None)
    result = interop.convert(source, to, copy=False)
    assert interop.shares_memory(result, x)
    assert interop.to_numpy(result).tolist() == VALUES.tolist()


@TARGETS
@pytest.mark.parametrize(
    "change", [{"shape": (3, 2)}, {"data": (0, False)}, {"typestr": "<i4"}], ids=str
)
def test_cuda_array_interface_that_changes_after_the_plan_is_refused(
    change: dict[str, Any], to: str
) -> None:
    class Changing(Interface):
        reads = 0

        @property
        def __cuda_array_interface__(self) -> Any:
            self.reads += 1
            return {**self.array.__cuda_array_interface__, **(change if self.reads > 1 else {})}

        @__cuda_array_interface__.setter
        def __cuda_array_interface__(self, _: Any) -> None:
            pass

    with pytest.raises(interop.UnsupportedArrayError, match=r"has changed since|null pointer"):
        interop.convert(Changing(on_device("cupy")), to)


def test_cuda_array_interface_of_an_empty_array_needs_no_address() -> None:
    source = Interface(on_device("cupy"), shape=(0, 3), data=(0, False), strides=None)
    assert tuple(interop.to_torch(source).shape) == (0, 3)
