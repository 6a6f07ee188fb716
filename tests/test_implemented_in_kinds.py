"""Decorated methods, coroutines, generators and async generators keep their kind."""

import asyncio
import functools
import gc
import inspect
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

import interop
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")

TENSOR = torch.arange(4.0)


def run(awaitable: Any) -> Any:
    return asyncio.run(awaitable)


# Methods


@dataclass
class Solver:
    weights: Any
    log: list[str] = field(default_factory=list)

    @implemented_in("numpy")
    def solve(self, x: Any) -> Any:
        self.log.append(type(x).__name__)
        assert type(self.weights) is torch.Tensor
        return x[::-1]

    @classmethod
    @implemented_in("numpy")
    def below(cls, x: Any) -> Any:
        return [cls, type(x).__name__, x]

    @implemented_in("numpy")
    @classmethod
    def above(cls, x: Any) -> Any:
        return [cls, type(x).__name__, x]

    @staticmethod
    @implemented_in("numpy")
    def static_below(x: Any) -> Any:
        return [type(x).__name__, x]

    @implemented_in("numpy")
    @staticmethod
    def static_above(x: Any) -> Any:
        return [type(x).__name__, x]

    @property
    @implemented_in("numpy", returns="numpy")
    def size(self) -> Any:
        return self.weights

    @implemented_in("numpy")
    def __call__(self, x: Any) -> Any:
        return self.solve(x)


def test_implemented_in_method_does_not_convert_self() -> None:
    solver = Solver(TENSOR)
    assert type(solver.solve(TENSOR)) is torch.Tensor
    assert type(solver.solve(x=[TENSOR][0])) is torch.Tensor
    assert solver.log == ["ndarray", "ndarray"]
    assert solver(TENSOR).tolist() == [3, 2, 1, 0]
    assert type(solver.size) is np.ndarray


def test_implemented_in_class_and_static_methods_convert_arguments() -> None:
    for owner in (Solver, Solver(TENSOR)):
        for method in (owner.below, owner.above):
            cls, seen, x = method(TENSOR)
            assert (cls, seen, type(x)) == (Solver, "ndarray", torch.Tensor)
        for method in (owner.static_below, owner.static_above):
            seen, x = method(TENSOR)
            assert (seen, type(x)) == ("ndarray", torch.Tensor)


def test_implemented_in_accepts_partials_ufuncs_and_callable_objects() -> None:
    partial: Any = implemented_in("numpy")(functools.partial(np.add, np.ones(4)))
    assert partial(TENSOR).tolist() == [1, 2, 3, 4]
    assert type(partial(TENSOR)) is torch.Tensor
    functions: list[Any] = [np.negative, np.linalg.norm, Solver(TENSOR).solve, Solver(TENSOR)]
    for function in functions:
        decorated: Any = implemented_in("numpy", returns="torch")(function)
        assert type(decorated(TENSOR)) in (torch.Tensor, np.float32)


# Coroutines


@implemented_in("numpy")
async def flip(x: Any) -> Any:
    await asyncio.sleep(0)
    assert type(x) is np.ndarray
    return {"x": x[::-1]}


def test_implemented_in_coroutine_converts_arguments_and_result() -> None:
    assert inspect.iscoroutinefunction(flip)
    assert type(run(flip(TENSOR))["x"]) is torch.Tensor


def test_implemented_in_object_with_async_call_is_a_coroutine_function() -> None:
    class Awaited:
        async def __call__(self, x: Any) -> Any:
            assert type(x) is np.ndarray
            return x

    decorated: Any = implemented_in("numpy")(Awaited())
    assert inspect.iscoroutinefunction(decorated)
    assert type(run(decorated(TENSOR))) is torch.Tensor


# Generators


@implemented_in("numpy")
def echo(x: Any, log: list[Any]) -> Generator[Any, Any, Any]:
    """Yield the value sent before, and end with None."""
    try:
        while x is not None:
            assert isinstance(x, (np.ndarray, list))
            try:
                x = yield x
            except KeyError as error:
                log.append(error)
                x = np.ones(1)
        return np.zeros(2)
    finally:
        log.append("closed")


