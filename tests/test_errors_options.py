"""Keywords are checked first: a misspelled keyword neither shares nor copies memory."""

from typing import Any

import numpy as np
import pytest

import interop

ONES = np.ones((2, 3), "float32")
NUMBERS = (
    "bfloat16, bool, complex128, complex64, float16, float32, float64, float8_e3m4, float8_e4m3, float8_e4m3b11fnuz, "
    "float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu, int16, int32, int64, int8, "
    "uint16, uint32, uint64, uint8"
)
DEVICE = 'a name such as "cpu" or "cuda:1", a framework\'s device object, or a DLPack pair'
STREAM = "an int handle, an object with __cuda_stream__, or -1 for no order"
WRONG: list[tuple[str, Any, str]] = [
    ("device", "cuba", f"device must be {DEVICE}, got 'cuba'. Did you mean 'cuda'?"),
    ("device", "cuda:x", f"device must be {DEVICE}, got 'cuda:x'. Did you mean 'cuda'?"),
    ("device", "", f"device must be {DEVICE}, got ''"),
    ("device", 0, f"device must be {DEVICE}, got 0"),
    ("device", (1, 0, 0), f"device must be {DEVICE}, got (1, 0, 0)"),
    ("device", ("cuda", 0), f"device must be {DEVICE}, got ('cuda', 0)"),
    (
        "dtype",
        "flot",
        "dtype must be a name or a framework's dtype object, got 'flot'. Did you mean 'float64'?",
    ),
    ("dtype", 32, "dtype must be a name or a framework's dtype object, got 32"),
    ("dtype", "S3", f"dtype must be a dtype of plain numbers ({NUMBERS}), got 'S3'"),
    ("dtype", object, f"dtype must be a dtype of plain numbers ({NUMBERS}), got <class 'object'>"),
    (
        "dtype",
        np.dtype("M8[s]"),
        f"dtype must be a dtype of plain numbers ({NUMBERS}), got dtype('<M8[s]')",
    ),
    ("copy", 1, "copy must be one of None, True, False, got 1"),
    ("copy", "never", "copy must be one of None, True, False, got 'never'"),
    ("stream", 1.5, f"stream must be {STREAM}, got 1.5"),
    ("stream", True, f"stream must be {STREAM}, got True"),
    ("stream", "default", f"stream must be {STREAM}, got 'default'"),
    ("detach", 1, "detach must be one of True, False, got 1"),
    ("detach", None, "detach must be one of True, False, got None"),
    ("readonly", "shared", "readonly must be one of 'copy', 'share', 'error', got 'shared'"),
    ("readonly", True, "readonly must be one of 'copy', 'share', 'error', got True"),
    ("readonly", None, "readonly must be one of 'copy', 'share', 'error', got None"),
    ("casting", "safe", "casting must be one of 'same_kind', 'unsafe', got 'safe'"),
    ("casting", None, "casting must be one of 'same_kind', 'unsafe', got None"),
]


class Spy:
    """An array that records whether its contents were accessed."""

    asked = False

    def __dlpack_device__(self) -> tuple[int, int]:
        self.asked = True
        return 1, 0

    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked = True
        return ONES.__dlpack__(**keywords)


CALLS = {
    "convert": lambda x, **keywords: interop.convert(x, "numpy", **keywords),
    "to_numpy": interop.to_numpy,
    "convert_like": lambda x, **keywords: interop.convert_like(x, ONES, **keywords),
    "explain": lambda x, **keywords: interop.explain(x, "numpy", **keywords),
}


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_keywords_invalid_value_is_refused_before_the_array_is_read(
    call: Any, name: str, value: Any, message: str
) -> None:
    spy = Spy()
    for x in (ONES, spy):
        with pytest.raises(interop.InvalidOptionError) as caught:
            call(x, **{name: value})
        assert str(caught.value) == message
    assert not spy.asked


@pytest.mark.requires("torch")
@pytest.mark.parametrize(("name", "spec"), [("device", "meta"), ("dtype", "complex32")])
def test_to_torch_meta_device_or_complex32_dtype_is_refused(name: str, spec: str) -> None:
    import torch

    kwargs: dict[str, Any] = {
        name: torch.device(spec) if name == "device" else getattr(torch, spec)
    }
    with pytest.raises(interop.InvalidOptionError, match=f"^{name} must be .*{spec}"):
        interop.to_torch(ONES, **kwargs)


@pytest.mark.parametrize(
    ("name", "value", "message"), [wrong for wrong in WRONG if wrong[0] in ("detach", "readonly")]
)
def test_options_invalid_value_is_refused_at_the_call(name: str, value: Any, message: str) -> None:
    if value is None:  # None keeps the default
        with interop.options(**{name: value}):
            assert interop.to_numpy(ONES) is ONES
        return
    with pytest.raises(interop.InvalidOptionError) as caught:
        interop.options(**{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_keywords_unknown_name_raises_type_error_with_a_suggestion(call: Any) -> None:
    with pytest.raises(TypeError) as caught:
        call(ONES, cpy=False)
    assert not isinstance(caught.value, interop.InteropError)
    known = "device, dtype, copy, stream, detach, readonly, casting, compute, chunks"
    assert (
        str(caught.value)
        == f"there is no keyword 'cpy'. Did you mean copy=? The keywords are {known}."
    )


@pytest.mark.parametrize("name", ["copy", "device", "casting", "nonsense"])
def test_options_unsupported_keyword_raises_type_error(name: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        interop.options(**{name: None})


@pytest.mark.requires("torch")
def test_convert_with_several_faults_reports_the_first_in_a_fixed_order() -> None:
    """The order is framework, options, device, unsupported, gradient, copy."""
    import torch

    sparse = torch.eye(2).to_sparse().requires_grad_()
    lazy = torch.ones(2, dtype=torch.complex64, requires_grad=True).conj()
    ladder: list[tuple[Any, str, dict[str, Any], type[Exception], str]] = [
        ([1], "nunpy", {"copy": 2, "device": "cuda"}, interop.UnknownFrameworkError, "nunpy"),
        (
            [1],
            "numpy",
            {"copy": 2, "device": "cuda"},
            interop.InvalidOptionError,
            "^copy must be .*, got 2",
        ),
        (
            [1],
            "numpy",
            {"copy": False, "device": "cuda"},
            interop.NotAnArrayError,
            "a list is not an array",
        ),
        (
            sparse,
            "numpy",
            {"copy": False, "device": "cuda"},
            interop.InvalidOptionError,
            "NumPy holds host memory only",
        ),
        (
            sparse,
            "numpy",
            {"copy": False},
            interop.UnsupportedArrayError,
            "its layout is torch.sparse_coo",
        ),
        (lazy, "numpy", {"copy": False}, interop.GradientError, "it requires grad"),
        (
            lazy,
            "numpy",
            {"copy": False, "detach": True},
            interop.CopyRequiredError,
            "a conjugation or negation is pending",
        ),
    ]
    for x, to, keywords, error, words in ladder:
        with pytest.raises(error, match=words) as caught:
            interop.convert(x, to, **keywords)
        assert type(caught.value) is error
