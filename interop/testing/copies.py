"""The part of `interop.testing.AdapterSuite` about copies, shared memory and `interop.copyto`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from interop._doctor.samples import aligned
from interop.adapter import CPU
from interop.testing.base import SuiteBase
from interop.testing.samples import BASE, LAYOUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CopyTests"]


class CopyTests(SuiteBase):
    """Tests of copies, of shared memory and of `interop.copyto`."""

    def test_convert_host_memory_is_shared(self) -> None:
        """A framework of host memory shares aligned arrays in both directions."""
        if CPU.kind not in self.adapter.device_kinds:
            assert not interop.explain(BASE.copy(), self.framework).zero_copy
            return
        # Aligned for the strictest framework, so that nothing prevents sharing.
        array = aligned(BASE)
        x = interop.convert(array, self.framework, device="cpu", copy=False)
        assert interop.shares_memory(x, array)
        assert interop.shares_memory(interop.to_numpy(x, copy=False), array)
        array[0, 0, 0] = 42
        assert interop.to_numpy(x)[0, 0, 0] == 42

    def test_convert_copy_true_is_independent(self) -> None:
        """A write to the source does not change a copy, in any direction."""
        array = BASE.copy()
        x = self.make(BASE)
        copies = [
            interop.convert(array, self.framework, copy=True),
            interop.convert(x, self.framework, copy=True),
            interop.to_numpy(x, copy=True),
        ]
        array[:] = -1
        for source, result in zip((array, x, x), copies, strict=True):
            assert not interop.shares_memory(source, result)
            np.testing.assert_array_equal(interop.to_numpy(result), BASE, strict=True)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_convert_copy_false_never_copies(self, layout: str) -> None:
        """With ``copy=False``, the result shares memory or an error is raised."""
        array = LAYOUTS[layout]
        for source, to in ((array, self.framework), (self.make(array), "numpy")):
            if interop.explain(source, to).zero_copy:
                result = interop.convert(source, to, copy=False)
                # Arrays without elements share no memory.
                assert interop.shares_memory(source, result) == bool(array.size)
            else:
                with pytest.raises(interop.CopyRequiredError):
                    interop.convert(source, to, copy=False)

    def test_convert_readonly_memory_stays_protected(self) -> None:
        """Read-only memory is copied or stays read-only, unless ``readonly="share"`` is passed."""
        array = aligned(BASE)
        array.flags.writeable = False
        x = interop.convert(array, self.framework)
        on_host = CPU.kind in self.adapter.device_kinds
        if self.adapter.honours_readonly and on_host:
            assert interop.shares_memory(x, array)
            assert self.adapter.describe(x).readonly
            return
        assert not interop.shares_memory(x, array)
        if on_host:
            shared = interop.convert(array, self.framework, readonly="share")
            assert interop.shares_memory(shared, array)
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(array, self.framework, readonly="error")

    # -- copyto ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("batch_bytes", [None, 8])
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_copyto_every_layout_keeps_values_in_both_directions(
        self, layout: str, batch_bytes: int | None
    ) -> None:
        """`interop.copyto` copies all values, at once or in chunks, also between native arrays."""
        array = LAYOUTS[layout]
        out = np.zeros_like(array)
        source = self.written(array, batch_bytes=batch_bytes)
        if not self.adapter.immutable:
            other = self.make(np.zeros_like(array))
            interop.copyto(other, source, batch_bytes=batch_bytes)
            source = other
        interop.copyto(out, source, batch_bytes=batch_bytes)
        np.testing.assert_array_equal(out, array, strict=True)

    def test_copyto_every_dtype_keeps_values(self) -> None:
        """Chunks of one row pass through the pinned memory of the framework."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            out = np.zeros_like(array)
            # 24 bytes are one row of the widest default dtypes.
            interop.copyto(out, self.written(array, batch_bytes=24), batch_bytes=24)
            np.testing.assert_array_equal(out, array, strict=True)

    def test_copyto_into_a_part_writes_only_that_part(self) -> None:
        """A view shares the memory of its array, and a write to the view changes only that part."""
        if self.adapter.immutable:
            return  # a view may be a copy, because nobody can write to it
        x = self.make(BASE)
        part = self.adapter.view(x, (slice(1, 2), slice(0, 2)))
        assert self.adapter.describe(part).shape == (1, 2, 4)
        assert interop.shares_memory(part, x)
        interop.copyto(part, BASE[:1, 1:])
        np.testing.assert_array_equal(interop.to_numpy(x), [BASE[0], [*BASE[0, 1:], BASE[1, 2]]])

    def written(self, array: NDArray[Any], *, batch_bytes: int | None) -> Any:
        """Return an array that `interop.copyto` has written, or a new one if arrays are immutable.

        A write to an immutable array must be refused.
        """
        x = self.make(np.zeros_like(array))
        if not self.adapter.immutable:
            interop.copyto(x, array, batch_bytes=batch_bytes)
            return x
        with pytest.raises(interop.UnsupportedArrayError, match="read-only"):
            interop.copyto(x, array, batch_bytes=batch_bytes)
        return self.make(array)
