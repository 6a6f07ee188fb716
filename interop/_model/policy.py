"""The policy of the caller, applied to a plan. It limits the bytes between host and device.

`Plan.host_bytes` counts the bytes that travel, in either direction. Copies within host memory and
copies between devices do not count, unless they go through the host.
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
    """Raise an error or warn, as the policy asks, before a byte travels."""
    check(plan, request)
    warn(plan, request)


def check(plan: Plan, request: Request) -> None:
    """Raise HostCopyError if the plan breaks the policy."""
    is_forbidden = request.host_copy == "error"
    limit = 0 if is_forbidden else request.max_host_bytes
    if limit == math.inf or plan.host_bytes <= limit:
        return  # `host_bytes` takes longer than the comparison, and most policies have no limit
    if is_forbidden:
        rule = 'host_copy="error" forbids that'
        option = 'host_copy="allow"'
    else:
        rule = f"max_host_bytes={limit:,} forbids that many"
        option = f"max_host_bytes={plan.host_bytes}"
    allowed = f"with interop.options({option})"
    raise errors.HostCopyError(
        f"{_describe_travel(plan)}, and {rule}",
        attempt="cannot convert from {source} to {target}",
        source=f"{plan.source} on {plan.source_device}",
        target=f"{plan.target} on {plan.device}",
        hint=f"Leave the array where it is, or allow the copy: {allowed}.",
        details=f"The plan was:\n{plan}",
    )


def warn(plan: Plan, request: Request) -> None:
    """Warn at the line of the caller, if the policy asks for warnings and bytes travel."""
    if request.host_copy != "warn" or not plan.host_bytes:
        return
    # `warnings.warn` counts frames, and the number of frames inside interop varies.
    frame = caller.caller()
    names = frame.f_globals
    warnings.warn_explicit(
        f"{_describe_travel(plan)}:\n{plan}",
        errors.HostCopyWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=names.get("__name__"),
        # The registry of the calling module, so that filters such as "once" work as for `warn`.
        registry=names.setdefault("__warningregistry__", {}),
    )


def _describe_travel(plan: Plan) -> str:
    travel = "byte travels" if plan.host_bytes == 1 else "bytes travel"
    between = "between the host and a device"
    if any(step.verb is Verb.COMPUTE for step in plan.steps):
        between = "to this process from where they are computed, or to a device"
    return f"{plan.host_bytes:,} {travel} {between}"
