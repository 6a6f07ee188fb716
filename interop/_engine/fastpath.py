"""The fast path: a plain array is converted by one native call, without a plan.

`TABLE` has the native calls by target and exact class of the array. The adapters provide them
(`interop.adapter.FastPath`), and a native call either does what the plan would do or raises. The
first planned conversion of a class to a target fills the entry. A plain array without keywords then
costs one look-up and one check more than the framework's own call.

The look-up itself is in `interop._engine.implementation`, and once more in C (`_fastpath.c`).
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

from interop._engine import events, plan_cache
from interop._engine.executor import execute
from interop._identify import registration, registry, shipped
from interop._identify.classes import is_plain_key
from interop._identify.locked import locked
from interop._model.verb import Verb
from interop.adapter import find_compiled, why_no_module
from interop.adapter.scope import scoped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from interop._identify.registration import Tables
    from interop._model.conversion import Conversion
    from interop._model.plan import Plan
    from interop.adapter import Adapter

    Calls = tuple[Callable[[Any], Any], ...]

# The values are a class and its `FastPath` as plain tuples: CPython unpacks a tuple in one
# instruction, and a named tuple by an iterator, which takes 60 ns of 870 ns more. A metaclass may
# say that its class equals another one, so each look-up compares the class by identity.
TABLE: Final[dict[object, dict[type, tuple[type, Any, Any, Any]]]] = {}
"""By target (a name, a module, a class), then by exact class of the array: the native calls."""
TRACEABLE: Final[dict[object, dict[type, tuple[type, Any, Any, Any]]]] = {}
"""The entries that `emptied_for` has removed, for compilers such as `torch.compile`.

They can trace a native call, but not a planned conversion.
"""
REFUSED: Final = Exception
"""Errors after which a conversion is planned: all but MemoryError, which is caught before.

