"""What stands between a function and its callers: arrays are converted on their way in, and on their way out."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from interop import errors
from interop._decorator.admission import speaks
from interop._engine import fastpath
from interop._identify import registry
from interop._trees import fixed_keywords
from interop._trees.convert_tree import Walk
from interop._verbs.convert import convert_whole
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


class Way(NamedTuple):
    """Where arrays go, and what does so at once with a plain one: see `share`."""

    to: Any
    keywords: Mapping[str, Any]
    column: int | None = None
    """Of `_quick.TABLE`: which native call ends where this way does."""
    keeps: bool = False
    """Whether arrays of that framework are where they should be."""

    @classmethod
    def of(cls, to: str | None, keywords: Mapping[str, Any]) -> Way:
        """Find the way to a framework, wherever it puts an array."""
        return cls(to, keywords, _column(keywords), keeps=True)

    def convert(self, x: Any, _: object = None) -> Any:
        """Convert an array; at once where that can be, if `convert` doesn't do so itself."""
        if self.column and self.keywords:
            try:
                return self.share(x)
            except fastpath.REFUSED:
                pass
        return convert_whole(x, self.to, self.keywords)

    def share(self, x: Any) -> Any:
        """Convert a plain array by a native call, from host to host, or return a native one; else an error."""
        row = fastpath.TABLE[self.to][type(x)]
        if row[0] is None and self.keeps:
            return x
        if row[0](x):
            return row[self.column](x)
        raise KeyError

    def walk(self, value: Any, name: str, whose: str) -> Any:
        """Convert all arrays in a tree, and the numbers of another framework's own classes (NumPy's scalars)."""
        walk = Walk(None, self.convert, anew=False, on_scalar=self._convert_scalar, overruled=self._overruled_verb)
        return walk.start([None], [(0, value)], lambda _: name, whose)[0]

    def overruled(self, fixed: Mapping[str, Any]) -> Way:
        """Return the way for a field of a container for which keywords are fixed."""
        return Way(self.to, fixed_keywords.overrule(self.keywords, fixed, self.to))

    def _overruled_verb(self, fixed: Mapping[str, Any]) -> Any:
        return self.overruled(fixed).convert

    def _convert_scalar(self, _: object, x: Any) -> Any:
        """Convert a scalar to an array of no dimensions. Text, dates and the like are returned unchanged."""
        adapter = cast("Adapter", registry.adapter_of(type(x)))
        if adapter.name == self.to:
            return x
        facts = adapter.describe(x)
        if facts.unsupported:
            return x
        return self.convert(adapter.copy(x, facts.device, facts.dtype))  # no plan is remembered for a scalar


class Crossing:
    """The border around a function that sees one framework's arrays.

    Parameters
    ----------
    way : Way
        Of the arrays that enter.
    back : Way, optional
        Of those that leave, if it isn't to the caller's framework and device.
    parameters : Parameters
        Of the function.
    """

    def __init__(self, way: Way, back: Way | None, parameters: Parameters, admission: Admission) -> None:
        self._way = way
        self._back = back
        self.parameters = parameters
        self._admission = admission
        self._atoms = _ATOMS - {bytes} if admission.foreign else _ATOMS
        self._permissions = permissions(way.keywords)
        self._to_host: dict[Adapter, Way] = {}

    def __reduce__(self) -> Any:
        """Reduce to the arguments of the constructor. Ways back are found again."""
        return Crossing, (self._way, self._back, self.parameters, self._admission)

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> tuple[Any, dict[str, Any], Way | None]:
        """Convert the arguments, all of them in one walk; the ticket is the way back."""
        if self._way.column:
            try:
                return self._enter_quickly(args, kwargs)
            except fastpath.REFUSED:
                pass
        mine, entry = self.parameters, _Entry(self._way, self._admission, has_way_back=self._back is not None)
        walk = entry.make_walk()
        out = walk.start(list(args), mine.by_position(args), mine.spell, mine.whose)
        walk.start(kwargs, list(mine.by_keyword(kwargs)), mine.spell, mine.whose)
        return out, kwargs, self._back if entry.first is None else self._find_back(entry.first)

    def _enter_quickly(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any], Way | None]:
        """Convert plain arrays among numbers and the like; an error of `_quick.REFUSED` where there is more to it."""
        share, seen, mine, atoms = self._way.share, dict[int, Any](), self.parameters, self._atoms
        out, named, back = list(args), dict(kwargs), self._back
        for place, pairs in ((out, mine.by_position(args)), (named, mine.by_keyword(kwargs) if kwargs else ())):
            for key, x in pairs:
                if type(x) in atoms:
                    continue
                if (i := id(x)) not in seen:
                    seen[i] = share(x)
                place[key] = seen[i]
                back = back or self._find_back(x, on_host=seen[i] is not x)
        return out, named, back

    def _find_back(self, x: Any, *, on_host: bool = False) -> Way | None:
        """Find the way back to the caller, whose first array this is."""
        if self._back:
            return self._back
        adapter = registry.adapter_of(type(x))
        if adapter is None:
            namespace = registry.namespace_of(x)
            adapter = registry.find(namespace)
            return self._way_to(namespace, adapter, adapter.describe(x).device)
        if on_host or adapter.holds == HOST:
            return self._to_host.get(adapter) or self._to_host.setdefault(
                adapter, self._way_to(adapter.name, adapter, CPU)
            )
        return self._way_to(adapter.name, adapter, adapter.describe(x).device)

    def _way_to(self, to: Any, adapter: Adapter, device: Device) -> Way:
        column = _column(self._permissions) if device.is_host else None
        return Way(to, {**self._permissions, "device": device}, column, keeps=adapter.holds == HOST)

    def leave(self, value: Any, back: Way | None, role: str, /) -> Any:
        """Convert a result."""
        if back is None or back.to is None or type(value) in _ATOMS:
            return value
        if back.column:
            try:
                return back.share(value)
            except fastpath.REFUSED:
                pass
        return back.walk(value, role, _ROLES[role].format(self.parameters.name))

    def send(self, value: Any, /) -> Any:
        """Convert what a generator is sent."""
        entry = _Entry(self._way, self._admission, has_way_back=self._back is not None)
        whose = f"in what {self.parameters.name} is sent: "
        return entry.make_walk().start([None], [(0, value)], lambda _: "value", whose)[0]


