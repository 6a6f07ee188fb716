"""Functions that are written for one framework, and called with arrays of any."""

from __future__ import annotations

import functools
import importlib
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar, Unpack, cast

from interop import errors
from interop._decorator.admission import Admission
from interop._decorator.argument_converter import ArgumentConverter
from interop._decorator.converter import Converter, permissions
from interop._decorator.decorated import Decorated, is_being_defined
from interop._decorator.namespace_injector import XP, NamespaceInjector
from interop._decorator.per_block import per_block as run_per_block
from interop._decorator.signature import Parameters
from interop._decorator.wrap import wrap
from interop._engine.parse import check_choice, parse_request
from interop._identify import namespaces, registration, registry
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from interop._decorator.wrap import Boundary
    from interop._model.request import Keywords

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
    foreign: bool | None = None,
    per_block: bool = False,
    **keywords: Unpack[Keywords],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: its body sees one framework's arrays, its callers pass and get back their own.

    Every array in the arguments is converted, in containers too (those of `convert_tree`), and one that is passed
    twice arrives as one. Arrays of an array-API namespace without an adapter are converted like all others. A masked
    array is refused, because the body would read what is under the mask. All else passes through: numbers (NumPy's
    too), ``self`` and ``cls``, and every container in which nothing is converted. See `foreign` for objects that are
    of no framework and offer themselves as arrays.

    Every array in the result goes back to the framework and the device of the caller: those of the first array, by
    position, then by keyword. A NumPy scalar in the result becomes an array of no dimensions for a caller of another
    framework, with the same dtype; text, dates and Python's numbers stay as they are.

    A function that a call decorates, ``implemented_in("numpy")(scipy.ndimage.label)``, can be pickled if the function
    can be: the other process decorates it again. ``__wrapped__`` is the function.

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
    foreign : bool, optional
        What is done with an argument of no framework that speaks a protocol of arrays: a pandas Series, a PIL image, an
        h5py data set. None refuses it, True converts it, False passes it as it is. Such an object does not decide
        where results go, as nothing can be converted to it. `bytes`, `array.array` and other buffers of Python
        itself pass unless it is True. In a result, such objects stay as they are.
    per_block : bool, default False
        Whether the function can be run for each block of a lazy array (Dask's) without the other blocks. It must return
        a block of the same shape. The call then is lazy, too: it returns a lazy array whose blocks are what the
        function will return, in the framework of the caller's blocks (see `returns`), and computes nothing. To see
        what that is, the function is called with blocks of one element, and with samples of a few more along the axes
        that are cut, to check that a part does not depend on the rest. Blocks of several lazy arguments are aligned;
        other arguments are passed as they are. Without it, a lazy argument is refused.
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
    UnsupportedArrayError
        Raised by the call: an argument is masked, or of no framework (see `foreign`), or lazy; or, with `per_block`,
        parts of a sample depend on each other along an axis that is cut.
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
    only = (
        only
        if only is None or isinstance(only, str) or not hasattr(only, "__iter__")
        else list(only)
    )
    check_choice("foreign", foreign, (None, True, False))
    check_choice("per_block", per_block, (True, False))
    settings = Settings(framework, returns, only, foreign, per_block, dict(keywords))
    if isinstance(framework, str) and framework == _ANY:
        _insist_on_nothing_else(settings)
        return functools.partial(
            _decorate, settings, make_boundary=functools.partial(_make_namespace_injector, settings)
        )
    parse_request({name: value for name, value in keywords.items() if not _names_framework(value)})
    settings = settings._replace(framework=_with_known_arrays(_name_of(framework)))
    converter, result_converter = (
        Converter.of(settings.framework, settings.keywords),
        _result_converter(returns, permissions(keywords)),
    )
    if result_converter is not None:
        settings = settings._replace(returns=result_converter.to)
    return functools.partial(
        _decorate,
        settings,
        make_boundary=functools.partial(
            _make_argument_converter, settings, converter, result_converter
        ),
    )


class Settings(NamedTuple):
    """The arguments of the decorator, with frameworks by name.

    They are pickled with a function that a call has decorated.
    """

    framework: Any
    returns: Any
    only: Any
    foreign: bool | None
    per_block: bool
    keywords: dict[str, Any]


def _make_namespace_injector(settings: Settings, function: Any) -> Boundary:
    parameters = _taking_namespace(Parameters(function, settings.only))
    return NamespaceInjector(parameters, Admission(parameters.name, None, settings.foreign))


def _make_argument_converter(
    settings: Settings, converter: Converter, result_converter: Converter | None, function: Any
) -> Boundary:
    parameters = Parameters(function, settings.only)
    return ArgumentConverter(
        converter,
        result_converter,
        parameters,
        Admission(parameters.name, converter.to, settings.foreign),
    )


def _decorate(
    settings: Settings, function: Any, *, make_boundary: Callable[[Any], Boundary]
) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_decorate(settings, function.__func__, make_boundary=make_boundary))
    if isinstance(function, type) or not callable(function):
        what = (
            f"the class {function.__name__}"
            if isinstance(function, type)
            else f"a {type(function).__name__}"
        )
        msg = f"implemented_in decorates functions and methods, not {what}. Write it directly above the def."
        raise TypeError(msg)
    boundary = make_boundary(function)
    wrapper = wrap(function, boundary)
    if settings.per_block:
        wrapper = run_per_block(wrapper, cast("ArgumentConverter", boundary).parameters)
    return (
        wrapper
        if is_being_defined(function)
        else Decorated(wrapper, function, decorate_again, settings)
    )


