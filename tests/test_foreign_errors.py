"""Errors of other code: which of them pass through interop, and which become errors of interop.

The rule is stated in `interop.errors`: a MemoryError and exceptions that are not an Exception pass,
all others are refusals.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import interop
from interop import errors

pytestmark = pytest.mark.requires("torch", "dask")

PASSING: Final = (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit)
REFUSALS: Final = (ValueError, RecursionError, StopIteration, AttributeError, OSError, Warning)
ROOT: Final = Path(__file__).parents[1]
X: Final = np.arange(3.0)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def instance(bases: tuple[type, ...] = (), /, **namespace: Any) -> Any:
    return type("Foreign", bases, namespace)()


class Producer:
    """An object with host memory."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return np.arange(3.0).__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class Dataset:
    """An object that is read slice by slice."""

    shape = (3,)
    dtype = np.dtype("float64")
    ndim = 1


PRODUCERS: Final[dict[str, Callable[[BaseException], Any]]] = {
    "__dlpack__": lambda e: instance((Producer,), __dlpack__=raising(e)),
    "__dlpack__ as a property": lambda e: instance((Producer,), __dlpack__=property(raising(e))),
    "__dlpack_device__": lambda e: instance((Producer,), __dlpack_device__=raising(e)),
    "__dlpack__ on a device": lambda e: instance(
        __dlpack__=raising(e), __dlpack_device__=lambda _: (2, 0)
    ),
    "__cuda_array_interface__": lambda e: instance(__cuda_array_interface__=property(raising(e))),
    "__array_interface__": lambda e: instance(__array_interface__=property(raising(e))),
    "__array_struct__": lambda e: instance(__array_struct__=property(raising(e))),
    "__array__": lambda e: instance(__array__=raising(e)),
    "__array__ with facts": lambda e: instance((Dataset,), __array__=raising(e)),
    "isna of a column": lambda e: instance(__array__=lambda _: X, isna=raising(e), dtype="Int64"),
    "units": lambda e: instance((Producer,), units=property(raising(e))),
    "data of a wrapper": lambda e: instance(
        dims=("x",), _data=X, data=property(raising(e)), __array__=raising(e)
    ),
    "to_device": lambda e: instance(
        (Producer,), __array_namespace__=raising(e), device="gpu", to_device=raising(e)
    ),
    "the class": lambda e: instance(__class__=property(raising(e)), __array__=raising(e)),
}
"""Objects by the hook that raises an error."""
VERBS: Final[dict[str, Callable[[Any], Any]]] = {
    "to_torch": interop.to_torch,
    "to_numpy copy": lambda x: interop.to_numpy(x, copy=True),
    "convert_tree": lambda x: interop.convert_tree([x], "torch", foreign=True),
    "decorated": interop.implemented_in("torch", foreign=True)(lambda x: x),
    "stack": lambda x: interop.stack([x, x], "numpy"),
    "unify": lambda x: interop.unify(X, x),
    "copyto": lambda x: interop.copyto(np.zeros(3), x),
    "export": lambda x: interop.export(x).__dlpack__(),
}


