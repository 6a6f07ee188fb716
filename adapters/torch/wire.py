"""The tensors without elements that describe blocks to Dask, and the name in their pickles.

Each pickle of a lazy array of tensors names `empty_block`. Another version of interop may load the
pickle, so the name, the module and the arguments never change.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interop import errors

from .dtypes import DTYPES, NAMES, numpy_dtype


class NumPyTyped(Tensor):
    """A tensor with a NumPy dtype, so that Dask can handle the tensor like an array of NumPy."""

    @property
    def dtype(self) -> Any:  # type: ignore[override]
        """The dtype of NumPy, or of ml_dtypes, for the same numbers."""
        with torch._C.DisableTorchFunctionSubclass():
            dtype = self.as_subclass(Tensor).dtype
        return numpy_dtype(dtype)

    def __reduce_ex__(self, _: Any) -> Any:
        """Reduce to shape, dtype and device. torch cannot pickle all dtypes (uint16, float8)."""
        plain = self.as_subclass(Tensor)
        return empty_block, (tuple(plain.shape), NAMES[plain.dtype], str(plain.device))

    def __deepcopy__(self, _: Any) -> Tensor:
        """Copy through the pickled form."""
        function, arguments = self.__reduce_ex__(2)
        return function(*arguments)

    def __dask_tokenize__(self) -> Any:
        """Return a token of dtype, shape and device, because there are no elements."""
        return "interop", str(self.dtype), tuple(self.shape), str(self.device)

    def astype(self, dtype: Any, **_: Any) -> Tensor:
        """Cast, as arrays of NumPy do."""
        # Dask passes keywords of NumPy (`copy`), which mean nothing without elements.
        name = np.dtype(dtype).name
        with torch._C.DisableTorchFunctionSubclass():
            return self.to(DTYPES[name]).as_subclass(NumPyTyped)


def empty_block(shape: tuple[int, ...], dtype: str, device: str) -> Tensor:
    """Make a tensor without elements, with a NumPy dtype. A tensor without axes has one element."""
    with errors.reading_payload():
        # Before the allocation: a shape that was damaged on the way could fill the memory.
        if math.prod(shape) > 1:
            msg = f"a block without elements has the shape {shape}"
            raise ValueError(msg)
        return torch.empty(shape, dtype=DTYPES[dtype], device=device).as_subclass(NumPyTyped)
