"""The policy on transfers between host and device: counting, and refusal before any byte moves."""

import asyncio
import contextvars
import math
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import interop
from interop import options

pytestmark = pytest.mark.requires("torch", "cupy", "gpu")
VALUES = np.arange(4, dtype="f4")


def on_gpu(name: str) -> Any:
    return interop.convert(VALUES, name, device="cuda")


TRAVEL = {
    "torch to NumPy": lambda: (on_gpu("torch"), "numpy", {}),
    "CuPy to NumPy": lambda: (on_gpu("cupy"), "numpy", {}),
    "CuPy to torch on the host": lambda: (on_gpu("cupy"), "torch", {"device": "cpu"}),
    "torch to its host": lambda: (on_gpu("torch"), "torch", {"device": "cpu"}),
    "NumPy to CuPy": lambda: (VALUES, "cupy", {}),
    "NumPy to torch on the GPU": lambda: (VALUES, "torch", {"device": "cuda"}),
    "torch on the host to CuPy": lambda: (interop.to_torch(VALUES), "cupy", {}),
}
STAY = {
    "torch to CuPy": lambda: (on_gpu("torch"), "cupy", {}),
    "CuPy to torch": lambda: (on_gpu("cupy"), "torch", {}),
    "a copy on the GPU": lambda: (on_gpu("torch"), "cupy", {"copy": True}),
    "to another GPU": lambda: (on_gpu("torch"), "torch", {"device": "cuda:1"}),
    "to another GPU and framework": lambda: (on_gpu("cupy"), "torch", {"device": "cuda:1"}),
    "a copy on the host": lambda: (VALUES, "torch", {"copy": True}),
    "a cast on the host": lambda: (VALUES, "torch", {"dtype": "float64"}),
    "a number": lambda: (np.float32(1), "torch", {}),
}


@pytest.mark.parametrize("make", TRAVEL.values(), ids=TRAVEL)
def test_policy_error_refuses_copies_between_host_and_device(make: Any) -> None:
    x, to, keywords = make()
    with options(host_copy="error"):
        with pytest.raises(
            interop.HostCopyError, match=r'16 bytes travel .* host_copy="error" forbids that'
        ):
            interop.convert(x, to, **keywords)
        with pytest.raises(interop.HostCopyError):
            interop.explain(x, to, **keywords)
    assert interop.explain(x, to, **keywords).host_bytes == 16


@pytest.mark.parametrize("make", STAY.values(), ids=STAY)
@pytest.mark.requires("simcuda")  # needs two devices
def test_policy_ignores_copies_within_host_memory_or_between_gpus(make: Any) -> None:
    x, to, keywords = make()
    with options(host_copy="error", max_host_bytes=0):
        result = interop.convert(x, to, **keywords)
    assert np.array_equal(flat(result), flat(x))
    assert interop.explain(x, to, **keywords).host_bytes == 0


def flat(x: Any) -> Any:
    return interop.to_numpy(x, device="cpu").ravel()


def test_policy_error_message_contains_the_plan() -> None:
    x = on_gpu("torch")
    with options(host_copy="error"), pytest.raises(interop.HostCopyError) as caught:
        interop.to_numpy(x)
    assert str(caught.value) == (
        'cannot convert from torch on cuda:0 to numpy on cpu: 16 bytes travel between the host and a device, and '
        'host_copy="error" forbids that. Leave the array where it is, or allow the copy: '
        'with interop.options(host_copy="allow"). The plan was:\n'
        "torch -> numpy, float32 (4,) on cpu: 16 bytes copied, because it moves from cuda:0 to cpu\n"
        "  move by the source's framework: float32 on cpu, 16 bytes\n"
        "  share: float32 on cpu"
    )  # fmt: skip


def test_policy_max_host_bytes_allows_copies_up_to_the_limit() -> None:
    small = on_gpu("torch")
    with options(max_host_bytes=16):
        assert np.array_equal(interop.to_numpy(small), VALUES)
        large = interop.to_torch(np.zeros(1000, "u1"))
        with pytest.raises(
            interop.HostCopyError, match=r"max_host_bytes=16 forbids that many.*max_host_bytes=1000"
        ):
            interop.to_cupy(large)
        with options(max_host_bytes=math.inf):
            interop.to_cupy(large)
        with (
            options(host_copy="error"),
            pytest.raises(interop.HostCopyError, match='host_copy="error"'),
        ):
            interop.to_numpy(small)


@pytest.mark.requires("simcuda")
def test_policy_refusal_moves_no_bytes() -> None:
    import simcuda

    x = on_gpu("torch")
    with simcuda.counting() as counts, options(host_copy="error"):
        for to in ("numpy", "torch"):
            with pytest.raises(interop.HostCopyError):
                interop.convert(x, to, device="cpu")
        with pytest.raises(interop.HostCopyError):
            interop.to_cupy(VALUES)
        with pytest.raises(interop.HostCopyError):
            interop.convert_tree({"a": [x]}, "numpy")
        with pytest.raises(interop.HostCopyError):
            interop.convert_like(x, VALUES)
    assert (counts.memcpys, counts.synchronisations) == (0, 0)