def causes(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("hook", PRODUCERS)
def test_verb_producer_that_raises_memory_error_or_an_interrupt_passes_it(
    hook: str, kind: type[BaseException]
) -> None:
    for verb in VERBS.values():
        error = kind("from the producer")
        with pytest.raises(kind) as caught:
            verb(PRODUCERS[hook](error))
        assert caught.value is error


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("hook", PRODUCERS)
def test_verb_producer_that_raises_another_error_is_refused_with_the_cause(
    hook: str, kind: type[Exception]
) -> None:
    for name, verb in VERBS.items():
        error = kind("from the producer")
        try:
            verb(PRODUCERS[hook](error))
        except interop.InteropError as refusal:
            known = isinstance(refusal, interop.NotAnArrayError) or error in causes(refusal)
            assert known or hook in ("isna of a column", "to_device", "the class"), name
        except OSError:  # a file of a data set cannot be read
            assert kind is OSError
        else:
            # The hook is optional, or an AttributeError says that there is no such protocol.
            optional = hook in ("units", "data of a wrapper", "to_device", "the class")
            assert optional or kind is AttributeError, name


VALUES: Final[dict[str, Callable[[BaseException], Any]]] = {
    "dtype": lambda e: interop.to_numpy(X, dtype=instance(dtype=property(raising(e)))),
    "stream": lambda e: interop.to_numpy(X, stream=instance(__cuda_stream__=raising(e))),
    "axis": lambda e: interop.stack([X], "numpy", axis=instance(__index__=raising(e))),
    "chunks": lambda e: interop.convert(X, "dask", chunks=instance((dict,), items=raising(e))),
    "only": lambda e: interop.implemented_in("numpy", only=instance(__iter__=raising(e)))(raising),
    "target": lambda e: interop.convert(X, instance(__hash__=raising(e))),
    "class": lambda e: interop.to_torch(
        type("Meta", (type,), {"__hash__": raising(e)})("Odd", (Producer,), {})()
    ),
    "plain class": lambda e: interop.convert_tree(
        [type("Meta", (type,), {"__hash__": raising(e)})("Odd", (), {})()], "torch"
    ),
}


def case(name: str) -> Any:
    """Return a row of VALUES as a parameter. Old versions of NumPy hide an error of `dtype`."""
    marks = [pytest.mark.requires("numpy-dtype-errors")] if name == "dtype" else []
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("kind", [*PASSING, *REFUSALS])
@pytest.mark.parametrize("name", [case(name) for name in VALUES])
def test_argument_that_raises_is_refused_or_passes_memory_error(
    name: str, kind: type[BaseException]
) -> None:
    error = kind("from the argument")
    try:
        VALUES[name](error)
    except interop.InteropError:
        assert kind in REFUSALS
    except PASSING as raised:
        assert raised is error  # noqa: PT017 - which error is raised depends on the kind


@pytest.mark.parametrize("kind", [*PASSING, *REFUSALS])
@pytest.mark.parametrize("method", ["describe", "copy"])
def test_convert_error_of_an_adapter_passes(method: str, kind: type[BaseException]) -> None:
    """The error of a framework, such as torch.OutOfMemoryError, stays what it is."""
    from interop._identify import registry
    from registering import registered

    error = kind("from the adapter")
    numpy_adapter: Any = type(registry.adapter_named("numpy"))

    class Framed(numpy_adapter):  # type: ignore[misc]
        name = "framed"
        array_type: Any = type("FramedArray", (np.ndarray,), {})

    adapter = Framed()
    setattr(adapter, method, raising(error))
    with registered(adapter), pytest.raises(kind) as caught:
        interop.convert(X.view(Framed.array_type), "torch", copy=True)
    assert caught.value is error


@pytest.mark.parametrize("kind", [*PASSING, *REFUSALS])
def test_to_numpy_error_of_a_task_of_a_lazy_array_passes(kind: type[BaseException]) -> None:
    import dask.array as da
    from dask import config

    error = kind("from the task")
    lazy: Any = da.map_blocks(raising(error), da.ones(2, chunks=1), dtype="f8", meta=np.ones(0))
    with config.set(scheduler="synchronous"), pytest.raises(kind) as caught:
        interop.to_numpy(lazy)
    assert caught.value is error


def test_to_numpy_array_that_is_too_large_raises_memory_error() -> None:
    huge = np.broadcast_to(np.float32(1), (1 << 30, 1 << 20))
    with pytest.raises(MemoryError):
        interop.to_numpy(huge, copy=True)
    # torch's own error is a RuntimeError, and stays what it is.
    with pytest.raises((MemoryError, RuntimeError), match="allocate"):
        interop.to_torch(interop.to_torch(X[:1]).expand(1 << 40, 1 << 10), copy=True)


def test_ignored_refusals_passes_memory_error_and_interrupts() -> None:
    for refusal in REFUSALS:
        with errors.ignored_refusals:
            raise refusal
    for kind in PASSING:
        with pytest.raises(kind), errors.ignored_refusals:
            raise kind


# -- the code --------------------------------------------------------------------------------------

EVERYTHING: Final = {
    "interop/_decorator/wrap.py": "a generator passes what is thrown into it to its source",
    "interop/_doctor/measure.py": "the report shows every failure",
    "interop/_verbs/frameworks.py": "the report shows every failure of a driver",
    "interop/_engine/fastpath.py": "the error is raised again",
    "interop/_transfer/batches.py": "the error is raised again, with a note",
    "interop/_transfer/copyto.py": "the error is raised again, with a note",
    "interop/_transfer/pinned_buffers.py": "the release of memory must not raise",
    "interop/adapter/lease.py": "the release of memory must not raise",
    "interop/errors.py": "the rule itself",
}
"""Files that may catch MemoryError with other errors, with the reason."""


def handlers(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield each broad handler: its line, its classes, and whether MemoryError has passed before."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.With):
            for item in node.items:
                text = ast.unparse(item.context_expr)
                if text.startswith("suppress("):
                    yield node.lineno, text, False
        if isinstance(node, ast.Try):
            passed = False
            for handler in node.handlers:
                text = ast.unparse(handler.type) if handler.type else "BaseException"
                passed = passed or "MemoryError" in text
                yield handler.lineno, text, passed


def test_source_catches_every_error_only_after_memory_error() -> None:
    broad = {"Exception", "BaseException", "REFUSED", "MemoryError"}
    for path in [*ROOT.glob("interop/**/*.py"), *ROOT.glob("adapters/**/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        if name in EVERYTHING:
            continue
        for line, text, passed in handlers(path):
            caught = set(text.replace("(", " ").replace(")", " ").replace(",", " ").split())
            words = {word.rpartition(".")[2] for word in caught}
            assert passed or not words & broad, f"{name}:{line} {text}"
            assert "BaseException" not in words, f"{name}:{line} {text}"


def test_source_exceptions_to_the_rule_exist() -> None:
    for name in EVERYTHING:
        assert (ROOT / name).exists(), name
