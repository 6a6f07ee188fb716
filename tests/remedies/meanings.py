"""Arrays with units or masks, and objects whose contents differ from their stated dtype."""

from typing import Any, Final

import numpy as np

import interop
from units import Astropy, Bare, Masked, Quantities, Sealed

from .rows import Row, row


class Times:
    """An object that is read as datetimes."""

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return np.zeros(3, "M8[s]")


class Misstated:
    """An object that states integers and is read as floats."""

    shape = (4,)
    dtype = np.dtype("int16")
    ndim = 1

    def __getitem__(self, index: Any) -> Any:
        return np.ones(4)[index]

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return np.ones(4)


def bare() -> Any:
    return np.ones(2).view(Bare)


def cut(x: Any) -> Any:
    return interop.convert(x, "dask", chunks=2).compute()


def read(x: Any) -> Any:
    return np.asanyarray(x).view("int64")


ROWS: Final[list[Row]] = [
    row("a unit, and numbers as value", lambda: Astropy([1.0]), "x.value"),
    row("a unit, and numbers as magnitude", lambda: Quantities([1.0]), "x.magnitude"),
    row("a unit, and no name for the numbers", bare, "x.view(numpy.ndarray)"),
    row("a mask that can be filled", lambda: Masked([1.0, 2.0], [True, False]),
        runs={"x.filled(value)": lambda x: x.filled(0)}),
    row("a mask that cannot be filled", lambda: Sealed([1.0, 2.0], [True, False]), "x.view(numpy.ndarray)"),
    row("an object that reads as times", Times, runs={"numpy.asanyarray(x)": read, 'x.view("int64")': read}),
    row("slices of another dtype than stated", Misstated, call=cut, requires=("torch", "dask"),
        runs={'interop.convert(interop.to_numpy(x), "dask")': lambda x: cut(interop.to_numpy(x))}),
]  # fmt: skip
