"""The decorator `interop.implemented_in`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from interop._model.request import Keywords

P = ParamSpec("P")
R = TypeVar("R")


def implemented_in(
    framework: str | ModuleType | type,
    /,
    *,
    returns: str | ModuleType | type | None = "caller",
    only: str | Iterable[str] | None = None,
    foreign: bool | None = None,
    per_block: bool = False,
    **keywords: Unpack[Keywords],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function that is written for one framework accept arrays of any framework.

    Every array among the arguments is converted to `framework`, also inside the containers that
    `convert_tree` knows. An array that is passed twice is converted once. Arrays of an array-API
    namespace without an adapter are converted, too. A masked array is refused, because the
    function would read the masked values. All other objects pass through: numbers, NumPy scalars,
    ``self`` and ``cls``, and every container without arrays. `foreign` decides about objects of no
    framework that have an array protocol.

    Every array in the result is converted to the framework and the device of the caller's first
    array, where positional arguments come before keyword arguments. A NumPy scalar in the result
    becomes an array without dimensions and with the same dtype, if the caller's framework is not
    NumPy. Text, dates and Python numbers in the result stay unchanged.

    The function may be a method, a coroutine function or a generator function, and the decorated
    function is of the same kind. A generator converts its arguments at the first ``next``, yields
    and returns values in the caller's framework, and converts the values that are sent to it. The
    decorator can be above or below `staticmethod` and `classmethod`.

    A function that is decorated by a call, ``implemented_in("numpy")(scipy.ndimage.label)``, can
    be pickled if the original function can be pickled. The original function is ``__wrapped__``.

    If the function writes into an argument, the caller's array changes only if the conversion
    shares memory; `explain` tells. A container that was rebuilt does not change.

    Parameters
    ----------
    framework : str, module or class
        As `to` of `convert`. A framework that is given by name is imported when the first array is
        converted, so it need not be installed to decorate. With ``"array_api"``, nothing is
        converted: the function gets the `namespace` of the arrays as ``xp``, unless the caller
        passes an ``xp`` other than None.
    returns : "caller", framework or None, default "caller"
        Where the arrays in the result are converted to: the framework and device of the caller, or
        the given framework. None leaves the results unchanged, and so does "caller" if no argument
        is an array.
    only : str or iterable of str, optional
        Names of the parameters to convert, passed by position or by keyword. All other arguments
        pass through.
    foreign : bool, optional
        Treatment of an argument of no framework that has an array protocol, such as a pandas
        Series, a PIL image or an h5py dataset. None refuses the argument, True converts it, False
        passes it through. Such an argument does not decide about the framework of the results.
        Buffers of Python (`bytes`, `array.array`) pass through unless `foreign` is True. Such
        objects in a result stay unchanged.
    per_block : bool, default False
        Whether the function can compute each block of a lazy (Dask) array without the other
        blocks, and returns a block of the same shape. The decorated function then returns a lazy
        array and computes nothing. Its blocks are the results of the function, in the framework of
        the caller's blocks (see `returns`). To learn their dtype, the function is called with
        blocks of one element. To check that a part of a block does not depend on the rest, it is
        called with samples of a few elements along each axis with several blocks. Several lazy
        arguments are aligned block by block; other arguments are passed as they are. If False, a
        lazy argument is refused.
    **keywords
        Keywords of `convert` for the arguments. `detach` and `readonly` apply to the results, too.

    Returns
    -------
    callable
        The decorator.

    Raises
    ------
    UnknownFrameworkError, InvalidOptionError, TypeError
        Raised when decorating: a framework, a value or a keyword does not exist, `only` names no
        parameter, the decorated object is not a function, or the function has no parameter ``xp``
        for ``"array_api"``.
    UnsupportedArrayError
        Raised by the decorated function: an argument is masked, lazy or of no framework, or with
        `per_block`, the values of a sample depend on each other across blocks.
    InteropError
        Raised by the decorated function: an error of `convert`, with a note that names the
        function and the argument.

    Notes
    -----
    The decorated function has the type annotations of the function. Annotate an array as
    ``NDArray[Any] | Any`` and a result as ``Any``: a type checker then accepts arrays of any
    framework, and checks the body against NumPy's types.

    Examples
    --------
    >>> import interop, torch
    >>> @interop.implemented_in("numpy")
    ... def flip(image):
    ...     return image[::-1]
    >>> flip(torch.arange(3))
    tensor([2, 1, 0])
    """
    # Loaded by the first decoration, because the import of interop is part of every program.
    from interop._decorator.decorated import decorate  # noqa: PLC0415
    from interop._decorator.settings import Settings  # noqa: PLC0415

    settings = Settings(framework, returns, only, foreign, per_block, keywords).parse()
    return functools.partial(decorate, settings)
