"""What stands between a function and its callers: arrays are converted on their way in, and on their way out."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from interop import errors
from interop._decorator.admission import has_protocol
from interop._engine import fastpath
from interop._identify import registry
from interop._trees import fixed_keywords
from interop._trees.convert_tree import Walk
from interop._verbs.convert import convert_computed
from interop._verbs.inspection import namespace
from interop.adapter import CPU, HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop._decorator.admission import Admission
    from interop._decorator.signature import Parameters
    from interop.adapter import Adapter, Device

XP: Final = "xp"
_ROLES: Final = {"result": "in the result of {}: ", "value": "in what {} yields: "}
_ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
_PERMISSIONS: Final = ("detach", "readonly")


class Converter(NamedTuple):
    """Where arrays go, and what does so at once with a plain one: see `share`."""

    to: Any
    keywords: Mapping[str, Any]
    column: int | None = None
    """Of `_quick.TABLE`: which native call ends where this way does."""
    keeps_native: bool = False
    """Whether arrays of that framework are where they should be."""

    @classmethod
    def of(cls, to: str | None, keywords: Mapping[str, Any]) -> Converter:
        """Find the way to a framework, wherever it puts an array."""
        return cls(to, keywords, _column(keywords), keeps_native=True)

    def convert(self, x: Any, _: object = None) -> Any:
        """Convert an array; at once where that can be, if `convert` doesn't do so itself."""
        if self.column and self.keywords:
            try:
                return self.share(x)
            except fastpath.REFUSED:
                pass
        return convert_computed(x, self.to, self.keywords)

    def share(self, x: Any) -> Any:
        """Convert a plain array by a native call, from host to host, or return a native one; else an error."""
        row = fastpath.TABLE[self.to][type(x)]
        if row[0] is None and self.keeps_native:
            return x
        if row[0](x):
            return row[self.column](x)
        raise KeyError

    def walk(self, value: Any, name: str, prefix: str) -> Any:
        """Convert all arrays in a tree, and the numbers of another framework's own classes (NumPy's scalars)."""
        walk = Walk(
            None,
            self.convert,
            always_rebuild=False,
            on_scalar=self._convert_scalar,
            verb_for_fixed=self._verb_with_fixed_keywords,
        )
        return walk.start([None], [(0, value)], lambda _: name, prefix)[0]

    def with_fixed_keywords(self, fixed: Mapping[str, Any]) -> Converter:
        """Return the way for a field of a container for which keywords are fixed."""
        return Converter(self.to, fixed_keywords.merge_fixed(self.keywords, fixed, self.to))

    def _verb_with_fixed_keywords(self, fixed: Mapping[str, Any]) -> Any:
        return self.with_fixed_keywords(fixed).convert

    def _convert_scalar(self, _: object, x: Any) -> Any:
        """Convert a scalar to an array of no dimensions. Text, dates and the like are returned unchanged."""
        adapter = cast("Adapter", registry.adapter_of(type(x)))
        if adapter.name == self.to:
            return x
        facts = adapter.describe(x)
        if facts.unsupported:
            return x
        return self.convert(
            adapter.copy(x, facts.device, facts.dtype)
        )  # no plan is remembered for a scalar


