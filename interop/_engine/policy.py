"""What the caller's policy says of a plan: whether bytes may travel between the host and a device.

Only such bytes count, in either direction, as `Plan.host_bytes` adds them up. A copy within the host's memory doesn't,
nor one from device to device that does not touch it.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from interop import errors
from interop._model import caller
from interop._model.verb import Verb

if TYPE_CHECKING:
    from interop._model.plan import Plan
    from interop._model.request import Request


def enforce(plan: Plan, request: Request) -> None:
    """Forbid, or warn, before a byte moves."""
    check(plan, request)
    warn(plan, request)


def check(plan: Plan, request: Request) -> None:
    """Raise HostCopyError if the plan breaks the policy."""
    limit = 0 if request.host_copy == "error" else request.max_host_bytes
    if limit == math.inf or plan.host_bytes <= limit:
        return
    if request.host_copy == "error":
        rule, hint = 'host_copy="error" forbids that', 'host_copy="allow"'
    else:
        rule, hint = (
            f"max_host_bytes={limit:,} forbids that many",
            f"max_host_bytes={plan.host_bytes}",
        )
    allowed = f"with interop.options({hint})"
    raise errors.HostCopyError(
        f"{_travel(plan)}, and {rule}",
        attempt="cannot convert from {source} to {target}",
        source=f"{plan.source} on {plan.source_device}",
        target=f"{plan.target} on {plan.device}",
        hint=f"Leave the array where it is, or allow the copy: {allowed}.",
        details=f"The plan was:\n{plan}",
    )


def warn(plan: Plan, request: Request) -> None:
    """Warn, at the line that has called us, if the policy wants to be told."""
    if request.host_copy != "warn" or not plan.host_bytes:
        return
    frame = caller.caller()
    names = frame.f_globals
    warnings.warn_explicit(
        f"{_travel(plan)}:\n{plan}", errors.HostCopyWarning, frame.f_code.co_filename, frame.f_lineno,
        module=names.get("__name__"), registry=names.setdefault("__warningregistry__", {}),
    )  # fmt: skip


def _travel(plan: Plan) -> str:
    travel = "byte travels" if plan.host_bytes == 1 else "bytes travel"
    if any(step.verb is Verb.COMPUTE for step in plan.steps):
        return f"{plan.host_bytes:,} {travel} to this process from where they are computed, or to a device"
    return f"{plan.host_bytes:,} {travel} between the host and a device"
