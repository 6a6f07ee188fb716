"""Hostile producers: random mutations of correct ones, on the host and on simulated GPUs."""

import gc
import os
import weakref
from random import Random
from typing import Any, Final

import numpy as np
import torch

import interop

from .hostiles import GUARD, Producer, make_memory, make_producer, mutate
from .trial import Trial

GPU: Final = bool(os.environ.get("INTEROP_SIMCUDA"))
TARGETS: Final = ("numpy", "torch", "jax", "dask", "array_api_strict", *["cupy"] * GPU)
KEYWORDS: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("copy", (None, True, False)),
    ("readonly", ("copy", "share", "error")),
    ("detach", (True, False)),
    ("device", (None, "cpu")),
)


def run(trial: Trial) -> None:
    """Convert random producers with up to three mutations by random functions."""
    turn = trial.first_turn
    alive: list[Any] = []
    while trial.running():
        random = Random(f"{trial.seed}/{turn}")  # noqa: S311
        said = [f"turn {turn}"]
        try:
            alive += play(trial, random, said)
        except BaseException as error:
            error.add_note(f"seed {trial.seed}: " + "; ".join(said))
            raise
        turn += 1
        if turn % 500 == 0:
            # The collector does not look into arrays. So what only garbage reaches through an array
            # is freed by the second collection.
            gc.collect()
            gc.collect()
            kept = [how for ref, how in alive if ref() is not None]
            assert not kept, f"memory is kept: {kept}"
            alive.clear()


def play(trial: Trial, random: Random, said: list[str]) -> list[Any]:
    """Make one producer, use it once, and return a weak reference to its memory."""
    memory = make_memory(random, on_device=GPU and random.random() < 0.4)
    producer = make_producer(random, memory)
    names = [mutate(random, producer) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))]
    verb = random.choice(VERBS)
    said += [verb.__name__, *names, f"on {'a GPU' if memory.on_device else 'the host'}"]
    for name in names:
        trial.counts["mutations"] += 1
        SEEN.add(name)
    trial.notes["kinds of mutations"] = str(len(SEEN))
    outcome = use(verb, random, producer, said)
    producer._raised = None  # its traceback names the array that came, and that names the producer
    trial.counts[outcome] += 1
    if not names and outcome == "refused":
        trial.counts["refused without a mutation"] += 1
    return [] if memory.on_device else [(weakref.ref(memory.array), list(said))]


SEEN: Final[set[str]] = set()
"""The names of the mutations so far."""


def use(verb: Any, random: Random, producer: Producer, said: list[str]) -> str:
    """Call a function, and check the outcome."""
    try:
        verb(random, producer, said)
    except interop.InteropError:
        return "refused"
    except (MemoryError, OSError) as error:
        if error is not producer._raised:
            raise
        return "errors of the producer that pass"
    except Exception as error:
        if "not simulated" in str(error):  # a kernel
            return "needs a kernel"
        raise
    return "right numbers"


# -- functions -------------------------------------------------------------------------------------


def convert(random: Random, x: Producer, said: list[str]) -> None:
    to = random.choice(TARGETS)
    keywords: dict[str, Any] = {
        key: random.choice(values) for key, values in random.sample(KEYWORDS, 2)
    }
    said.append(f"to {to} with {keywords}")
    plan = refusal = None
    try:
        plan = interop.explain(x, to, **keywords)
    except interop.InteropError as error:
        refusal = error
    changes = any("second" in name for name in said) or bool(x._raised)
    # The shape of an object that has to be read is known after the reading only.
    is_read = plan is not None and any(step.verb in ("read", "move") for step in plan.steps)
    # A capsule that states a device is believed until its address turns out to be elsewhere.
    lies = any("other device" in name for name in said)
    is_open = plan is None or changes or is_read or lies
    try:
        result = interop.convert(x, to, **keywords)
    except interop.InteropError:
        assert is_open, f"explain promised:\n{plan}"
        raise
    assert refusal is None or changes, f"explain refused: {refusal}"
    if plan is not None and not is_open:
        assert tuple(result.shape) == plan.shape, f"explain promised:\n{plan}"
    check_numbers(x, result, said)


def to_framework(random: Random, x: Producer, said: list[str]) -> None:
    functions = [interop.to_numpy, interop.to_torch, interop.to_jax]
    if GPU:
        functions.append(interop.to_cupy)
    check_numbers(x, random.choice(functions)(x), said)


def copyto_src(_: Random, x: Producer, said: list[str]) -> None:
    out = np.full(x._memory.values.shape, 1, "float32")
    interop.copyto(out, x)
    check_numbers(x, out, said)


def copyto_dst(_: Random, x: Producer, said: list[str]) -> None:
    interop.copyto(x, np.full(x._memory.values.shape, 1, "float32"))
    said.append("written")
    check_numbers(x, x._memory.array, ["second"])


def export(_: Random, x: Producer, said: list[str]) -> None:
    exported = interop.export(x)
    if interop.device_of(x).is_host:
        check_numbers(x, np.from_dlpack(exported), said)


def unify(_: Random, x: Producer, said: list[str]) -> None:
    check_numbers(x, interop.unify(x, torch.ones(1))[0], said)


def stack(_: Random, x: Producer, said: list[str]) -> None:
    check_numbers(x, interop.stack([x], "torch")[0], said)


def decorated(_: Random, x: Producer, said: list[str]) -> None:
    inner: list[Any] = []
    interop.implemented_in("torch", foreign=True)(inner.append)(x)
    check_numbers(x, inner[0], said)


def ask(random: Random, x: Producer, _: list[str]) -> None:
    questions: tuple[Any, ...] = (interop.device_of, lambda y: interop.shares_memory(y, np.ones(3)))
    random.choice(questions)(x)


VERBS: Final = (
    convert, convert, convert, to_framework, copyto_src, copyto_dst, export, unify, stack,
    decorated, ask,
)  # fmt: skip


def check_numbers(x: Producer, result: Any, said: list[str]) -> None:
    """Insist on the numbers of the memory: all in their order, or a part for a smaller shape."""
    with interop.options(detach=True):
        found = interop.to_numpy(result)
    values = x._memory.values
    assert GUARD not in found, "a number from outside the memory"
    # A smaller shape with an offset describes other bytes of the same buffer.
    offset = any("more than the buffer" in name for name in said)
    if offset and found.shape != values.shape:
        return
    assert set(found.ravel().tolist()) <= set(values.ravel().tolist()), found
    changes = any("second" in name for name in said)
    if found.shape == values.shape and not changes:
        assert found.tolist() == values.tolist(), found
