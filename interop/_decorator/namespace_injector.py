"""The boundary of a function that takes arrays of any framework with their array-API namespace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._decorator import wire
from interop._decorator.admission import Admission, has_protocol
from interop._decorator.settings import ARRAY_API
from interop._identify import registry
from interop._trees.tree_converter import Treatment, TreeConverter
from interop._verbs.inspection import namespace

if TYPE_CHECKING:
    from interop._decorator.settings import Settings
    from interop._decorator.signature import Parameters

XP: Final = "xp"
"""Name of the parameter that receives the namespace."""


class NamespaceInjector:
    """The boundary that passes the namespace of the arguments as ``xp`` and converts nothing."""

    def __init__(self, settings: Settings, parameters: Parameters) -> None:
        _check_takes_xp(parameters)
        self._settings = settings
        self._parameters = parameters
        self._admission = Admission(parameters.name, None, settings.foreign)
        names = parameters.positional
        # A keyword-only `xp` has no index: no call has `sys.maxsize` positional arguments.
        self._index = names.index(XP) if XP in names else sys.maxsize

    def __reduce__(self) -> Any:
        """Reduce to the settings and the parameters, for functions that are pickled by value."""
        return wire.make_boundary, (self._settings._asdict(), self._parameters)

    def convert_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> tuple[Any, dict[str, Any], None]:
        """Add the namespace to the arguments, unless the caller has passed one."""
        i = self._index
        if i < len(args):
            if args[i] is None:
                args = (*args[:i], self._find(args, kwargs), *args[i + 1 :])
        elif kwargs.get(XP) is None:
            kwargs[XP] = self._find(args, kwargs)
        return args, kwargs, None

    def convert_result(self, value: Any, _context: None, _role: str, /) -> Any:
        """Return a result unchanged."""
        return value

    def convert_sent(self, value: Any, /) -> Any:
        """Return a value that was sent to a generator unchanged."""
        return value

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the common namespace of all arrays among the arguments."""
        arrays, others = self._collect(args, kwargs)
        try:
            if others and not arrays:
                raise self._admission.refusal(others[0])
            return namespace(*arrays)
        except errors.InteropError as error:
            error.add_note(self._parameters.prefix.removesuffix(": "))
            raise

    def _collect(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """Collect the arrays among the arguments, and the objects that only have a protocol."""
        arrays: list[Any] = []
        others: list[Any] = []

        def on_array(x: Any, _: object) -> Any:
            adapter = registry.adapter_of(type(x))
            if adapter is not None:
                self._admission.check(x, adapter)
            arrays.append(x)
            return x

        def on_foreign(x: Any, _: object) -> Any:
            if has_protocol(x):
                others.append(x)
                self._admission.check_foreign(x)
            return x

        treatment = Treatment(on_array, on_foreign=on_foreign)
        visitor = TreeConverter(None, treatment, always_rebuild=False)
        # The converted arguments are dropped, because the walk only collects arrays.
        self._parameters.convert(visitor, list(args), {}, args, kwargs)
        return arrays, others


def _check_takes_xp(parameters: Parameters) -> None:
    if parameters.takes(XP):
        return
    raise errors.InvalidOptionError(
        f"implemented_in({ARRAY_API!r}) passes the namespace of the arrays to {parameters.name} "
        f"as the keyword {XP}, which callers can omit. {parameters.name} has no such parameter",
        hint=f"Add it at the end: *, {XP}=None.",
    )
