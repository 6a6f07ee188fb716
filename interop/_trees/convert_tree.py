"""Every array in a tree of containers: the containers are built anew, and each array is converted once."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, Any, Final, Unpack

from interop import errors
from interop._engine.parse import check_choice, parse_request
from interop._identify import namespaces, registry
from interop._trees import containers, fixed_keywords
from interop._verbs.convert import convert

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import ModuleType

    from interop._model.request import Keywords

    OnLeaf = Callable[[Any, Any], Any]

_ARRAY: Final = object()  # what is converted
_MANY: Final = 16  # arrays: fewer are converted before one has asked what they are
_OPEN: Final = object()  # the result of a container that is not done yet


class _CycleError(errors.InteropError):
    """A container was met inside itself."""


def convert_tree(
    tree: Any,
    to: str | ModuleType | type,
    /,
    *,
    foreign: bool = False,
    **keywords: Unpack[Keywords],
) -> Any:
    """Convert every array in a tree of containers, and let everything else pass through.

    Arrays are those of the known frameworks, and those of array-API namespaces that no adapter knows.

    Containers are dicts, lists, tuples, named tuples, dataclasses and their subclasses. They are built anew, with
    their class, order, ``default_factory``, attributes and fields that ``__init__`` doesn't take; only a tuple of a
    class of its own that holds nothing to convert stays itself. An object that appears twice, array or container,
    appears twice in the result.

    Arrays that a framework itself uses as indices keep their dtype: those of a `PackedSequence`, whose `batch_sizes`
    also stay on the host, as with `PackedSequence.to`; the ``indices``, ``pivots``, ``info`` and ``rank`` of torch's
    named results (`torch.max`, `torch.topk`, `torch.linalg.lu_factor`); and the ``indices``, ``inverse_indices`` and
    ``counts`` of `unique_all` and its kin in the array API.

    Parameters
    ----------
    tree : object
        Containers, arrays and others, nested.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    foreign : bool, default False
        Whether to convert other objects that speak a protocol of arrays, too: `bytes`, for example, and data frames.
    **keywords
        Those of `convert`, for each array.

    Returns
    -------
    object
        A tree like the one given. What is neither array nor container is the same object: None, strings, numbers
        (NumPy's too), sets, and a container that its class does not let us build anew.

    Raises
    ------
    InteropError
        What `convert` raises, with a note that says where in the tree.
    UnsupportedArrayError
        A container contains itself.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.convert_tree({"x": np.arange(3), "sizes": [np.ones(1), 5]}, "torch")
    {'x': tensor([0, 1, 2]), 'sizes': [tensor([1.], dtype=torch.float64), 5]}
    """
    registry.find(to)
    parse_request(keywords)
    check_choice("foreign", foreign, (False, True))
    verb: Any = (lambda x, to: convert(x, to, **keywords)) if keywords else convert

    def verb_for_fixed(fixed: Mapping[str, Any]) -> Any:
        return partial(convert, **fixed_keywords.merge_fixed(keywords, fixed, to))

    if type(tree) is dict and _is_flat(tree.values()):
        try:
            return dict(zip(tree, map(verb, tree.values(), repeat(to)), strict=True))
        except errors.InteropError:  # the walk meets it again, and says where
            pass
    walk = Walk(
        to, verb, on_foreign=_try_foreign if foreign else None, verb_for_fixed=verb_for_fixed
    )
    return walk.start([None], [(0, tree)], lambda _: "tree")[0]


def _is_flat(children: Collection[Any]) -> bool:
    """Whether these are many arrays and nothing else, none of them twice: none need be remembered."""
    return (
        len(children) >= _MANY
        and all(map(registry.is_array, set(map(type, children))))
        and len(set(map(id, children))) == len(children)
    )


class Walk:
    """One pass over trees: what their classes are, what has been converted, and the way to what could not be.

    Parameters
    ----------
    to : object
        Second argument of `verb`.
    verb : callable
        From an array and `to` to what takes its place.
    always_rebuild : bool, default True
        Whether a container in which nothing changes is built anew. If not, it stays itself.
    on_scalar, on_foreign : callable, optional
        From the walk and an object to what takes its place: for numbers of a framework's own classes, and for objects
        of no framework. By default these stay themselves.
    verb_for_fixed : callable, optional
        From keywords that are fixed for a field to the `verb` for it. Without, all fields have the same.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        to: Any,
        verb: Any,
        *,
        always_rebuild: bool = True,
        on_scalar: OnLeaf | None = None,
        on_foreign: OnLeaf | None = None,
        verb_for_fixed: Callable[[Mapping[str, Any]], Any] | None = None,
    ) -> None:
        self.to = to
        self.verb = verb
        self.always_rebuild = always_rebuild
        self.verb_for_fixed = verb_for_fixed
        self.kinds = _Kinds()
        self.kinds.on_scalar = on_scalar
        self.kinds.on_foreign = on_foreign
        self.results: dict[int, Any] = {}
        self.keepalive: list[
            Any
        ] = []  # what only this walk holds: an id is taken again when its object is gone
        self.path: list[str] = []
        self.others: dict[
            Any, Walk
        ] = {}  # one array may be an index in one place, and values in another

    def start(
        self,
        out: Any,
        pairs: Iterable[tuple[Any, Any]],
        format_key: Callable[[Any], str],
        prefix: str = "",
    ) -> Any:
        """Do as `fill`, from outside: a refusal gets a note that says where, and `whose` in front of that."""
        try:
            return self.fill(out, pairs, format_key)
        except _CycleError as error:
            where = "".join(reversed(self.path))
            hint = "Convert it without that reference."
            refusal = errors.UnsupportedArrayError(
                f"the {error} at {where} contains itself, and such a tree has no end. {hint}"
            )
            if prefix:
                refusal.add_note(f"{prefix}at {where}")
            raise refusal from None
        except errors.InteropError as error:
            error.add_note(f"{prefix}at {''.join(reversed(self.path))}")
            raise

    def fill(
        self,
        out: Any,
        pairs: Iterable[tuple[Any, Any]],
        format_key: Callable[[Any], str] = containers.INDEX,
    ) -> Any:
        """Set each key of `out` to what becomes of its child. One loop, since every array of a tree passes here."""
        kinds, results, to, verb = self.kinds, self.results, self.to, self.verb
        key = last = kind = None
        try:
            for key, x in pairs:
                if type(x) is not last:
                    last = type(x)
                    kind = kinds[last]
                if kind is None:
                    out[key] = x
                elif kind is not _ARRAY:
                    out[key] = self._visit_container(kind, x)
                elif (i := id(x)) in results:
                    out[key] = results[i]
                else:
                    out[key] = results[i] = verb(x, to)
        except errors.InteropError:
            self.path.append(format_key(key))  # from the leaf to the root, as the error goes
            raise
        return out

    def for_field(self, fixed: Mapping[str, Any] | None) -> Walk:
        """Return the walk for a field: a separate walk and verb if the field has fixed keywords."""
        if not fixed or not self.verb_for_fixed:
            return self
        key = tuple(sorted(fixed))
        if key not in self.others:
            kinds = self.kinds
            other = Walk(
                self.to,
                self.verb_for_fixed(fixed),
                always_rebuild=self.always_rebuild,
                on_scalar=kinds.on_scalar,
                on_foreign=kinds.on_foreign,
            )
            other.path = self.path
            self.others[key] = other
        return self.others[key]

    def _visit_container(self, rebuild: Callable[[Walk, Any], Any], x: Any) -> Any:
        """Build a container anew, unless it was met before."""
        results, i = self.results, id(x)
        if i not in results:
            results[i] = _OPEN
            results[i] = rebuild(self, x)
        elif results[i] is _OPEN:
            raise _CycleError(type(x).__name__)
        return results[i]