class _Entry:
    """The treatment of the arrays that enter a function, and a record of the first one.

    The walk refers to this object and not the reverse: a cycle would keep the arrays alive until it is collected.

    Attributes
    ----------
    first : array or None
        The first array that results can go back to.
    """

    def __init__(self, way: Way, admission: Admission, *, has_way_back: bool) -> None:
        self.first: Any = None
        self._way = way
        self._admission = admission
        self._has_way_back = has_way_back

    def make_walk(self) -> Walk:
        """Make a walk over the arguments of a call."""
        on_foreign = None if self._admission.foreign is False else self._admit_foreign
        return Walk(None, self._admit, anew=False, on_foreign=on_foreign, overruled=self._overruled_verb)

    def _overruled_verb(self, fixed: Mapping[str, Any]) -> Any:
        return partial(self._admit, way=self._way.overruled(fixed))

    def _admit(self, x: Any, _: object, way: Way | None = None) -> Any:
        """Convert an array. One of a namespace that makes no such arrays is as foreign as any other object."""
        adapter = registry.adapter_of(type(x))
        if adapter is not None:
            self._admission.check(x, adapter)
        elif not self._has_way_back and registry.namespace_of(x) is None:
            return self._admit_unmade(x)
        if self.first is None:
            self.first = x
        return (way or self._way).convert(x)

    def _admit_unmade(self, x: Any) -> Any:
        """Convert, refuse or pass an array of a class that the array's namespace does not make."""
        if self._admission.foreign is False:
            return x
        if speaks(x):
            self._admission.pass_by(x)
        return self._way.convert(x)  # one that speaks no protocol is refused there

    def _admit_foreign(self, _: object, x: Any) -> Any:
        """Convert, refuse or pass an object that may have an array protocol."""
        if self._admission.foreign:
            try:
                return self._way.convert(x)
            except errors.NotAnArrayError:
                return x
        if speaks(x):
            self._admission.pass_by(x)
        return x


class Asking:
    """The border around a function that is told the namespace of its arrays: nothing is converted."""

    def __init__(self, parameters: Parameters, admission: Admission) -> None:
        self._parameters = parameters
        self._admission = admission
        names = parameters.positional
        self._index = names.index(XP) if XP in names else sys.maxsize

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> tuple[Any, dict[str, Any], None]:
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
            if speaks(x):
                others.append(x)
                self._admission.pass_by(x)
            return x

        mine, walk = self._parameters, Walk(None, verb, anew=False, on_foreign=on_foreign)
        walk.start(list(args), mine.by_position(args), mine.spell, mine.whose)
        walk.start({}, mine.by_keyword(kwargs), mine.spell, mine.whose)
        try:
            if others and not arrays:
                raise self._admission.refusal(others[0])
            return namespace(*arrays)
        except errors.InteropError as error:
            error.add_note(mine.whose.removesuffix(": "))
            raise

    def leave(self, value: Any, _ticket: None, _role: str, /) -> Any:
        """Leave it as it is."""
        return value

    def send(self, value: Any, /) -> Any:
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
