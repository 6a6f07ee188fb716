"""Arguments of `interop.implemented_in`, checked when the decorator is called."""

from __future__ import annotations

import importlib
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop import errors
from interop._engine.parse import check_choice, parse_request
from interop._identify import namespaces, registration, registry
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Mapping

ARRAY_API: Final = "array_api"
"""Value of `framework` for a function that takes arrays of any framework and their namespace."""
CALLER: Final = "caller"
"""Value of `returns` for results in the framework and on the device of the first argument."""


class Settings(NamedTuple):
    """Arguments of `implemented_in`; `parse` checks them and replaces frameworks by names."""

    framework: Any
    returns: Any
    only: Any
    foreign: bool | None
    per_block: bool
    keywords: Mapping[str, Any]

    def parse(self) -> Settings:
        """Check the arguments, and replace modules and classes by the names of frameworks.

        Raises
        ------
        UnknownFrameworkError, InvalidOptionError, TypeError
            A framework, a value or a keyword does not exist.
        """
        check_choice("foreign", self.foreign, (None, True, False))
        check_choice("per_block", self.per_block, (True, False))
        settings = self._replace(only=_parse_only(self.only))
        if _is_word(self.framework, ARRAY_API):
            _refuse_options_of_conversions(settings)
            return settings
        # A dtype such as "torch.half" is checked by torch, which is not imported for that now.
        checkable = {k: v for k, v in self.keywords.items() if not _is_dotted(v)}
        parse_request(checkable)
        framework = _parse_framework(self.framework)
        # `returns` is parsed last: an error in `framework` is reported first.
        return settings._replace(framework=framework, returns=_parse_returns(self.returns))


def load(options: Mapping[str, Any]) -> Settings:
    """Return the settings with these fields, from a pickle of another process."""
    settings = Settings(**options)
    for name in (settings.framework, settings.returns):
        # A namespace that was passed as a module is known by name only after its import.
        if _is_dotted(name) and name not in sys.modules:
            importlib.import_module(name)
    return settings.parse()


def _refuse_options_of_conversions(settings: Settings) -> None:
    """Refuse arguments that configure conversions, because ``"array_api"`` converts nothing."""
    given = list(settings.keywords)
    if settings.per_block:
        given.append("per_block")
    if settings.foreign:
        given.append("foreign=True")
    if not _is_word(settings.returns, CALLER):
        given.append("returns")
    if given:
        reason = f"implemented_in({ARRAY_API!r}) converts no arrays"
        raise errors.InvalidOptionError(reason, hint=f"Remove {', '.join(given)}.")


def _parse_only(only: Any) -> Any:
    """Return a list for an iterable, which may be an iterator that can be read only once."""
    if only is None or issubclass(type(only), str):
        return only
    with errors.ignored_refusals:
        return list(only)
    return only  # refused by `Parameters`


def _parse_framework(framework: Any) -> str:
    """Return the name of a framework, after a check that arrays in results are recognised."""
    name = _name_of(framework)
    if registration.is_known(name):
        return name
    if namespaces.has_namespace(registry.adapter_named(name).array_type):
        return name
    raise errors.UnknownFrameworkError(
        f"implemented_in({name!r}) cannot convert results back: {name} has no adapter, and its "
        "arrays have no __array_namespace__",
        target=name,
        hint="Register an adapter with interop.register.",
    )


def _parse_returns(returns: Any) -> str | None:
    if returns is None or _is_word(returns, CALLER):
        return returns
    try:
        return _name_of(returns)
    except errors.UnknownFrameworkError:
        known = ", ".join(registration.known_names())
        reason = f"returns must be {CALLER!r}, None or a framework, got {text.short_repr(returns)}"
        raise errors.InvalidOptionError(reason, hint=f"Frameworks: {known}.") from None


def _name_of(framework: Any) -> str:
    """Return the name of a framework. Unlike `registry.find`, a known name imports nothing."""
    if type(framework) is str and registration.is_known(framework):
        return framework
    if type(framework) is FunctionType:
        raise errors.UnknownFrameworkError(
            "implemented_in needs the name of a framework",
            hint='Write @interop.implemented_in("numpy") above the definition of '
            f"{framework.__name__}.",
        )
    return registry.find(framework).name


def _is_word(value: Any, word: str) -> bool:
    # `==` of an array is an array, and a subclass of str may redefine it.
    return issubclass(type(value), str) and str.__eq__(value, word)


def _is_dotted(value: Any) -> bool:
    return issubclass(type(value), str) and "." in str.__str__(value)
