"""What a function's signature says: which of the arguments are meant, and what to call them in a message."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from interop import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from inspect import Parameter

    from interop._trees.convert_tree import Walk

    Pairs = Iterable[tuple[Any, Any]]

_BOUND: Final = frozenset({"self", "cls"})


class Parameters:
    """The parameters of a function, read once, and those among them that are meant.

    Parameters
    ----------
    function : callable
        If it has no signature that can be read, as some in C, all arguments are meant, and called ``args[0]``.
    only : str or iterable of str, optional
        Names of the parameters that are meant; by default all but a first one called ``self`` or ``cls``.

    Raises
    ------
    InvalidOptionError
        `only` names none of its parameters.
    """

    def __init__(self, function: Callable[..., Any], only: str | Iterable[str] | None) -> None:
        self.name = _name(function)
        self.prefix = f"in the arguments of {self.name}: "
        self.known = _signature(function)
        kinds = {name: one.kind for name, one in self.known.items()}
        self.positional = [
            name for name, kind in kinds.items() if kind <= kind.POSITIONAL_OR_KEYWORD
        ]
        self.rest = next(
            (name for name, kind in kinds.items() if kind is kind.VAR_POSITIONAL), "args"
        )
        self.others = next((name for name, kind in kinds.items() if kind is kind.VAR_KEYWORD), None)
        self._is_bound = bool(_BOUND & set(self.positional[:1]))
        self._only = None if only is None else self._parse(only)

    def _parse(self, only: Any) -> frozenset[str]:
        names = [only] if isinstance(only, str) else list(only) if hasattr(only, "__iter__") else []
        strange = [name for name in names if name not in self.known]
        if names and not strange:
            return frozenset(names)
        there = ", ".join(self.known)
        if strange:
            problem = f"only={names} names {' and '.join(map(repr, strange))}, which {self.name} doesn't have"
            hint = (
                f"Its parameters are {there}."
                if there
                else "It has no parameters, or none that can be read."
            )
        else:
            problem, hint = (
                f"only={only!r} names no parameter",
                f"Those of {self.name} are {there}.",
            )
        raise errors.InvalidOptionError(problem, hint=hint)

    def by_position(self, args: tuple[Any, ...]) -> Pairs:
        """Return index and value of the positional arguments that are meant."""
        only = self._only
        if only is None:
            return islice(enumerate(args), 1, None) if self._is_bound else enumerate(args)
        names = self.positional
        return [
            (i, x)
            for i, x in enumerate(args)
            if (names[i] if i < len(names) else self.rest) in only
        ]

    def by_keyword(self, kwargs: dict[str, Any]) -> Pairs:
        """Return name and value of the keyword arguments that are meant."""
        only = self._only
        if only is None:
            return kwargs.items()
        return [
            (k, x) for k, x in kwargs.items() if (k if k in self.known else self.others) in only
        ]

    def walk(
        self,
        walk: Walk,
        out: list[Any],
        named: dict[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Walk over the arguments that are meant, and set those of `out` and `named`."""
        by_position = self.by_position(args)
        walk.start(out, by_position, self.format_argument, self.prefix)
        # A list, because `named` may be `kwargs`, which the walk changes.
        by_keyword = list(self.by_keyword(kwargs))
        walk.start(named, by_keyword, self.format_argument, self.prefix)

    def format_argument(self, key: int | str) -> str:
        """Return what the function calls an argument."""
        if isinstance(key, str):
            return key
        before = len(self.positional)
        return self.positional[key] if key < before else f"{self.rest}[{key - before}]"

    def takes(self, name: str) -> bool:
        """Whether a parameter can be passed by keyword, while those without a default are passed by position."""
        one = self.known.get(name)
        if one is None:
            return self.others is not None
        later = (
            self.positional[self.positional.index(name) + 1 :] if name in self.positional else []
        )
        fills = any(self.known[other].default is one.empty for other in later)
        return one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD) and not fills


def _name(function: Any) -> str:
    """Return how a function is called where it is defined: ``Solver.run``."""
    name = getattr(function, "__qualname__", None) or repr(function)
    return name.rpartition("<locals>.")[2]


def _signature(function: Any) -> dict[str, Parameter]:
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:  # some that are written in C
        return {}
