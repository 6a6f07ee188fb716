"""Read-only memory."""

import mmap
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack

import interop

from .producers import LENDERS, READ_ONLY, DLPack, LegacyDLPack, versioned_in
from .upstream import in_child, may_fail, may_go_wrong

Array = NDArray[Any]


def frozen() -> Array:
    array = np.arange(4, dtype="uint8")
    array.flags.writeable = False
    return array


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Array]:
    """A file that is mapped for reading: to write there ends the process."""
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(4)))
    yield np.memmap(path, mode="r")
    assert path.read_bytes() == bytes(range(4))


SOURCES: dict[str, Callable[[], Any]] = {
    "numpy": frozen,
    "a view": lambda: frozen()[::2],
    "bytes": lambda: bytes(range(4)),
    "frombuffer": lambda: np.frombuffer(bytes(range(4)), dtype="uint8"),
    "memoryview": lambda: memoryview(bytearray(range(4))).toreadonly(),
    **{
        name: partial(lambda lend: lend(frozen()), lend)
        for name, lend in LENDERS.items()
        if name != "legacy dlpack"
    },
}


def case(name: str) -> Any:
    """Return a row of SOURCES as a parameter. Old versions of NumPy export no read-only memory."""
    marks = [pytest.mark.requires("numpy-dlpack")] if name == "dlpack" else []
    return pytest.param(SOURCES[name], id=name, marks=marks)


class TestReadOnly:
    """Trap 5, silent: `torch.from_dlpack(read_only)` returns a tensor that writes to read-only
    memory. It changes the contents of an ndarray, a `bytes` object or a JAX array. If the memory is
    a file mapped for reading, the process crashes. CuPy ignores the read-only flag, too.

    interop copies read-only memory for torch and CuPy, which cannot make memory read-only.
    `readonly="share"` shares the memory nevertheless; `readonly="error"` and `copy=False` raise an
    error. NumPy gets a read-only view.
    """

    READ_ONLY = pytest.mark.parametrize("make", [case(name) for name in SOURCES])

    def test_plain_torch_from_dlpack_may_write_to_read_only_memory(self) -> None:
        def write() -> list[int]:
            array = frozen()
            from_dlpack(array).fill_(9)
            return array.tolist()

        may_go_wrong(write, wrong=[9, 9, 9, 9], right=[0, 1, 2, 3])

    def test_to_torch_copies_a_mapped_file_where_plain_torch_may_crash(self) -> None:
        code = """
            import tempfile
            file = tempfile.NamedTemporaryFile()
            file.write(bytes(4)); file.flush()
            array = np.memmap(file.name, mode="r")
            print(interop.to_torch(array).add_(1).tolist(), array.tolist(), flush=True)
            print(torch.from_dlpack(array).add_(1).tolist(), flush=True)"""
        assert in_child(code)[0] == "[1, 1, 1, 1] [0, 0, 0, 0]"

    @READ_ONLY
    def test_to_torch_memory_that_may_be_read_only_is_copied(self, make: Callable[[], Any]) -> None:
        source = make()
        before = interop.to_numpy(source).tolist()
        tensor = interop.to_torch(source)
        assert tensor.tolist() == before
        tensor.fill_(9)
        assert interop.to_numpy(source).tolist() == before
        plan = interop.explain(source, "torch")
        assert (plan.bytes_copied, plan.reason) == (
            len(before),
            "it is read-only, and torch would write to it all the same",
        )

    @READ_ONLY
    def test_to_numpy_memory_that_may_be_read_only_is_a_read_only_view(
        self, make: Callable[[], Any]
    ) -> None:
        source = make()
        array = interop.to_numpy(source, copy=False)
        assert array.ctypes.data == interop.to_numpy(source).ctypes.data
        assert not array.flags.writeable

    @READ_ONLY
    def test_to_torch_readonly_share_shares_read_only_memory(self, make: Callable[[], Any]) -> None:
        source = make()
        address = interop.to_numpy(source).ctypes.data
        assert interop.to_torch(source, readonly="share", copy=False).data_ptr() == address
        with interop.options(readonly="share"):
            assert interop.to_torch(source).data_ptr() == address

    @READ_ONLY
    @pytest.mark.parametrize("keywords", [{"readonly": "error"}, {"copy": False}], ids=str)
    def test_to_torch_readonly_error_or_copy_false_is_refused(
        self, make: Callable[[], Any], keywords: Any
    ) -> None:
        with pytest.raises(interop.CopyRequiredError, match=r'it is read-only.*readonly="share"'):
            interop.to_torch(make(), **keywords)

    def test_to_torch_invalid_readonly_value_is_refused(self) -> None:
        array = frozen()
        wrong: Any = "shared"
        with pytest.raises(interop.InvalidOptionError, match="'copy', 'share', 'error'"):
            interop.to_torch(array, readonly=wrong)

    def test_to_torch_read_only_memmap_is_copied_or_shared(self, mapped: Array) -> None:
        assert interop.to_torch(mapped).add_(1).tolist() == [1, 2, 3, 4]
        assert interop.to_torch(mapped, readonly="share").data_ptr() == mapped.ctypes.data

    def test_to_torch_read_only_mmap_is_copied(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(range(4)))
            file.flush()
            with mmap.mmap(file.fileno(), 4, access=mmap.ACCESS_READ) as memory:
                assert interop.to_torch(memory).add_(1).tolist() == [1, 2, 3, 4]
                assert memory[:] == bytes(range(4))

    def test_to_torch_readonly_error_shares_writable_memory(self) -> None:
        array = frozen().copy()
        interop.to_torch(bytearray(4), readonly="error", copy=False)
        interop.to_torch(array, readonly="error", copy=False).fill_(9)
        assert array.tolist() == [9, 9, 9, 9]


