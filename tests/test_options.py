"""Defaults set by `options`: nested, separate per thread and task, and restored after the block."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import interop

pytestmark = pytest.mark.requires("torch")


def read_only() -> NDArray[Any]:
    x = np.ones(3)
    x.flags.writeable = False
    return x


def policy() -> str:
    """Return the current policy, observed by the effects."""
    x = read_only()
    try:
        return "share" if interop.shares_memory(interop.to_torch(x), x) else "copy"
    except interop.CopyRequiredError:
        return "error"


def test_options_apply_until_the_block_ends() -> None:
    assert policy() == "copy"
    with interop.options(readonly="share"):
        assert policy() == "share"
        with interop.options(readonly="error"):
            assert policy() == "error"
        assert policy() == "share"
    assert policy() == "copy"


def test_options_end_when_the_block_raises() -> None:
    with pytest.raises(ZeroDivisionError), interop.options(readonly="share"):
        _ = 1 / 0
    assert policy() == "copy"


def test_options_of_nested_blocks_are_combined() -> None:
    parameter = torch.ones(3, requires_grad=True)
    with interop.options(readonly="share"), interop.options(detach=True):
        assert policy() == "share"
        assert interop.shares_memory(interop.to_numpy(parameter), parameter)
        with interop.options(detach=False), pytest.raises(interop.GradientError):
            interop.to_numpy(parameter)
        with interop.options():
            assert policy() == "share"
    with pytest.raises(interop.GradientError):
        interop.to_numpy(parameter)


def test_options_are_overridden_by_keywords_of_the_call() -> None:
    x = read_only()
    with interop.options(readonly="error", detach=True):
        assert interop.shares_memory(interop.to_torch(x, readonly="share"), x)
        assert not interop.shares_memory(interop.to_torch(x, readonly="copy"), x)
        with pytest.raises(interop.GradientError):
            interop.to_numpy(torch.ones(3, requires_grad=True), detach=False)


@pytest.mark.parametrize("verb", [interop.convert, interop.explain])
def test_options_apply_to_convert_convert_like_and_explain(verb: Any) -> None:
    with interop.options(readonly="error"):
        with pytest.raises(interop.CopyRequiredError):
            verb(read_only(), "torch")
        with pytest.raises(interop.CopyRequiredError):
            interop.convert_like(read_only(), torch.ones(3))
        with pytest.raises(interop.CopyRequiredError):
            verb(bytes(3), "torch")


def test_options_without_a_with_block_change_nothing() -> None:
    interop.options(readonly="error")
    assert policy() == "copy"


def test_options_are_separate_in_each_thread() -> None:
    """A new thread starts with the library's defaults, not with the parent's options."""
    everyone = threading.Barrier(3)

    def work(readonly: Any) -> list[str]:
        before = policy()
        with interop.options(readonly=readonly):
            everyone.wait()
            inside = policy()
            everyone.wait()
        return [before, inside, policy()]

    with interop.options(readonly="share"), ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(work, ["copy", "share", "error"]))
        assert policy() == "share"
    assert answers == [["copy", readonly, "copy"] for readonly in ("copy", "share", "error")]


def test_options_are_inherited_and_separate_in_each_task() -> None:
    """A new task inherits the options of its creator, and its changes stay private."""

    async def work(readonly: Any) -> list[str]:
        before = policy()
        with interop.options(readonly=readonly):
            await asyncio.sleep(0)
            inside = policy()
            await asyncio.sleep(0)
        return [before, inside, policy()]

    async def main() -> Any:
        with interop.options(readonly="error"):
            answers = await asyncio.gather(*map(work, ["copy", "share", "error"]))
            assert policy() == "error"
        return answers

    assert asyncio.run(main()) == [
        ["error", readonly, "error"] for readonly in ("copy", "share", "error")
    ]


def test_options_are_carried_by_a_copied_context() -> None:
    with interop.options(readonly="share"):
        context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(context.run, policy).result() == "share"
    assert policy() == "copy"


def test_options_in_a_generator_closed_in_another_context_end_without_an_error() -> None:
    """For example, the garbage collector closes a generator in any thread."""

    def batches() -> Generator[str, None, None]:
        with interop.options(readonly="share"):
            yield policy()

    elsewhere = contextvars.copy_context()
    generator = batches()
    assert elsewhere.run(next, generator) == "share"
    generator.close()
    assert policy() == "copy"


def test_options_in_an_async_generator_closed_in_another_task_end_without_an_error() -> None:
    async def batches() -> AsyncGenerator[str, None]:
        with interop.options(readonly="share"):
            yield policy()

    async def main() -> list[str]:
        generator = batches()
        first = await asyncio.ensure_future(generator.__anext__())
        await generator.aclose()
        return [first, policy()]

    assert asyncio.run(main()) == ["share", "copy"]


@pytest.mark.parametrize("again", ["inside", "after"])
def test_options_entered_again_are_an_error(again: str) -> None:
    block = interop.options(readonly="share")
    with block:
        if again == "inside":
            with pytest.raises(RuntimeError, match="was entered before"), block:
                pass
            assert policy() == "share"
    with pytest.raises(RuntimeError, match="was entered before"), block:
        pass
    assert policy() == "copy"


def test_options_decorate_a_function_that_is_called_again() -> None:
    block: Any = interop.options(readonly="share")
    shared = block(policy)
    assert [shared(), shared(), policy()] == ["share", "share", "copy"]
    assert shared.__name__ == "policy"


def test_options_are_entered_by_an_exit_stack() -> None:
    with ExitStack() as stack:
        stack.enter_context(interop.options(readonly="share"))
        assert policy() == "share"
    assert policy() == "copy"