def test_policy_warn_points_to_the_file_of_the_caller() -> None:
    x = on_gpu("torch")
    with options(host_copy="warn"), warnings.catch_warnings(record=True, action="always") as caught:
        interop.to_cupy(x)
        interop.explain(x, "numpy")
        assert not caught
        result = interop.to_numpy(x)
    assert np.array_equal(result, VALUES)
    (warning,) = caught
    assert (warning.category, warning.filename) == (interop.HostCopyWarning, __file__)
    assert str(warning.message).startswith(
        "16 bytes travel between the host and a device:\ntorch -> numpy, "
    )


def test_policy_warning_turned_into_an_error_is_raised() -> None:
    x = on_gpu("cupy")
    with (
        options(host_copy="warn"),
        warnings.catch_warnings(action="error"),
        pytest.raises(interop.HostCopyWarning),
    ):
        interop.to_numpy(x)


def test_policy_error_applies_to_cached_conversions() -> None:
    x = on_gpu("torch")
    for _ in range(3):
        interop.to_numpy(x)
        interop.to_numpy(x, device="cpu")
    with options(host_copy="error"):
        for _ in range(2):
            with pytest.raises(interop.HostCopyError):
                interop.to_numpy(x)
            with pytest.raises(interop.HostCopyError):
                interop.to_numpy(x, device="cpu")
    assert np.array_equal(interop.to_numpy(x), VALUES)


# -- contexts --------------------------------------------------------------------------------------


def outcome(x: Any) -> str:
    with warnings.catch_warnings(action="ignore"):
        try:
            interop.to_numpy(x)
        except interop.HostCopyError:
            return "error"
    return "done"


POLICIES: list[Any] = ["allow", "warn", "error"]
EXPECTED = {"allow": "done", "warn": "done", "error": "error"}


def test_policy_is_separate_in_each_thread() -> None:
    x, start = on_gpu("torch"), threading.Barrier(8)

    def work(i: int) -> list[bool]:
        policy = POLICIES[2 * (i % 2)]
        start.wait()
        seen = []
        for _ in range(50):
            with options(host_copy=policy):
                seen.append(outcome(x) == EXPECTED[policy])
            seen.append(outcome(x) == "done")
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert all(map(all, pool.map(work, range(8))))


def test_policy_is_not_inherited_by_a_new_thread() -> None:
    x = on_gpu("torch")
    with options(host_copy="error"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(outcome, x).result() == "done"
        assert pool.submit(contextvars.copy_context().run, outcome, x).result() == "error"


def test_policy_is_separate_in_each_task() -> None:
    x = on_gpu("torch")

    async def work(policy: Any) -> bool:
        with options(host_copy=policy):
            for _ in range(20):
                await asyncio.sleep(0)
                if outcome(x) != EXPECTED[policy]:
                    return False
        return outcome(x) == "done"

    async def main() -> list[bool]:
        return await asyncio.gather(*[work(("allow", "error")[i % 2]) for i in range(16)])

    assert asyncio.run(main()) == [True] * 16


def test_policy_is_inherited_by_a_new_task() -> None:
    x = on_gpu("torch")

    async def later() -> str:
        await asyncio.sleep(0)
        return outcome(x)

    async def main() -> tuple[str, str]:
        with options(host_copy="error"):
            inside = asyncio.ensure_future(later())
        outside = asyncio.ensure_future(later())
        return await inside, await outside

    assert asyncio.run(main()) == ("error", "done")


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [-1, True, 1.5, "1 GB", math.nan])
def test_policy_invalid_max_host_bytes_is_refused(limit: Any) -> None:
    with pytest.raises(interop.InvalidOptionError) as caught:
        options(max_host_bytes=limit)
    assert (
        str(caught.value)
        == f"max_host_bytes must be a number of bytes, or math.inf for no limit, got {limit!r}"
    )


def test_policy_invalid_host_copy_is_refused() -> None:
    with pytest.raises(interop.InvalidOptionError) as caught:
        options(host_copy="never")  # type: ignore[arg-type]
    assert str(caught.value) == "host_copy must be one of 'allow', 'warn', 'error', got 'never'"


@pytest.mark.parametrize("name", ["host_copy", "max_host_bytes"])
def test_policy_as_a_keyword_of_a_call_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(TypeError) as caught:
        interop.to_torch(VALUES, **{name: "allow"})  # type: ignore[arg-type]
    assert (
        str(caught.value)
        == f"there is no keyword {name!r}. It is set for all calls by interop.options({name}='allow')."
    )
