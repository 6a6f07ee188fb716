"""What is remembered in front of the flow: native calls for plain arrays, and the calls that plans came down to.

For a target and an exact class there is a question and a native call: a plain array without keywords then costs one
look-up and one question more than the framework's own call. The halves are the adapters'; a native call either does
what the plan would do with a plain array, or raises. Where interop is compiled, a verb looks into such a table before
the interpreter has made a frame for it (`_front.c`).

Any other array of such a class has a fingerprint: what its plan depends on, besides what is asked for. So a plan on the
host is made once, and from then on only done.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeVar

from interop._identify import registration
from interop.adapter import find_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from interop.adapter import Adapter

F = TypeVar("F")

TABLE: Final[dict[object, dict[type, Any]]] = {"numpy": {}, "torch": {}}
"""By target (a name, a module, a class), then by exact class of the array: a question, a native call, and the one for
an array that may lose its gradient. None three times means: nothing to do."""
REFUSED: Final = (KeyError, TypeError, ValueError, RuntimeError, AssertionError)
"""Not in the table, or a native call refused: the flow decides, and says why."""

FINGERPRINTS: Final[dict[type, Callable[[Any], Hashable]]] = {}
"""By exact class of the array."""
CALLS: Final[dict[Hashable, tuple[Callable[[Any], Any], ...]]] = {}
"""By target, class, fingerprint, defaults and keywords."""
_pauses: Final[list[None]] = []
"""One for each who wants that nothing is remembered."""
TRACEABLE: Final[dict[object, dict[type, Any]]] = {}
"""What was in the table before: for a compiler of programs, which can follow a native call, but not the flow."""
_lock: Final = threading.RLock()
_registered: Final[set[tuple[Adapter, Adapter, object]]] = set()
_MOST: Final = 1024  # many shapes come once and never again: then what is remembered is forgotten


compiled_module: Final = find_compiled("interop._engine._fastpath")


def verb(to: str | None = None) -> Callable[[F], F]:
    """Put the compiled look-up in front of a function that converts to `to`, or to what its second argument names."""

    def decorate(function: F) -> F:
        if compiled_module is None:
            return function
        from functools import update_wrapper  # noqa: PLC0415 - not needed without

        return update_wrapper(compiled_module.verb(function, to), function)  # type: ignore[arg-type, return-value]

    return decorate


def is_compiled(adapter: Adapter | None) -> bool:
    """Whether plain arrays of an adapter are converted without a Python frame in between."""
    return bool(
        compiled_module and adapter and (adapter.ndarray_native or adapter.compiled_export_host())
    )


def remember(key: Hashable, calls: tuple[Callable[[Any], Any], ...]) -> None:
    """Remember what a plan came down to."""
    if len(CALLS) >= _MOST:
        CALLS.clear()
    with _lock, suppress(TypeError):  # a keyword's value that can't be hashed
        if not _pauses:
            CALLS[key] = calls


def register(source: Adapter, target: Adapter, to: Any) -> None:
    """Remember how plain arrays of exactly the source's classes get to `to`, and how to know the others again.

    Asked of every conversion that is planned, a handoff on a GPU among them: so the same is learned once.
    """
    if (source, target, to) in _registered:
        return
    with _lock:
        if not _pauses:
            _register(source, target, to)


def _register(source: Adapter, target: Adapter, to: Any) -> None:
    _registered.add((source, target, to))
    fast, compiled = _calls(source, target)
    for cls in source.plain_types:
        FINGERPRINTS[cls] = source.fingerprint
        if fast:
            TABLE.setdefault(to, {})[cls] = tuple(fast)
        if compiled and compiled_module:
            compiled_module.register(to, cls, *compiled)


def _calls(source: Adapter, target: Adapter) -> tuple[Any, Any]:
    if source is target:
        return (None, None, None), (None, None, None)
    if target.ndarray_native:
        return source.fast_export_host(), source.compiled_export_host()
    if source.ndarray_native:
        return target.fast_adopt_host(), target.compiled_adopt_host()
    return None, None


def native_call(source: Adapter, target: Adapter) -> Callable[[Any], Any] | None:
    """Return the call that shares what a plan shares, without its question, or raises."""
    fast, _ = _calls(source, target)
    return fast[1] if fast else None


def register_all(adapters: Iterable[Adapter]) -> None:
    """Learn every pair: `torch.compile` can trace a native call, but not the learning, so it should come before."""
    for source, target in product(list(adapters), repeat=2):
        register(source, target, target.name)


@contextmanager
def paused() -> Iterator[None]:
    """Forget everything, and remember nothing: for a while, every conversion takes the flow."""
    with _lock:
        if not _pauses:
            TRACEABLE.update({to: dict(row) for to, row in TABLE.items()})
        _pauses.append(None)
        clear()
    try:
        yield
    finally:
        _pauses.pop()


def clear() -> None:
    """Forget everything: another adapter has come, or somebody watches."""
    for remembered in TABLE.values():
        remembered.clear()
    FINGERPRINTS.clear()
    CALLS.clear()
    _registered.clear()
    if compiled_module:
        compiled_module.clear()


registration.on_change.append(clear)
