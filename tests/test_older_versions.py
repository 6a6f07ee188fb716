"""What interop does with older versions of NumPy and JAX, shown by hiding features of newer ones."""

import gc
import importlib
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import foreign
import interop
from interop._identify import registration
from interop.adapter import capsule


class LegacyLender:
    """Exports an ndarray as NumPy 2.0 does: without versions, and never read-only memory."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, stream: object = None) -> Any:
        return self.array.__dlpack__()


def read_only() -> Any:
    array = np.arange(3.0)
    array.flags.writeable = False
    return array


# -- NumPy before 2.2 ------------------------------------------------------------------------------


@pytest.fixture
def older_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy_adapter: Any = importlib.import_module("interop.adapters.numpy.adapter")
    monkeypatch.setattr(capsule, "numpy_reads_flags", lambda: False)
    monkeypatch.setattr(numpy_adapter.NumPyAdapter, "export", lambda _, x, __: LegacyLender(x))


@pytest.mark.requires("numpy-dlpack")
@pytest.mark.usefixtures("older_numpy")
def test_as_ndarray_with_older_numpy_keeps_the_flag_of_a_versioned_capsule() -> None:
    for x in (np.arange(6.0).reshape(2, 3).T, np.ones((0, 3)), np.array(True), read_only()):
        array = capsule.as_ndarray(foreign.DLPack(x))
        assert (array.shape, array.dtype) == (x.shape, x.dtype)
        assert array.flags.writeable == x.flags.writeable
        assert not x.size or array.ctypes.data == x.ctypes.data
        assert array.tolist() == x.tolist()


@pytest.mark.requires("numpy-dlpack")
@pytest.mark.usefixtures("older_numpy")
def test_as_ndarray_with_older_numpy_keeps_the_memory_until_the_last_view_is_gone() -> None:
    class Owner(np.ndarray[Any, Any]):
        pass

    x = np.arange(4.0).view(Owner)
    gone = weakref.ref(x)
    view = capsule.as_ndarray(foreign.DLPack(x))[1:]
    del x
    gc.collect()
    assert gone() is not None
    assert view.tolist() == [1, 2, 3]
    del view
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("older_numpy")
def test_as_ndarray_with_older_numpy_reads_a_legacy_producer_as_read_only() -> None:
    x = np.arange(3.0)
    array = capsule.as_ndarray(foreign.OldDLPack(x))
    assert array.ctypes.data == x.ctypes.data
    assert not array.flags.writeable


@pytest.mark.usefixtures("older_numpy")
def test_as_ndarray_with_older_numpy_views_a_read_only_ndarray() -> None:
    x = read_only()
    array = capsule.as_ndarray(x)
    assert array is not x
    assert array.ctypes.data == x.ctypes.data
    assert not array.flags.writeable


@pytest.mark.usefixtures("older_numpy")
def test_export_with_older_numpy_shares_memory_and_copies_read_only_memory() -> None:
    x = np.arange(3.0)
    lent = interop.export(x).__dlpack__(max_version=(1, 0))
    assert capsule.is_named(lent, capsule.LEGACY_NAME)
    assert capsule.read_header(lent).address == x.ctypes.data
    x.flags.writeable = False
    lent = interop.export(x).__dlpack__(max_version=(1, 0))
    assert capsule.read_header(lent).address != x.ctypes.data
    with pytest.raises(interop.CopyRequiredError, match="it is read-only, and the DLPack of its "):
        interop.export(x).__dlpack__(max_version=(1, 0), copy=False)


@pytest.mark.parametrize("error", [TypeError, NotImplementedError])
def test_to_numpy_producer_that_refuses_max_version_is_asked_without(error: Any) -> None:
    class Producer(foreign.DLPack):
        def __dlpack__(self, **keywords: Any) -> Any:
            if "max_version" in keywords:
                raise error("max_version")
            return super().__dlpack__(**keywords)

    x = np.arange(3.0)
    result = interop.convert(Producer(x), "numpy", copy=False)
    assert interop.shares_memory(result, x)


@pytest.mark.requires("torch")
def test_to_torch_read_only_array_is_shared_without_versioned_capsules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features: Any = importlib.import_module("interop.adapters.torch.features")
    monkeypatch.setattr(features, "ADOPTS_READONLY", False)
    for x in (read_only(), read_only()[1:]):
        result = interop.convert(x, "torch", copy=False, readonly="share")
        assert result.data_ptr() == x.ctypes.data
        assert result.tolist() == x.tolist()


# -- JAX -------------------------------------------------------------------------------------------


@pytest.mark.requires("jax")
def test_framework_of_the_array_class_of_jax_before_0_6_1_is_jax(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cls = type("ArrayImpl", (), {"__module__": "jaxlib.xla_extension"})
    module = SimpleNamespace(ArrayImpl=cls)
    monkeypatch.setitem(sys.modules, "jaxlib.xla_extension", module)
    assert registration.framework_of_class(cls) == "jax"


@pytest.mark.requires("jax")
def test_major_to_minor_without_format_reads_the_former_layout() -> None:
    features: Any = importlib.import_module("interop.adapters.jax.features")
    layout = SimpleNamespace(device_local_layout=SimpleNamespace(major_to_minor=(1, 0)))
    assert features.major_to_minor(SimpleNamespace(layout=layout)) == (1, 0)


@pytest.mark.requires("jax")
def test_view_of_jax_array_is_a_copy_if_jax_raises_its_own_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import jax

    def refuse(*_: Any, **__: Any) -> None:
        raise jax.errors.JaxRuntimeError("UNIMPLEMENTED")

    monkeypatch.setattr(jax.dlpack, "from_dlpack", refuse)
    adapter: Any = importlib.import_module("interop.adapters.jax.adapter").adapter
    x = jax.numpy.arange(12.0).reshape(3, 4)
    assert adapter.view(x, (slice(2), slice(1, 3))).tolist() == [[1, 2], [5, 6]]
