"""copyto on the host: the values, from and to every framework, layout and dtype; iterables; progress; interruptions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import foreign
import interop
from interop import copyto

VALUES = np.arange(24, dtype="f4").reshape(6, 4)
MAKE = {
    "numpy": np.array,
    "torch": lambda values: interop.to_torch(np.array(values)),
    "memoryview": lambda values: memoryview(np.array(values)),
    "bytearray": lambda values: memoryview(bytearray(values.tobytes())).cast("f", values.shape),
    "DLPack": lambda values: foreign.DLPack(np.array(values)),
    "array interface": lambda values: foreign.ArrayInterface(np.array(values)),
}
READ_ONLY_SOURCES = {
    "read-only": lambda values: memoryview(values.tobytes()).cast("f", values.shape),
    "__array__": foreign.Array,
    "lazy": lambda values: Lazy(values),
    "a generator": iter,
    "a list": lambda values: [values[:1], interop.to_torch(values[1:5].copy()), values[5:5], values[5:]],
}
LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "sliced": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda x: x.astype(">f4"),
    "not aligned": lambda x: np.ndarray(x.shape, x.dtype, b"\0" + x.tobytes(), 1),
}


class Lazy:
    """Read as it is sliced, as datasets of h5py are; it remembers what was read."""

    def __init__(self, values: NDArray[Any], dtype: object = None) -> None:
        self._values = values
        self.shape = values.shape
        self.dtype = dtype or values.dtype
        self.read: list[Any] = []

    def __getitem__(self, index: Any) -> Any:
        self.read.append(index)
        return self._values[index].copy()

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        raise AssertionError("it was read as a whole")


def rows(values: NDArray[Any]) -> Iterator[Any]:
    return (values[i : i + 1] for i in range(len(values)))


def value(x: Any) -> NDArray[Any]:
    return interop.to_numpy(x, detach=True)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("batch_bytes", [None, 1, 20, 40])
@pytest.mark.parametrize("source", {**MAKE, **READ_ONLY_SOURCES})
@pytest.mark.parametrize("target", MAKE)
def test_values_arrive_from_everything_in_everything(source: str, target: str, batch_bytes: int | None) -> None:
    dst = MAKE[target](np.zeros_like(VALUES))
    values = rows(VALUES) if source == "a generator" else VALUES
    assert copyto(dst, {**MAKE, **READ_ONLY_SOURCES}[source](values), batch_bytes=batch_bytes) is None  # type: ignore[func-returns-value]
    np.testing.assert_array_equal(value(dst), VALUES)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("batch_bytes", [None, 4, 24])
@pytest.mark.parametrize("start", LAYOUTS)
@pytest.mark.parametrize(
    ("end", "to"), [*((end, "numpy") for end in LAYOUTS), *((end, "torch") for end in list(LAYOUTS)[:3])]
)
def test_every_layout_arrives_in_every_other(start: str, end: str, to: str, batch_bytes: int | None) -> None:
    memory = LAYOUTS[end](np.zeros_like(VALUES))
    if not memory.flags.writeable:
        memory = np.ndarray(VALUES.shape, VALUES.dtype, bytearray(VALUES.nbytes + 1), 1)
    dst = interop.convert(memory, to, copy=False)
    copyto(dst, LAYOUTS[start](VALUES), batch_bytes=batch_bytes)
    np.testing.assert_array_equal(memory, VALUES)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (1, 1, 1), (2, 3, 4, 5)])
@pytest.mark.parametrize("batch_bytes", [1, 64, None])
def test_every_shape_arrives(shape: tuple[int, ...], batch_bytes: int | None) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype="i2").reshape(shape)
    dst = np.full(shape, -1, "i2")
    copyto(dst, values, batch_bytes=batch_bytes)
    np.testing.assert_array_equal(dst, values)


@pytest.mark.requires("torch")
@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("start", "end", "casting"),
    [
        ("f4", "f8", "same_kind"),
        ("f8", "f2", "same_kind"),
        ("i8", "f4", "same_kind"),
        ("?", "c16", "same_kind"),
        ("f4", "i2", "unsafe"),
        ("c8", "f4", "unsafe"),
        ("c8", "?", "unsafe"),
    ],
)
def test_values_are_cast_as_numpy_casts_them(start: str, end: str, casting: Any, to: str) -> None:
    values = np.array([[0, 1, 2], [3, 100, 127]]).astype(start)
    for source in (values, interop.to_torch(values)):
        dst = interop.convert(np.zeros((2, 3), end), to)
        copyto(dst, source, casting=casting, batch_bytes=16)
        expected = (values.real if values.dtype.kind == "c" and end != "?" else values).astype(end)
        np.testing.assert_array_equal(value(dst), expected, strict=True)


@pytest.mark.requires("torch", "ml_dtypes")
@pytest.mark.parametrize("start", ["bfloat16", "float8_e5m2", "float32"])
@pytest.mark.parametrize("end", ["bfloat16", "float8_e4m3fn", "float32"])
def test_small_floats_arrive(start: str, end: str) -> None:
    import torch

    values = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, start))
    for source in (values, interop.to_numpy(values)):
        for dst in (torch.zeros(2, 3).to(getattr(torch, end)), interop.to_numpy(torch.zeros(2, 3), dtype=end)):
            copyto(dst, source)
            assert interop.to_torch(dst).float().equal(values.float())


@pytest.mark.requires("torch")
def test_lazy_bits_of_a_source_are_resolved() -> None:
    import torch

    x = torch.tensor([[1 + 2j, 3 - 1j], [5j, 6]])
    for source, expected in ((x.conj(), x.numpy().conj()), (x.conj().imag, -x.numpy().imag)):
        for dst in (np.zeros((2, 2), expected.dtype), torch.zeros(2, 2, dtype=source.dtype)):
            copyto(dst, source, batch_bytes=8)
            np.testing.assert_array_equal(value(dst), expected)


# -- torch's graph --------------------------------------------------------------------------------------------------


@pytest.mark.requires("torch")
def test_a_parameter_gets_values_and_autograd_sees_that_they_have_changed() -> None:
    import torch

    weight = torch.nn.Parameter(torch.ones(6, 4))
    loss = (weight * weight).sum()
    copyto(weight, VALUES)
    assert weight.requires_grad
    assert weight.is_leaf
    np.testing.assert_array_equal(value(weight), VALUES)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.requires("torch")
@pytest.mark.parametrize("to", ["numpy", "torch"])
def test_a_gradient_is_given_up_only_where_that_is_permitted(to: str) -> None:
    import torch

    source, dst = torch.ones(2, requires_grad=True), interop.convert(np.zeros(2, "f4"), to)
    with pytest.raises(interop.GradientError):
        copyto(dst, source)
    with interop.options(detach=True), pytest.raises(interop.GradientError):
        copyto(dst, source, detach=False)
    assert not value(dst).any()
    copyto(dst, source, detach=True)
    with interop.options(detach=True):
        copyto(dst, source)
    assert value(dst).all()
    assert not getattr(dst, "requires_grad", False)


@pytest.mark.requires("torch")
def test_a_subclass_that_redefines_slicing_is_written_all_the_same() -> None:
    import torch

    class Odd(torch.Tensor):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError

        @classmethod
        def __torch_function__(cls, *_: Any, **__: Any) -> Any:
            raise AssertionError

    with torch._C.DisableTorchFunctionSubclass():
        dst, source = torch.zeros(6, 4).as_subclass(Odd), interop.to_torch(VALUES).as_subclass(Odd)
    copyto(dst, source, batch_bytes=32)
    copied = np.zeros((6, 4), "f4")
    copyto(copied, dst, batch_bytes=32)
    np.testing.assert_array_equal(copied, VALUES)


# -- what is read, and when ------------------------------------------------------------------------------------------


def test_what_is_lazy_is_read_once_and_piece_by_piece() -> None:
    source, dst = Lazy(VALUES), np.zeros_like(VALUES)
    copyto(dst, source, batch_bytes=32)
    assert source.read == [slice(0, 2), slice(2, 4), slice(4, 6)]
    np.testing.assert_array_equal(dst, VALUES)


def test_a_lazy_row_that_is_too_large_is_read_in_parts() -> None:
    source, dst = Lazy(VALUES[:1]), np.zeros((1, 4), "f8")
    copyto(dst, source, batch_bytes=16)
    assert source.read == [(slice(0, 1), slice(0, 2)), (slice(0, 1), slice(2, 4))]
    np.testing.assert_array_equal(dst, VALUES[:1])


def test_a_lazy_number_is_read_by_an_ellipsis() -> None:
    source, dst = Lazy(np.array(3.0)), np.zeros(())
    copyto(dst, source)
    assert (source.read, dst) == ([...], 3)


@pytest.mark.requires("torch")
def test_arrays_of_an_iterable_may_be_of_any_framework_and_size() -> None:
    import torch

    dst = np.zeros((6, 4), "f8")
    parts: list[Any] = [VALUES[:0], torch.tensor(VALUES[:3]), foreign.DLPack(VALUES[3:4].copy()), VALUES[4:, :]]
    copyto(dst, parts, batch_bytes=48)
    np.testing.assert_array_equal(dst, VALUES)


def test_an_array_of_an_iterable_is_dropped_before_the_next_is_made() -> None:
    import gc
    import weakref

    alive: list[weakref.ref[Any]] = []

    def make() -> Iterator[Any]:
        for i in range(6):
            assert not [ref for ref in alive if ref() is not None]
            array = VALUES[i : i + 1].copy()
            alive.append(weakref.ref(array))
            yield array
            del array

    gc.disable()
    try:
        copyto(np.zeros_like(VALUES), make())
    finally:
        gc.enable()


def test_an_array_may_be_copied_onto_itself() -> None:
    array = VALUES.copy()
    copyto(array, array, batch_bytes=16)
    copyto(array, (array[i : i + 2] for i in (0, 2, 4)), batch_bytes=16)
    np.testing.assert_array_equal(array, VALUES)


# -- progress and interruptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [VALUES, Lazy(VALUES), [VALUES[:2], VALUES[2:4], VALUES[4:]]])
def test_progress_tells_the_bytes_written_so_far(source: Any) -> None:
    seen: list[tuple[int, bool]] = []
    dst = np.full((6, 4), -1, "f8")

    def tell(done: int) -> None:
        seen.append((done, bool((dst.ravel()[: done // 8] == VALUES.ravel()[: done // 8]).all())))

    copyto(dst, source, batch_bytes=64, progress=tell)
    assert seen == [(64, True), (128, True), (192, True)]


def test_progress_true_shows_a_bar_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm", reason="an extra: array-interop[progress]")
    seen: list[Any] = []

    class Bar(tqdm.tqdm):  # type: ignore[misc]
        def __init__(self, **words: Any) -> None:
            super().__init__(**words, disable=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
            seen.append(words)

        def update(self, n: float = 1) -> Any:
            seen.append(n)
            return super().update(n)

        def close(self) -> None:
            if not self.disable:
                seen.append("closed")
                self.fp.close()
            self.disable = True

    monkeypatch.setattr("tqdm.tqdm", Bar)
    copyto(np.zeros_like(VALUES), VALUES, batch_bytes=40, progress=True)
    assert seen == [{"total": 96, "unit": "B", "unit_scale": True}, 32, 32, 32, "closed"]


def test_progress_true_without_tqdm_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    dst = np.zeros_like(VALUES)
    with pytest.raises(interop.FrameworkNotInstalledError) as caught:
        copyto(dst, VALUES, progress=True)
    assert str(caught.value) == (
        "progress=True needs tqdm, which is not installed. Install it with: pip install 'array-interop[progress]'"
    )
    assert not dst.any()


NOTE = "interop.copyto had written 32 of 96 bytes of dst: its first 8 of 24 elements in row-major order"


@pytest.mark.requires("torch")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("to", ["numpy", "torch"])
@pytest.mark.parametrize("where", ["progress", "generator", "lazy"])
def test_an_interruption_says_how_far_it_came(where: str, to: str, error: type[BaseException]) -> None:
    original = error("stop")

    def stop(done: int) -> None:
        if done == 32:
            raise original

    def generate() -> Iterator[Any]:
        yield VALUES[:2]
        raise original

    class Broken(Lazy):
        def __getitem__(self, index: Any) -> Any:
            if self.read:
                raise original
            return super().__getitem__(index)

    source: Any = {"progress": VALUES, "generator": generate(), "lazy": Broken(VALUES)}[where]
    dst = interop.convert(np.full((6, 4), -1, "f4"), to)
    with pytest.raises(error) as caught:
        copyto(dst, source, batch_bytes=32, progress=stop if where == "progress" else False)
    assert caught.value is original
    assert caught.value.__notes__ == [NOTE]
    np.testing.assert_array_equal(value(dst).ravel()[:8], VALUES.ravel()[:8])
    assert (value(dst).ravel()[8:] == -1).all()


# -- records ---------------------------------------------------------------------------------------------------------


def test_a_watch_sees_one_copy() -> None:
    with interop.watch() as seen:
        copyto(np.zeros_like(VALUES), VALUES, batch_bytes=16)
        copyto(np.zeros((6, 4)), rows(VALUES))
    first, second = seen.records
    assert str(first.plan) == (
        "numpy -> numpy, float32 (6, 4) on cpu: 96 bytes copied, because copyto writes to memory that is there\n"
        "  copy by the target's framework: float32 on cpu, 96 bytes"
    )
    assert (second.route, second.bytes_copied, second.host_bytes) == ("numpy on cpu -> numpy on cpu", 192, 0)
    assert first.where.startswith(__file__)
