"""Names of foreign dtypes, and casts that lose values without a warning.

The functions work with the arrays and the dtype objects of several libraries. This module needs the
standard library only.
"""

from __future__ import annotations

from contextvars import Context
from functools import cache
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    P = ParamSpec("P")
    T = TypeVar("T")

NARROWER: Final = {
    "int64": "int32",
    "uint64": "uint32",
    "float64": "float32",
    "complex128": "complex64",
}
"""By dtype of 64-bit numbers, the dtype of the same kind with 32-bit numbers."""
_KEEP_IMAGINARY: Final = "bc"
"""Kinds of NumPy dtypes whose casts read the imaginary part. A cast to bool tests both parts."""


def short_name(dtype: Any) -> str:
    """Return the printed name of a dtype, without the name of the library in front.

    The array API standard fixes the names of dtypes, and libraries print a dtype by that name.

    >>> short_name("torch.float32"), short_name("int8")
    ('float32', 'int8')
    """
    return str(dtype).rpartition(".")[2]


def dtype_name(dtype: Any) -> str:
    """Return NumPy's name of a dtype, or the printed name of a dtype that NumPy does not know.

    A byte order that is not native is no part of the name.

    >>> dtype_name(">f4"), dtype_name("torch.bfloat16")
    ('float32', 'bfloat16')
    """
    import numpy as np  # noqa: PLC0415 - importing the contract loads no NumPy

    try:
        return np.dtype(dtype).name
    except (TypeError, ValueError, SyntaxError):  # a string that names no dtype raises one of these
        return short_name(dtype)


def without_imaginary(x: Any, dtype: Any) -> Any:
    """Return the array that a cast to a dtype should read: the real part, or the array itself.

    A cast from complex to real numbers reads the real part only. Libraries warn of that, and the
    caller has accepted the loss already.

    Parameters
    ----------
    x : array
        An array with a NumPy dtype: of NumPy, CuPy or JAX.
    dtype : numpy.dtype
        The dtype of the cast.
    """
    if x.dtype.kind == "c" and dtype.kind not in _KEEP_IMAGINARY:
        return x.real
    return x


def without_warnings(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of NumPy that casts, without NumPy's warnings about the values.

    The caller has accepted the loss of the cast. The function runs in a context of its own, and
    sees no context variable of the caller. `numpy.errstate` would set a variable of the caller, and
    an interrupt in `errstate` would leave it set.
    """
    # A context can be entered once at a time, so each call enters a copy, which is cheap to make.
    return _ignoring_context().copy().run(function, *args, **kwargs)


@cache
def _ignoring_context() -> Context:
    import numpy as np  # noqa: PLC0415 - importing the contract loads no NumPy

    context = Context()
    context.run(np.seterr, all="ignore")
    return context
