"""Names and modules that are not array frameworks: import rules, and out-of-scope targets."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import interop
from child import run_child
from interop._identify import hints, namespaces

BASE = np.arange(6.0).reshape(2, 3)


def test_convert_to_a_name_imports_only_declared_array_namespaces(tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("print('a stranger runs')\nfrom numpy import asarray")
    (tmp_path / "broken.py").write_text("from nowhere import __array_namespace_info__")
    (tmp_path / "declared.py").write_text(
        "print('declared runs')\nfrom array_api_strict import __array_namespace_info__, asarray, from_dlpack"
    )
    though = "although its source says that it is an array-API namespace"
    said = run_child(
        """
        import interop, numpy, sys
        x = numpy.ones(3)
        for name in ("stranger", "stranger.sub", "nowhere", "broken", "declared", "declared"):
            try:
                print(type(interop.convert(x, name)).__name__)
            except ImportError as error:
                print(type(error).__name__, error)
            except interop.InteropError as error:
                print(type(error).__name__)
        print("stranger" in sys.modules)
        import stranger
        print(type(interop.convert(x, "stranger")).__name__)
        """,
        path=tmp_path,
    )
    assert said.splitlines() == [
        *["UnknownFrameworkError"] * 3,
        f"FrameworkNotInstalledError broken cannot be imported (ModuleNotFoundError: No module named 'nowhere'), {though}",
        *["declared runs", "Array", "Array", "False", "a stranger runs", "ndarray"],
    ]


def test_namespaces_undeclared_module_is_not_a_namespace() -> None:
    for name in ("_struct", "sys", "builtins", "a.b", "", "interop", "xml"):
        assert not namespaces._is_declared(name)
    assert namespaces._is_declared("array_api_strict")


# Packages that are not array frameworks


@pytest.mark.parametrize("name", sorted(hints.PACKAGES))
def test_convert_to_a_package_out_of_scope_is_refused_with_a_hint(name: str) -> None:
    what, code = hints.PACKAGES[name]
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.convert(BASE, name)
    words = f"{name} is not a target, because {what}. Write {code} instead."
    assert str(caught.value) == words


INSTALLED = ("PIL", "h5py", "pandas", "polars", "pyarrow", "xarray", "zarr")
FUNCTIONS_OF_OTHERS = {
    "SimpleITK": "GetImageFromArray",
    "awkward": "from_numpy",
    "datasets": "Dataset.from_dict",
    "keras": "ops.convert_to_tensor",
    "mlx": "core.array",
    "mxnet": "np.array",
    "onnxruntime": "OrtValue.ortvalue_from_numpy",
    "paddle": "to_tensor",
    "sparse": "COO.from_numpy",
    "tensorflow": "convert_to_tensor",
    "tinygrad": "Tensor",
}
"""The documented functions that take an ndarray, of packages that are too large to install."""
ON_A_GPU = {"cudf": "DataFrame", "cupyx": "scipy.sparse.csr_matrix"}


@pytest.mark.requires(*INSTALLED)
@pytest.mark.parametrize("name", INSTALLED)
def test_hint_for_an_installed_package_runs(name: str) -> None:
    import_module("PIL.Image" if name == "PIL" else name)
    x = (
        np.arange(6, dtype="uint8")
        if name == "pyarrow"
        else np.arange(6, dtype="uint8").reshape(2, 3)
    )
    with import_module("h5py").File("unused", "w", driver="core", backing_store=False) as file:
        names = {"x": x, "interop": interop, name: sys.modules[name], "file": file}
        exec(hints.PACKAGES[name].code, names)  # noqa: S102 - our own words


def stand_in(path: str, received: list[Any]) -> Any:
    """Return an object with one function at a dotted path, which records its argument."""
    name, _, rest = path.partition(".")
    return SimpleNamespace(**{name: stand_in(rest, received) if rest else received.append})


@pytest.mark.parametrize("name", FUNCTIONS_OF_OTHERS)
def test_hint_for_another_package_calls_its_function_with_an_ndarray(name: str) -> None:
    received: list[Any] = []
    names = {"x": BASE, "interop": interop, name: stand_in(FUNCTIONS_OF_OTHERS[name], received)}
    eval(hints.PACKAGES[name].code, names)  # noqa: S307 - our own words
    assert received == [{"name": BASE} if name == "datasets" else BASE]


@pytest.mark.requires("cupy", "gpu")
@pytest.mark.parametrize("name", ON_A_GPU)
def test_hint_for_a_package_on_a_gpu_calls_its_function_with_a_cupy_array(name: str) -> None:
    received: list[Any] = []
    names = {"x": BASE, "interop": interop, name: stand_in(ON_A_GPU[name], received)}
    eval(hints.PACKAGES[name].code, names)  # noqa: S307 - our own words
    assert interop.framework_of(received[0]) == "cupy"


def test_hint_for_every_package_is_tested() -> None:
    plain = {name for name, other in hints.PACKAGES.items() if other.code == "interop.to_numpy(x)"}
    assert {*INSTALLED, *FUNCTIONS_OF_OTHERS, *ON_A_GPU, *plain} == set(hints.PACKAGES)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("np", "numpy"), ("NumPy", "numpy"), ("numpy.ndarray", "numpy"), ("nunpy", "numpy"), ("cp", "cupy"),
        ("jnp", "jax"), ("pytorch", "torch"), ("torch.Tensor", "torch"), ("da", "dask"),
    ],
)  # fmt: skip
def test_find_similar_name_asks_did_you_mean(name: str, meant: str) -> None:
    with pytest.raises(
        interop.UnknownFrameworkError,
        match=rf"called {name!r}\. Did you mean '{meant}'\? Known frameworks: ",
    ):
        interop.convert(BASE, name)


@pytest.mark.parametrize("name", ["tf", "pd", "scipy.sparse", "tensorflow.keras"])
def test_find_short_or_dotted_package_name_gives_the_hint_of_the_package(name: str) -> None:
    with pytest.raises(
        interop.UnknownFrameworkError, match=r"^\w+ is not a target, because .* Write .* instead\.$"
    ):
        interop.convert(BASE, name)


@pytest.mark.parametrize(
    ("name", "keyword"), [("float32", "dtype"), ("cuda:1", "device"), ("cpu", "device")]
)
def test_find_dtype_or_device_names_the_keyword(name: str, keyword: str) -> None:
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.convert(BASE, name)
    assert str(caught.value) == (
        f"{name!r} is a {keyword} and not a framework. "
        f"Pass {keyword}={name!r} together with a framework."
    )


@pytest.mark.parametrize(
    "call", [interop.convert, interop.explain, interop.convert_tree, interop.stack]
)
@pytest.mark.parametrize("to", ["torch", np, np.ndarray])
def test_convert_swapped_arguments_are_named_and_not_printed(call: Any, to: Any) -> None:
    for array in (np.ones(10_000), [np.ones(10_000)] * 100, {"a": np.ones(10_000)}):
        with pytest.raises(interop.UnknownFrameworkError) as caught:
            call(to, array)
        message = str(caught.value)
        assert (
            "Were the arguments swapped? Pass the array first and the framework second" in message
        )
        assert "<numpy.ndarray of shape (10000,)>" in message
        assert len(message) < 600


def test_find_numpy_class_other_than_ndarray_suggests_numpy() -> None:
    for to in (np.ma.MaskedArray, np.float32):
        with pytest.raises(
            interop.UnknownFrameworkError, match=r'Write interop\.convert\(x, "numpy"\) instead\.$'
        ):
            interop.convert(BASE, to)


def test_find_module_with_a_bad_namespace_gives_hint_and_reason() -> None:
    """As with paddle, `asarray` exists but does not return arrays of the standard."""
    paddle = ModuleType("paddle")
    vars(paddle).update(
        asarray=lambda x: SimpleNamespace(shape=list(x.shape), dtype=f"paddle.{x.dtype}x")
    )
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.convert(BASE, paddle)
    assert str(caught.value) == (
        "paddle is not a target, because interop has no adapter for its arrays. Write "
        "paddle.to_tensor(interop.to_numpy(x)) instead. (paddle is not an array-API namespace, because "
        "asarray returns dtype paddle.float32x and shape (1,) for an array of dtype float32 and shape (1,).)"
    )


@pytest.mark.requires("pandas")
def test_convert_to_a_pandas_module_or_class_is_refused_with_a_hint() -> None:
    pd = import_module("pandas")
    for to in (pd, pd.Series, pd.api):
        with pytest.raises(
            interop.UnknownFrameworkError, match=r"pandas is not a target, .* pandas\.DataFrame"
        ):
            interop.convert(BASE, to)


def test_convert_to_a_package_out_of_scope_imports_nothing() -> None:
    said = run_child(
        """
        import interop, numpy, sys
        for name in ("pandas", "polars", "xarray"):
            try:
                interop.convert(numpy.ones(3), name)
            except interop.UnknownFrameworkError:
                print(name in sys.modules)
        """
    )
    assert said == "False\n" * 3
