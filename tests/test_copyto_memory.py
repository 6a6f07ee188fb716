"""The peak of resident memory for copies of gigabytes, measured in child processes."""

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from child import run_child
from interop import copyto
from interop._identify.registry import adapter_named

linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux tells what is resident"
)
HEAD = """
import mmap, os
from pathlib import Path
import numpy as np
import torch
import interop

GiB, MiB = 1 << 30, 1 << 20
ROWS = {rows}  # of 1 MiB

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")

interop.copyto(np.zeros((2, 2), "f4"), torch.ones(2, 2), batch_bytes=8)  # all is imported
dst = np.memmap({target!r}, "f4", "w+", shape=(ROWS, MiB // 4))
"""
GENERATOR = """
def rows(start, stop):  # whose arrays must be gone, too
    for i in range(start, stop, 16):
        yield torch.full((min(16, stop - i), MiB // 4), float(i))
        if i == 1024 and start == 0:
            raise KeyboardInterrupt

seen = []
reset_peak()
before = peak()
try:
    interop.copyto(dst, rows(0, ROWS), batch_bytes=64 * MiB, progress=seen.append)
except KeyboardInterrupt as stop:
    assert stop.__notes__ == [
        f"interop.copyto had written {1040 * MiB} of {4 * GiB} bytes of dst: "
        f"its first {1040 * MiB // 4} of {GiB} elements in row-major order"
    ], stop.__notes__
else:
    raise AssertionError
assert seen[-1] == 1040 * MiB
done = seen[-1] // MiB
interop.copyto(dst[done:], rows(done, ROWS), batch_bytes=64 * MiB)
print((peak() - before) // MiB)
for i in (0, 1024, 1040, 1056, 4080):
    assert (dst[i] == i).all() and (dst[i + 15] == i).all(), i
"""
MEMMAP = """
with open({source!r}, "wb") as file:
    file.truncate(ROWS * MiB)  # with holes: quick, and none of a disk's business
    for i in (0, 1000, ROWS - 1):
        file.seek(i * MiB)
        file.write(np.full(MiB // 4, i + 1, "f4").tobytes())
src = np.memmap({source!r}, "f4", "r", shape=(ROWS, MiB // 4))
reset_peak()
before = peak()
interop.copyto(dst, src, batch_bytes=64 * MiB)
print((peak() - before) // MiB)
for i in (0, 1000, ROWS - 1):
    assert (dst[i] == i + 1).all(), i
assert not dst[1001].any()
"""


@pytest.mark.slow
@linux
@pytest.mark.requires("torch")
@pytest.mark.parametrize(
    ("rows", "program"), [(4096, GENERATOR), (1024, MEMMAP)], ids=["generator", "memmap"]
)
def test_copyto_of_gigabytes_uses_little_memory(rows: int, program: str, tmp_path: Path) -> None:
    target, source = tmp_path / "target.bin", tmp_path / "source.bin"
    try:
        words = {
            "{rows}": str(rows),
            "{target!r}": repr(str(target)),
            "{source!r}": repr(str(source)),
        }
        code = HEAD + program
        for word, text in words.items():
            code = code.replace(word, text)
        grown = run_child(code)
        assert 0 <= int(grown) < 256
    finally:
        target.unlink(missing_ok=True)
        source.unlink(missing_ok=True)


# -- the pages of a file ---------------------------------------------------------------------------

SIZE = 512 * mmap.PAGESIZE
AROUND = 2 * 64 * 1024  # bytes: the kernel also maps neighbours of a page that is read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    return path


def resident(x: Any) -> int:
    """Return the bytes of the mapping of an array that are in the page tables of this process."""
    address = x.__array_interface__["data"][0]
    for entry in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())[
        1:
    ]:
        low, high = (int(word, 16) for word in entry.split()[0].split("-"))
        if low <= address < high:
            return int(entry.split("Rss:")[1].split()[0]) * 1024
    raise AssertionError


@linux
@pytest.mark.parametrize(
    "view", [lambda x: x, lambda x: x.view(np.ndarray)[::-1], lambda x: x.reshape(512, -1).T]
)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_copyto_with_memmap_releases_the_pages(mode: Any, view: Any, file: Path) -> None:
    x = np.memmap(file, "u1", mode)
    out = np.empty_like(view(x), subok=False)
    copyto(out, view(x), batch_bytes=64 * mmap.PAGESIZE)
    assert resident(x) <= AROUND
    if mode == "r+":
        copyto(view(x), out, batch_bytes=64 * mmap.PAGESIZE)
        assert resident(x) <= AROUND
    np.testing.assert_array_equal(x, np.resize(np.arange(256), SIZE))


def test_copyto_with_memmap_keeps_unflushed_writes(file: Path) -> None:
    x = np.memmap(file, "u1", "r+")
    x[:100] = 7
    copyto(x[50:1000], np.full(950, 8, "u1"), batch_bytes=10)
    copyto(np.empty(SIZE, "u1"), x)
    assert (x[:50] == 7).all()
    assert (x[50:1000] == 8).all()
    x.flush()
    assert file.read_bytes()[:1001] == b"\7" * 50 + b"\10" * 950 + b"\xe8"


def test_copyto_with_private_memmap_keeps_the_changes(file: Path) -> None:
    x, out = np.memmap(file, "u1", "c"), np.empty(SIZE, "u1")
    x[:100] = 7
    copyto(x[100:200], np.full(100, 8, "u1"))
    copyto(out, x, batch_bytes=mmap.PAGESIZE)
    for array in (x, out):
        assert (array[:100] == 7).all()
        assert (array[100:200] == 8).all()
    assert file.read_bytes()[:2] == b"\0\1"


@pytest.mark.parametrize("offset", [0, 100, 5000])
def test_copyto_into_memmap_at_any_offset_writes_only_dst(offset: int, file: Path) -> None:
    x = np.memmap(file, "u1", "r+", offset=offset)
    copyto(x[3:-3], np.zeros(SIZE - offset - 6, "u1"), batch_bytes=3000)
    x.flush()
    written = np.frombuffer(file.read_bytes(), "u1")
    assert not written[offset + 3 : -3].any()
    original = np.resize(np.arange(256), SIZE)
    np.testing.assert_array_equal(written[: offset + 3], original[: offset + 3])
    np.testing.assert_array_equal(written[-3:], original[-3:])


def test_page_out_of_array_without_mapped_file_changes_nothing() -> None:
    numpy = adapter_named("numpy")
    made = np.arange(4).view(np.memmap)
    for x in (np.arange(4), made, np.frombuffer(mmap.mmap(-1, 4096), "u1")):
        numpy.page_out(x)
    assert made.tolist() == [0, 1, 2, 3]
