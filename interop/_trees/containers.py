"""Containers of any class: their children, and the construction of a container like another."""

from __future__ import annotations

import copy
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INDEX: Final = "[{!r}]".format
_FIELD: Final = ".{}".format


class Entry(NamedTuple):
    """A child of a container, with the key of the child."""

    format_key: Callable[[Any], str]
    """Formats the key as source code: ``[0]`` or ``.name``."""
    key: Any
    child: Any


def is_container(cls: type) -> bool:
    """Whether instances of a class are containers: dicts, lists, tuples and dataclasses."""
    return issubclass(cls, (dict, list, tuple)) or _is_dataclass(cls)


def _is_dataclass(cls: type) -> bool:
    # A metaclass may answer to every name, so the classes themselves are asked.
    return isinstance(text.declared(cls, "__dataclass_fields__"), dict)


def entries(tree: Any) -> Iterator[Entry]:
    """Yield the items of a container, then the fields: a class may have both."""
    if isinstance(tree, dict):
        yield from (Entry(INDEX, key, child) for key, child in tree.items())
    elif names := getattr(tree, "_fields", None) if isinstance(tree, tuple) else None:
        yield from (Entry(_FIELD, name, child) for name, child in zip(names, tree, strict=True))
    elif isinstance(tree, (list, tuple)):
        yield from (Entry(INDEX, i, child) for i, child in enumerate(tree))
    yield from (Entry(_FIELD, name, getattr(tree, name)) for name in _fields(tree))


def field_names(tree: Any) -> list[Any]:
    """Return the name of each child, in the order of `entries`.

    Tuples written in C, such as torch's results, have names of fields in ``__match_args__``.
    """
    names = getattr(type(tree), "__match_args__", ())
    named = dict(enumerate(names))
    return [named.get(entry.key, entry.key) for entry in entries(tree)]


def rebuild(tree: Any, values: list[Any]) -> Any:
    """Return a container like `tree` with other children.

    If the class does not allow that, `tree` itself is returned.
    """
    try:
        build = _build_tuple if isinstance(tree, tuple) else _build
        new = build(tree, values)
        found = [entry.child for entry in entries(new)]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a class may refuse in any way
        return tree
    # A class may change or drop the values it is given, so the new children are compared.
    fits = type(new) is type(tree) and len(found) == len(values) and all(map(is_, found, values))
    return new if fits else tree


def _build(tree: Any, values: list[Any]) -> Any:
    """Copy a container and replace the children, without a call of ``__init__``."""
    remaining = iter(values)
    new = copy.copy(tree)
    if new is tree:  # the class declares its instances immutable
        return tree
    if getattr(tree, "__dict__", None) is tree:  # the items of such a dict are its attributes
        new.__dict__ = new
    for key in _keys(tree):
        new[key] = next(remaining)
    for name, value in zip(_fields(tree), remaining, strict=True):
        object.__setattr__(new, name, value)  # a frozen dataclass refuses setattr
    for name in _cached(tree):
        del vars(new)[name]
    return new


def _keys(tree: Any) -> list[Any]:
    """Return the keys of the items, but not of the fields."""
    if isinstance(tree, dict):
        return list(tree)
    if isinstance(tree, list):
        return list(range(len(tree)))
    return []


def _build_tuple(tree: Any, values: list[Any]) -> Any:
    cls = type(tree)
    if hasattr(cls, "n_sequence_fields"):
        # Written in C, like `os.stat_result`: some fields have a name and no index.
        return cls(values, tree.__reduce__()[1][1])
    # The `__new__` of a subclass may have other parameters, so it is not called.
    new = tuple.__new__(cls, values)
    if hasattr(tree, "__dict__"):
        vars(new).update(vars(tree))
    return new


def _fields(tree: Any) -> list[str]:
    if not _is_dataclass(type(tree)):
        return []
    # Importing this module takes longer than importing interop.
    import dataclasses  # noqa: PLC0415

    # A field with `init=False` may have no value yet.
    return [field.name for field in dataclasses.fields(tree) if hasattr(tree, field.name)]


def _cached(tree: Any) -> list[str]:
    """Return the names of cached properties, whose values belong to the old children."""
    cls = type(tree)
    attributes = getattr(tree, "__dict__", ())
    return [name for name in attributes if isinstance(getattr(cls, name, None), cached_property)]
