"""Each conversion reads an object once. The tests count reads."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import foreign
import interop

SHAPE = (3, 4)


class Count:
    """A counter of calls."""

    def __init__(self) -> None:
        self.calls = 0

    def of(self, function: Callable[[], Any]) -> int:
        """Return the number of calls that a function makes."""
        self.calls = 0
        function()
        return self.calls


def count(monkeypatch: pytest.MonkeyPatch, cls: type, name: str) -> Count:
    """Count the calls of a method."""
    counted, method = Count(), getattr(cls, name)

    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        counted.calls += 1
        return method(self, *args, **keywords)

    monkeypatch.setattr(cls, name, call)
    return counted


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Count]:
    """Count how often the pixels of an image are written to new memory."""
    image: Any = pytest.importorskip("PIL.Image")
    return count(monkeypatch, image.Image, "tobytes")  # type: ignore[return-value]  # a fixture


def image() -> Any:
    pil: Any = pytest.importorskip("PIL.Image")
    return pil.fromarray(np.arange(12, dtype="uint8").reshape(SHAPE))


VERBS: dict[str, Callable[[Any], Any]] = {
    "explain": lambda x: interop.explain(x, "torch"),
    "to_numpy": interop.to_numpy,
    "to_torch": interop.to_torch,
    "to_torch, another dtype": lambda x: interop.to_torch(x, dtype="float32"),
    "to_torch, copy=True": lambda x: interop.to_torch(x, copy=True),
    "convert_tree": lambda x: interop.convert_tree([x], "torch", foreign=True),
    "unify": lambda x: interop.unify(np.zeros(1), x),
    "batches": lambda x: list(interop.batches(x, "torch", size=1)),
    "copyto": lambda x: interop.copyto(np.zeros(SHAPE, "uint8"), x),
    "stack": lambda x: interop.stack([x], "torch"),
}


@pytest.mark.requires("torch", "PIL")
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_verbs_read_an_image_once(verb: Callable[[Any], Any], pixels: Count) -> None:
    x = image()
    assert pixels.of(lambda: verb(x)) == 1


@pytest.mark.requires("torch", "PIL")
def test_stack_reads_each_image_once(pixels: Count) -> None:
    assert pixels.of(lambda: interop.stack([image(), image(), image()], "torch")) == 3


@pytest.mark.requires("torch", "PIL")
def test_export_image_reads_the_pixels_at_each_dlpack_call() -> None:
    x = image()
    exported = interop.export(x)
    x.putpixel((0, 0), 99)
    assert np.from_dlpack(exported)[0, 0] == 99
    x.putpixel((0, 0), 7)
    assert np.from_dlpack(exported)[0, 0] == 7


@pytest.mark.requires("torch")
@pytest.mark.parametrize(
    "make", [lambda: np.arange(6.0), lambda: np.arange(6.0).reshape(2, 3)], ids=["own", "view"]
)
def test_convert_object_that_computes_its_array_is_read_once(make: Callable[[], Any]) -> None:
    reads = []

    class Computed:
        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            reads.append(1)
            return make()

    plan = interop.explain(Computed(), "torch")
    assert plan.steps[0].verb == "read"
    assert not plan.zero_copy
    assert len(reads) == 1
    assert interop.to_torch(Computed()).tolist() == make().tolist()
    assert len(reads) == 2


@pytest.mark.parametrize(
    "kept", [np.arange(6.0), np.arange(6.0).reshape(2, 3)], ids=["own", "view"]
)
def test_convert_object_that_keeps_its_array_is_shared(kept: Any) -> None:
    class Keeping(foreign.Speaker):
        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return self._array

    x = Keeping(kept)
    assert interop.explain(x, "numpy").zero_copy
    assert interop.shares_memory(interop.to_numpy(x), kept)


def test_convert_under_a_profiler_tells_kept_memory_from_a_copy() -> None:
    """Sharing is detected by reference counts, and a profiler may hold references."""
    kept = np.arange(6.0)
    reads = []

    class Keeping(foreign.Speaker):
        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            reads.append(1)
            return self._array if self._array is not None else np.arange(6.0)

    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        shared = interop.to_numpy(Keeping(kept))
        reads.clear()
        interop.to_numpy(Keeping(None))
    finally:
        sys.setprofile(before)
    assert interop.shares_memory(shared, kept)
    assert len(reads) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_convert_array_interface_shares_only_kept_data(keep: bool) -> None:
    class Interface:
        """An array interface whose bytes are kept, or copied on each access."""

        def __init__(self) -> None:
            self._data = bytearray(range(6))

        @property
        def __array_interface__(self) -> Any:
            data = self._data if keep else bytearray(self._data)
            return {"version": 3, "shape": (6,), "typestr": "|u1", "data": data}

    x = Interface()
    assert interop.explain(x, "numpy").zero_copy == keep
    interop.to_numpy(x)[0] = 9
    assert x._data[0] == (9 if keep else 0)


def test_convert_kept_interface_shares_its_data() -> None:
    class Keeping:
        def __init__(self) -> None:
            self.data = bytearray(range(6))
            self.__array_interface__ = {
                "version": 3,
                "shape": (6,),
                "typestr": "|u1",
                "data": self.data,
            }

    x = Keeping()
    interop.to_numpy(x)[0] = 9
    assert x.data[0] == 9


# -- columns ---------------------------------------------------------------------------------------


@pytest.mark.requires("torch", "pandas")
def test_convert_numpy_dtype_frame_checks_no_column_for_missing_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pd: Any = pytest.importorskip("pandas")
    frames = [pd.DataFrame(np.ones((4, 50))), pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})]
    missing = count(monkeypatch, pd.Series, "isna")
    assert missing.of(lambda: [interop.to_torch(x) for x in frames]) == 0


@pytest.mark.requires("torch", "pandas")
def test_convert_frame_checks_only_nullable_columns_for_missing_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pd: Any = pytest.importorskip("pandas")
    x = pd.DataFrame({f"c{i}": np.arange(3.0) for i in range(20)}).assign(
        last=pd.array([1, None, 3])
    )
    missing = count(monkeypatch, pd.Series, "isna")
    with pytest.raises(
        interop.UnsupportedArrayError, match="its column 'last' has 1 missing value"
    ):
        interop.to_torch(x)
    assert missing.calls == 1


@pytest.mark.requires("torch", "pandas")
def test_convert_frame_of_two_dtypes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pd: Any = pytest.importorskip("pandas")
    x = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    reads = count(monkeypatch, pd.DataFrame, "__array__")
    assert reads.of(lambda: interop.to_torch(x)) == 1
