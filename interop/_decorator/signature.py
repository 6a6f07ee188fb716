"""The signature of a decorated function: the parameters to convert, and their names in messages."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from interop import errors
from interop._decorator import wire
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from inspect import Parameter

    from interop._trees.tree_converter import TreeConverter

    Pairs = Iterable[tuple[Any, Any]]

_BOUND: Final = frozenset({"self", "cls"})


class Parameters:
    """The parameters of a function, and the selection of those to convert.

    Parameters
    ----------
    name : str
        Name of the function.
    known : dict of str to inspect.Parameter
        Parameters of the function. If empty, all arguments are converted and named ``args[0]``.
    only : str or iterable of str, optional
        Names of the parameters to convert. By default all, except a first one called ``self`` or
        ``cls``.

    Raises
    ------
    InvalidOptionError
        `only` names no parameter, or a parameter that does not exist.
    """

    def __init__(
        self, name: str, known: dict[str, Parameter], only: str | Iterable[str] | None
    ) -> None:
        self.name = name
        self.prefix = f"in the arguments of {name}: "
        self.known = known
        kinds = {name: one.kind for name, one in known.items()}
        # The kinds are ordered, and the two positional ones come first.
        self.positional = [n for n, kind in kinds.items() if kind <= kind.POSITIONAL_OR_KEYWORD]
        var_positional = [n for n, kind in kinds.items() if kind is kind.VAR_POSITIONAL]
        var_keyword = [n for n, kind in kinds.items() if kind is kind.VAR_KEYWORD]
        # If the signature is unknown, messages name the arguments args[0], args[1] and so on.
        self.rest = (*var_positional, "args")[0]
        self.others = (*var_keyword, None)[0]
        # `self` may be an array-like object, which a method must get as it is.
        self._is_bound = bool(_BOUND & set(self.positional[:1]))
        self._only = None if only is None else self._parse(only)

    @classmethod
    def of(cls, function: Callable[..., Any], only: str | Iterable[str] | None) -> Parameters:
        """Read the parameters of a function. Some functions written in C have none."""
        return cls(_name(function), _signature(function), only)

    def __reduce__(self) -> Any:
        """Reduce to the arguments of the constructor."""
        return wire.make_parameters, (self.name, self.known, self._only)

    def by_position(self, args: tuple[Any, ...]) -> Pairs:
        """Return index and value of the positional arguments to convert."""
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
        """Return name and value of the keyword arguments to convert."""
        only = self._only
        if only is None:
            return kwargs.items()
        return [
            (k, x) for k, x in kwargs.items() if (k if k in self.known else self.others) in only
        ]

    def convert(
        self,
        converter: TreeConverter,
        out: list[Any],
        named: dict[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Convert the arguments that are meant, and set their items of `out` and `named`."""
        by_position = self.by_position(args)
        converter.convert(out, by_position, self.format_argument, self.prefix)
        if kwargs:
            # A list, because `named` may be `kwargs`, which changes.
            by_keyword = list(self.by_keyword(kwargs))
            converter.convert(named, by_keyword, self.format_argument, self.prefix)

    def format_argument(self, key: int | str) -> str:
        """Return the name of a parameter, or the index of an argument in ``*args``."""
        if isinstance(key, str):
            return key
        before = len(self.positional)
        if key < before:
            return self.positional[key]
        return f"{self.rest}[{key - before}]"

    def takes(self, name: str) -> bool:
        """Return whether a parameter can be filled by keyword when the caller omits it.

        The parameters behind it then cannot be passed by position, so they need a default.
        """
        one = self.known.get(name)
        if one is None:
            return self.others is not None
        if one.kind is one.KEYWORD_ONLY:
            return True
        if one.kind is not one.POSITIONAL_OR_KEYWORD:
            return False
        later = self.positional[self.positional.index(name) + 1 :]
        return all(self.known[other].default is not one.empty for other in later)

    def _parse(self, only: Any) -> frozenset[str]:
        """Check that parameters exist, and return the names."""
        names: list[Any] = []
        if issubclass(type(only), str):
            names = [str.__str__(only)]
        else:
            with errors.ignored_refusals:
                names = list(only)
        unknown = [name for name in names if type(name) is not str or name not in self.known]
        if names and not unknown:
            return frozenset(names)
        reason = f"only={text.short_repr(only)} names no parameter"
        if unknown:
            listed = " and ".join(map(text.short_repr, unknown))
            reason = (
                f"only={text.short_repr(names)} names {listed}, which {self.name} does not have"
            )
        hint = f"{self.name} has no parameters that can be inspected."
        if self.known:
            hint = f"The parameters of {self.name} are {', '.join(self.known)}."
        raise errors.InvalidOptionError(reason, hint=hint)


def _name(function: Any) -> str:
    """Return the qualified name of a function, such as ``Solver.run``."""
    # A ufunc has no qualified name before NumPy 2.2.
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    name = name or repr(function)
    return name.rpartition("<locals>.")[2]


def _signature(function: Any) -> dict[str, Parameter]:
    import inspect  # noqa: PLC0415 - takes longer to import than all of interop

    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:  # some functions that are written in C
        return {}
