"""What other platforms lack, simulated here: Windows has no fork, and Python may have 32 bits."""

import pytest

from child import run_child

pytestmark = pytest.mark.requires("numpy")

WITHOUT = """
    import mmap, os, signal, sys
    for module, names in {
        os: ["fork", "register_at_fork", "sched_getaffinity"],
        mmap: [name for name in dir(mmap) if name.startswith("MADV_")],
        signal: ["pthread_kill", "SIGALRM", "setitimer"],
    }.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.modules.update(fcntl=None, resource=None)
"""


def test_conversions_without_the_functions_of_posix_work() -> None:
    told = run_child(
        WITHOUT
        + """
    import os, tempfile
    import numpy as np, interop
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "numbers")
        mapped = np.memmap(name, "float32", "w+", shape=(1000,))
        interop.copyto(mapped, np.arange(1000.0), casting="same_kind")
        with interop.watch() as seen, interop.options(readonly="share"):
            copied = interop.to_numpy(mapped, dtype="float64")
        rows = [len(batch) for batch in interop.batches(mapped, "numpy", size=600)]
        del mapped
    print(copied[-1], len(seen), rows, interop.frameworks()[-1].installed in (True, False))
    """
    )
    assert told == "999.0 1 [600, 400] True\n"


def test_address_beyond_32_bits_is_refused_where_pointers_have_32_bits() -> None:
    told = run_child("""
    import sys
    import numpy as np
    sys.maxsize = 2**31 - 1
    import interop
    class Interface:
        __array_interface__ = {"version": 3, "shape": (3,), "typestr": "<f4", "data": (2**33, False)}
    try:
        interop.to_numpy(Interface())
    except interop.InteropError as error:
        print(error)
    """)
    assert "the address 8589934592, which is no address" in told


def test_command_on_a_narrow_code_page_prints_its_tables() -> None:
    """The console of Windows may know few characters, and ASCII is the smallest code page."""
    told = run_child("""
    import runpy, sys
    sys.stdout.reconfigure(encoding="ascii", errors="strict")
    sys.argv = ["interop"]
    runpy.run_module("interop", run_name="__main__")
    """)
    assert "numpy" in told
