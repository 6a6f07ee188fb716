"""Functions that rebuild a container with converted children, for each class of containers."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any, Final

from interop._trees import containers, fixed_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from interop._trees.tree_converter import TreeConverter

    Rebuild = Callable[[TreeConverter, Any], Any]


def find(cls: type) -> Rebuild | None:
    """Return the function for a class of containers that is not in `BUILT_IN`, or None."""
    is_container = containers.is_container(cls)
    if is_container:
        # Before named tuples, because torch's PackedSequence is a named tuple with fixed keywords.
        fixed = fixed_keywords.find(cls)
        if fixed:
            return partial(_rebuild_fields, fixed)
    # With a `__dict__`, an instance may have attributes, which `_make` would drop.
    if issubclass(cls, tuple) and hasattr(cls, "_make") and not cls.__dictoffset__:
        return _rebuild_named_tuple
    if is_container:
        return _rebuild_other
    return None


def _rebuild_dict(converter: TreeConverter, tree: dict[Any, Any]) -> Any:
    out = converter.convert_children({}, tree.items())
    if converter.always_rebuild or _differ(out.values(), tree.values()):
        return out
    return tree


def _rebuild_list(converter: TreeConverter, tree: list[Any]) -> Any:
    out = converter.convert_children(list(tree), enumerate(tree))
    if converter.always_rebuild or _differ(out, tree):
        return out
    return tree


def _rebuild_tuple(converter: TreeConverter, tree: tuple[Any, ...]) -> Any:
    out = converter.convert_children(list(tree), enumerate(tree))
    if converter.always_rebuild or _differ(out, tree):
        return tuple(out)
    return tree


def _rebuild_named_tuple(converter: TreeConverter, tree: Any) -> Any:
    out = converter.convert_children(list(tree), enumerate(tree), lambda i: f".{tree._fields[i]}")
    if converter.always_rebuild or _differ(out, tree):
        return tree._make(out)
    return tree


def _rebuild_ordered_dict(converter: TreeConverter, tree: OrderedDict[Any, Any]) -> Any:
    # Faster than `_rebuild_other`, because a state dict of torch is one.
    out = converter.convert_children(OrderedDict(), tree.items())
    if not converter.always_rebuild and not _differ(out.values(), tree.values()):
        return tree
    vars(out).update(vars(tree))  # a state dict has the attribute `_metadata`
    return out


def _rebuild_other(converter: TreeConverter, tree: Any) -> Any:
    """Rebuild a container of another class, or return a container that cannot be rebuilt."""
    entries = list(containers.entries(tree))
    children = [entry.child for entry in entries]
    converter.keepalive.append(children)
    values = converter.convert_children(
        list(children), enumerate(children), lambda i: entries[i].format_key(entries[i].key)
    )
    may_stay = isinstance(tree, tuple) or not converter.always_rebuild
    if may_stay and not _differ(values, children):
        return tree
    return containers.rebuild(tree, values)


def _rebuild_fields(fixed: fixed_keywords.Fixed, converter: TreeConverter, tree: Any) -> Any:
    """Rebuild a container with fields for which keywords are fixed."""
    entries = list(containers.entries(tree))
    children = [entry.child for entry in entries]
    converter.keepalive.append(children)
    values = list(children)
    names = containers.field_names(tree)
    for i, (entry, name) in enumerate(zip(entries, names, strict=True)):
        field = converter.for_field(fixed.get(name))
        field.convert_children(
            values, [(i, entry.child)], lambda i: entries[i].format_key(entries[i].key)
        )
    if _differ(values, children):
        return containers.rebuild(tree, values)
    return tree


def _differ(values: Iterable[Any], children: Iterable[Any]) -> bool:
    """Whether a child was replaced by another object."""
    return not all(map(is_, values, children))


BUILT_IN: Final[dict[type, Rebuild | None]] = {
    dict: _rebuild_dict,
    list: _rebuild_list,
    tuple: _rebuild_tuple,
    OrderedDict: _rebuild_ordered_dict,
    # Common classes that are not containers. They are listed to save the look-up.
    **dict.fromkeys((int, float, bool, str, type(None))),
}
"""Functions by exact class. An instance of a class without a function stays as it is."""