The array is not in the table, a native call refused the array, or a class of the caller raised an
error. If the conversion is impossible, the planned path raises the error for the user.
"""
_SMALL: Final = 64 * 1024
"""Size in bytes below which a native call is tried once. The conversion is then done twice."""
_NOTHING_TO_DO: Final = (None, None, None)
"""The entry for an array that is of the target framework already."""

_MODULE: Final = "interop._engine._fastpath"
compiled_module: Final = find_compiled(_MODULE)
_tracers: Final[list[Adapter]] = []
"""The adapters that `is_traced` asks. A list, because `torch.compile` cannot trace the registry."""
# The last item is the target as it is named in calls: a text, a module or a class.
_registered: Final[set[tuple[str, str, object]]] = set()
# A module or a class may be a target, and a program may make ever new ones. So full tables are
# emptied, as the plan cache is. The shipped adapters have 25 pairs by name.
_MAX_PAIRS: Final = 256


def is_compiled(adapter: Adapter | None) -> bool:
    """Return whether plain arrays of an adapter are converted by compiled functions."""
    if compiled_module is None or adapter is None:
        return False
    return _has_compiled_functions(adapter)


def why_no_compiled_module() -> str | None:
    """Return why the compiled fast path is off for all frameworks, or None if it is on."""
    if compiled_module is not None:
        return None
    return why_no_module(_MODULE)


def why_not_compiled(adapter: Adapter | None) -> str | None:
    """Return why the compiled fast path is off for an adapter, and what to do.

    None if the path is on, if the framework never has one, or if the framework is not in use.
    """
    if adapter is None:
        return None
    if _has_compiled_functions(adapter):
        return why_no_compiled_module()
    return adapter.why_not_compiled()


def _has_compiled_functions(adapter: Adapter) -> bool:
    return adapter.ndarray_native or adapter.compiled_export_host() is not None


def register(source: Adapter, target: Adapter, to: Any, tables: Tables) -> None:
    """Add the native calls from one framework to another to the table.

    Every planned conversion calls this, also on a GPU. So a pair is registered once.

    Parameters
    ----------
    source, target : Adapter
    to : str, module or class
        The name of the target in calls.
    tables : Tables
        The tables in which the adapters were looked up.
    """
    # The lock is not taken, because each planned conversion of a plain array passes here.
    if events.watches or not is_plain_key(to) or (source.name, target.name, to) in _registered:
        return
    # Adapters are asked before the lock is taken (see `interop._lock`).
    path, compiled = _calls(source, target)
    # A subclass of the array type may belong to another adapter.
    classes = [
        cls
        for cls in source.plain_types
        if is_plain_key(cls) and registry.adapter_of(cls) is source
    ]
    with locked():
        # A watch that began meanwhile needs an empty table, and other adapters have other calls.
        if events.watches or registration.tables is not tables:
            return
        if len(_registered) >= _MAX_PAIRS:
            clear()
        for cls in classes:
            plan_cache.FINGERPRINTS[cls] = cls, source.fingerprint
            if path is not None:
                TABLE.setdefault(to, {})[cls] = cls, *path
            if compiled is not None and compiled_module is not None:
                compiled_module.register(to, cls, *compiled)
        # Also if there are no native calls between the two. Last, because an interrupt before
        # leaves a pair that the next conversion registers again.
        _registered.add((source.name, target.name, to))


def _calls(source: Adapter, target: Adapter) -> tuple[Any, Any]:
    """Return the `FastPath` and the `CompiledPath` between two frameworks, or None for each."""
    if source is target:
        return _NOTHING_TO_DO, _NOTHING_TO_DO
    # A native call leads from a framework to NumPy, or from NumPy to a framework.
    if target.ndarray_native:
        return source.fast_export_host(), source.compiled_export_host()
    if source.ndarray_native:
        return target.fast_adopt_host(), target.compiled_adopt_host()
    return None, None


def use_native_call(calls: Calls, plan: Plan, conversion: Conversion, x: Any) -> Calls:
    """Replace the export and the adoption at the end of a plan by one native call, if that works.

    To find out, the native call is tried with a small array.
    """
    facts = conversion.facts
    target = conversion.target
    native = native_call(conversion.source, target)
    if native is None or plan.steps[-1].verb is not Verb.SHARE or facts.nbytes >= _SMALL:
        return calls
    # The native call checks neither whether memory is read-only nor the address.
    if facts.readonly or plan.readonly or target.alignment(facts.dtype) > 1:
        return calls
    # The last two calls are the export and the adoption.
    shortened = (*calls[:-2], native)
    try:
        execute(shortened, x)
    except MemoryError:
        raise
    except REFUSED:
        return calls
    return shortened


def native_call(source: Adapter, target: Adapter) -> Callable[[Any], Any] | None:
    """Return the native call that shares the memory of an array, or None if there is none."""
    path, _ = _calls(source, target)
    if path is None:
        return None
    _, share, _ = path
    return share


def register_all(adapters: Iterable[Adapter]) -> None:
    """Add the native calls between all pairs of adapters to the table.

    `torch.compile` can trace a native call, but it cannot trace `register`. So all pairs are
    registered before the first conversion.
    """
    tables = registration.tables
    for source, target in product(list(adapters), repeat=2):
        register(source, target, target.name, tables)


@scoped
def emptied_for(watch: object) -> Generator[None, None, None]:
    """Plan every conversion inside the ``with`` block: empty the table and the plan cache."""
    with _filled_again():
        try:
            # From now on, no other thread adds to the table or to the cache.
            events.watches.append(watch)
            _empty()
            yield
        finally:
            if watch in events.watches:
                events.watches.remove(watch)


def _empty() -> None:
    tracers = registry.loaded_adapters()
    with locked():
        if len(TRACEABLE) >= _MAX_PAIRS:
            TRACEABLE.clear()
        # While another watch is open, the table is empty already.
        for to, row in TABLE.items():
            TRACEABLE.setdefault(to, {}).update(row)
        _tracers[:] = tracers
        clear()


@scoped
def _filled_again() -> Generator[None, None, None]:
    """Fill the table after the ``with`` block, unless a watch is open."""
    try:
        yield
    finally:
        # torch.compile cannot trace the registration, so it comes before the next conversion.
        try:
            register_all(registry.loaded_adapters())
        except BaseException:  # an interrupt, which is raised when the table is full
            register_all(registry.loaded_adapters())
            raise


def is_traced() -> bool:
    """Return whether a compiler such as `torch.compile` is tracing the program now."""
    for adapter in _tracers:  # noqa: SIM110 - torch.compile traces this loop
        if adapter.is_tracing():
            return True
    return False


def share_traced(x: Any, to: Any) -> Any:
    """Convert a plain array while a compiler traces the program and the table is empty."""
    _, _, share, _ = TRACEABLE[to][type(x)]
    if share is None:
        return x
    return share(x)


def clear() -> None:
    """Empty the table and the plan cache."""
    with locked():
        # In this order, an interrupt leaves no pair that is slow for ever: a pair that is
        # registered, or that has a cached plan, has its entry in the table as well.
        _registered.clear()
        plan_cache.clear()
        for to, row in TABLE.copy().items():
            row.clear()
            # The rows of the shipped frameworks stay: `to_numpy` and the others hold them.
            if to not in shipped.TABLE:
                del TABLE[to]
        if compiled_module is not None:
            compiled_module.clear()


registration.on_change.append(clear)
