"""The public function `convert_tree`: every array in a tree of containers is converted."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Unpack

from interop import errors
from interop._engine.parse import check_choice, parse_request
from interop._identify import registry
from interop._trees import fixed_keywords
from interop._trees.tree_converter import Treatment, TreeConverter
from interop._verbs.convert import convert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import ModuleType

    from interop._model.request import Keywords
    from interop._trees.tree_converter import Convert

_MANY: Final = 16
"""Number of arrays from which it is worth asking whether a dict contains nothing else."""
_PLAIN: Final = Treatment(convert)


def convert_tree(
    tree: Any,
    to: str | ModuleType | type,
    /,
    *,
    foreign: bool = False,
    **keywords: Unpack[Keywords],
) -> Any:
    """Convert every array in a tree of containers. All other objects stay as they are.

    Arrays are those of the known frameworks, and those of array-API namespaces without an adapter.

    Containers are dicts, lists, tuples, named tuples, dataclasses and their subclasses. The result
    has new containers of the same classes, with the same order, ``default_factory``, attributes,
    and fields that ``__init__`` does not take. Only an instance of a subclass of tuple in which
    nothing is converted stays the same object. An object that appears twice in the tree, array or
    container, is one object in the result, too.

    Arrays that a framework uses as indices keep their dtype:

    - the arrays of a `PackedSequence`, whose `batch_sizes` also stay on the host, as with
      `PackedSequence.to`
    - ``indices``, ``pivots``, ``info`` and ``rank`` of torch's named results (`torch.max`,
      `torch.topk`, `torch.linalg.lu_factor`)
    - ``indices``, ``inverse_indices`` and ``counts`` of `unique_all` and the related functions of
      the array API

    Parameters
    ----------
    tree : object
        Containers, arrays and others, nested.
    to : str, module or class
        ``"torch"``, ``torch`` or ``torch.Tensor``.
    foreign : bool, default False
        Whether to convert other objects with an array protocol, too, such as `bytes` and data
        frames.
    **keywords
        Keywords of `convert`, for each array.

    Returns
    -------
    object
        A tree with the same structure. Objects that are neither arrays nor containers are the same
        objects: None, strings, numbers (also NumPy's), sets, and containers whose class does not
        allow new instances.

    Raises
    ------
    InteropError
        Any error of `convert`, with a note that gives the path to the array.
    UnsupportedArrayError
        A container contains itself.

    Examples
    --------
    >>> import numpy as np, interop
    >>> interop.convert_tree({"x": np.arange(3), "sizes": [np.ones(1), 5]}, "torch")
    {'x': tensor([0, 1, 2]), 'sizes': [tensor([1.], dtype=torch.float64), 5]}
    """
    # An error in the target or in a keyword is raised even if the tree has no array.
    registry.find(to)
    parse_request(keywords)
    check_choice("foreign", foreign, (False, True))

    def treat_field(fixed: Mapping[str, Any]) -> Treatment:
        return _treat(fixed_keywords.merge_fixed(keywords, fixed, to), foreign=foreign)

    treatment = _PLAIN
    if keywords or foreign:
        treatment = _treat(keywords, foreign=foreign)
    # A large flat dict needs no bookkeeping of paths and containers, so `map` is faster.
    if type(tree) is dict and _is_flat(tree.values()):
        results = map(treatment.on_array, tree.values(), repeat(to))
        try:
            return dict(zip(tree, results, strict=True))
        except errors.InteropError:
            pass  # the error is raised again below, with a note that gives the path
    converter = TreeConverter(to, treatment, treat_field)
    return converter.convert([None], [(0, tree)], lambda _: "tree")[0]


def _is_flat(children: Collection[Any]) -> bool:
    """Whether all children are arrays, and many, and no array appears twice."""
    if len(children) < _MANY or len(set(map(id, children))) < len(children):
        return False
    try:
        classes = set(map(type, children))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a metaclass may raise anything
        return False
    # A class that says that it equals another one is missing here. Its instances are refused below.
    return all(map(registry.is_array, classes))


def _treat(keywords: Mapping[str, Any], *, foreign: bool) -> Treatment:
    on_array = partial(convert, **keywords)
    if not foreign:
        return Treatment(on_array)
    return Treatment(on_array, on_foreign=partial(_try, on_array))


def _try(on_array: Convert, x: Any, to: Any) -> Any:
    """Convert a foreign object, or return an object without an array protocol."""
    try:
        return on_array(x, to)
    except errors.NotAnArrayError:
        return x
