"""The error hierarchy, and the messages: source, target, reason, and the suggested code."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import interop
from child import run_child

TREE: dict[type[interop.InteropError], set[type[Exception]]] = {
    interop.InteropError: {Exception},
    interop.UnknownFrameworkError: {interop.InteropError, ValueError},
    interop.FrameworkNotInstalledError: {interop.InteropError, ImportError},
    interop.NotAnArrayError: {interop.InteropError, TypeError},
    interop.UnsupportedArrayError: {interop.InteropError, TypeError, BufferError},
    interop.CopyRequiredError: {interop.InteropError, BufferError, ValueError},
    interop.HostCopyError: {interop.CopyRequiredError},
    interop.GradientError: {interop.InteropError, RuntimeError},
    interop.DeviceUnavailableError: {interop.InteropError, RuntimeError},
    interop.InvalidOptionError: {interop.InteropError, ValueError},
    interop.ShapeError: {interop.InteropError, ValueError},
}


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_error_classes_have_the_documented_bases(error: type[interop.InteropError]) -> None:
    assert set(error.__bases__) == TREE[error]
    assert error.__doc__


def test_error_tree_contains_every_public_error() -> None:
    public = {
        value for name in interop.__all__ if isinstance(value := getattr(interop, name), type)
    }
    assert {cls for cls in public if issubclass(cls, Exception)} - {interop.HostCopyWarning} == set(
        TREE
    )


def test_host_copy_warning_is_a_user_warning() -> None:
    assert interop.HostCopyWarning.__bases__ == (UserWarning,)
    assert interop.HostCopyWarning.__doc__


class Case(NamedTuple):
    call: Callable[[], object]
    error: type[Exception]
    message: str

    def check(self) -> None:
        """Exactly this error, in exactly these words."""
        with pytest.raises(self.error) as caught:
            self.call()
        assert type(caught.value) is self.error
        assert str(caught.value) == self.message.replace(
            "KNOWN", ", ".join(info.name for info in interop.frameworks())
        )


class Broken:
    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **_: object) -> object:
        msg = "out of order"
        raise RuntimeError(msg)


def no_array(what: str) -> str:
    protocols = (
        "__dlpack__, __cuda_array_interface__, __array_interface__, the buffer protocol or "
        "__array__"
    )
    reason = f"it has no known framework and no array protocol ({protocols})"
    hint = "If it holds an array, pass that array. If it is a container, pass each of its arrays."
    return f"{what} is not an array: {reason}. {hint}"


ONES = np.ones((2, 3), "float32")
WHO_AND_WHAT = {
    "a near miss": Case(
        lambda: interop.convert(ONES, "nunpy"), interop.UnknownFrameworkError,
        "no framework is called 'nunpy'. Did you mean 'numpy'? Known frameworks: KNOWN.",
    ),
    "a far miss": Case(
        lambda: interop.convert(ONES, "qwerty"), interop.UnknownFrameworkError,
        "no framework is called 'qwerty'. Known frameworks: KNOWN.",
    ),
    "another module": Case(
        lambda: interop.convert(ONES, pytest), interop.UnknownFrameworkError,
        "the module pytest is not an array-API namespace, because it has neither from_dlpack nor asarray. "
        "Known frameworks: KNOWN.",
    ),
    "another class": Case(
        lambda: interop.convert(ONES, list), interop.UnknownFrameworkError,
        "a target is the name of a framework, the module or the class of arrays of a framework, not <class 'list'>. "
        "Known frameworks: KNOWN.",
    ),
    "a reference of no framework": Case(
        lambda: interop.convert_like(ONES, b"abc"), interop.UnknownFrameworkError,
        "bytes can be converted, but is of none of the frameworks KNOWN. interop.register adds one.",
    ),
    "a list": Case(
        lambda: interop.to_numpy([1]), interop.NotAnArrayError,
        "a list is not an array. Create one first, for example with numpy.asarray(x) or torch.tensor(x).",
    ),
    "a tuple": Case(
        lambda: interop.to_numpy((1,)), interop.NotAnArrayError,
        "a tuple is not an array. Create one first, for example with numpy.asarray(x) or torch.tensor(x).",
    ),
    "a string": Case(
        lambda: interop.to_numpy("abc"), interop.NotAnArrayError,
        "a str is not an array. If it is the path of a file, read the file: numpy.load(x), or "
        "numpy.asarray(PIL.Image.open(x)) for an image. If it is a list of numbers, parse it: "
        "numpy.asarray(x.split(), float).",
    ),
    "None": Case(
        lambda: interop.to_numpy(None), interop.NotAnArrayError,
        "None is not an array. Check the call that should have returned one: a function without a return statement "
        "returns None.",
    ),
    "a dict": Case(
        lambda: interop.to_numpy({}), interop.NotAnArrayError,
        "a dict is not an array. Create one from its values first, for example with numpy.asarray(list(x.values())).",
    ),
    "an object": Case(lambda: interop.to_numpy(object()), interop.NotAnArrayError, no_array("object")),
    "a number": Case(
        lambda: interop.to_numpy(1), interop.NotAnArrayError,
        "an int is not an array. Create one first, for example with numpy.asarray(x) or torch.tensor(x).",
    ),
    "a class": Case(
        lambda: interop.to_numpy(np.ndarray), interop.NotAnArrayError,
        "numpy.ndarray is a class and not an array. Pass an instance of it.",
    ),
    "a capsule": Case(
        lambda: interop.to_numpy(ONES.__dlpack__()), interop.NotAnArrayError,
        "a raw capsule can be used only once. Pass the array that made it instead.",
    ),
    "a broken producer": Case(
        lambda: interop.to_numpy(Broken()), interop.UnsupportedArrayError,
        f"{__name__}.Broken has an array protocol that raised RuntimeError: out of order",
    ),
    "a namespace of two frameworks": Case(
        lambda: interop.namespace(ONES, interop.to_torch(ONES)), interop.UnsupportedArrayError,
        "one namespace needs arrays of one framework, not of numpy and torch. Convert them first.",
    ),
    "a namespace of none": Case(
        interop.namespace, interop.UnsupportedArrayError,
        "one namespace needs arrays of one framework, and none was given. Pass at least one.",
    ),
}  # fmt: skip


@pytest.mark.requires("torch")
@pytest.mark.parametrize("case", WHO_AND_WHAT.values(), ids=WHO_AND_WHAT)
def test_error_message_for_an_invalid_source_or_target_is_exact(case: Case) -> None:
    case.check()


def test_to_numpy_error_of_the_producer_is_the_cause() -> None:
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_numpy(Broken())
    assert isinstance(caught.value.__cause__, RuntimeError)


# Missing or broken frameworks


@pytest.mark.parametrize("to", ["torch", "cupy"])
def test_convert_to_a_missing_framework_states_the_install_command(to: str) -> None:
    said = run_child(f"""
        import sys
        sys.modules["{to}"] = None  # as if it were not there
        import interop, numpy
        try:
            interop.convert(numpy.ones(3), "{to}")
        except interop.FrameworkNotInstalledError as error:
            print(error, error.name, sep="|")
        print([info.installed for info in interop.frameworks() if info.name == "{to}"])
    """)
    message = f"{to} is not installed. Install it with: pip install 'array-interop[{to}]'"
    assert said.splitlines() == [f"{message}|{to}", "[False]"]


def test_to_cupy_import_failure_states_reason_and_install_command(tmp_path: Path) -> None:
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.13: no such file')")
    said = run_child(
        """
        import interop, numpy
        try:
            interop.to_cupy(numpy.ones(3))
        except interop.FrameworkNotInstalledError as error:
            print(error)
        """,
        path=tmp_path,
    )
    reason = "cupy cannot be imported (ImportError: libcudart.so.13: no such file)"
    assert said.strip() == f"{reason}. Install it with: pip install 'array-interop[cupy]'"


# Missing devices, in a process without a GPU


def refused_without_gpu(*calls: str) -> list[str]:
    """Return each call's message, cause and context, from a process without a GPU."""
    return run_child(f"""
        import interop, numpy
        x = numpy.ones((2, 3))
        for call in {calls}:
            try:
                eval(call)
            except interop.DeviceUnavailableError as error:
                print(error, error.__cause__, error.__context__, sep="|")
    """).splitlines()


@pytest.mark.requires("torch")
def test_to_torch_on_cuda_without_a_gpu_is_refused() -> None:
    import torch

    said = refused_without_gpu(
        "interop.to_torch(x, device='cuda')", "interop.to_torch(x, device='cuda:1')"
    )
    reason = f'torch {torch.__version__} finds no device of type cuda here. Leave device out, or pass device="cpu".'
    assert said == [f"cannot convert numpy float64 (2, 3) on cpu to torch: {reason}|None|None"] * 2


@pytest.mark.requires("cupy")
def test_to_cupy_without_a_gpu_is_refused_with_no_chained_error() -> None:
    """The message does not show CUDA's error as a cause."""
    said = refused_without_gpu("interop.to_cupy(x)", "interop.to_cupy(x, device='cuda:1')")
    reason = (
        "CuPy needs a CUDA GPU, and there is none here. Use interop.to_torch or interop.to_numpy."
    )
    assert said == [f"cannot convert numpy float64 (2, 3) on cpu to cupy: {reason}|None|None"] * 2
