"""Additional frameworks: registered by a call, or found as an entry point of a distribution."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import interop
import ledger
from child import run_child
from interop._identify import registration, registry
from ledger import Journal, JournalAdapter, Ledger, LedgerAdapter
from registering import registered

pytestmark = pytest.mark.requires("torch")


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    with registered():
        yield


def test_register_adapter_makes_its_arrays_convertible() -> None:
    x = Ledger(np.arange(6.0).reshape(2, 3).T)
    with pytest.raises(interop.NotAnArrayError):
        interop.framework_of(x)
    interop.register(ledger.adapter)  # the cached answer for the class is cleared
    assert interop.framework_of(x) == "ledger"
    assert interop.device_of(x) == (1, 0)
    for _ in range(2):
        tensor, array = interop.to_torch(x), interop.to_numpy(x)
        assert tensor.tolist() == array.tolist() == x.rows.tolist()
        assert interop.shares_memory(tensor, x)
        assert interop.shares_memory(array, x)
    assert "ledger" in {info.name for info in interop.frameworks()}


@pytest.mark.parametrize("to", ["ledger", ledger, Ledger])
@pytest.mark.parametrize(
    "x",
    [
        np.arange(3.0),
        torch.arange(3.0),
        pytest.param(memoryview(b"abc"), marks=pytest.mark.requires("numpy-dlpack")),
    ],
    ids=lambda x: type(x).__name__,
)
def test_register_adapter_is_a_target_by_name_module_and_class(x: Any, to: Any) -> None:
    interop.register(ledger.adapter)
    for _ in range(2):
        result = interop.convert(x, to, readonly="share")
        assert type(result) is Ledger
        assert interop.shares_memory(result, x)
        assert interop.convert(result, to) is result
    assert not interop.shares_memory(interop.convert(x, to, copy=True), x)
    assert interop.to_numpy(interop.convert(x, to, dtype="complex64")).dtype == np.complex64


def test_register_adapter_unsupported_dtype_is_refused_with_its_reason() -> None:
    interop.register(ledger.adapter)
    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r"bfloat16 \(2,\) on cpu to ledger: a ledger has no bfloat16$",
    ):
        interop.convert(torch.ones(2, dtype=torch.bfloat16), "ledger")


def test_register_subclass_belongs_to_the_nearest_adapter() -> None:
    interop.register(ledger.adapter)
    assert interop.framework_of(Journal(np.ones(3))) == "ledger"
    interop.register(JournalAdapter())
    assert interop.framework_of(Journal(np.ones(3))) == "journal"
    assert interop.framework_of(Ledger(np.ones(3))) == "ledger"
    assert type(interop.convert(Journal(np.ones(3)), "ledger")) is Ledger


def test_register_adapter_for_an_ndarray_subclass_takes_that_subclass() -> None:
    class Image(np.ndarray[Any, Any]):
        pass

    class ImageAdapter(LedgerAdapter):
        name = "image"
        array_type = Image

    assert interop.framework_of(np.ones(3).view(Image)) == "numpy"
    interop.register(ImageAdapter())
    assert interop.framework_of(np.ones(3).view(Image)) == "image"
    assert interop.framework_of(np.ones(3)) == "numpy"


def test_register_same_adapter_class_again_replaces_the_first() -> None:
    """A notebook cell that runs twice must not cause a name conflict."""
    first, second = LedgerAdapter(), LedgerAdapter()
    interop.register(first)
    interop.convert(np.ones(3), "ledger")
    interop.register(second)
    assert registry.adapter_named("ledger") is second


def test_register_two_adapter_classes_with_one_name_is_refused() -> None:
    class Other(LedgerAdapter):
        pass

    class Numeric(LedgerAdapter):
        name = "numpy"

    interop.register(ledger.adapter)
    place = f"{__name__}.test_register_two_adapter_classes_with_one_name_is_refused.<locals>"
    for clash, first in (
        (Other, "ledger.LedgerAdapter"),
        (Numeric, "interop.adapters.numpy.adapter"),
    ):
        with pytest.raises(interop.InvalidOptionError) as caught:
            interop.register(clash())
        two = f"{first} and {place}.{clash.__name__}"
        assert (
            str(caught.value)
            == f"two adapters are called {clash.name!r}: {two}. Rename or uninstall one."
        )
    assert type(interop.convert(np.ones(3), "ledger")) is Ledger
    assert interop.framework_of(np.ones(3)) == "numpy"


@pytest.mark.parametrize("wrong", [LedgerAdapter, "ledger", None, ledger])
def test_register_object_that_is_not_an_adapter_is_refused(wrong: Any) -> None:
    with pytest.raises(interop.InvalidOptionError) as caught:
        interop.register(wrong)
    wanted = "register takes an instance of a subclass of interop.adapter.Adapter"
    assert str(caught.value) == f"{wanted}, not {wrong!r}"


# Entry points


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Create installed distributions: one working adapter, and two that must not be loaded."""
    shutil.copy(ledger.__file__, tmp_path)
    (tmp_path / "loud.py").write_text(
        "print('loud was loaded')\nfrom ledger import JournalAdapter\nadapter = JournalAdapter()"
    )
    for name, target in (("ledger", "ledger"), ("journal", "loud"), ("broken", "nowhere")):
        info = tmp_path / f"{name}_interop-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-interop\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[interop.adapters]\n{name} = {target}:adapter\n")
    return tmp_path


def test_entry_point_adapter_is_loaded_for_its_arrays(site: Path) -> None:
    said = run_child(
        """
        import interop, numpy, sys
        interop.convert(numpy.ones(3), "numpy")
        print("ledger" in sys.modules)
        from ledger import Ledger
        x = Ledger(numpy.ones(3))
        print(interop.framework_of(x), interop.shares_memory(interop.to_numpy(x), x))
        """,
        path=site,
    )
    assert said == "False\nledger True\n"


def test_entry_point_adapter_is_loaded_by_its_name(site: Path) -> None:
    said = run_child(
        """
        import interop, numpy
        x = numpy.ones(3)
        print(type(interop.convert(x, "ledger")).__name__, [info.name for info in interop.frameworks()])
        print(type(interop.convert(x, "journal")).__name__)
        """,
        path=site,
    )
    names = sorted({*registration.known_names(), "broken", "journal", "ledger"})
    assert said == f"Ledger {names}\nloud was loaded\nJournal\n"


def test_entry_point_that_cannot_be_loaded_is_named_in_the_error(site: Path) -> None:
    said = run_child(
        """
        import interop, numpy
        try:
            interop.convert(numpy.ones(3), "broken")
        except interop.FrameworkNotInstalledError as error:
            print(error)
        """,
        path=site,
    )
    assert said.startswith(
        "broken cannot be imported (ModuleNotFoundError: No module named 'nowhere')"
    )
