"""`numpy.asarray` of what `export` returns, and the texts of other libraries in messages."""

from typing import Any

import numpy as np
import pytest

import interop
from interop import export

# -- numpy.asarray ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_export_asarray_shares_memory_with_the_array(name: str) -> None:
    pytest.importorskip(name, reason=f"needs {name}")
    x = interop.convert(np.arange(6, dtype="f4").reshape(2, 3), name)
    array = np.asarray(export(x))
    np.testing.assert_array_equal(array, interop.to_numpy(x), strict=True)
    assert interop.shares_memory(array, x)
    assert not interop.shares_memory(np.array(export(x)), x)
    assert np.asarray(export(x), copy=False).shape == (2, 3)
    assert (np.add(export(x), 1) == interop.to_numpy(x) + 1).all()


@pytest.mark.requires("torch")
def test_export_asarray_with_a_dtype_casts_as_numpy_does() -> None:
    import torch

    x = torch.tensor([1.5, 2.5])
    assert np.asarray(export(x), dtype="i8").tolist() == [1, 2]
    assert np.asarray(export(x), dtype=">f4").tolist() == [1.5, 2.5]
    assert np.asarray(export(x), dtype=object).tolist() == [1.5, 2.5]
    assert interop.shares_memory(np.asarray(export(x), dtype="f4"), x)
    assert not interop.shares_memory(np.array(export(x), dtype="f4", copy=True), x)
    with pytest.raises(ValueError, match="because the dtype changes to float64"):
        np.asarray(export(x), dtype="f8", copy=False)


@pytest.mark.requires("torch")
def test_export_asarray_respects_read_only_conjugate_and_detach() -> None:
    import torch

    constant = np.arange(3.0)
    constant.flags.writeable = False
    assert not np.asarray(export(constant)).flags.writeable
    conjugate = torch.tensor([1 + 2j]).conj()
    assert np.asarray(export(conjugate)).tolist() == [1 - 2j]
    with pytest.raises(ValueError, match="conjugation or negation is pending"):
        np.asarray(export(conjugate), copy=False)
    with interop.options(detach=True):
        lent = export(torch.ones(2, requires_grad=True))
    assert np.asarray(lent).tolist() == [1, 1]


@pytest.mark.requires("torch", "cupy", "gpu")
@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_export_asarray_on_a_gpu_is_refused_with_a_working_hint(name: str) -> None:
    x = interop.convert(np.arange(3, dtype="f4"), name, device="cuda")
    with pytest.raises(interop.HostCopyError) as caught:
        np.asarray(export(x))
    assert str(caught.value) == (
        f"cannot export {name} float32 (3,) on cuda:0: NumPy would copy 12 bytes from cuda:0 to the host unasked. "
        "Write interop.to_numpy(x) to copy them, or pass x to a library of that device, by its from_dlpack."
    )
    assert interop.to_numpy(x).tolist() == [0, 1, 2]


# -- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["no.", "no...", "no", "no. ", ""])
def test_quote_ends_without_a_full_stop(text: str) -> None:
    from interop import errors

    assert errors.quote(BufferError(text)) == ("BufferError: no" if text else "BufferError")


def refuse(text: str) -> Any:
    def call(*_: Any) -> Any:
        raise BufferError(text)

    return call


@pytest.mark.parametrize("text", ["I can't do that.", "I can't do that"])
def test_export_quotes_a_framework_without_a_second_full_stop(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interop._identify.registry import adapter_named

    monkeypatch.setattr(type(adapter_named("numpy")), "export", refuse(text))
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        export(np.arange(3)).__dlpack__()
    assert str(caught.value) == (
        "cannot export numpy int64 (3,) on cpu: its framework's DLPack answers BufferError: I can't do that. "
        "Convert it to another one first."
    )


@pytest.mark.requires("torch")
def test_convert_quotes_a_target_without_a_second_full_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from interop._identify.registry import adapter_named

    monkeypatch.setattr(type(adapter_named("torch")), "adopt_host", refuse("I can't do that."))
    with pytest.raises(interop.CopyRequiredError) as caught:
        interop.to_torch(np.arange(3, dtype="u2"), copy=False, readonly="share")
    assert "because I can't do that. " in str(caught.value)
