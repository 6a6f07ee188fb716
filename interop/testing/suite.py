"""The conformance suite: what every adapter must pass. Needs pytest.

Subclass it in a test module, name the framework, and say how to make one of its arrays:

    from interop.testing import AdapterSuite

    class TestTorch(AdapterSuite):
        framework = "torch"

        def make(self, array):
            return torch.tensor(array)

Nothing is assumed of the framework but what its adapter says: an array on a GPU passes by the same
tests as one on the host. A framework of lazy arrays has a suite of its own, in
`interop.testing.lazy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import interop
from interop._doctor.samples import aligned
from interop._identify import registry
from interop._model import dtypes
from interop.adapter import CPU, Device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from interop.adapter import Adapter, Facts

__all__ = ["AdapterSuite"]

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
)
BASE = aligned(np.arange(24, dtype="float32").reshape(2, 3, 4))
_UNTIL_REMEMBERED = (
    4  # conversions: the first learns the class, the second plans, the third is the first by heart
)
LAYOUTS = {
    "contiguous": BASE,
    "fortran": aligned(np.asfortranarray(BASE)),
    "transposed": BASE.transpose(2, 0, 1),
    "sliced": BASE[:, 1:, ::2],
    "reversed": BASE[::-1],
    "broadcast": np.broadcast_to(BASE[0, 0], (3, 4)),
    "one element": BASE[:1, :1, :1],
    "0-d": BASE[0, 0, 0, ...],
    "empty": BASE[:, :0],
}


def _shifted(dtype: str, shift: int) -> NDArray[Any]:
    """Return a small ndarray at an address that is `shift` modulo 64."""
    size = np.dtype(dtype).itemsize
    memory = aligned(np.zeros(4 * size, "uint8"))
    array = memory[shift : shift + 3 * size].view(dtype)
    array[...] = [0, 1, 1]
    return array


class AdapterSuite:
    """Tests of one adapter. Override `framework` and `make`; narrow `dtypes` to what the framework has.

    Attributes
    ----------
    framework : str
        The name that `interop.convert` knows it by: the adapter must be registered.
    dtypes : tuple of str
        Names of dtypes that the framework has; ``"float32"`` and another one must be among them.
    """

    framework: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = DTYPES

    def make(self, array: NDArray[Any]) -> Any:
        """Return a native array with the same values, shape and dtype, in memory of its own."""
        raise NotImplementedError

    @property
    def adapter(self) -> Adapter:
        """The adapter under test."""
        return registry.find(self.framework)

    # -- who and what ------------------------------------------------------------------------------

    def test_convert_native_array_is_identified_and_returned_itself(self) -> None:
        """A native array is identified, and stays what it is."""
        x = self.make(BASE)
        assert isinstance(x, self.adapter.array_type)
        assert interop.framework_of(x) == self.framework == self.adapter.name
        assert interop.convert(x, self.framework) is x
        assert interop.convert(x, self.adapter.array_type) is x
        assert interop.convert_like(x, x) is x

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 3), (1, 1, 4)])
    def test_describe_facts_match_the_array(self, shape: tuple[int, ...]) -> None:
        """Shape, dtype, size and strides (in bytes) are those of the array, and asking changes nothing."""
        x = self.make(np.ones(shape, "float32"))
        facts = self.adapter.describe(x)
        assert (facts.framework, facts.shape, facts.dtype) == (self.framework, shape, "float32")
        assert facts.nbytes == 4 * np.prod(shape, dtype=int)
        assert len(facts.strides) == len(shape)
        assert isinstance(facts.device, Device)
        assert not facts.unsupported
        assert facts == self.adapter.describe(x)

    def test_device_of_native_array_is_a_device_of_the_adapter(self) -> None:
        """The device of an array is one the adapter holds, and asking for it changes nothing."""
        x = self.make(BASE)
        device = interop.device_of(x)
        assert device.kind in self.adapter.device_kinds
        assert self.adapter.resolve_device(device) == device
        assert interop.convert(x, self.framework, device=device) is x

    def test_convert_unknown_device_is_refused_with_a_reason(self) -> None:
        """`resolve_device` answers for every device, and an impossible one becomes a clear error."""
        nowhere = Device(16, 99)
        assert isinstance(self.adapter.resolve_device(nowhere), str)
        with pytest.raises(
            (interop.InvalidOptionError, interop.DeviceUnavailableError), match=self.framework
        ):
            interop.convert(self.make(BASE), self.framework, device=nowhere)

    def test_adapter_unsupported_dtypes_have_a_reason(self) -> None:
        """`why_no_dtype` is None for what there is, and words for what there isn't."""
        answers = {name: self.adapter.why_no_dtype(name) for name in dtypes.NAMES}
        assert all(answers[name] is None for name in self.dtypes)
        assert all(
            answer is None or len(answer) > len(self.framework) for answer in answers.values()
        )

    # -- values ------------------------------------------------------------------------------------

    def test_convert_every_dtype_round_trips(self) -> None:
        """Values, shape and dtype survive NumPy -> framework -> NumPy."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            back = interop.to_numpy(interop.convert(array, self.framework))
            np.testing.assert_array_equal(back, array, strict=True)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_convert_every_layout_from_numpy_keeps_values(self, layout: str) -> None:
        """Values are right for any strides, and memory is shared exactly when the plan says so, remembered or not."""
        array = LAYOUTS[layout]
        plan = interop.explain(array, self.framework)
        for _ in range(_UNTIL_REMEMBERED):
            x = interop.convert(array, self.framework)
            np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
            assert interop.shares_memory(x, array) == (plan.zero_copy and array.size > 0)

    def test_convert_every_address_from_numpy_keeps_values(self) -> None:
        """Memory at an address that the framework cannot use is copied, and the plan says so, remembered or not."""
        for dtype in self.dtypes:
            for shift in (0, np.dtype(dtype).alignment):
                array = _shifted(dtype, shift)
                plan = interop.explain(array, self.framework)
                for _ in range(_UNTIL_REMEMBERED):
                    x = interop.convert(array, self.framework)
                    np.testing.assert_array_equal(interop.to_numpy(x), array, strict=True)
                    assert interop.shares_memory(x, array) == plan.zero_copy

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_to_numpy_every_layout_keeps_values(self, layout: str) -> None:
        """A native array arrives in NumPy with its values, shared exactly when the plan says so."""
        x = self.make(LAYOUTS[layout])
        plan = interop.explain(x, "numpy")
        for _ in range(_UNTIL_REMEMBERED):
            array = interop.to_numpy(x)
            np.testing.assert_array_equal(array, LAYOUTS[layout], strict=True)
            assert interop.shares_memory(x, array) == (plan.zero_copy and array.size > 0)

    def test_fingerprint_equal_values_mean_equal_facts(self) -> None:
        """A plan that was made for one array is done with another: nothing that a plan depends on may be left out."""
        arrays = [layout.astype(dtype) for layout in LAYOUTS.values() for dtype in self.dtypes]
        facts: dict[object, Facts] = {}
        for x in map(self.make, arrays):
            mark = self.adapter.fingerprint(x)
            if mark is not None:
                assert facts.setdefault(mark, self.adapter.describe(x)) == self.adapter.describe(x)

    def test_convert_dtype_casts_and_is_planned_as_a_copy(self) -> None:
        """`dtype` changes the dtype, both ways, and the plan says that it costs a copy."""
        x = self.make(BASE)
        other = next(
            name
            for name in ("float64", "float16", *self.dtypes)
            if name in self.dtypes and name != "float32"
        )
        for target, name in ((x, "numpy"), (BASE, self.framework)):
            plan = interop.explain(target, name, dtype=other, casting="unsafe")
            assert not plan.zero_copy
            assert plan.reason
        out = interop.convert(BASE.astype("float64"), self.framework, dtype="float32")
        np.testing.assert_array_equal(interop.to_numpy(out), BASE, strict=True)

    # -- copies ------------------------------------------------------------------------------------

    def test_convert_host_memory_is_shared(self) -> None:
        """A framework of host memory shares plain arrays both ways."""
        if CPU.kind not in self.adapter.device_kinds:
            assert not interop.explain(BASE.copy(), self.framework).zero_copy
            return
        array = aligned(BASE)
        x = interop.convert(array, self.framework, device="cpu", copy=False)
        assert interop.shares_memory(x, array)
        assert interop.shares_memory(interop.to_numpy(x, copy=False), array)
        array[0, 0, 0] = 42
        assert interop.to_numpy(x)[0, 0, 0] == 42

    def test_convert_copy_true_is_independent(self) -> None:
        """Writing to the source never shows in a copy, in whatever direction."""
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
        """Either the memory is shared, or it is an error."""
        for source, to in (
            (LAYOUTS[layout], self.framework),
            (self.make(LAYOUTS[layout]), "numpy"),
        ):
            if interop.explain(source, to).zero_copy:
                result = interop.convert(source, to, copy=False)
                assert interop.shares_memory(source, result) == bool(LAYOUTS[layout].size)
            else:
                with pytest.raises(interop.CopyRequiredError):
                    interop.convert(source, to, copy=False)

    def test_convert_readonly_memory_stays_protected(self) -> None:
        """Read-only memory is copied, kept read-only, shared on request, or an error on request."""
        array = aligned(BASE)
        array.flags.writeable = False
        x = interop.convert(array, self.framework)
        if self.adapter.honours_readonly and CPU.kind in self.adapter.device_kinds:
            assert interop.shares_memory(x, array)
            assert self.adapter.describe(x).readonly
            return
        assert not interop.shares_memory(x, array)
        if CPU.kind in self.adapter.device_kinds:
            assert interop.shares_memory(
                interop.convert(array, self.framework, readonly="share"), array
            )
            with pytest.raises(interop.CopyRequiredError):
                interop.convert(array, self.framework, readonly="error")

    # -- memory that is there ----------------------------------------------------------------------

    @pytest.mark.parametrize("batch_bytes", [None, 8])
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_copyto_every_layout_keeps_values_in_both_directions(
        self, layout: str, batch_bytes: int | None
    ) -> None:
        """`interop.copyto` brings all values, whole or in pieces; also from one of its arrays to another."""
        array = LAYOUTS[layout]
        out = np.zeros_like(array)
        first, second = (
            self.written(array, batch_bytes=batch_bytes),
            self.make(np.zeros_like(array)),
        )
        if not self.adapter.immutable:
            interop.copyto(second, first, batch_bytes=batch_bytes)
        interop.copyto(out, first if self.adapter.immutable else second, batch_bytes=batch_bytes)
        np.testing.assert_array_equal(out, array, strict=True)

    def test_copyto_every_dtype_keeps_values(self) -> None:
        """Into arrays that are there, and out of them, pinned memory between included."""
        for dtype in self.dtypes:
            array = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
            out = np.zeros_like(array)
            interop.copyto(out, self.written(array, batch_bytes=24), batch_bytes=24)
            np.testing.assert_array_equal(out, array, strict=True)

    def test_copyto_into_a_part_writes_only_that_part(self) -> None:
        """What is written to a part is written to the array, and nowhere else."""
        if self.adapter.immutable:
            return  # there, it need not be one
        x = self.make(BASE)
        part = self.adapter.view(x, (slice(1, 2), slice(0, 2)))
        assert self.adapter.describe(part).shape == (1, 2, 4)
        assert interop.shares_memory(part, x)
        interop.copyto(part, BASE[:1, 1:])
        np.testing.assert_array_equal(interop.to_numpy(x), [BASE[0], [*BASE[0, 1:], BASE[1, 2]]])

    def written(self, array: NDArray[Any], *, batch_bytes: int | None) -> Any:
        """Return a native array into which another one was copied; where nothing can be, see that it is refused."""
        x = self.make(np.zeros_like(array))
        if not self.adapter.immutable:
            interop.copyto(x, array, batch_bytes=batch_bytes)
            return x
        with pytest.raises(interop.UnsupportedArrayError, match="read-only"):
            interop.copyto(x, array, batch_bytes=batch_bytes)
        return self.make(array)

    # -- refusals ----------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "array", [np.array(["a"]), np.array([None]), np.array(["2026"], "datetime64[Y]")]
    )
    def test_convert_text_object_and_date_arrays_are_refused_or_kept(
        self, array: NDArray[Any]
    ) -> None:
        """No array of text, objects or dates comes out as something else."""
        if self.adapter.ndarray_native:
            assert interop.convert(array, self.framework) is array
            return
        with pytest.raises(interop.UnsupportedArrayError, match=str(array.dtype)[:3]):
            interop.convert(array, self.framework)