class ArgumentConverter:
    """The boundary around a function that sees one framework's arrays.

    Parameters
    ----------
    converter : Converter
        Of the arrays that enter.
    result_converter : Converter, optional
        Of those that leave, if it isn't to the caller's framework and device.
    parameters : Parameters
        Of the function.
    """

    def __init__(
        self,
        converter: Converter,
        result_converter: Converter | None,
        parameters: Parameters,
        admission: Admission,
    ) -> None:
        self._converter = converter
        self._result_converter = result_converter
        self.parameters = parameters
        self._admission = admission
        self._atoms = _ATOMS - {bytes} if admission.foreign else _ATOMS
        self._permissions = permissions(converter.keywords)
        self._to_host: dict[Adapter, Converter] = {}

    def __reduce__(self) -> Any:
        """Reduce to the arguments of the constructor. Ways back are found again."""
        return ArgumentConverter, (
            self._converter,
            self._result_converter,
            self.parameters,
            self._admission,
        )

    def convert_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> tuple[Any, dict[str, Any], Converter | None]:
        """Convert the arguments, all of them in one walk; the ticket is the way back."""
        if self._converter.column:
            try:
                return self._convert_plain_arguments(args, kwargs)
            except fastpath.REFUSED:
                pass
        parameters, visitor = (
            self.parameters,
            _ArgumentVisitor(
                self._converter,
                self._admission,
                has_result_converter=self._result_converter is not None,
            ),
        )
        walk = visitor.make_walk()
        out = walk.start(
            list(args), parameters.by_position(args), parameters.format_argument, parameters.prefix
        )
        walk.start(
            kwargs,
            list(parameters.by_keyword(kwargs)),
            parameters.format_argument,
            parameters.prefix,
        )
        return (
            out,
            kwargs,
            self._result_converter
            if visitor.first is None
            else self._find_result_converter(visitor.first),
        )

    def _convert_plain_arguments(
        self, args: Any, kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any], Converter | None]:
        """Convert plain arrays among numbers and the like; an error of `_quick.REFUSED` where there is more to it."""
        share, seen, parameters, atoms = (
            self._converter.share,
            dict[int, Any](),
            self.parameters,
            self._atoms,
        )
        out, named, result_converter = list(args), dict(kwargs), self._result_converter
        for converted, pairs in (
            (out, parameters.by_position(args)),
            (named, parameters.by_keyword(kwargs) if kwargs else ()),
        ):
            for key, x in pairs:
                if type(x) in atoms:
                    continue
                if (i := id(x)) not in seen:
                    seen[i] = share(x)
                converted[key] = seen[i]
                result_converter = result_converter or self._find_result_converter(
                    x, on_host=seen[i] is not x
                )
        return out, named, result_converter

    def _find_result_converter(self, x: Any, *, on_host: bool = False) -> Converter | None:
        """Find the way back to the caller, whose first array this is."""
        if self._result_converter:
            return self._result_converter
        adapter = registry.adapter_of(type(x))
        if adapter is None:
            namespace = registry.namespace_of(x)
            adapter = registry.find(namespace)
            return self._converter_to(namespace, adapter, adapter.describe(x).device)
        if on_host or adapter.device_kinds == HOST:
            return self._to_host.get(adapter) or self._to_host.setdefault(
                adapter, self._converter_to(adapter.name, adapter, CPU)
            )
        return self._converter_to(adapter.name, adapter, adapter.describe(x).device)

    def _converter_to(self, to: Any, adapter: Adapter, device: Device) -> Converter:
        column = _column(self._permissions) if device.is_host else None
        return Converter(
            to,
            {**self._permissions, "device": device},
            column,
            keeps_native=adapter.device_kinds == HOST,
        )

    def convert_result(self, value: Any, result_converter: Converter | None, role: str, /) -> Any:
        """Convert a result."""
        if result_converter is None or result_converter.to is None or type(value) in _ATOMS:
            return value
        if result_converter.column:
            try:
                return result_converter.share(value)
            except fastpath.REFUSED:
                pass
        return result_converter.walk(value, role, _ROLES[role].format(self.parameters.name))

    def convert_sent(self, value: Any, /) -> Any:
        """Convert what a generator is sent."""
        visitor = _ArgumentVisitor(
            self._converter,
            self._admission,
            has_result_converter=self._result_converter is not None,
        )
        prefix = f"in what {self.parameters.name} is sent: "
        return visitor.make_walk().start([None], [(0, value)], lambda _: "value", prefix)[0]


