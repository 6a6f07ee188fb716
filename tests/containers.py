"""Containers that trees can look into, and containers that trees cannot rebuild."""

from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import torch


class Pair(NamedTuple):
    x: Any
    y: Any = None


class Marked(Pair):
    """A named tuple subclass without slots, whose instances have attributes."""


class Triple(tuple[Any, ...]):
    """A tuple subclass whose constructor takes the items as separate arguments."""

    __slots__ = ()

    def __new__(cls, *items: Any) -> Self:
        return super().__new__(cls, items)


@dataclass
class Plain:
    x: Any
    y: Any = None
    made: Any = field(init=False, default=0)


@dataclass(frozen=True, slots=True)
class Frozen:
    x: Any
    y: Any = None


@dataclass
class Output(OrderedDict[str, Any]):
    """A dataclass whose fields are also dict items, as the outputs of transformers."""

    x: Any = None

    def __post_init__(self) -> None:
        self["x"] = self.x

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        super().__setattr__(key, value)

    def update(self, *_: Any, **__: Any) -> None:
        raise AssertionError


class Attributes(dict[str, Any]):
    """A dict whose keys are also attributes."""

    def __init__(self, **items: Any) -> None:
        super().__init__(items)
        self.__dict__ = self


class Rows(list[Any]):
    """A list subclass without changes."""


class Choosy(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        assert isinstance(value, torch.Tensor)
        super().__setitem__(key, value)


class Doubling(list[Any]):
    """A list that changes each item on assignment."""

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value * 2)


class Single(dict[str, Any]):
    """A dict whose `copy.copy` returns the same object."""

    def __copy__(self) -> Self:
        return self


class Lazy(dict[str, Any]):
    """A dict that creates arrays only when `items` is called."""

    def items(self) -> Any:
        return [(key, value() if callable(value) else value) for key, value in super().items()]


Holder = Callable[[Any], Any]
HOLDERS: dict[str, tuple[Holder, Holder]] = {
    "dict": (lambda x: {"x": x}, lambda t: t["x"]),
    "list": (lambda x: [x], lambda t: t[0]),
    "tuple": (lambda x: (x, 1), lambda t: t[0]),
    "named tuple": (Pair, lambda t: t.x),
    "named tuple with attributes": (Marked, lambda t: t.x),
    "old named tuple": (namedtuple("Old", "x"), lambda t: t.x),  # noqa: PYI024 - tested here
    "tuple subclass": (lambda x: Triple(1, x, 2), lambda t: t[1]),
    "result of torch": (lambda x: torch.max(x, 0), lambda t: t.values),
    "ordered dict": (lambda x: OrderedDict(x=x), lambda t: t["x"]),
    "defaultdict": (lambda x: defaultdict(list, x=x), lambda t: t["x"]),
    "counter": (lambda x: Counter({"x": x}), lambda t: t["x"]),
    "dict of attributes": (lambda x: Attributes(x=x), lambda t: t.x),
    "list subclass": (lambda x: Rows([x]), lambda t: t[0]),
    "dataclass": (Plain, lambda t: t.x),
    "frozen dataclass": (Frozen, lambda t: t.x),
    "dataclass of items": (Output, lambda t: t.x),
}  # fmt: skip
