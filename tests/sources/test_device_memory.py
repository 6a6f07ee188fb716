"""GPU objects without an adapter: DLPack only, CUDA Array Interface only, or both."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest

import interop
from foreign import DLPack, Speaker
from interop.adapter import capsule

pytestmark = pytest.mark.requires("torch", "cupy", "simcuda")

NAMES = pytest.mark.parametrize("name", ["torch", "cupy"])
TARGETS = pytest.mark.parametrize("to", ["torch", "cupy"])
VALUES: Final = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    runs.clean()


class Asked(DLPack):
    """A DLPack producer without `shape` and `dtype` that records the requested streams."""

    def __init__(self, array: Any) -> None:
        super().__init__(array)
        self.streams: list[Any] = []

    def __dlpack__(self, **keywords: Any) -> Any:
        self.streams.append(keywords.get("stream"))
        return super().__dlpack__(**keywords)


class Old(Asked):
    """DLPack before 1.0."""

    def __dlpack__(self, stream: Any = None) -> Any:  # type: ignore[override]  # the old signature
        return super().__dlpack__(stream=stream)


class Frozen(Asked):
    """A producer whose capsules are marked read-only."""

    def __dlpack__(self, **keywords: Any) -> Any:
        lent = super().__dlpack__(**keywords)
        capsule.add_flags(lent, capsule.READ_ONLY)
        return lent


class CudaInterface(Speaker):
    readonly = False

    @property
    def __cuda_array_interface__(self) -> Any:
        interface = self._array.__cuda_array_interface__
        return {**interface, "data": (interface["data"][0], self.readonly)}


def on_device(name: str) -> Any:
    return interop.convert(VALUES, name, device="cuda")


def read(x: Any) -> Any:
    return interop.to_numpy(x).tolist()


# -- DLPack only -----------------------------------------------------------------------------------


@NAMES
@TARGETS
@pytest.mark.parametrize("lender", [Asked, Old])
def test_convert_object_with_dlpack_only_shares_memory(name: str, to: str, lender: Any) -> None:
    x = on_device(name).T
    source = lender(x)
    plan = interop.explain(source, to)
    assert (plan.zero_copy, plan.shape, plan.dtype, str(plan.source_device)) == (
        True,
        (3, 2),
        "float32",
        "cuda:0",
    )
    result = interop.convert(source, to, copy=False)
    assert interop.shares_memory(result, x)
    assert read(result) == VALUES.T.tolist()
    assert source.streams == [-1, -1, 1], (
        "the header is looked at without an order, and the consumer's stream waits"
    )


@NAMES
@TARGETS
def test_convert_exported_array_shares_memory(name: str, to: str) -> None:
    x = on_device(name)
    result = interop.convert(interop.export(x), to, copy=False)
    assert interop.shares_memory(result, x)
    assert read(result) == VALUES.tolist()


@NAMES
def test_convert_object_with_dlpack_only_has_no_race_between_streams(name: str) -> None:
    import cupy
    import torch

    import simcuda

    for schedule in ("eager", "lazy", "greedy", "adversary"):
        simcuda.schedule(schedule)
        with torch.cuda.stream(torch.cuda.Stream()), cupy.cuda.Stream(non_blocking=True):  # type: ignore[no-untyped-call]
            source = Asked(on_device(name))
            for to in ("torch", "cupy"):
                assert read(interop.convert(source, to)) == VALUES.tolist()
        assert not simcuda.races()


@NAMES
def test_explain_and_convert_with_dlpack_only_leak_no_cuda_resources(name: str) -> None:
    import simcuda

    def work() -> None:
        source = Asked(on_device(name))
        interop.explain(source, "torch")
        interop.device_of(source)
        for to in ("torch", "cupy"):
            interop.convert(source, to)

    work()
    before = simcuda.live()
    for _ in range(5):
        work()
    assert simcuda.live() == before


@NAMES
def test_explain_object_with_dlpack_only_costs_no_event_and_no_copy(name: str) -> None:
    import simcuda

    source = Asked(on_device(name))
    interop.explain(source, "torch")
    with simcuda.counting() as counts:
        interop.explain(source, "torch")
    assert (counts.records, counts.waits, counts.memcpys, counts.synchronisations) == (0, 0, 0, 0)


def test_convert_when_second_capsule_differs_from_the_plan_is_refused() -> None:
    """The second capsule has other elements, as for a view that changed between both calls."""

    class Changing(Asked):
        def __dlpack__(self, **keywords: Any) -> Any:
            lent = super().__dlpack__(**keywords)
            self._array = self._array[:, :2]
            return lent

    with pytest.raises(
        interop.UnsupportedArrayError, match=r"is float32 \(2, 2\) .*, and the plan was made for"
    ) as caught:
        interop.to_torch(Changing(on_device("cupy")))
    assert type(caught.value.__cause__) is BufferError


@pytest.mark.parametrize("error", [TypeError, BufferError, RuntimeError])
def test_convert_when_second_dlpack_call_fails_makes_no_third_call(error: type[Exception]) -> None:
    """The second call is made for the consumer, which must not retry with other keywords."""

    class Failing(Asked):
        def __dlpack__(self, **keywords: Any) -> Any:
            lent = super().__dlpack__(**keywords)
            if keywords["stream"] != -1:
                raise error("not on this stream")
            return lent

    source = Failing(on_device("cupy"))
    with pytest.raises(
        interop.UnsupportedArrayError, match=f"{error.__name__}: not on this stream"
    ) as caught:
        interop.to_torch(source)
    assert type(caught.value.__cause__) is error
    assert source.streams == [-1, 1]


@TARGETS
def test_convert_managed_memory_with_dlpack_only_shares_memory(to: str) -> None:
    """torch's DLPack does not support this kind of device."""
    import cupy

    import simcuda

    def convert() -> None:
        with cupy.cuda.using_allocator(cupy.cuda.malloc_managed):
            x = cupy.ndarray((2, 3), "float32")
        x.set(VALUES)
        address, source = x.data.ptr, Asked(x.T)
        assert source.__dlpack_device__() == (13, 0)
        del x
        result = interop.convert(source, to, copy=False)
        del source
        assert address == (result.data_ptr() if to == "torch" else result.data.ptr)
        assert read(result) == VALUES.T.tolist()

    convert()
    before = simcuda.live()
    convert()
    assert simcuda.live() == before