class _Kinds(dict[type, Any]):
    """By exact class: None passes through, `_ARRAY` is converted, and a function builds anew. For one walk only."""

    on_scalar: OnLeaf | None = None
    on_foreign: OnLeaf | None = None

    def __missing__(self, cls: type) -> Any:
        self[cls] = kind = _BUILT_IN[cls] if cls in _BUILT_IN else self._find(cls)
        return kind

    def _find(self, cls: type) -> Any:
        if registry.adapter_of(cls):
            return _ARRAY if registry.is_array(cls) else self.on_scalar
        if containers.is_container(cls) and (fixed := fixed_keywords.find(cls)):
            return partial(_partly, fixed)
        if issubclass(cls, tuple) and hasattr(cls, "_make") and not cls.__dictoffset__:
            return _named
        if containers.is_container(cls):
            return _other
        return _ARRAY if namespaces.has_namespace(cls) else self.on_foreign


def _try_foreign(walk: Walk, x: Any) -> Any:
    try:
        return walk.verb(x, walk.to)
    except errors.NotAnArrayError:
        return x


# -- containers --------------------------------------------------------------------------------------------------


def _dict(walk: Walk, tree: dict[Any, Any]) -> Any:
    out = walk.fill({}, tree.items())
    return out if walk.always_rebuild or _differ(out.values(), tree.values()) else tree


