"""The boundary of a function that is written for one framework and called with arrays of any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from interop._decorator import wire
from interop._decorator.admission import Admission
from interop._decorator.argument_visitor import ArgumentVisitor
from interop._decorator.converter import Converter, has_fast_path, permissions
from interop._decorator.settings import CALLER
from interop._engine import fastpath
from interop._identify import registry
from interop.adapter import CPU, HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop._decorator.settings import Settings
    from interop._decorator.signature import Pairs, Parameters
    from interop.adapter import Adapter, Device

    Arguments = tuple[Any, dict[str, Any], Converter | None]

_ROLES: Final = {"result": "in the result of {}: ", "value": "in what {} yields: "}
_ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
"""Classes of objects that pass through without a look at them.

Their metaclass is `type`. Another metaclass may refuse the look-up of its classes, or say that they
equal one of these.
"""


class ArgumentConverter:
    """The boundary that converts the arguments to one framework, and the results back.

    Parameters
    ----------
    settings : Settings
        Arguments of the decorator.
    parameters : Parameters
        Parameters of the function.
    """

    def __init__(self, settings: Settings, parameters: Parameters) -> None:
        self._settings = settings
        self.parameters = parameters
        self._admission = Admission(parameters.name, settings.framework, settings.foreign)
        self._converter = Converter.of(settings.framework, settings.keywords)
        self._permissions = permissions(settings.keywords)
        self._result_converter = _result_converter(settings.returns, self._permissions)
        # With foreign=True, `bytes` are converted as other buffers are.
        self._atoms = _ATOMS - {bytes} if settings.foreign else _ATOMS
        self._to_host: dict[str, Converter] = {}

    def __reduce__(self) -> Any:
        """Reduce to the settings and the parameters, for functions that are pickled by value."""
        return wire.make_boundary, (self._settings._asdict(), self.parameters)

    def convert_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Arguments:
        """Convert the arguments, and find the converter of the results."""
        if self._converter.has_fast_path:
            try:
                return self._convert_plain_arguments(args, kwargs)
            except MemoryError:
                raise
            except fastpath.REFUSED:
                pass
        # Not all arguments are plain. The walk below starts again from the original arguments.
        visitor = self._make_visitor()
        # One converter, so that an object that is passed twice is converted once.
        out = list(args)
        tree_converter = visitor.make_tree_converter()
        self.parameters.convert(tree_converter, out, kwargs, args, kwargs)
        result_converter = self._result_converter
        if visitor.first is not None:
            result_converter = self._find_result_converter(visitor.first)
        return out, kwargs, result_converter

    def convert_result(self, value: Any, result_converter: Converter | None, role: str, /) -> Any:
        """Convert a result, or a value that a generator yields."""
        if result_converter is None or result_converter.to is None:
            return value
        if type(type(value)) is type and type(value) in _ATOMS:
            return value
        if result_converter.has_fast_path:
            try:
                return result_converter.share(value)
            except MemoryError:
                raise
            except fastpath.REFUSED:
                pass
        return result_converter.convert_tree(value, role, _ROLES[role].format(self.parameters.name))

    def convert_sent(self, value: Any, /) -> Any:
        """Convert a value that is sent to a generator."""
        converter = self._make_visitor().make_tree_converter()
        prefix = f"in what {self.parameters.name} is sent: "
        return converter.convert([None], [(0, value)], lambda _: "value", prefix)[0]

    def _make_visitor(self) -> ArgumentVisitor:
        return ArgumentVisitor(
            self._converter,
            self._admission,
            has_result_converter=self._result_converter is not None,
        )

    def _convert_plain_arguments(self, args: Any, kwargs: dict[str, Any]) -> Arguments:
        """Convert plain arrays among numbers and strings.

        Raises
        ------
        Exception
            One of `fastpath.REFUSED`: an argument is not a plain array, a number or a string.
        """
        out = list(args)
        converted: dict[int, Any] = {}
        by_position = self.parameters.by_position(args)
        result_converter = self._share_all(by_position, out, converted, self._result_converter)
        if not kwargs:
            return out, kwargs, result_converter
        # A copy, because the walk starts from the original if this raises.
        named = dict(kwargs)
        by_keyword = self.parameters.by_keyword(kwargs)
        result_converter = self._share_all(by_keyword, named, converted, result_converter)
        return out, named, result_converter

    def _share_all(
        self, pairs: Pairs, out: Any, converted: dict[int, Any], result_converter: Converter | None
    ) -> Converter | None:
        """Set each key of `out` to the converted array, and return the converter of the results.

        `converted` has the arrays so far by `id`. This loop is dense, because all arguments of all
        calls pass it.
        """
        share = self._converter.share
        atoms = self._atoms
        for key, x in pairs:
            if type(type(x)) is type and type(x) in atoms:
                continue
            # The arguments stay alive during the loop, so an id stands for one object.
            if (i := id(x)) not in converted:
                converted[i] = share(x)
            out[key] = converted[i]
            if result_converter is None:
                # A native call that made another array has read host memory, so no device is asked.
                on_host = converted[i] is not x
                result_converter = self._find_result_converter(x, on_host=on_host)
        return result_converter

    def _find_result_converter(self, x: Any, *, on_host: bool = False) -> Converter | None:
        """Find the converter to the framework and device of the caller's first array."""
        if self._result_converter:
            return self._result_converter
        adapter = registry.adapter_of(type(x))
        if adapter is None:
            namespace = registry.namespace_of(x)
            adapter = registry.find(namespace)
            return self._converter_to(namespace, adapter, adapter.describe(x).device)
        if not on_host and adapter.device_kinds != HOST:
            return self._converter_to(adapter.name, adapter, adapter.describe(x).device)
        # Kept for each framework, because most results go to the host.
        cached = self._to_host.get(adapter.name)
        if cached is None:
            cached = self._to_host[adapter.name] = self._converter_to(adapter.name, adapter, CPU)
        return cached

    def _converter_to(self, to: Any, adapter: Adapter, device: Device) -> Converter:
        """Make the converter to a framework on one device."""
        keywords = {**self._permissions, "device": device}
        # Native calls end in host memory. They ignore `device`, which is the host here.
        is_fast = device.is_host and has_fast_path(self._permissions)
        # Of a framework with one device only, no array can be on another device.
        keeps_native = adapter.device_kinds == HOST
        return Converter(to, keywords, is_fast, keeps_native)


def _result_converter(returns: str | None, keywords: Mapping[str, Any]) -> Converter | None:
    """Return the converter of all results, or None if each call has to find one."""
    if returns == CALLER:
        return None
    if returns is None:
        return Converter(None, {})
    return Converter.of(returns, keywords)