# -- read-only -------------------------------------------------------------------------------------


@TARGETS
def test_convert_readonly_device_capsule_follows_copy_and_readonly_keywords(to: str) -> None:
    x = on_device("cupy")
    source = Frozen(x)
    assert (
        interop.explain(source, to).reason
        == f"it is read-only, and {to} would write to it all the same"
    )
    copied = interop.convert(source, to)
    assert not interop.shares_memory(copied, x)
    assert read(copied) == VALUES.tolist()
    assert interop.shares_memory(interop.convert(source, to, readonly="share"), x)
    refused: list[dict[str, Any]] = [{"copy": False}, {"readonly": "error"}]
    for keywords in refused:
        with pytest.raises(interop.CopyRequiredError, match="read-only"):
            interop.convert(source, to, **keywords)


@pytest.mark.parametrize("readonly", [False, True])
def test_explain_unversioned_device_capsule_takes_readonly_from_cuda_interface(
    readonly: bool,
) -> None:
    class Both(Old, CudaInterface):
        pass

    x = on_device("cupy")
    source = Both(x)
    source.readonly = readonly
    assert interop.explain(source, "torch").zero_copy == (not readonly)
    assert source.streams, "DLPack is what it was opened by"


# -- the CUDA Array Interface ----------------------------------------------------------------------


@NAMES
@TARGETS
def test_convert_when_device_dlpack_fails_uses_the_cuda_array_interface(name: str, to: str) -> None:
    class Both(DLPack, CudaInterface):
        shape, dtype = (2, 3), np.dtype("float32")

        def __dlpack__(self, **_: Any) -> Any:
            raise BufferError("not today")

    x = on_device(name)
    result = interop.convert(Both(x), to, copy=False)
    assert interop.shares_memory(result, x)
    assert read(result) == VALUES.tolist()


@NAMES
@pytest.mark.parametrize("consumer", ["torch", "cupy"])
@pytest.mark.parametrize("stream", [None, -1, "another"])
def test_export_object_with_cuda_array_interface_only_gives_a_capsule(
    name: str, consumer: str, stream: Any
) -> None:
    import cupy
    import torch

    x = on_device(name)
    lent = interop.export(CudaInterface(x))
    assert lent.__dlpack_device__() == (2, 0)
    from_dlpack = {"torch": torch.from_dlpack, "cupy": cupy.from_dlpack}[consumer]  # type: ignore[attr-defined]
    result = from_dlpack(lent)
    assert interop.shares_memory(result, x)
    assert read(result) == VALUES.tolist()
    other = cupy.cuda.Stream(non_blocking=True)
    header = capsule.read_header(
        lent.__dlpack__(stream=other.ptr if stream == "another" else stream)
    )
    assert (header.shape, header.dtype, header.device) == ((2, 3), "float32", (2, 0))


def test_export_cuda_array_interface_has_no_race_with_the_consumer_stream() -> None:
    """The producer names the stream on which the memory is still being written."""
    import cupy

    import simcuda
    from handoffs.sides import CUPY

    class Ordered(CudaInterface):
        def __init__(self, array: Any, stream: Any) -> None:
            super().__init__(array)
            self.stream = stream

        @property
        def __cuda_array_interface__(self) -> Any:
            return {**super().__cuda_array_interface__, "version": 3, "stream": self.stream.ptr}

    for schedule in ("lazy", "greedy", "adversary"):
        simcuda.schedule(schedule)
        producer, consumer = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
        with producer:
            x = CUPY.empty()
            CUPY.write(x, 1.0)
        with consumer:
            values = CUPY.read(cupy.from_dlpack(interop.export(Ordered(x, producer))))
        consumer.synchronize()
        assert set(values.tolist()) == {1.0}
        assert not simcuda.races()


def test_export_cuda_array_interface_leaks_no_cuda_resources() -> None:
    import cupy

    import simcuda

    def work() -> None:
        lent = interop.export(CudaInterface(on_device("cupy")))
        cupy.from_dlpack(lent)
        lent.__dlpack__(stream=-1)

    work()
    before = simcuda.live()
    for _ in range(5):
        work()
    assert simcuda.live() == before
