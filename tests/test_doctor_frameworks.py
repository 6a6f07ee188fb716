"""`interop.frameworks()` describes frameworks without importing them."""

from pathlib import Path

import pytest

import interop
from child import run_child


@pytest.mark.requires("torch")
def test_frameworks_lists_the_host_device_of_numpy_and_torch() -> None:
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
        "b<c>       not installed  -            off"
    )
    assert "<td>cpu, cuda:0</td>" in table._repr_html_()
    assert "<td>b&lt;c&gt;</td>" in table._repr_html_()
    assert isinstance(interop.frameworks(), tuple)


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
