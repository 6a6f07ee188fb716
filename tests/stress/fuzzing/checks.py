"""One call of interop, compared with the promise, with `explain` and with `watch`."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import interop

from .oracle import Error, Promise, cast, host_bytes
from .results import State, data_of, state_of
from .sources import Source, itemsize, numpy_dtype

Call = Callable[[], Any]


class Fuzz:
    """The random numbers of one turn, the counts, and a digest of all outcomes so far."""

    def __init__(self, counts: Counter[str]) -> None:
        self.random = Random()  # noqa: S311 - not for cryptography
        self.counts = counts
        self.digest = hashlib.blake2b(digest_size=8)
        self.said: list[str] = []
        """Sentences about the current turn, for the error."""
        self.fixed = True
        """Whether the outcomes of the turn depend on the seed only."""

    def begin(self, seed: int, turn: int) -> None:
        """Start a turn, whose random numbers depend on the seed and the number of the turn only."""
        self.random.seed(f"{seed} {turn}")
        self.said = [f"turn {turn}"]
        self.fixed = True

    def say(self, *words: object) -> None:
        self.said.append(" ".join(map(str, words)))

    def note(self, outcome: object) -> None:
        """Add an outcome to the digest."""
        if self.fixed:
            self.digest.update(repr(outcome).encode())

    def attempt(self, call: Call) -> Any:
        """Return the result of a call, or the error that interop raises on purpose."""
        self.counts["calls"] += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", interop.HostCopyWarning)
            try:
                return call()
            except interop.InteropError as error:
                self.counts["refusals"] += 1
                return error


def expect_error(fuzz: Fuzz, outcome: Any, expected: Error) -> None:
    """Check that an outcome is an error of exactly one class."""
    fuzz.note(type(outcome).__name__)
    assert type(outcome) is expected, f"expected {expected.__name__}, got {outcome!r}"
    assert str(outcome)


def check_plan(plan: Any, source: Source, expected: Promise) -> None:
    """Check a plan of `explain` against the promise."""
    assert isinstance(plan, interop.Plan), f"explain raised {plan!r}"
    if source.error:
        assert plan.zero_copy, str(plan)
        return
    assert (plan.target, plan.dtype, str(plan.device), plan.shape) == (
        expected.target,
        expected.dtype,
        expected.device,
        source.values.shape,
    ), str(plan)
    assert plan.zero_copy == expected.shares, str(plan)
    if plan.zero_copy:
        assert plan.bytes_copied == 0, str(plan)
    elif not source.lazy:
        size = source.values.size
        before = size * itemsize(source.dtype)
        after = size * itemsize(expected.dtype)
        sizes = {before, after, before + after, 2 * after}
        if source.read:
            sizes.add(before + 2 * after)  # read, cast, upload
        assert plan.bytes_copied in sizes, str(plan)
        travels = host_bytes(source, expected.target, expected.device, expected.dtype)
        assert plan.host_bytes == travels, str(plan)


def check_result(fuzz: Fuzz, result: Any, source: Source, expected: Promise, plan: Any) -> None:
    """Check a result against the promise and against the plan."""
    if expected.same:
        assert result is source.x, f"not the source, but {result!r}"
        return
    assert result is not source.x
    state = state_of(result)
    fuzz.note((state.framework, state.dtype, state.shape, state.data))
    assert (state.framework, state.dtype, state.device, state.shape) == (
        expected.target,
        expected.dtype,
        expected.device,
        source.values.shape,
    ), state
    check_values(state, source, expected.dtype)
    shares = bool(source.nbytes) and source.low <= state.address < source.high
    assert shares == (plan.zero_copy and source.nbytes > 0), f"shares: {shares}, but {plan}"
    if expected.readonly is not None and source.nbytes:
        assert state.writable != expected.readonly, f"writable: {state.writable}"
    if source.owner is not None and source.nbytes and not source.read:
        assert interop.shares_memory(result, source.x) == shares


def check_values(state: State, source: Source, dtype: str) -> None:
    """Check the elements of a result, bit by bit."""
    if lacks_numbers(source, dtype):
        return
    wanted = cast(source.values, dtype).astype(numpy_dtype(dtype))
    assert state.data == data_of(wanted), "the values differ"


def lacks_numbers(source: Source, dtype: str) -> bool:
    """Return whether a dtype without zero and negative numbers is asked to hold some.

    torch and ml_dtypes give different numbers then.
    """
    if dtype != "float8_e8m0fnu" or source.dtype == dtype:
        return False
    return bool((cast(source.values, "float32") <= 0).any())


def check_unchanged(source: Source) -> None:
    """Check that a call has left the source as it was."""
    if source.error or source.lazy:
        return
    x = source.x if source.framework != "foreign" else source.owner
    if x is None or isinstance(x, (bytes, bytearray)):
        return
    state = state_of(x)
    assert state.data == data_of(source.values), "the source has changed"
    assert state.gradient == source.gradient