def test_implemented_in_generator_converts_yielded_sent_and_returned_values() -> None:
    assert inspect.isgeneratorfunction(echo)
    log: list[Any] = []
    generator = echo(TENSOR, log)
    assert type(next(generator)) is torch.Tensor
    sent = torch.ones(3)
    assert interop.shares_memory(generator.send(sent), sent)
    assert type(generator.send([sent])[0]) is torch.Tensor
    with pytest.raises(StopIteration) as stop:
        generator.send(None)
    assert type(stop.value.value) is torch.Tensor
    assert log == ["closed"]
    assert list(generator) == []
    assert inspect.isgenerator(generator)


def test_implemented_in_generator_passes_on_throw_and_close() -> None:
    log: list[Any] = []
    generator = echo(TENSOR, log)
    next(generator)
    error = KeyError("x")
    assert generator.throw(error).tolist() == [1]
    assert log == [error]
    with pytest.raises(ZeroDivisionError):
        generator.throw(ZeroDivisionError())
    assert log == [error, "closed"]
    generator = echo(TENSOR, log)
    next(generator)
    generator.close()
    assert log == [error, "closed", "closed"]
    generator = echo(TENSOR, log)
    generator.close()  # the generator has not started
    assert len(log) == 3


def test_implemented_in_generator_that_ignores_close_raises_runtime_error() -> None:
    @implemented_in("numpy")
    def stubborn(x: Any) -> Any:
        while True:
            try:
                yield x
            except GeneratorExit:
                yield x
                return

    generator = stubborn(TENSOR)
    next(generator)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        generator.close()


def test_implemented_in_refused_value_closes_the_generator() -> None:
    log: list[Any] = []
    generator = echo(TENSOR, log)
    next(generator)
    with pytest.raises(interop.GradientError) as caught:
        generator.send({"x": torch.ones(1, requires_grad=True)})
    assert caught.value.__notes__ == ["in what echo is sent: at value['x']"]
    assert log == ["closed"]

    @implemented_in("torch")
    def leak(_: Any) -> Any:
        try:
            yield [torch.ones(1, requires_grad=True)]
        finally:
            log.append("leak")

    with pytest.raises(interop.GradientError) as caught:
        next(leak(np.ones(1)))
    assert caught.value.__notes__ == ["in what leak yields: at value[0]"]
    assert caught.value.__context__ is None
    assert log == ["closed", "leak"]


def test_implemented_in_refused_return_value_of_a_generator_is_located() -> None:
    @implemented_in("torch")
    def leak(x: Any) -> Any:
        yield x
        return torch.ones(1, requires_grad=True)

    generator = leak(np.ones(1))
    next(generator)
    with pytest.raises(interop.GradientError) as caught:
        next(generator)
    assert caught.value.__notes__ == ["in the result of leak: at result"]
    assert caught.value.__context__ is None


def test_implemented_in_suspended_generator_keeps_no_array() -> None:
    @implemented_in("numpy")
    def forgetful(x: Any) -> Any:
        del x
        for i in range(3):
            sent = yield np.full(3, i)
            del sent

    generator = forgetful(TENSOR.numpy())
    gc.disable()
    try:
        alive = weakref.ref(next(generator))
        assert alive() is None
        sent = np.ones(3)
        alive = weakref.ref(sent)
        generator.send(sent)
        del sent
        assert alive() is None
    finally:
        gc.enable()


class Thrown(Exception):  # noqa: N818 - not an error
    """An exception that supports weak references, to observe its release."""


def test_implemented_in_suspended_generator_keeps_no_exception() -> None:
    @implemented_in("numpy")
    def patient(x: Any) -> Any:
        while True:
            with suppress(Thrown):
                yield x

    generator, error = patient(TENSOR), Thrown()
    next(generator)
    gc.disable()
    try:
        alive = weakref.ref(error)
        generator.throw(error)
        del error
        assert alive() is None
    finally:
        gc.enable()