class TestExportOfReadOnly:
    """Trap 22: A read-only ndarray raises an error for a consumer that does not pass `max_version`,
    because capsules before DLPack 1.0 have no read-only flag.

    interop passes `max_version` to every producer that accepts it.
    """

    @pytest.mark.requires("numpy-dlpack")
    def test_plain_numpy_may_refuse_read_only_export_without_max_version(self) -> None:
        may_fail(frozen().__dlpack__, BufferError)
        capsule = frozen().__dlpack__(max_version=(1, 0))
        assert versioned_in(capsule).flags & READ_ONLY

    @pytest.mark.requires("numpy-dlpack")
    def test_to_numpy_sends_max_version_to_the_producer(self) -> None:
        source = DLPack(frozen())
        array = interop.to_numpy(source, copy=False)
        assert (array.ctypes.data, array.flags.writeable) == (source.array.ctypes.data, False)
        assert [keywords["max_version"] >= (1, 0) for keywords in source.asked] == [True]

    def test_to_torch_readonly_share_of_an_ndarray_gives_no_warning(self) -> None:
        array = frozen()
        assert interop.to_torch(array, readonly="share").data_ptr() == array.ctypes.data

    def test_to_numpy_old_producer_of_read_only_memory_is_refused(self) -> None:
        source = LegacyDLPack(frozen())
        with pytest.raises(interop.UnsupportedArrayError, match=r"BufferError.*readonly") as caught:
            interop.to_numpy(source)
        assert isinstance(caught.value.__cause__, BufferError)
        assert source.calls == 1


class TestUnversioned:
    """Trap 23, silent: If the producer is older than DLPack 1.0, NumPy imports its memory as
    read-only, even if the memory is writable.

    interop shares the memory as writable if the array interface or the buffer of the object says
    that it is writable. If neither tells, the plan says so: NumPy gets a read-only view and torch
    gets a copy. `copy=True` gives a writable array, and `readonly="share"` gives the memory itself.
    """

    def test_plain_numpy_may_import_unversioned_memory_as_read_only(self) -> None:
        may_go_wrong(
            lambda: np.from_dlpack(LegacyDLPack(np.ones(3))).flags.writeable,
            wrong=False,
            right=True,
        )

    def test_to_numpy_memory_that_may_be_read_only_is_a_read_only_view(self) -> None:
        source = LegacyDLPack(np.arange(3.0))
        array = interop.to_numpy(source)
        assert array.ctypes.data == source.array.ctypes.data
        assert not array.flags.writeable

    def test_to_torch_memory_that_may_be_read_only_is_copied(self) -> None:
        source = LegacyDLPack(np.arange(3.0))
        tensor = interop.to_torch(source)
        tensor += 1
        assert (tensor.tolist(), source.array.tolist()) == ([1, 2, 3], [0, 1, 2])
        with pytest.raises(
            interop.CopyRequiredError, match="does not say whether the memory may be written to"
        ):
            interop.to_torch(source, copy=False)

    def test_to_torch_readonly_share_shares_unversioned_memory(self) -> None:
        source = LegacyDLPack(np.arange(3.0))
        interop.to_torch(source, readonly="share").add_(1)
        assert source.array.tolist() == [1, 2, 3]

    @pytest.mark.parametrize("to", ["numpy", "torch"])
    def test_convert_copy_of_unversioned_memory_is_writable(self, to: str) -> None:
        source = LegacyDLPack(np.arange(3.0))
        result = interop.convert(source, to, copy=True)
        result += 1
        assert (result.tolist(), source.array.tolist()) == ([1, 2, 3], [0, 1, 2])
