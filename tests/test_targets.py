"""Names and modules that are no framework: which of them may be imported, and what is out of scope."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import interop
from child import run_child
from interop import _cures, _namespaces

BASE = np.arange(6.0).reshape(2, 3)


def test_a_name_imports_only_what_says_that_it_is_a_namespace(tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("print('a stranger runs')\nfrom numpy import asarray")
    (tmp_path / "broken.py").write_text("from nowhere import __array_namespace_info__")
    (tmp_path / "declared.py").write_text(
        "print('declared runs')\nfrom array_api_strict import __array_namespace_info__, asarray, from_dlpack"
    )
    though = "though its source says that it is an array-API namespace"
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
        f"FrameworkNotInstalledError broken cannot be imported (No module named 'nowhere'), {though}",
        *["declared runs", "Array", "Array", "False", "a stranger runs", "ndarray"],
    ]


def test_the_source_of_what_has_none_is_not_read() -> None:
    for name in ("_struct", "sys", "builtins", "a.b", "", "interop", "xml"):
        assert not _namespaces._says_so(name)
    assert _namespaces._says_so("array_api_strict")


# Packages of something else


@pytest.mark.parametrize("name", sorted(_cures.PACKAGES))
def test_what_holds_no_arrays_is_out_of_scope(name: str) -> None:
    what, cure = _cures.PACKAGES[name]
    with pytest.raises(interop.UnknownFrameworkError) as caught:
        interop.convert(BASE, name)
    words = f"{name} is out of scope as a target: it has {what}, and interop makes arrays. Write {cure} instead."
    assert str(caught.value) == words


@pytest.mark.requires("PIL", "h5py", "pandas", "polars", "pyarrow", "xarray", "zarr")
@pytest.mark.parametrize("name", sorted(_cures.PACKAGES))
def test_what_is_to_be_written_instead_works(name: str) -> None:
    import_module("PIL.Image" if name == "PIL" else name)
    x = np.arange(6, dtype="uint8") if name == "pyarrow" else np.arange(6, dtype="uint8").reshape(2, 3)
    with import_module("h5py").File("unused", "w", driver="core", backing_store=False) as file:
        names = {"x": x, "interop": interop, name: sys.modules[name], "file": file}
        exec(_cures.PACKAGES[name].cure, names)  # noqa: S102 - our own words


@pytest.mark.requires("pandas")
def test_modules_and_classes_of_them_are_out_of_scope_too() -> None:
    pd = import_module("pandas")
    for to in (pd, pd.Series, pd.api):
        with pytest.raises(interop.UnknownFrameworkError, match=r"pandas is out of scope .* pandas\.DataFrame"):
            interop.convert(BASE, to)


def test_a_name_in_the_table_imports_nothing() -> None:
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
