"""Text for messages: a value on one line, the nearest known name, and the names of classes.

The names are read without the methods of a metaclass or of a property, which may raise or lie.
"""

from __future__ import annotations

from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROTOCOLS: Final = ("__array__", "__dlpack__", "__cuda_array_interface__")
# The getters of `type` itself.
_bases: Final = type.__dict__["__mro__"].__get__
_names: Final = type.__dict__["__dict__"].__get__
_module_name: Final = type.__dict__["__module__"].__get__
_qualified_name: Final = type.__dict__["__qualname__"].__get__


def short_repr(value: object) -> str:
    """Return the repr of a value, cut to one line.

    An array is described by its class and shape, and never printed.
    """
    try:
        return _short.repr(value)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a class may raise anything
        return f"<{full_name(type(value))}>"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a misspelt one, or None."""
    import difflib  # noqa: PLC0415 - only an error needs difflib, and its import takes 1 ms

    # difflib takes a capital for a different letter, and users write "NumPy" and "PyTorch".
    by_lower = {other.lower(): other for other in known}
    for match in difflib.get_close_matches(name.lower(), by_lower, n=1):
        return by_lower[match]
    return None


def bases(cls: type) -> tuple[type, ...]:
    """Return a class and its base classes, in the order of the MRO."""
    mro: tuple[type, ...] = _bases(cls)
    return mro


def declared(cls: type, name: str, default: Any = None) -> Any:
    """Return an attribute as a class or a base class declares it, or the default."""
    for base in _bases(cls):
        names = _names(base)
        if name in names:
            return names[name]
    return default


def module_name(cls: type) -> str:
    """Return the name of the module that defines a class, or an empty string."""
    try:
        name = _module_name(cls)
    except AttributeError:  # a class may delete the name
        return ""
    return name if isinstance(name, str) else ""


def full_name(cls: type) -> str:
    """Return the module-qualified name of a class, or the name alone for a builtin class."""
    module = module_name(cls)
    if module in ("", "builtins"):
        return str(_qualified_name(cls))
    return f"{module}.{_qualified_name(cls)}"


def with_article(noun: str) -> str:
    """Return a noun with "a" or "an" in front. The full name of a class gets no article."""
    if "." in noun:
        return noun
    article = "an" if noun[0] in "aeiou" else "a"
    return f"{article} {noun}"


def is_like_array(cls: type) -> bool:
    """Whether a class speaks a protocol of arrays. No property is evaluated."""
    return any(declared(cls, name) is not None for name in _PROTOCOLS)


class _Short(Repr):
    """A `reprlib.Repr` that never calls the repr of an array.

    The repr of an array is long, and reads a GPU's memory.
    """

    def __init__(self) -> None:
        super().__init__()
        # reprlib allows 30 characters, which cut the name of a class or a path.
        self.maxstring = 80
        self.maxother = 80
        self.maxtuple = 8

    def repr1(self, x: Any, level: int) -> str:
        """Return the repr of a top-level value or of a value inside a container."""
        if is_like_array(type(x)):
            return f"<{full_name(type(x))} of shape {getattr(x, 'shape', 'unknown')}>"
        return " ".join(super().repr1(x, level).split())


_short: Final = _Short()
