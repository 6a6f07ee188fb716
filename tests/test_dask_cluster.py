"""Blocks on a real `dask.distributed` cluster of two worker processes, which transfer memory.

Functions that run on a worker are nested functions. Those are pickled by value, because the workers
cannot import the test modules.
"""

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop

pytestmark = [pytest.mark.slow, pytest.mark.requires("dask", "distributed", "torch", "ml_dtypes")]

MIB = 1024 * 1024


@contextmanager
def two_workers() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with two_workers() as client:
        yield client


@pytest.fixture
def fresh() -> Iterator[Any]:
    """Yield a client of new workers. A restart of existing workers would be slower."""
    with two_workers() as client:
        yield client


def workers(client: Any) -> tuple[str, str]:
    client.wait_for_workers(2, timeout=60)
    one, two = sorted(client.scheduler_info(n_workers=-1)["workers"])
    return one, two


VALUES: NDArray[Any] = np.arange(24 * 16, dtype="f4").reshape(24, 16) % 97


def source(chunks: Any = 8, values: Any = VALUES) -> Any:
    import dask.array as da

    return da.from_array(values, chunks=chunks)


def convert(x: Any, to: str, **keywords: Any) -> Any:
    """Convert lazily: a type checker takes the result for an array of Dask's."""
    return interop.convert(x, to, **keywords)


def knows_us(client: Any, worker: str) -> bool:
    return bool(client.run(lambda: "interop._engine.wire" in sys.modules, workers=[worker])[worker])


def at(client: Any, worker: str, x: Any) -> Any:
    """Compute all blocks of an array on one worker, and keep the results there."""
    from distributed import wait

    x = client.persist(x, workers=[worker], allow_other_workers=False)
    wait(x, timeout=60)
    return x


def result_of(client: Any, worker: str, x: Any) -> Any:
    return client.compute(x, workers=[worker], allow_other_workers=False).result(timeout=60)


# -- values ----------------------------------------------------------------------------------------


def test_to_torch_on_cluster_gives_the_values_of_numpy(client: Any) -> None:
    result = interop.to_torch(convert(source(), "torch") * 2 + 1)
    assert interop.framework_of(result) == "torch"
    assert np.array_equal(interop.to_numpy(result), VALUES * 2 + 1)
    assert len(workers(client)) == 2


def test_convert_on_cluster_keeps_tensors_on_the_workers(client: Any) -> None:
    blocks = convert(source(), "torch")
    parts = dict(zip(workers(client), (blocks[:8], blocks[8:]), strict=True))
    held = {worker: at(client, worker, part) for worker, part in parts.items()}

    def kinds(names: set[str], dask_worker: Any) -> list[str]:
        here = {key: x for key, x in dask_worker.data.items() if key[0] in names}
        return sorted(f"{type(x).__module__}.{type(x).__qualname__}" for x in here.values())

    found = client.run(kinds, {part.name for part in held.values()})
    assert found == {worker: ["torch.Tensor"] * part.npartitions for worker, part in held.items()}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rechunk_across_workers_joins_torch_blocks(client: Any, dtype: str) -> None:
    import dask.array as da

    one, two = workers(client)
    blocks = convert(source(), "torch", dtype=dtype)
    halves = [at(client, one, blocks[:8]), at(client, two, blocks[8:])]
    joined: Any = da.concatenate(halves)
    whole = joined.rechunk((24, 4))
    result = interop.to_torch(whole)
    assert interop.framework_of(result) == "torch"
    assert str(result.dtype) == f"torch.{dtype}"
    assert np.array_equal(interop.to_numpy(result, dtype="float32"), VALUES)
    assert np.array_equal(interop.to_numpy(whole, dtype="float32"), VALUES)


@pytest.mark.requires("jax")
def test_rechunk_on_cluster_keeps_the_values_of_jax_blocks(client: Any) -> None:
    blocks = convert(source(), "jax")
    assert np.array_equal(interop.to_numpy(interop.to_jax(blocks.rechunk((24, 4)))), VALUES)
    assert client.status == "running"


# -- refusals and permissions ----------------------------------------------------------------------


def read_only() -> Any:
    def freeze(block: NDArray[Any]) -> NDArray[Any]:
        block = block.copy()
        block.flags.writeable = False
        return block

    return source().map_blocks(freeze, dtype="f4", meta=np.empty((0, 0), "f4"))


def trained() -> Any:
    def train(block: Any) -> Any:
        return block.clone().requires_grad_()

    blocks = convert(source(), "torch")
    return blocks.map_blocks(train, dtype=blocks.dtype, meta=blocks._meta)


def test_convert_refused_on_a_worker_raises_the_interop_error(client: Any) -> None:
    lazily = convert(read_only(), "torch", readonly="error")
    with pytest.raises(
        interop.errors.CopyRequiredError, match="cannot convert numpy float32"
    ) as caught:
        client.compute(lazily).result(timeout=60)
    assert 'readonly="copy"' in str(caught.value)
    with pytest.raises(interop.errors.GradientError, match="Pass detach=True to allow it"):
        interop.to_numpy(convert(trained(), "numpy"))


@pytest.mark.requires("simcuda")
def test_convert_to_gpu_missing_on_workers_raises_device_unavailable(client: Any) -> None:
    lazily = convert(source(), "torch", device="cuda")
    with pytest.raises(
        interop.errors.DeviceUnavailableError, match="finds no device of type cuda here"
    ):
        client.compute(lazily).result(timeout=60)


