"""Functions that are written for one framework, and called with arrays of any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, Unpack, cast

from interop import _registry, errors
from interop._border import XP, Asking, Crossing, Way, permissions
from interop._options import make_wish
from interop._parameters import Parameters
from interop._per_block import per_block as run_per_block
from interop._relay import relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from interop._options import Keywords
    from interop._relay import Border

P = ParamSpec("P")
R = TypeVar("R")
_ANY: Final = "array_api"
_CALLER: Final = "caller"


def implemented_in(
    framework: str | ModuleType | type,
    /,
    *,
    returns: str | ModuleType | type | None = _CALLER,
    only: str | Iterable[str] | None = None,
    per_block: bool = False,
    **keywords: Unpack[Keywords],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: its body sees one framework's arrays, its callers pass and get back their own.

    Every array in the arguments is converted, in containers too (those of `convert_tree`), and one that is passed
    twice arrives as one. Every array in the result goes back to the caller's framework and device: those of its first
    array, by position, then by keyword. All else passes through: numbers (NumPy's too), objects that only speak a
    protocol, ``self`` and ``cls``, and every container in which nothing is converted.

    The function may be a method, a coroutine or a generator, and stays one: what a generator yields and returns goes
    to the caller's framework, what it is sent to the body's. As its body, the conversion of a generator's arguments
    waits for the first ``next``. A `staticmethod` or `classmethod` may be above or below.

    What the body writes into an argument reaches the caller only where the conversion was zero-copy, as `explain`
    tells; what it puts into a container that was built anew never does.

    Parameters
    ----------
    framework : str, module or class
        As `to` of `convert`. One that is named is not imported before the first array comes: it need not be installed
        to decorate. With ``"array_api"`` nothing is converted: the body gets the arrays' `namespace` as ``xp``, unless
        the caller has passed one other than None.
    returns : "caller", framework or None, default "caller"
        Where the arrays in the result go: to the caller's framework and device, to a given framework, or nowhere.
        With "caller" and no array among the arguments, nowhere.
    only : str or iterable of str, optional
        Names of the parameters to convert, however they are passed. All others pass through.
    per_block : bool, default False
        Whether the function can be run for each block of a lazy array (Dask's), which it must return in the same shape.
        The call then is lazy, too: it returns a lazy array whose blocks are what the function will return, in the
        framework of the caller's blocks (see `returns`), and computes nothing; to see what that is, the function is
        called once, with blocks of one element. Blocks of several lazy arguments are aligned; other arguments are
        passed as they are. Without it, a lazy argument is refused.
    **keywords
        Those of `convert`, for the arguments. `detach` and `readonly` hold for the results, too.

    Returns
    -------
    callable
        The decorator.

    Raises
    ------
    UnknownFrameworkError, InvalidOptionError, TypeError
        Raised when decorating: no such framework, value or keyword; `only` names no parameter; what is decorated is no
        function; ``"array_api"`` and the function takes no ``xp``.
    InteropError
        Raised by the call: what `convert` raises, with a note that names the function and the argument.

    Examples
    --------
    >>> import interop, torch
    >>> @interop.implemented_in("numpy")
    ... def flip(image):
    ...     return image[::-1]
    >>> flip(torch.arange(3))
    tensor([2, 1, 0])
    """
    if isinstance(framework, str) and framework == _ANY:
        _insist_on_nothing_else(returns, keywords, per_block=per_block)
        return _decorator(lambda function: Asking(_taking_namespace(Parameters(function, only))))
    make_wish({name: value for name, value in keywords.items() if not _names_framework(value)})
    way, back = Way.of(_with_adapter(_name_of(framework)), dict(keywords)), _way_back(returns, permissions(keywords))
    return _decorator(lambda function: Crossing(way, back, Parameters(function, only)), per_block=per_block)


def _decorator(
    make_border: Callable[[Any], Border], *, per_block: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorate(function.__func__))
        if isinstance(function, type) or not callable(function):
            what = f"the class {function.__name__}" if isinstance(function, type) else f"a {type(function).__name__}"
            msg = f"implemented_in decorates functions and methods, not {what}. Write it directly above the def."
            raise TypeError(msg)
        border = make_border(function)
        double = relay(function, border)
        return run_per_block(double, cast("Crossing", border).parameters) if per_block else double

    return decorate


# -- questions ---------------------------------------------------------------------------------------------------


def _name_of(framework: Any) -> str:
    """Return the name of a framework, as `_registry.find`, but without importing one that is only named."""
    if isinstance(framework, str) and (framework in _registry.TABLE or framework in _registry.known_names()):
        return framework
    return _registry.find(framework).name


def _with_adapter(name: str) -> str:
    """Insist on a framework whose arrays are known again: those that the function returns have to go back."""
    if name in _registry.known_names():
        return name
    msg = f"implemented_in({name!r}) would not know the function's results again: {name} has no adapter. "
    raise errors.UnknownFrameworkError(msg + "interop.register adds one.")


def _names_framework(value: Any) -> bool:
    """Whether it is a dtype such as "torch.half", which only torch can check: it is not imported for that."""
    return isinstance(value, str) and "." in value


def _way_back(returns: Any, keywords: Mapping[str, Any]) -> Way | None:
    """Return the way of the results; None for one that each call has to find."""
    if returns is None:
        return Way(None, {})
    if isinstance(returns, str) and returns == _CALLER:
        return None
    try:
        return Way.of(_name_of(returns), keywords)
    except errors.UnknownFrameworkError:
        known = ", ".join(_registry.known_names())
        msg = f"returns={returns!r} is not {_CALLER!r}, None or a framework: {known}"
        raise errors.InvalidOptionError(msg) from None


def _insist_on_nothing_else(returns: Any, keywords: Mapping[str, Any], *, per_block: bool) -> None:
    given = [
        *keywords,
        *["per_block"] * bool(per_block),
        *["returns"] * (not (isinstance(returns, str) and returns == _CALLER)),
    ]
    if given:
        msg = f"implemented_in({_ANY!r}) converts nothing, and takes no {', '.join(given)}. Leave that out."
        raise errors.InvalidOptionError(msg)


def _taking_namespace(parameters: Parameters) -> Parameters:
    if parameters.takes(XP):
        return parameters
    msg = (
        f"{parameters.name} can't be given the arrays' namespace: it has no parameter {XP} that can be passed by "
        f"keyword and left out by callers. Write one behind the others: *, {XP}=None."
    )
    raise errors.InvalidOptionError(msg)
