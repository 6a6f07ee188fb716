"""`interop.frameworks()` describes frameworks without importing them."""

import re
from pathlib import Path

import pytest

import interop
from child import run_child


@pytest.mark.requires("torch")
def test_frameworks_lists_the_host_device_of_numpy_and_torch() -> None:
    import torch

    interop.to_numpy(torch.ones(3))
    infos = {info.name: info for info in interop.frameworks()}
    assert infos["numpy"].devices == ("cpu",)
    assert infos["torch"].devices[0] == "cpu"


@pytest.mark.requires("simcuda", "torch", "cupy")
def test_frameworks_lists_the_gpus_of_torch_and_cupy() -> None:
    import cupy

    interop.to_numpy(cupy.zeros(3))
    infos = {info.name: info for info in interop.frameworks()}
    assert infos["torch"].devices == ("cpu", "cuda:0", "cuda:1")
    assert infos["cupy"].devices == ("cuda:0", "cuda:1")


def test_frameworks_lists_no_devices_before_a_framework_is_used() -> None:
    said = run_child("import interop\nprint([info.devices for info in interop.frameworks()])")
    assert set(said) <= set("[(), ]\n")


def test_frameworks_prints_a_table_as_text_and_html() -> None:
    info = interop.FrameworkInfo("a", True, True, "1.0", True, ("cpu", "cuda:0"))
    absent = interop.FrameworkInfo("b<c>", False, False, None, False, ())
    table = type(interop.frameworks())([info, absent])
    assert str(table) == (
        "framework  version        devices      compiled path\n"
        "a          1.0            cpu, cuda:0  on\n"
        "b<c>       not installed  -            -"
    )
    assert "<td>cpu, cuda:0</td>" in table._repr_html_()
    assert "<td>b&lt;c&gt;</td>" in table._repr_html_()
    assert isinstance(interop.frameworks(), tuple)


# The reason for which the compiled path is off

USE = """
import interop, numpy as np, torch
interop.to_torch(interop.to_numpy(torch.ones(3)))
infos = {info.name: info for info in interop.frameworks()}
for name in "numpy", "torch":
    print(infos[name].compiled, infos[name].not_compiled, sep=": ")
"""
REMOVED = """
import sys
sys.modules["interop._engine._fastpath"] = sys.modules["interop.adapters.torch._native"] = None
"""
BROKEN = """
import sys
from importlib.util import spec_from_loader

class Broken:
    def find_spec(self, name, path, target=None):
        if name in ("interop._engine._fastpath", "interop.adapters.torch._native"):
            return spec_from_loader(name, self)
    def create_module(self, spec):
        raise ImportError("wrong ABI.")
    exec_module = None

sys.meta_path.insert(0, Broken())
"""
FREE_THREADED = """
import sysconfig
get = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else get(name)
"""
REINSTALL = "`pip install --force-reinstall --no-cache-dir --no-deps array-interop`"
NOT_BUILT = (
    "the extension modules were not built when interop was installed. "
    f"Install a wheel, or install a C compiler and run {REINSTALL}."
)
UNSUPPORTED = (
    "the extension modules support CPython with the GIL only. Use CPython without free threading."
)
NOT_IMPORTED = (
    "an extension module cannot be imported (ImportError: wrong ABI). "
    f"Build it for this Python and this NumPy: {REINSTALL}."
)
OFF = {
    "not built": (REMOVED, NOT_BUILT),
    "free-threaded": (REMOVED + FREE_THREADED, UNSUPPORTED),
    "turned off": (
        BROKEN + "import os; os.environ['INTEROP_COMPILED'] = '0'",
        "INTEROP_COMPILED=0 is set. Unset this environment variable.",
    ),
    "not importable": (
        BROKEN + "import os; os.environ.pop('INTEROP_COMPILED', None)",
        NOT_IMPORTED,
    ),
}
TOO_OLD = {
    "torch.Tensor.__dlpack_c_exchange_api__": (
        "has no C exchange API of DLPack. Install torch 2.10 or later."
    ),
    "torch._C._is_torch_function_mode_enabled": (
        "has no private function that an extension module needs. "
        "Install another release of torch or of array-interop."
    ),
}


@pytest.mark.requires("torch")
@pytest.mark.parametrize("situation", OFF)
def test_frameworks_without_extension_modules_states_reason_and_cure(situation: str) -> None:
    prepare, reason = OFF[situation]
    assert run_child(f"{prepare}\n{USE}") == f"False: {reason}\n" * 2


@pytest.mark.requires("compiled")
def test_frameworks_with_the_compiled_path_states_no_reason() -> None:
    assert run_child(USE) == "True: None\n" * 2


@pytest.mark.requires("compiled")
@pytest.mark.parametrize(("removed", "reason"), TOO_OLD.items())
def test_frameworks_states_why_torch_alone_has_no_compiled_path(removed: str, reason: str) -> None:
    numpy, torch = run_child(f"import torch; del {removed}\n{USE}").splitlines()
    assert numpy == "True: None"
    assert re.fullmatch(rf"False: torch \S+ {re.escape(reason)}", torch)


def test_frameworks_without_a_compiled_path_by_design_or_unused_states_no_reason() -> None:
    said = run_child("""
        import os; os.environ["INTEROP_COMPILED"] = "0"
        import interop, ledger
        interop.register(ledger.LedgerAdapter())
        print({info.not_compiled for info in interop.frameworks() if info.name != "numpy"})
    """, path=Path(__file__).parent)  # fmt: skip
    assert said == "{None}\n"


def test_frameworks_prints_reasons_below_the_table() -> None:
    infos = [
        interop.FrameworkInfo(name, True, True, "1", not reason, (), reason)
        for name, reason in (("a", "<no>"), ("b", None), ("c", "<no>"))
    ]
    table = type(interop.frameworks())(infos)
    assert [line.split()[-1] for line in str(table).splitlines()[1:4]] == ["off", "on", "off"]
    assert str(table).splitlines()[4:] == ["compiled path off for a, c: <no>"]
    assert "<div>compiled path off for a, c: &lt;no&gt;</div>" in table._repr_html_()


def test_frameworks_lists_a_bounded_number_of_devices() -> None:
    said = run_child(
        """
        import interop, ledger
        class Everywhere(ledger.LedgerAdapter):
            device_kinds = frozenset({1, 2})
            def resolve_device(self, device, /): return device
        interop.register(Everywhere())
        print(*(len(info.devices) for info in interop.frameworks() if info.name == "ledger"))
    """,
        path=Path(__file__).parent,
    )
    assert said == "65\n"