def test_options_at_convert_time_apply_on_workers(client: Any) -> None:
    with interop.options(readonly="error"):
        strictly = convert(read_only(), "torch")
    with interop.options(detach=True):
        freely = convert(trained(), "numpy")
    with pytest.raises(interop.errors.CopyRequiredError):
        client.compute(strictly).result(timeout=60)
    assert np.array_equal(client.compute(freely).result(timeout=60), VALUES)


def test_options_at_compute_time_do_not_apply_on_workers(client: Any) -> None:
    lazily = convert(read_only(), "torch")
    with interop.options(readonly="error"):
        result = client.compute(lazily).result(timeout=60)
    assert np.array_equal(interop.to_numpy(result), VALUES)


def test_policy_refuses_before_a_task_is_submitted(client: Any) -> None:
    name = f"counted_{uuid.uuid4().hex}"

    def known(dask_scheduler: Any) -> bool:
        return name in dask_scheduler.task_groups

    lazily = convert(source().map_blocks(np.negative, dtype="f4", name=name), "torch")
    with (
        interop.options(max_host_bytes=VALUES.nbytes - 1),
        pytest.raises(interop.errors.HostCopyError),
    ):
        interop.to_numpy(lazily)
    assert not client.run_on_scheduler(known)
    held = client.persist(lazily, optimize_graph=False)  # fused tasks would have another name
    with interop.options(max_host_bytes=VALUES.nbytes):
        assert np.array_equal(interop.to_numpy(held), -VALUES)
    assert client.run_on_scheduler(known)


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(("dtype", "size"), [("float32", 256 * MIB), ("bfloat16", 64 * MIB)])
def test_serialization_of_a_large_block_makes_no_second_copy(
    client: Any, dtype: str, size: int
) -> None:
    import dask.array as da
    import ml_dtypes
    from distributed import futures_of

    one, two = workers(client)

    def resident(*, reset: bool) -> dict[str, int]:
        """Return the resident bytes of this process, now and at most since the last reset."""
        if reset:
            with suppress(OSError):  # then the peak includes earlier work
                Path("/proc/self/clear_refs").write_text("5")
        fields = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        return {name: int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}

    def look(block: Any) -> tuple[int, float]:
        return block.nbytes, float(block[-1])

    result_of(client, two, convert(source(), "torch") + 1)  # imports and registration
    count = size // np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
    ones = convert(da.ones(count, chunks=count, dtype="f4"), "torch", dtype=dtype)
    (block,) = futures_of(at(client, one, ones))
    before = client.run(resident, reset=True, workers=[two])[two]
    assert client.submit(look, block, workers=[two]).result(timeout=60) == (size, 1.0)
    after = client.run(resident, reset=False, workers=[two])[two]
    assert 0.9 * size < after["VmHWM"] - before["VmRSS"] < 1.5 * size


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64"])
def test_serialization_between_workers_gives_aligned_blocks(client: Any, dtype: str) -> None:
    from distributed import futures_of

    def address(block: Any) -> int:
        return int(block.data_ptr())

    one, two = workers(client)
    (block,) = futures_of(
        at(client, one, convert(source(-1), "torch", dtype=dtype, casting="unsafe"))
    )
    assert client.submit(address, block, workers=[two]).result(timeout=60) % 16 == 0


# -- workers that come and go ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_serialization_from_another_worker_works_on_a_new_worker(fresh: Any, dtype: str) -> None:
    one, two = workers(fresh)
    blocks = at(fresh, one, convert(source(), "torch", dtype=dtype))
    assert not knows_us(fresh, two)
    result = result_of(fresh, two, blocks.rechunk(VALUES.shape))
    assert interop.framework_of(result) == "torch"
    assert np.array_equal(interop.to_numpy(result, dtype="float32"), VALUES)


@pytest.mark.parametrize("to", ["torch", pytest.param("jax", marks=pytest.mark.requires("jax"))])
def test_serialization_from_the_client_works_on_a_new_worker(fresh: Any, to: str) -> None:
    worker, _ = workers(fresh)
    blocks = convert(interop.convert(VALUES.copy(), to), "dask", chunks=8)
    assert not knows_us(fresh, worker)
    result = result_of(fresh, worker, blocks.rechunk(VALUES.shape))
    assert interop.framework_of(result) == to
    assert np.array_equal(interop.to_numpy(result), VALUES)


def test_compute_when_a_worker_is_killed_gives_the_values(client: Any, tmp_path: Path) -> None:
    from distributed import Event

    victim, other = workers(client)
    gate, mark = f"gate-{tmp_path}", f"waits-{tmp_path}-"

    def count(block: Any) -> Any:
        """Count the runs. Runs on blocks with negative values wait for the gate."""
        from distributed import Event, get_worker

        (tmp_path / uuid.uuid4().hex).touch()
        if block[0, 0] < 0:
            Event(mark + get_worker().address).set()
            Event(gate).wait()
        return block

    signed = VALUES.copy()
    signed[12:, :] = -1 - signed[12:, :]
    blocks = convert(source((4, 8), signed), "torch")
    blocks = blocks.map_blocks(count, dtype=blocks.dtype, meta=blocks._meta)
    future = client.compute(blocks + 1)
    for worker in (victim, other):
        assert Event(mark + worker).wait(timeout=60)
    pid = client.run(os.getpid, workers=[victim])[victim]
    os.kill(pid, signal.SIGKILL)
    Event(gate).set()
    result = future.result(timeout=120)
    assert np.array_equal(interop.to_numpy(result), signed + 1)
    assert len(list(tmp_path.iterdir())) > blocks.npartitions, "some ran again"
    client.wait_for_workers(2, timeout=60)  # a nanny starts a new worker
