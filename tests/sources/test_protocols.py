"""Objects with several protocols or unusual answers: accepted liberally, and checked."""

import contextlib
import enum
import gc
import weakref
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

import interop
from foreign import OldDLPack

VALUES: Final = [0.0, 1.0, 2.0]
TARGETS = pytest.mark.parametrize("to", ["numpy", "torch"])


class Speaker:
    """A DLPack producer over an ndarray, which can raise a given error instead."""

    def __init__(self, error: Exception | None = None) -> None:
        self.array = np.array(VALUES)
        self.error = error
        self.asked: list[str] = []

    def __dlpack_device__(self) -> Any:
        return (1, 0)

    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked.append("__dlpack__")
        if self.error:
            raise self.error
        return self.array.__dlpack__(**keywords)


class WithInterface(Speaker):
    @property
    def __array_interface__(self) -> Any:
        return self.array.__array_interface__


class WithArray(Speaker):
    shape = (3,)
    dtype = np.dtype("float64")

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        self.asked.append("__array__")
        return self.array


class Kind(enum.Enum):
    CPU = 1
    CUDA = 2


class IntKind(enum.IntEnum):
    CPU = 1


# -- one protocol fails ----------------------------------------------------------------------------

ERRORS: Final = [
    BufferError,
    NotImplementedError,
    TypeError,
    ValueError,
    RuntimeError,
    AttributeError,
]


@TARGETS
@pytest.mark.parametrize("error", ERRORS)
def test_open_when_dlpack_fails_shares_by_the_next_protocol(
    error: type[Exception], to: str
) -> None:
    source = WithInterface(error("not today"))
    result = interop.convert(source, to, copy=False)
    result[0] = 7
    assert source.array[0] == 7
    assert interop.explain(source, to).zero_copy


@TARGETS
def test_open_when_only_the_array_method_works_plans_a_read(to: str) -> None:
    source = WithArray(BufferError("not today"))
    plan = interop.explain(source, to)
    assert (plan.zero_copy, plan.reason) == (
        False,
        "it has to be read by __array__ (stated float64, read to find out)",
    )
    assert source.asked == ["__dlpack__"]
    assert interop.convert(source, to).tolist() == VALUES
    with pytest.raises(interop.CopyRequiredError, match="read by __array__"):
        interop.convert(source, to, copy=False)


@TARGETS
def test_open_when_every_protocol_fails_lists_the_answers(to: str) -> None:
    class Hopeless(WithInterface):
        @property
        def __array_interface__(self) -> Any:
            raise ValueError("no words")

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            raise RuntimeError("no numbers")

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(Hopeless(BufferError("no capsule")), to)
    name = f"{__name__}.{Hopeless.__qualname__}"
    assert str(caught.value) == (
        f"{name} has 3 array protocols, and none works: __dlpack__ raised BufferError: no capsule; "
        "__array_interface__ raised ValueError: no words; __array__ raised RuntimeError: no numbers"
    )
    assert type(caught.value.__cause__) is BufferError


@pytest.mark.parametrize("cls", [WithInterface, Speaker])
def test_open_when_a_protocol_fails_leaves_no_reference_cycle(cls: type[Speaker]) -> None:
    """The collected errors refer to the object, but need no garbage collector to be freed."""
    source = cls(BufferError("not today"))
    gone = weakref.ref(source)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(interop.UnsupportedArrayError):
            interop.to_numpy(source)
        source.error = None  # the note has the traceback too
        del source
        assert gone() is None
    finally:
        gc.enable()


def test_open_memory_error_of_dlpack_is_raised() -> None:
    with pytest.raises(MemoryError):
        interop.to_numpy(WithInterface(MemoryError()))


@pytest.mark.parametrize(
    "protocol",
    [
        "__dlpack__",
        "__dlpack_device__",
        "__cuda_array_interface__",
        "__array_interface__",
        "__array_struct__",
    ],
)
def test_open_when_a_property_raises_attribute_error_asks_the_next_protocol(protocol: str) -> None:
    def silent(_: Any) -> Any:
        raise AttributeError(protocol)

    cls = type("Odd", (WithArray,), {"__dlpack_device__": None, protocol: property(silent)})
    assert interop.to_torch(cls()).tolist() == VALUES


def test_open_when_every_property_raises_attribute_error_is_not_an_array() -> None:
    class Wrapper:
        @property
        def __cuda_array_interface__(self) -> Any:
            raise AttributeError("not on a device")

    with pytest.raises(interop.NotAnArrayError):
        interop.to_torch(Wrapper())


@pytest.mark.requires("numpy-dlpack")
def test_open_when_dlpack_works_reads_no_other_protocol_property() -> None:
    class Image(Speaker):
        @property
        def __array_interface__(self) -> Any:
            raise AssertionError("it copies the image")

    assert interop.to_torch(Image(), copy=False).tolist() == VALUES


def test_open_when_device_dlpack_fails_asks_no_host_protocol() -> None:
    class Downloads(WithArray):
        def __dlpack_device__(self) -> Any:
            return (2, 0)

    source = Downloads(BufferError("not today"))
    source.shape = None  # type: ignore[assignment]  # known from the capsule only
    with pytest.raises(interop.UnsupportedArrayError, match="not today"):
        interop.to_numpy(source)
    assert set(source.asked) == {"__dlpack__"}


# -- how a device is named -------------------------------------------------------------------------