def decorate_again(settings: Settings, function: Any) -> Any:
    """Decorate an unpickled function as in the process that pickled the function.

    Pickles name `decorate_again`, so it must keep its name.
    """
    framework, returns, only, foreign, per_block, keywords = settings
    for name in (framework, returns):
        if isinstance(name, str) and "." in name and name not in sys.modules:
            importlib.import_module(
                name
            )  # a namespace that was passed as a module: its name alone imports nothing
    decorate: Any = implemented_in(
        framework, returns=returns, only=only, foreign=foreign, per_block=per_block, **keywords
    )
    wrapper = decorate(function)
    return (
        wrapper
        if isinstance(wrapper, Decorated)
        else Decorated(wrapper, function, decorate_again, settings)
    )


# -- questions ---------------------------------------------------------------------------------------------------


def _name_of(framework: Any) -> str:
    """Return the name of a framework, as `registry.find`, but without importing one that is only named."""
    if isinstance(framework, str) and registration.is_known(framework):
        return framework
    if isinstance(framework, FunctionType):
        raise errors.UnknownFrameworkError(
            f"implemented_in needs the framework that {framework.__name__} is written for",
            hint='Write @interop.implemented_in("numpy") above its def.',
        )
    return registry.find(framework).name


def _with_known_arrays(name: str) -> str:
    """Return the name of a framework, after a check that arrays of that framework are recognised.

    The arrays that the function returns have to be converted back.
    """
    if registration.is_known(name) or namespaces.has_namespace(
        registry.adapter_named(name).array_type
    ):
        return name
    raise errors.UnknownFrameworkError(
        f"implemented_in({name!r}) could not recognise the function's results: {name} has no "
        "adapter, and its arrays have no __array_namespace__",
        target=name,
        hint="interop.register adds an adapter.",
    )


def _names_framework(value: Any) -> bool:
    """Whether it is a dtype such as "torch.half", which only torch can check: it is not imported for that."""
    return isinstance(value, str) and "." in value


def _result_converter(returns: Any, keywords: Mapping[str, Any]) -> Converter | None:
    """Return the way of the results; None for one that each call has to find."""
    if returns is None:
        return Converter(None, {})
    if isinstance(returns, str) and returns == _CALLER:
        return None
    try:
        return Converter.of(_name_of(returns), keywords)
    except errors.UnknownFrameworkError:
        known = ", ".join(registration.known_names())
        msg = f"returns={text.short_repr(returns)} is not {_CALLER!r}, None or a framework: {known}"
        raise errors.InvalidOptionError(msg) from None


def _insist_on_nothing_else(settings: Settings) -> None:
    """Insist on settings without a keyword for conversions, where nothing is converted."""
    given = list(settings.keywords)
    if settings.per_block:
        given.append("per_block")
    if settings.foreign:
        given.append("foreign=True")
    if not (isinstance(settings.returns, str) and settings.returns == _CALLER):
        given.append("returns")
    if given:
        reason = f"implemented_in({_ANY!r}) converts nothing, and takes no {', '.join(given)}"
        raise errors.InvalidOptionError(reason, hint="Leave that out.")


def _taking_namespace(parameters: Parameters) -> Parameters:
    if parameters.takes(XP):
        return parameters
    raise errors.InvalidOptionError(
        f"{parameters.name} can't be given the arrays' namespace: it has no parameter {XP} that "
        "can be passed by keyword and left out by callers",
        hint=f"Write one behind the others: *, {XP}=None.",
    )
