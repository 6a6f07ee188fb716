"""Suggestions for misspelled attributes, keywords and values. No message prints a whole array."""

from typing import Any

import numpy as np
import pytest

import interop
from child import run_child
from interop._model import text

pytestmark = pytest.mark.requires("torch")
ONES = np.ones(3)
ATTRIBUTES = {
    "from_numpy": "Did you mean interop.to_torch or interop.convert?",
    "tensor": "Did you mean interop.to_torch or interop.convert?",
    "asarray": "Did you mean interop.to_numpy or interop.convert?",
    "from_jax": "Did you mean interop.convert?",
    "totorch": "Did you mean interop.to_torch?",
    "convrt": "Did you mean interop.convert?",
}


@pytest.mark.parametrize(("name", "hint"), ATTRIBUTES.items())
def test_interop_unknown_attribute_asks_did_you_mean(name: str, hint: str) -> None:
    """Each case runs in a new process, in which `interop.__getattr__` still looks names up."""
    said = run_child(f"""
        import interop
        try:
            interop.{name}
        except AttributeError as error:
            print(error, error.name, sep="|")
    """)
    assert said == f"module 'interop' has no attribute {name!r}. {hint}|{name}\n"


def test_interop_to_pandas_attribute_gives_a_hint() -> None:
    said = run_child("""
        import interop
        try:
            interop.to_pandas
        except AttributeError as error:
            print(error)
        print(hasattr(interop, "__path_to_nowhere__"), hasattr(interop, "qwertyuiop"))
    """)
    assert said == (
        "module 'interop' has no attribute 'to_pandas': pandas is not a target, because it holds data frames. "
        "Write pandas.DataFrame(interop.to_numpy(x)) instead.\nFalse False\n"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("dtpye", "dtype"), ("Device", "device"), ("cast", "casting"), ("read_only", "readonly")],
)
def test_convert_misspelled_keyword_asks_did_you_mean(name: str, meant: str) -> None:
    with pytest.raises(
        TypeError,
        match=rf"^there is no keyword '{name}'\. Did you mean {meant}=\? The keywords are ",
    ):
        interop.convert(ONES, "torch", **{name: None})  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["batch_size", "batch", "chunk_size", "siz"])
def test_batches_other_name_for_size_asks_did_you_mean(name: str) -> None:
    keywords: dict[str, Any] = {name: 2}
    with pytest.raises(
        TypeError,
        match=rf"^there is no keyword '{name}'\. Did you mean size=\? .* size, axis, progress",
    ):
        interop.batches(ONES, "torch", **keywords)


def test_batches_without_size_names_the_missing_keyword() -> None:
    keywords: dict[str, Any] = {}
    with pytest.raises(
        TypeError,
        match=r"^batches needs size=, the number of rows in a batch, for example size=1000$",
    ):
        interop.batches(ONES, "torch", **keywords)


@pytest.mark.parametrize("device", ["CPU", "Cpu", "CPU:0"])
def test_convert_device_name_in_upper_case_is_accepted(device: str) -> None:
    assert interop.to_torch(ONES, device=device).device.type == "cpu"
    assert interop.Device.parse(device) == (1, 0)
    assert interop.Device.parse("CUDA:1") == (2, 1)


@pytest.mark.parametrize(("name", "value"), [("device", "cuba"), ("dtype", "flaot32")])
def test_convert_misspelled_value_asks_did_you_mean(name: str, value: str) -> None:
    with pytest.raises(
        interop.InvalidOptionError, match=rf"got '{value}'\. Did you mean '(cuda|float32)'\?$"
    ):
        interop.to_torch(ONES, **{name: value})  # type: ignore[arg-type]


def test_convert_opposite_value_is_not_suggested() -> None:
    with pytest.raises(interop.InvalidOptionError, match=r"got 'safe'$"):
        interop.to_torch(ONES, casting="safe")  # type: ignore[arg-type]


class Loud:
    """An array whose repr must not be called, as for an array on a GPU."""

    shape = (1000,)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones(1000)

    def __repr__(self) -> str:
        pytest.fail("printed")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: interop.convert("torch", x),
        lambda x: interop.to_torch(ONES, device=x),
        lambda x: interop.to_torch(ONES, dtype=x),
        lambda x: interop.to_torch(ONES, copy=x),
        lambda x: interop.to_torch(ONES, stream=x),
        lambda x: interop.batches(ONES, "torch", size=x),
        lambda x: interop.batches(ONES, "torch", size=1, axis=x),
        lambda x: interop.copyto(ONES, ONES, batch_bytes=x),
        lambda x: interop.watch(keep=x),
        lambda x: interop.options(host_copy=x),
        lambda x: interop.batches(ONES, "torch", size=1, progress=x),
        interop.register,
        interop.implemented_in,
        lambda x: interop.implemented_in("numpy", returns=x),
    ],
)
def test_errors_with_large_values_do_not_print_the_values(call: Any) -> None:
    for value in (np.ones(10_000), Loud(), [Loud()] * 100, "x" * 10_000):
        with pytest.raises(interop.InteropError) as caught:
            call(value)
        assert len(str(caught.value)) < 800


def test_short_repr_of_long_values_is_cut_to_a_line() -> None:
    for value in (
        "x" * 1000,
        list(range(1000)),
        {n: n for n in range(1000)},
        np.ones((3, 3)),
        [np.ones(3)] * 50,
    ):
        shown = text.short_repr(value)
        assert "\n" not in shown
        assert len(shown) < 400
    assert text.short_repr(np.ones((2, 3))) == "<numpy.ndarray of shape (2, 3)>"
    assert text.short_repr("cuda:1") == "'cuda:1'"
