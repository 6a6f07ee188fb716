"""The input of the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from interop.adapter.device import Device

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

    @property
    def asked_device(self) -> Device | None:
        """The device that the caller asks for, or None. "cuda" may mean the target's ROCm device.

        See `Adapter.device_aliases`.
        """
        asked = self.request.device
        if asked is None or asked.kind not in self.target.device_aliases:
            return asked
        return Device(self.target.device_aliases[asked.kind], asked.id)

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