def test_implemented_in_context_manager_converts_the_yielded_value() -> None:
    @contextmanager
    @implemented_in("numpy")
    def lent(x: Any) -> Any:
        yield x

    with lent(TENSOR) as x:
        assert type(x) is torch.Tensor


# Asynchronous generators


@implemented_in("numpy")
async def echo_later(x: Any, log: list[Any]) -> AsyncGenerator[Any, Any]:
    try:
        while x is not None:
            assert isinstance(x, (np.ndarray, list))
            await asyncio.sleep(0)
            try:
                x = yield x
            except KeyError as error:
                log.append(error)
                x = np.ones(1)
    finally:
        await asyncio.sleep(0)
        log.append("closed")


def test_implemented_in_async_generator_converts_yielded_and_sent_values() -> None:
    async def use() -> None:
        log: list[Any] = []
        generator = echo_later(TENSOR, log)
        assert type(await anext(generator)) is torch.Tensor
        sent = torch.ones(3)
        assert interop.shares_memory(await generator.asend(sent), sent)
        error = KeyError("x")
        assert type(await generator.athrow(error)) is torch.Tensor
        with pytest.raises(StopAsyncIteration):
            await generator.asend(None)
        assert log == [error, "closed"]
        assert [x async for x in generator] == []

    assert inspect.isasyncgenfunction(echo_later)
    run(use())


def test_implemented_in_async_generator_closes_after_error_refusal_or_aclose() -> None:
    async def use(end: Callable[[Any], Any]) -> list[Any]:
        log: list[Any] = []
        generator = echo_later(TENSOR, log)
        await anext(generator)
        await end(generator)
        return log

    async def throw(generator: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            await generator.athrow(ZeroDivisionError())

    async def send(generator: Any) -> None:
        with pytest.raises(interop.GradientError) as caught:
            await generator.asend(torch.ones(1, requires_grad=True))
        assert caught.value.__notes__ == ["in what echo_later is sent: at value"]

    for end in (throw, send, lambda generator: generator.aclose()):
        assert run(use(end)) == ["closed"]


def test_implemented_in_async_generator_body_sees_the_cancellation() -> None:
    log: list[Any] = []

    @implemented_in("numpy")
    async def wait(x: Any) -> AsyncGenerator[Any]:
        try:
            await asyncio.sleep(60)
            yield x
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def use() -> None:
        task = asyncio.ensure_future(anext(wait(TENSOR)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(use())
    assert log == ["cancelled"]


def test_implemented_in_async_context_manager_converts_the_yielded_value() -> None:
    @asynccontextmanager
    @implemented_in("numpy")
    async def lent(x: Any) -> AsyncGenerator[Any]:
        yield x

    async def use() -> None:
        async with lent(TENSOR) as x:
            assert type(x) is torch.Tensor

    run(use())


# With the namespace


def test_implemented_in_array_api_passes_xp_to_generators_and_coroutines() -> None:
    @implemented_in("array_api")
    def generator(x: Any, *, xp: Any = None) -> Any:
        sent = yield xp.sum(x)
        return sent

    @implemented_in("array_api")
    async def coroutine(x: Any, *, xp: Any = None) -> Any:
        return xp.sum(x)

    @implemented_in("array_api")
    async def later(x: Any, *, xp: Any = None) -> AsyncGenerator[Any, Any]:
        sent = yield xp.sum(x)
        yield sent

    async def use() -> None:
        assert (await coroutine(TENSOR)).item() == 6
        values = later(TENSOR)
        assert (await anext(values)).item() == 6
        assert await values.asend(TENSOR) is TENSOR
        await values.aclose()

    steps = generator(TENSOR)
    assert next(steps).item() == 6
    with pytest.raises(StopIteration) as stop:
        steps.send(TENSOR)
    assert stop.value.value is TENSOR
    run(use())
