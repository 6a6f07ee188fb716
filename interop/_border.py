"""What stands between a function and its callers: arrays are converted on their way in, and on their way out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from interop import _quick, _registry, errors
from interop._convert import convert_whole
from interop._questions import namespace
from interop._tree import Walk
from interop.adapter import CPU, HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop._parameters import Parameters
    from interop.adapter import Adapter, Device

XP: Final = "xp"
_ROLES: Final = {"result": "in the result of {}: ", "value": "in what {} yields: "}
_ATOMS: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
_PERMISSIONS: Final = ("detach", "readonly")


class Way(NamedTuple):
    """Where arrays go, and what does so at once with a plain one: see `share`."""

    to: str | None
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
            except _quick.REFUSED:
                pass
        return convert_whole(x, cast("str", self.to), self.keywords)

    def share(self, x: Any) -> Any:
        """Convert a plain array by a native call, from host to host, or return a native one; else an error."""
        row = _quick.TABLE[self.to][type(x)]
        if row[0] is None and self.keeps:
            return x
        if row[0](x):
            return row[self.column](x)
        raise KeyError

    def walk(self, value: Any, name: str, whose: str) -> Any:
        """Convert all arrays in a tree."""
        return Walk(None, self.convert, anew=False).start([None], [(0, value)], lambda _: name, whose)[0]


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

    def __init__(self, way: Way, back: Way | None, parameters: Parameters) -> None:
        self._way = way
        self._back = back
        self.parameters = parameters
        self._permissions = permissions(way.keywords)
        self._to_host: dict[Adapter, Way] = {}

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> tuple[Any, dict[str, Any], Way | None]:
        """Convert the arguments, all of them in one walk; the ticket is the way back."""
        if self._way.column:
            try:
                return self._enter_quickly(args, kwargs)
            except _quick.REFUSED:
                pass
        arrays: list[Any] = []

        def verb(x: Any, _: object) -> Any:
            arrays.append(x)
            return self._admitted(x)

        mine, walk = self.parameters, Walk(None, verb, anew=False)
        out = walk.start(list(args), mine.by_position(args), mine.spell, mine.whose)
        walk.start(kwargs, list(mine.by_keyword(kwargs)), mine.spell, mine.whose)
        return out, kwargs, self._find_back(arrays[0]) if arrays else self._back

    def _admitted(self, x: Any) -> Any:
        """Convert an argument; a lazy one only for a body that is written for such."""
        if _registry.is_lazy(type(x)) and not _registry.adapter_named(cast("str", self._way.to)).lazy:
            name, to = self.parameters.name, self._way.to
            msg = (
                f"{name} would need all of a lazy array at once, as {to}'s. Compute it: interop.convert(x, {to!r}, "
                f"compute=True). Or decorate {name} with per_block=True and pass the array as an argument of its own."
            )
            raise errors.UnsupportedArrayError(msg)
        return self._way.convert(x)

    def _enter_quickly(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any], Way | None]:
        """Convert plain arrays among numbers and the like; an error of `_quick.REFUSED` where there is more to it."""
        share, seen, mine = self._way.share, dict[int, Any](), self.parameters
        out, named, back = list(args), dict(kwargs), self._back
        for place, pairs in ((out, mine.by_position(args)), (named, mine.by_keyword(kwargs) if kwargs else ())):
            for key, x in pairs:
                if type(x) in _ATOMS:
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
        adapter = cast("Adapter", _registry.adapter_of(type(x)))
        if on_host or adapter.holds == HOST:
            return self._to_host.get(adapter) or self._to_host.setdefault(adapter, self._way_to(adapter, CPU))
        return self._way_to(adapter, adapter.describe(x).device)

    def _way_to(self, adapter: Adapter, device: Device) -> Way:
        column = _column(self._permissions) if device.is_host else None
        return Way(adapter.name, {**self._permissions, "device": device}, column, keeps=adapter.holds == HOST)

    def leave(self, value: Any, back: Way | None, role: str, /) -> Any:
        """Convert a result."""
        if back is None or back.to is None or type(value) in _ATOMS:
            return value
        if back.column:
            try:
                return back.share(value)
            except _quick.REFUSED:
                pass
        return back.walk(value, role, _ROLES[role].format(self.parameters.name))

    def send(self, value: Any, /) -> Any:
        """Convert what a generator is sent."""
        return self._way.walk(value, "value", f"in what {self.parameters.name} is sent: ")


class Asking:
    """The border around a function that is told the namespace of its arrays: nothing is converted."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
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

        def verb(x: Any, _: object) -> Any:
            arrays.append(x)
            return x

        mine, walk = self._parameters, Walk(None, verb, anew=False)
        walk.start(list(args), mine.by_position(args), mine.spell, mine.whose)
        walk.start({}, mine.by_keyword(kwargs), mine.spell, mine.whose)
        try:
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
