"""Containers of classes that somebody else wrote: what is in one, and how to build another like it."""

from __future__ import annotations

import copy
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INDEX: Final = "[{!r}]".format
_FIELD: Final = ".{}".format


class Entry(NamedTuple):
    """Where a child is, and how one writes that."""

    format_key: Callable[[Any], str]
    key: Any
    child: Any


def is_container(cls: type) -> bool:
    """Whether its instances can be looked into."""
    return issubclass(cls, (dict, list, tuple)) or _is_dataclass(cls)


def _is_dataclass(cls: type) -> bool:
    """Return whether a class is a dataclass.

    A class is not a dataclass just because its metaclass answers to every name.
    """
    return isinstance(getattr(cls, "__dataclass_fields__", None), dict)


def entries(tree: Any) -> Iterator[Entry]:
    """Yield the items, then the fields: a class may have both."""
    if isinstance(tree, dict):
        yield from (Entry(INDEX, key, child) for key, child in tree.items())
    elif names := getattr(tree, "_fields", None) if isinstance(tree, tuple) else None:
        yield from (Entry(_FIELD, name, child) for name, child in zip(names, tree, strict=True))
    elif isinstance(tree, (list, tuple)):
        yield from (Entry(INDEX, i, child) for i, child in enumerate(tree))
    yield from (Entry(_FIELD, name, getattr(tree, name)) for name in _fields(tree))


def field_names(tree: Any) -> list[Any]:
    """Return the names of the fields, in the order of `places`.

    The fields of tuples written in C have names, too.
    """
    names = getattr(type(tree), "__match_args__", ())
    return [
        names[entry.key] if entry.key in range(len(names)) else entry.key for entry in entries(tree)
    ]


def rebuild(tree: Any, values: list[Any]) -> Any:
    """Return a container like `tree` with these values in its places, or `tree` itself if its class won't have that."""
    try:
        new = _build_tuple(tree, values) if isinstance(tree, tuple) else _build(tree, iter(values))
        found = [entry.child for entry in entries(new)]
    except Exception:  # noqa: BLE001 - a class may refuse in any way
        return tree
    fits = type(new) is type(tree) and len(found) == len(values) and all(map(is_, found, values))
    return new if fits else tree


def _build(tree: Any, values: Iterator[Any]) -> Any:
    """Copy it, and put the values in: past ``__init__``, and past a frozen class's ``__setattr__``."""
    new = copy.copy(tree)
    if new is tree:  # it takes itself for immutable
        return tree
    if getattr(tree, "__dict__", None) is tree:  # a dict whose keys are its attributes
        new.__dict__ = new
    if isinstance(tree, (dict, list)):
        for key, value in zip(
            tree.keys() if isinstance(tree, dict) else range(len(tree)), values, strict=False
        ):
            new[key] = value
    for name, value in zip(_fields(tree), values, strict=True):
        object.__setattr__(new, name, value)
    for name in _cached(tree):
        del vars(new)[name]
    return new


def _build_tuple(tree: Any, values: list[Any]) -> Any:
    cls = type(tree)
    if hasattr(
        cls, "n_sequence_fields"
    ):  # written in C, like `os.stat_result`: some fields have a name and no index
        return cls(values, tree.__reduce__()[1][1])
    new = tuple.__new__(cls, values)
    if hasattr(tree, "__dict__"):
        vars(new).update(vars(tree))
    return new


def _fields(tree: Any) -> list[str]:
    if not _is_dataclass(type(tree)):
        return []
    import dataclasses  # noqa: PLC0415 - takes longer to import than all of interop

    return [field.name for field in dataclasses.fields(tree) if hasattr(tree, field.name)]


def _cached(tree: Any) -> list[str]:
    """Name what was computed from the arrays before, and would still be of their framework."""
    cls, remembered = type(tree), getattr(tree, "__dict__", ())
    return [name for name in remembered if isinstance(getattr(cls, name, None), cached_property)]
