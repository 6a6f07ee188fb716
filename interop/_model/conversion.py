"""The input of the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from interop import errors
    from interop._model.request import Request
    from interop.adapter import Adapter, Facts


class Conversion(NamedTuple):
    """Everything on which a plan depends. The planner only queries the two adapters.

    Attributes
    ----------
    facts : Facts
        Description of the array.
    source, target : Adapter
        The framework of the array, and the framework of the result.
    request : Request
        The checked keywords of the call.
    refused : str or None
        The error of the target when it was asked to share the memory.
    address : int or None
        Host address of the first element, if the target depends on it. See `Adapter.alignment`.
    """

    facts: Facts
    source: Adapter
    target: Adapter
    request: Request
    refused: str | None = None
    address: int | None = None

    def refusal(
        self, error: type[errors.InteropError], reason: str, hint: str | None = None
    ) -> errors.InteropError:
        """Return an error that names the source, the target, the reason and the hint."""
        return error(
            reason,
            attempt="cannot convert {source} to {target}",
            source=self.facts,
            target=self.target.name,
            hint=hint,
        )
