"""The conversion of the arguments of one call, for calls without a fast path."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from interop import errors
from interop._decorator.admission import has_protocol
from interop._identify import registry
from interop._trees.tree_converter import Treatment, TreeConverter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop._decorator.admission import Admission
    from interop._decorator.converter import Converter


class ArgumentVisitor:
    """A visitor that converts the arrays of one call and records the first one.

    The walk refers to this object and not the reverse: a reference cycle would keep the arrays
    alive until the garbage collector runs.

    Attributes
    ----------
    first : array or None
        The first array whose framework can receive the results.
    """

    def __init__(
        self, converter: Converter, admission: Admission, *, has_result_converter: bool
    ) -> None:
        self.first: Any = None
        self._converter = converter
        self._admission = admission
        self._has_result_converter = has_result_converter

    def make_tree_converter(self) -> TreeConverter:
        """Make the converter of the arguments of a call."""
        treatment = self._treat(self._convert_argument)
        return TreeConverter(None, treatment, self._treat_field, always_rebuild=False)

    def _treat(self, on_array: Any) -> Treatment:
        if self._admission.foreign is False:
            return Treatment(on_array)
        return Treatment(on_array, on_foreign=self._convert_foreign)

    def _treat_field(self, fixed: Mapping[str, Any]) -> Treatment:
        converter = self._converter.with_fixed_keywords(fixed)
        return self._treat(partial(self._convert_argument, converter=converter))

    def _convert_argument(self, x: Any, _: object, converter: Converter | None = None) -> Any:
        """Check and convert one array, and record the first one."""
        adapter = registry.adapter_of(type(x))
        if adapter is not None:
            self._admission.check(x, adapter)
        elif not self._has_result_converter and registry.namespace_of(x) is None:
            # No framework makes arrays of this class, so no result can be converted back to it.
            return self._convert_unregistered(x)
        if self.first is None:
            self.first = x
        return (converter or self._converter).convert(x)

    def _convert_unregistered(self, x: Any) -> Any:
        """Convert, refuse or pass an array of a class that the array's namespace does not make."""
        if self._admission.foreign is False:
            return x
        if has_protocol(x):
            self._admission.check_foreign(x)
        return self._converter.convert(x)  # refuses an object without a protocol

    def _convert_foreign(self, x: Any, _: object) -> Any:
        """Convert, refuse or pass an object that may have an array protocol."""
        if self._admission.foreign:
            try:
                return self._converter.convert(x)
            except errors.NotAnArrayError:
                # An object without a protocol is not an array, and passes through.
                return x
        if has_protocol(x):
            self._admission.check_foreign(x)
        return x
