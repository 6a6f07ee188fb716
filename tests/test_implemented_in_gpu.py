"""Functions written for one framework, called with GPU arrays, without computing on the GPU."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import interop
from interop import implemented_in
from simulated_devices import GPU0, GPU1

pytestmark = pytest.mark.requires("torch", "cupy", "gpu")
VALUES = np.arange(6, dtype="f4").reshape(2, 3)
FRAMEWORKS = ["torch", "cupy"]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    from handoffs import runs

    runs.clean()
    yield
    runs.clean()


def on(device: str, framework: str) -> Any:
    return interop.convert(VALUES.copy(), framework, device=device)


def place(x: Any) -> tuple[str, str]:
    return interop.framework_of(x), str(interop.device_of(x))


@implemented_in("numpy")
def double(x: Any, *others: Any) -> Any:
    assert all(type(a) is np.ndarray for a in (x, *others))
    return {"x": x * 2}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_implemented_in_host_body_returns_to_a_caller_on_the_gpu(framework: str) -> None:
    result = double(on("cuda", framework))["x"]
    assert place(result) == (framework, str(GPU0))
    assert interop.to_numpy(result, device="cpu").tolist() == (VALUES * 2).tolist()


@pytest.mark.requires("simcuda")  # the simulated CUDA has two devices
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_implemented_in_result_returns_to_the_device_of_the_first_array(framework: str) -> None:
    x = on("cuda:1", framework)
    assert place(double(x)["x"]) == (framework, str(GPU1))
    assert place(double(x, on("cuda:0", "torch"), VALUES)["x"]) == (framework, str(GPU1))
    assert place(implemented_in("torch", device="cuda:0")(same)(x)) == (framework, str(GPU1))


def same(x: Any) -> Any:
    return x


@pytest.mark.parametrize(("source", "body"), [("torch", "cupy"), ("cupy", "torch")])
def test_implemented_in_between_gpu_frameworks_copies_nothing(source: str, body: str) -> None:
    places = []

    def reshape(x: Any) -> Any:
        places.append(place(x))
        return x.reshape(3, 2)[1:]

    x = on("cuda", source)
    with interop.options(host_copy="error"), interop.watch() as watched:
        result = implemented_in(body)(reshape)(x)
    assert places == [(body, str(GPU0))]
    assert place(result) == (source, str(GPU0))
    assert tuple(result.shape) == (2, 2)
    assert interop.shares_memory(result, x)
    assert [record.bytes_copied for record in watched.records] == [0, 0]
    assert interop.to_numpy(result, device="cpu").tolist() == [[2, 3], [4, 5]]


def test_implemented_in_gpu_body_returns_to_a_caller_on_the_host() -> None:
    for framework in ("numpy", "torch"):
        x = interop.convert(VALUES, framework)
        for body in (implemented_in("cupy"), implemented_in("torch", device="cuda")):
            for value in (x, [x]):
                result: Any = body(same)(value)
                array = result[0] if isinstance(value, list) else result
                assert place(array) == (framework, "cpu")
                assert interop.to_numpy(array).tolist() == VALUES.tolist()


def test_implemented_in_result_left_on_the_gpu_returns_to_a_host_caller() -> None:
    def upload(x: Any) -> Any:
        return interop.to_torch(x, device="cuda"), x

    for framework in ("numpy", "torch"):
        results = implemented_in("numpy")(upload)(interop.convert(VALUES, framework))
        assert {place(x) for x in results} == {(framework, "cpu")}


def test_implemented_in_returns_keyword_sets_framework_and_device() -> None:
    x = on("cuda", "cupy")
    assert place(implemented_in("torch", returns=None)(same)(x)) == ("torch", str(GPU0))
    assert place(implemented_in("torch", returns="numpy")(same)(x)) == ("numpy", "cpu")
    assert place(implemented_in("numpy", returns="torch")(same)(x)) == ("torch", "cpu")


def test_implemented_in_host_copy_policy_applies_to_arguments_and_results() -> None:
    x, forbidden = on("cuda", "cupy"), interop.options(host_copy="error")
    with forbidden, pytest.raises(interop.HostCopyError) as caught:
        double(x)
    assert caught.value.__notes__ == ["in the arguments of double: at x"]

    @implemented_in("torch")
    def download(x: Any) -> Any:
        with interop.options(host_copy="allow"):
            return interop.to_numpy(x, device="cpu")

    with interop.options(host_copy="error"), pytest.raises(interop.HostCopyError) as caught:
        download(x)
    assert caught.value.__notes__ == ["in the result of download: at result"]


def test_implemented_in_generator_and_coroutine_return_to_the_gpu() -> None:
    @implemented_in("numpy")
    def echo(x: Any) -> Any:
        while x is not None:
            x = yield x

    @implemented_in("numpy")
    async def later(x: Any) -> Any:
        return x

    x = on("cuda", "cupy")
    generator = echo(x)
    assert place(next(generator)) == ("cupy", str(GPU0))
    assert place(generator.send(on("cuda", "torch"))) == ("cupy", str(GPU0))
    assert place(asyncio.run(later(x))) == ("cupy", str(GPU0))


def test_implemented_in_array_api_on_a_gpu_passes_the_namespace() -> None:
    @implemented_in("array_api")
    def name(x: Any, *, xp: Any = None) -> Any:
        return x, xp.__name__

    for framework in FRAMEWORKS:
        x = on("cuda", framework)
        result, called = name(x)
        assert result is x
        assert called == f"array_api_compat.{framework}"