@TARGETS
@pytest.mark.parametrize(
    "device",
    [
        (1, None),
        [1, 0],
        (Kind.CPU, 0),
        (IntKind.CPU, 0),
        (np.int32(1), np.int64(0)),
        (np.array(1), 0),
    ],
    ids=repr,
)
@pytest.mark.requires("numpy-dlpack")
def test_dlpack_device_of_any_integer_type_is_accepted(device: Any, to: str) -> None:
    class Producer(Speaker):
        def __dlpack_device__(self) -> Any:
            return device

    source = Producer()
    assert interop.device_of(source) == (1, 0)
    interop.convert(source, to, copy=False)[0] = 7
    assert source.array[0] == 7


@pytest.mark.parametrize(
    "device", [None, (1,), (1, 0, 0), ("cpu", 0), (None, 0), (1.5, 0), 1], ids=repr
)
def test_dlpack_device_other_than_two_integers_is_refused(device: Any) -> None:
    class Producer(Speaker):
        def __dlpack_device__(self) -> Any:
            return device

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_torch(Producer())
    assert (
        f"its __dlpack_device__() returned {device!r}, which is not a device type and a number"
        in str(caught.value)
    )


# -- a capsule from before DLPack 1.0 --------------------------------------------------------------


class OldWithInterface(OldDLPack):
    readonly = False

    @property
    def __array_interface__(self) -> Any:
        interface = self._array.__array_interface__
        return {**interface, "data": (interface["data"][0], self.readonly)}


class OldReadOnly(OldWithInterface):
    readonly = True


class OldAndElsewhere(OldWithInterface):
    """A producer whose array interface lends other memory, so its read-only flag is ignored."""

    @property
    def __array_interface__(self) -> Any:
        self.other = self._array.copy()
        return self.other.__array_interface__


class OldAndFailing(OldWithInterface):
    @property
    def __array_interface__(self) -> Any:
        raise RuntimeError("out of order")


UNSAID: Final = "its producer does not say whether the memory may be written to"
OLD: Final[dict[str, tuple[Callable[[Any], Any], str | None]]] = {
    "nothing else": (OldDLPack, UNSAID),
    "writable by the array interface": (OldWithInterface, None),
    "read-only by the array interface": (OldReadOnly, "it is read-only"),
    "another memory by the array interface": (OldAndElsewhere, UNSAID),
    "a failing array interface": (OldAndFailing, UNSAID),
}


@pytest.mark.parametrize(("make", "reason"), OLD.values(), ids=OLD)
def test_unversioned_capsule_takes_readonly_from_the_array_interface(
    make: Callable[[Any], Any], reason: str | None
) -> None:
    array = np.array(VALUES)
    source = make(array)
    plan = interop.explain(source, "torch")
    assert plan.zero_copy == (reason is None)
    assert interop.to_numpy(source).flags.writeable == (reason is None)
    interop.to_torch(source)[0] = 7
    assert array.tolist() == ([7, 1, 2] if reason is None else VALUES)
    if reason:
        assert plan.reason == f"{reason}, and torch would write to it all the same"


def test_unversioned_memory_adopted_by_numpy_is_reported_as_maybe_readonly() -> None:
    """The rule applies to the result of `numpy.from_dlpack` and to its views."""
    array = np.from_dlpack(OldDLPack(np.array(VALUES)))
    for x in (array, array[1:], array[::2][:1], array.reshape(3, 1)):
        with pytest.raises(
            interop.CopyRequiredError, match=rf'{UNSAID}, .* readonly="share" if the memory may be'
        ):
            interop.to_torch(x, copy=False)
    with pytest.raises(interop.CopyRequiredError, match=UNSAID):
        interop.to_torch(array, readonly="error")
    with pytest.raises(interop.InteropError, match=f"dst may be read-only: {UNSAID}"):
        interop.copyto(array, np.array(VALUES))
    with pytest.raises(BufferError, match=UNSAID):
        interop.export(array).__dlpack__(copy=False)


@pytest.mark.requires("torch")
def test_unversioned_capsule_of_writable_buffer_is_shared() -> None:
    class Buffer(bytearray):
        def __dlpack_device__(self) -> Any:
            return (1, 0)

        def __dlpack__(self, stream: object = None) -> Any:
            return np.frombuffer(self, "uint8").__dlpack__()

    source = Buffer(b"abc")
    interop.to_torch(source, copy=False)[0] = 65
    assert source == b"Abc"


# -- a producer that copies ------------------------------------------------------------------------


@TARGETS
@pytest.mark.requires("numpy-dlpack")
def test_capsule_flagged_as_copy_counts_as_a_copy_in_the_plan(to: str) -> None:
    source = interop.export(np.arange(3, dtype=">f8"))
    plan = interop.explain(source, to)
    assert (plan.reason, plan.bytes_copied) == ("its DLPack gives a copy", 24)
    with pytest.raises(interop.CopyRequiredError, match="its DLPack gives a copy"):
        interop.convert(source, to, copy=False)


@TARGETS
@pytest.mark.parametrize("keywords", [{}, {"copy": True}, {"dtype": "float32"}], ids=str)
@pytest.mark.requires("numpy-dlpack")
def test_capsule_flagged_as_copy_is_requested_once_per_convert(
    to: str, keywords: dict[str, Any]
) -> None:
    class Copies(Speaker):
        def __dlpack__(self, **keywords: Any) -> Any:
            return super().__dlpack__(**keywords, copy=True)

    source = Copies()
    first, second = (interop.convert(source, to, **keywords) for _ in range(2))
    assert source.asked == ["__dlpack__"] * 2
    first += 1
    assert (second.tolist(), source.array.tolist()) == (VALUES, VALUES)
