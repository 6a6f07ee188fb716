"""The conformance suite that every adapter of arrays in memory must pass. Needs pytest.

Subclass the suite in a test module, name the framework, and make an array:

    from interop.testing import AdapterSuite

    class TestTorch(AdapterSuite):
        framework = "torch"

        def make(self, array):
            return torch.tensor(array)

The tests ask the adapter where its arrays are, so arrays on a GPU pass the same tests as arrays on
the host. Streams are tested by `interop.testing.DeviceAdapterSuite`, and lazy arrays by
`interop.testing.LazyAdapterSuite`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import interop
from interop._model import dtypes
from interop.adapter import Device
from interop.testing.copies import CopyTests
from interop.testing.samples import BASE, CONVERSIONS, LAYOUTS, NOT_NUMBERS, shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter import Facts

__all__ = ["AdapterSuite"]


class AdapterSuite(CopyTests):
    """Tests of an adapter. Override `framework`, `make`, and `dtypes` if the framework has fewer.

    Attributes
    ----------
    framework : str
        The name of the framework. Its adapter must be registered.
    dtypes : tuple of str
        Names of dtypes that the framework has, ``"float32"`` and at least one other among them.
    """

    # -- identity and facts ------------------------------------------------------------------------

    def test_convert_native_array_is_identified_and_returned_itself(self) -> None:
        """A native array is identified, and conversion to its own framework returns the array."""
        x = self.make(BASE)
        assert isinstance(x, self.adapter.array_type)
        assert interop.framework_of(x) == self.framework == self.adapter.name
        assert interop.convert(x, self.framework) is x
        assert interop.convert(x, self.adapter.array_type) is x
        assert interop.convert_like(x, x) is x

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3), (1, 1, 4)])
    def test_describe_facts_match_the_array(self, shape: tuple[int, ...]) -> None:
        """Shape, dtype, strides and size are right, and two calls give equal facts."""
        x = self.make(np.ones(shape, "float32"))
        facts = self.adapter.describe(x)
        assert (facts.framework, facts.shape, facts.dtype) == (self.framework, shape, "float32")
        assert facts.nbytes == 4 * np.prod(shape, dtype=int)
        assert len(facts.strides) == len(shape)
        assert isinstance(facts.device, Device)
        assert not facts.unsupported
        assert facts == self.adapter.describe(x)

    def test_device_of_native_array_is_a_device_of_the_adapter(self) -> None:
        """The adapter supports the device of a native array, and requesting it changes nothing."""
        x = self.make(BASE)
        device = interop.device_of(x)
        assert device.kind in self.adapter.device_kinds
        assert self.adapter.resolve_device(device) == device
        assert interop.convert(x, self.framework, device=device) is x

    def test_convert_unknown_device_is_refused_with_a_reason(self) -> None:
        """`resolve_device` returns a reason for a device that does not exist."""
        # A kind that has a number in DLPack (hexagon), and no known framework.
        nowhere = Device(16, 99)
        assert isinstance(self.adapter.resolve_device(nowhere), str)
        refusals = (interop.InvalidOptionError, interop.DeviceUnavailableError)
        with pytest.raises(refusals, match=self.framework):
            interop.convert(self.make(BASE), self.framework, device=nowhere)

    def test_adapter_unsupported_dtypes_have_a_reason(self) -> None:
        """`why_no_dtype` returns None for each of `dtypes`, and words for a missing dtype."""
        reasons = {name: self.adapter.why_no_dtype(name) for name in dtypes.NAMES}
        assert all(reasons[name] is None for name in self.dtypes)
        for reason in reasons.values():
            # A reason says more than the name of the framework.
            assert reason is None or len(reason) > len(self.framework)

    def test_fingerprint_equal_values_mean_equal_facts(self) -> None:
        """Arrays with equal fingerprints get the same plan, so their facts must be equal."""
        arrays = [layout.astype(dtype) for layout in LAYOUTS.values() for dtype in self.dtypes]
        seen: dict[object, Facts] = {}
        for x in map(self.make, arrays):
            key = self.adapter.fingerprint(x)
            facts = self.adapter.describe(x)
            if key is not None:
                assert seen.setdefault(key, facts) == facts

    # -- values ------------------------------------------------------------------------------------

    def test_convert_every_dtype_round_trips(self) -> None:
        """Values, shape and dtype are kept from NumPy to the framework and back."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            back = interop.to_numpy(interop.convert(array, self.framework))
            np.testing.assert_array_equal(back, array, strict=True)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_convert_every_layout_from_numpy_keeps_values(self, layout: str) -> None:
        """Values are right for all strides, and memory is shared exactly if the plan says so."""
        array = LAYOUTS[layout]
        zero_copy = interop.explain(array, self.framework).zero_copy
        for _ in range(CONVERSIONS):
            x = interop.convert(array, self.framework)
            np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
            assert interop.shares_memory(x, array) == (zero_copy and array.size > 0)

    def test_convert_every_address_from_numpy_keeps_values(self) -> None:
        """Memory is copied if the address is not aligned for the framework, as planned."""
        for dtype in self.dtypes:
            for shift in (0, np.dtype(dtype).alignment):
                array = shifted(dtype, shift)
                plan = interop.explain(array, self.framework)
                for _ in range(CONVERSIONS):
                    x = interop.convert(array, self.framework)
                    np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
                    assert interop.shares_memory(x, array) == plan.zero_copy

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_to_numpy_every_layout_keeps_values(self, layout: str) -> None:
        """Values are right for all strides, and memory is shared exactly if the plan says so."""
        expected = LAYOUTS[layout]
        x = self.make(expected)
        zero_copy = interop.explain(x, "numpy").zero_copy
        for _ in range(CONVERSIONS):
            array = interop.to_numpy(x)
            np.testing.assert_array_equal(array, expected, strict=True)
            assert interop.shares_memory(x, array) == (zero_copy and array.size > 0)

    def test_convert_dtype_casts_and_is_planned_as_a_copy(self) -> None:
        """A cast is a copy in both directions, and the plan gives the reason."""
        candidates = [name for name in ("float64", "float16", *self.dtypes) if name in self.dtypes]
        other = next(name for name in candidates if name != "float32")
        for source, to in ((self.make(BASE), "numpy"), (BASE, self.framework)):
            plan = interop.explain(source, to, dtype=other, casting="unsafe")
            assert not plan.zero_copy
            assert plan.reason
        out = interop.convert(BASE.astype("float64"), self.framework, dtype="float32")
        np.testing.assert_array_equal(interop.to_numpy(out), BASE, strict=True)

    @NOT_NUMBERS
    def test_convert_text_object_and_date_arrays_are_refused_or_kept(
        self, array: NDArray[Any]
    ) -> None:
        """Arrays of text, objects or dates are refused, or returned by a framework of ndarrays."""
        if self.adapter.ndarray_native:
            assert interop.convert(array, self.framework) is array
            return
        with pytest.raises(interop.UnsupportedArrayError, match=str(array.dtype)[:3]):
            interop.convert(array, self.framework)
