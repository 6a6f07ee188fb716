"""The conversion of arrays to one target framework, with a fast path for plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from interop._engine import fastpath
from interop._engine.implementation import share_plain
from interop._identify import registry
from interop._trees import fixed_keywords
from interop._trees.tree_converter import Treatment, TreeConverter
from interop._verbs.convert import convert_computed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interop.adapter import Adapter

_PERMISSIONS: Final = ("detach", "readonly")


class Converter(NamedTuple):
    """A target framework with the keywords of `convert`, and the fast path for plain arrays."""

    to: Any
    """Name of the target framework, or module of a namespace. None leaves a result unchanged."""
    keywords: Mapping[str, Any]
    has_fast_path: bool = False
    """Whether `share` may be tried: no keyword but ``detach=True`` matters."""
    keeps_native: bool = False
    """Whether an array of the target framework is returned unchanged on every device."""

    @classmethod
    def of(cls, to: str | None, keywords: Mapping[str, Any]) -> Converter:
        """Make the converter to a framework on any device."""
        return cls(to, keywords, has_fast_path(keywords), keeps_native=True)

    def convert(self, x: Any, _: object = None) -> Any:
        """Convert one array, by the fast path if possible."""
        # Without keywords, `convert_computed` tries the fast path itself.
        if self.has_fast_path and self.keywords:
            try:
                return self.share(x)
            except MemoryError:
                raise
            except fastpath.REFUSED:
                pass
        return convert_computed(x, self.to, self.keywords)

    def share(self, x: Any) -> Any:
        """Convert a plain array in host memory by a native call, without a copy.

        Raises
        ------
        Exception
            One of `fastpath.REFUSED`: the array is not plain, or the native call refused it.
        """
        if "detach" in self.keywords:
            result = share_plain(x, self.to, detach=True)
        else:
            result = share_plain(x, self.to)
        if result is x and not self.keeps_native:
            # The array may be on a wrong device. KeyError is one of `fastpath.REFUSED`.
            raise KeyError
        return result

    def convert_tree(self, value: Any, name: str, prefix: str) -> Any:
        """Convert all arrays and NumPy scalars in a tree.

        Parameters
        ----------
        value : object
            The tree.
        name, prefix : str
            Name of the tree and start of the note in a refusal.
        """
        treatment = Treatment(self.convert, on_scalar=self._convert_scalar)
        converter = TreeConverter(None, treatment, self._treat_field, always_rebuild=False)
        return converter.convert([None], [(0, value)], lambda _: name, prefix)[0]

    def with_fixed_keywords(self, fixed: Mapping[str, Any]) -> Converter:
        """Return the converter for a field of a container that fixes some keywords."""
        keywords = fixed_keywords.merge_fixed(self.keywords, fixed, self.to)
        return Converter(self.to, keywords)

    def _treat_field(self, fixed: Mapping[str, Any]) -> Treatment:
        on_array = self.with_fixed_keywords(fixed).convert
        return Treatment(on_array, on_scalar=self._convert_scalar)

    def _convert_scalar(self, x: Any, _: object) -> Any:
        """Convert a NumPy scalar to an array without dimensions; text and dates stay unchanged."""
        adapter = cast("Adapter", registry.adapter_of(type(x)))
        if adapter.name == self.to:
            return x
        facts = adapter.describe(x)
        if facts.unsupported:
            return x
        # An array instead of the scalar, because the plan cache has no keys for scalars.
        return self.convert(adapter.copy(x, facts.device, facts.dtype))


def permissions(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that apply to arguments and to results."""
    return {name: keywords[name] for name in _PERMISSIONS if name in keywords}


def has_fast_path(keywords: Mapping[str, Any]) -> bool:
    """Return whether the fast path knows the keywords: none, or ``detach=True`` alone."""
    return not keywords or (len(keywords) == 1 and keywords.get("detach") is True)
