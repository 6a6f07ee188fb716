"""Measure the alternatives to interop as ratios to the call of the framework itself."""

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from measure import Effort, compare
from tables import Table

OPTIONAL = ("array_api_compat", "array_api_compat.numpy", "tvm_ffi")
HEAD = ("call", "ratio", "median", "traps that the call does not prevent")
NOTES = ("The page of traps explains the numbers, and tests/traps contains a test for each trap.",)

WRITABLE = "overlapping elements are writable (trap 6)"
BY_DLPACK = (
    f"{WRITABLE}; the array points to freed memory after `t.resize_` (4) or `m.half()` (3); "
    "a pending negation is lost (2)"
)
UNMASKED = "a masked array loses its mask (trap 8)"
WARNS = f"read-only memory becomes writable, with one warning only; {UNMASKED}"
NO_BUFFERS = "the bytes of an `array.array` are read as float32 (11)"


class Way(NamedTuple):
    """A call and the traps that the call permits, as seen with torch 2.14 and NumPy 2.4."""

    call: str
    unchecked: str


TO_NUMPY = (
    Way("t.numpy()", WRITABLE),
    Way("interop.to_numpy(t)", ""),
    Way("t.numpy(force=True)", WRITABLE),
    Way("t.detach().cpu().numpy()", WRITABLE),
    Way("np.asarray(t)", WRITABLE),
    Way("np.from_dlpack(t)", BY_DLPACK),
    Way(
        'array_api_compat.array_namespace(a).asarray(array_api_compat.to_device(t, "cpu"))',
        WRITABLE,
    ),
    Way(
        "np.from_dlpack(tvm_ffi.from_dlpack(t))",
        f"{BY_DLPACK}; so are a pending conjugation (2) and gradients",
    ),
)
TO_TORCH = (
    Way("torch.from_numpy(a)", WARNS),
    Way("interop.to_torch(a)", ""),
    Way("torch.as_tensor(a)", WARNS),
    Way("torch.asarray(a)", f"{WARNS}; {NO_BUFFERS}"),
    Way(
        "torch.from_dlpack(a)",
        f"read-only memory becomes writable (trap 5); {UNMASKED}; before torch 2.14 a negative "
        "stride aborts the process (1)",
    ),
    Way("array_api_compat.array_namespace(t).asarray(a)", f"{WARNS}; {NO_BUFFERS}"),
    Way("torch.from_dlpack(tvm_ffi.from_dlpack(a))", UNMASKED),
)


def tables(names: dict[str, Any], effort: Effort) -> Iterator[Table]:
    """Measure both directions for arrays of 16 elements."""
    found = {**names, **installed()}
    for title, ways in (("torch to NumPy", TO_NUMPY), ("NumPy to torch", TO_TORCH)):
        lines = [_line(way, ways[0].call, found, effort) for way in ways]
        yield Table(f"Alternatives: {title}", HEAD, lines, NOTES)


def installed() -> dict[str, Any]:
    """Import the other libraries that are installed."""
    found = {}
    for name in OPTIONAL:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        found.setdefault(name.partition(".")[0], module)
    return found


def _line(way: Way, own: str, names: dict[str, Any], effort: Effort) -> tuple[str, ...]:
    call = f"`{way.call}`"
    try:
        eval(way.call, dict(names))  # noqa: S307 - code of this file
    except NameError as error:
        return call, f"{error.name} is not installed", "", way.unchecked
    except Exception as error:  # noqa: BLE001 - the table shows any error
        return call, f"{type(error).__name__}: {error}".partition("\n")[0], "", way.unchecked
    if way.call == own:
        return call, "1", "1", way.unchecked
    return call, *compare(way.call, own, names, effort).cells, way.unchecked
