"""Calls of `convert_tree`."""

from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import interop

from . import keywords as kw
from .checks import Fuzz
from .groups import check_member, expect_first_error, group_of_sources, is_open
from .oracle import promise


class Pair(NamedTuple):
    """A named tuple in a tree."""

    left: Any
    right: Any


@dataclass
class Box:
    """A dataclass in a tree."""

    inside: Any
    label: str = "box"


class Leaf(NamedTuple):
    """A place in a tree for one of the sources."""

    place: int


def random_tree(fuzz: Fuzz, leaves: list[Any]) -> Any:
    """Return a tree of random containers that holds the leaves in their order."""
    if len(leaves) == 1 and fuzz.random.random() < 0.6:
        return leaves[0]
    cut = fuzz.random.randrange(len(leaves) + 1)
    left, right = (
        random_tree(fuzz, part) if part else fuzz.random.choice(OTHER_LEAVES)
        for part in (leaves[:cut], leaves[cut:])
    )
    make = fuzz.random.choice(CONTAINERS)
    return make(left, right)


OTHER_LEAVES: Final = (None, 3, "text", 1.5, frozenset({1}))
CONTAINERS: Final = (
    lambda left, right: [left, right],
    lambda left, right: (left, right),
    lambda left, right: {"left": left, "right": right},
    lambda left, right: OrderedDict(left=left, right=right),
    Pair,
    lambda left, right: [Box(left), right],
)


def fill(tree: Any, leaves: list[Any]) -> Any:
    """Return a tree with an object in the place of each leaf."""
    if isinstance(tree, Leaf):
        return leaves[tree.place]
    if isinstance(tree, Box):
        return Box(fill(tree.inside, leaves))
    if isinstance(tree, Pair):
        return Pair(fill(tree.left, leaves), fill(tree.right, leaves))
    if isinstance(tree, dict):
        return type(tree)((key, fill(child, leaves)) for key, child in tree.items())
    if isinstance(tree, (list, tuple)):
        return type(tree)(fill(child, leaves) for child in tree)
    return tree


def collect(shape: Any, tree: Any, found: dict[int, Any]) -> None:
    """Compare the containers of two trees, and collect the objects in the places of the leaves."""
    if isinstance(shape, Leaf):
        found[shape.place] = tree
        return
    assert type(shape) is type(tree), tree
    if isinstance(shape, Box):
        assert shape.label == tree.label
        collect(shape.inside, tree.inside, found)
    elif isinstance(shape, dict):
        assert list(shape) == list(tree)
        for key in shape:
            collect(shape[key], tree[key], found)
    elif isinstance(shape, (list, tuple)):
        for one, other in zip(shape, tree, strict=True):
            collect(one, other, found)
    else:
        assert shape is tree


def convert_tree(fuzz: Fuzz) -> None:
    """Convert a tree with several arrays, and compare each array with its promise."""
    sources = [source for source in group_of_sources(fuzz) if not source.error]
    if not sources:
        return
    target = fuzz.random.choice(kw.targets(sources[0]))
    keywords, asked = kw.draw(fuzz.random, sources[0])
    promises = [promise(source, target, asked) for source in sources]
    shape = random_tree(fuzz, [Leaf(index) for index in range(len(sources))])
    fuzz.say(f"convert_tree({shape}, {target!r}, foreign=True, {keywords})")
    tree = fill(shape, [source.x for source in sources])
    if is_open(promises):
        return
    is_watched = fuzz.random.random() < 0.5
    watching: Any = interop.watch() if is_watched else nullcontext(())
    with watching as seen:
        result = fuzz.attempt(lambda: interop.convert_tree(tree, target, foreign=True, **keywords))
    if expect_first_error(fuzz, result, sources, promises, "at tree"):
        return
    first = {id(source.x): index for index, source in reversed(list(enumerate(sources)))}
    found: dict[int, Any] = {}
    collect(shape, result, found)
    assert len(seen) == (len(first) if is_watched else 0)
    for index, source in enumerate(sources):
        check_member(fuzz, found[index], source, promises[index], target, keywords)
        assert found[index] is found[first[id(source.x)]]
