"""Tables by class, for classes of any program.

A metaclass may define ``==`` and ``hash`` in any way: its classes may be equal to `numpy.ndarray`,
or not hashable. So classes are compared by identity here, and in all other look-ups of interop.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from weakref import ref

from interop._model import text

T = TypeVar("T")


def is_plain_key(x: Any) -> bool:
    """Whether an object may be looked up in a dict: a string, or an object compared by identity.

    Modules are compared by identity, and so are classes, unless a metaclass redefines that.
    """
    cls = type(x)
    if cls is str:
        return True
    # Both are looked up in the classes, because `cls` may be the class of a class of a class.
    return all(text.declared(cls, name) is getattr(object, name) for name in ("__eq__", "__hash__"))


class ClassTable(Generic[T]):
    """A table by class that keeps no class alive, and never calls a method of a metaclass."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[ref[type], T]] = {}

    def get(self, cls: type, default: Any = None) -> Any:
        """Return the value of a class, or the default."""
        entry = self._entries.get(id(cls))
        # The id of a class that was freed may be the id of another class now.
        if entry is None or entry[0]() is not cls:
            return default
        return entry[1]

    def set(self, cls: type, value: T) -> None:
        """Set the value of a class."""
        key = id(cls)
        entries = self._entries
        entries[key] = ref(cls, lambda _: entries.pop(key, None)), value

    def clear(self) -> None:
        """Remove all classes."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