def _list(walk: Walk, tree: list[Any]) -> Any:
    out = walk.fill(list(tree), enumerate(tree))
    return out if walk.always_rebuild or _differ(out, tree) else tree


def _tuple(walk: Walk, tree: tuple[Any, ...]) -> Any:
    out = walk.fill(list(tree), enumerate(tree))
    return tuple(out) if walk.always_rebuild or _differ(out, tree) else tree


def _named(walk: Walk, tree: Any) -> Any:
    out = walk.fill(list(tree), enumerate(tree), lambda i: f".{tree._fields[i]}")
    return tree._make(out) if walk.always_rebuild or _differ(out, tree) else tree


def _ordered(walk: Walk, tree: OrderedDict[Any, Any]) -> Any:
    """Quickly, because a state dict is one; its `_metadata` is an attribute."""
    out = walk.fill(OrderedDict(), tree.items())
    if not walk.always_rebuild and not _differ(out.values(), tree.values()):
        return tree
    vars(out).update(vars(tree))
    return out


def _other(walk: Walk, tree: Any) -> Any:
    """Build a container of another class anew; where its class does not let us, it passes through."""
    entries = list(containers.entries(tree))
    children = [entry.child for entry in entries]
    walk.keepalive.append(children)
    values = walk.fill(
        list(children), enumerate(children), lambda i: entries[i].format_key(entries[i].key)
    )
    may_stay = isinstance(tree, tuple) or not walk.always_rebuild
    return tree if may_stay and not _differ(values, children) else containers.rebuild(tree, values)


def _partly(fixed: fixed_keywords.Fixed, walk: Walk, tree: Any) -> Any:
    """Build a container anew in which the keywords are not meant for all arrays."""
    entries, names = list(containers.entries(tree)), containers.field_names(tree)
    children = [entry.child for entry in entries]
    walk.keepalive.append(children)
    values = list(children)
    for i, (entry, name) in enumerate(zip(entries, names, strict=True)):
        field = walk.for_field(fixed.get(name))
        field.fill(values, [(i, entry.child)], lambda i: entries[i].format_key(entries[i].key))
    return containers.rebuild(tree, values) if _differ(values, children) else tree


def _differ(values: Iterable[Any], children: Iterable[Any]) -> bool:
    """Whether one of these is another object than before."""
    return not all(map(is_, values, children))


_BUILT_IN: Final[dict[type, Any]] = {
    dict: _dict, list: _list, tuple: _tuple, OrderedDict: _ordered,
    int: None, float: None, bool: None, str: None, type(None): None,
}  # fmt: skip
