"""Gigabytes with 64 MiB to spare: the peak of resident memory, measured in a process of its own."""

from pathlib import Path

import pytest

from child import run_child

pytestmark = [
    pytest.mark.requires("torch"),
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a stretch"),
]
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


@pytest.mark.parametrize(("rows", "program"), [(4096, GENERATOR), (1024, MEMMAP)], ids=["generator", "memmap"])
def test_gigabytes_pass_through_little_memory(rows: int, program: str, tmp_path: Path) -> None:
    target, source = tmp_path / "target.bin", tmp_path / "source.bin"
    try:
        words = {"{rows}": str(rows), "{target!r}": repr(str(target)), "{source!r}": repr(str(source))}
        code = HEAD + program
        for word, text in words.items():
            code = code.replace(word, text)
        grown = run_child(code)
        assert 0 <= int(grown) < 256
    finally:
        target.unlink(missing_ok=True)
        source.unlink(missing_ok=True)
