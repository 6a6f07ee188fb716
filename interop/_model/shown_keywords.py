"""Signatures that list the keywords of conversions, for ``help()`` and editors."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final

from interop._model.request import Keywords, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEFAULTS: Final = Request._field_defaults
_COMPUTING: Final = frozenset({"stack", "to_cupy", "to_jax", "to_numpy", "to_torch", "unify"})
"""Functions that promise arrays of one class, so they compute a lazy array."""


def show_keywords(function: Callable[..., Any]) -> None:
    """Replace ``**keywords`` in the signature of a function by the keywords of every conversion.

    The function itself stays as it is. A function without ``**keywords`` keeps its signature.
    """
    # `inspect.signature` follows `__wrapped__` in the same way, to the first `__signature__`.
    plain = inspect.unwrap(function)
    signature = inspect.signature(plain)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[-1].kind is not Parameter.VAR_KEYWORD:
        return
    shown = [*parameters[:-1], *_parameters(plain.__name__)]
    plain.__signature__ = signature.replace(parameters=shown)


def _parameters(function: str) -> Iterator[Parameter]:
    """Yield a parameter for each keyword, with the default that holds for a function."""
    defaults = dict(_DEFAULTS)
    defaults["compute"] = function in _COMPUTING
    for name, annotation in Keywords.__annotations__.items():
        yield Parameter(
            name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=_text_of(annotation)
        )


def _text_of(annotation: Any) -> Any:
    """Return the text of an annotation that `TypedDict` has wrapped in a forward reference."""
    return getattr(annotation, "__forward_arg__", annotation)