class _ArgumentVisitor:
    """The treatment of the arrays that enter a function, and a record of the first one.

    The walk refers to this object and not the reverse: a cycle would keep the arrays alive until it is collected.

    Attributes
    ----------
    first : array or None
        The first array that results can go back to.
    """

    def __init__(
        self, converter: Converter, admission: Admission, *, has_result_converter: bool
    ) -> None:
        self.first: Any = None
        self._converter = converter
        self._admission = admission
        self._has_result_converter = has_result_converter

    def make_walk(self) -> Walk:
        """Make a walk over the arguments of a call."""
        on_foreign = None if self._admission.foreign is False else self._convert_foreign
        return Walk(
            None,
            self._convert_argument,
            always_rebuild=False,
            on_foreign=on_foreign,
            verb_for_fixed=self._verb_with_fixed_keywords,
        )

    def _verb_with_fixed_keywords(self, fixed: Mapping[str, Any]) -> Any:
        return partial(self._convert_argument, converter=self._converter.with_fixed_keywords(fixed))

    def _convert_argument(self, x: Any, _: object, converter: Converter | None = None) -> Any:
        """Convert an array. One of a namespace that makes no such arrays is as foreign as any other object."""
        adapter = registry.adapter_of(type(x))
        if adapter is not None:
            self._admission.check(x, adapter)
        elif not self._has_result_converter and registry.namespace_of(x) is None:
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
        return self._converter.convert(x)  # one that speaks no protocol is refused there

    def _convert_foreign(self, _: object, x: Any) -> Any:
        """Convert, refuse or pass an object that may have an array protocol."""
        if self._admission.foreign:
            try:
                return self._converter.convert(x)
            except errors.NotAnArrayError:
                return x
        if has_protocol(x):
            self._admission.check_foreign(x)
        return x


class NamespaceInjector:
    """The boundary around a function that is told the namespace of its arrays: nothing is converted."""

    def __init__(self, parameters: Parameters, admission: Admission) -> None:
        self._parameters = parameters
        self._admission = admission
        names = parameters.positional
        self._index = names.index(XP) if XP in names else sys.maxsize

    def convert_arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> tuple[Any, dict[str, Any], None]:
        """Add the namespace to the arguments, unless there is one."""
        i = self._index
        if i < len(args):
            if args[i] is None:
                args = (*args[:i], self._find(args, kwargs), *args[i + 1 :])
        elif kwargs.get(XP) is None:
            kwargs[XP] = self._find(args, kwargs)
        return args, kwargs, None

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the namespace of all arrays among the arguments."""
        arrays: list[Any] = []
        others: list[Any] = []

        def verb(x: Any, _: object) -> Any:
            adapter = registry.adapter_of(type(x))
            if adapter is not None:
                self._admission.check(x, adapter)
            arrays.append(x)
            return x

        def on_foreign(_: object, x: Any) -> Any:
            if has_protocol(x):
                others.append(x)
                self._admission.check_foreign(x)
            return x

        parameters, walk = (
            self._parameters,
            Walk(None, verb, always_rebuild=False, on_foreign=on_foreign),
        )
        walk.start(
            list(args), parameters.by_position(args), parameters.format_argument, parameters.prefix
        )
        walk.start({}, parameters.by_keyword(kwargs), parameters.format_argument, parameters.prefix)
        try:
            if others and not arrays:
                raise self._admission.refusal(others[0])
            return namespace(*arrays)
        except errors.InteropError as error:
            error.add_note(parameters.prefix.removesuffix(": "))
            raise

    def convert_result(self, value: Any, _context: None, _role: str, /) -> Any:
        """Leave it as it is."""
        return value

    def convert_sent(self, value: Any, /) -> Any:
        """Leave it as it is."""
        return value


def permissions(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that hold for arrays in both directions."""
    return {name: keywords[name] for name in _PERMISSIONS if name in keywords}


def _column(keywords: Mapping[str, Any]) -> int | None:
    """Return where `_quick.TABLE` has the call that does what these keywords ask for, if it has one."""
    if not keywords:
        return 1
    return 2 if len(keywords) == 1 and keywords.get("detach") is True else None
