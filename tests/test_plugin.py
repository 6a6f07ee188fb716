"""The distribution tests/plugin, installed beside interop, adds a framework."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import abacus
import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from child import run_child
from interop.testing import AdapterSuite

# Prints the packages that a statement imports, without the standard library.
IMPORTED = """
    import sys
    import numpy, interop
    class Stranger:
        pass
    {before}
    packages = lambda: {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names)
    known = packages()
    {statement}
    print(sorted(packages() - known))
"""


@pytest.mark.requires("numpy-dlpack")  # abacus takes read-only memory by numpy.from_dlpack
class TestAbacus(AdapterSuite):
    framework = "abacus"
    dtypes: ClassVar[tuple[str, ...]] = ("bool", "int64", "float32")

    def make(self, array: NDArray[Any]) -> Any:
        return abacus.Abacus(np.array(array))


def test_plugin_entry_point_is_found_and_listed_as_a_framework() -> None:
    (point,) = entry_points(group="interop.adapters", name="abacus")
    assert point.value == "abacus:adapter"
    assert point.dist
    assert point.dist.name == "interop-abacus"
    assert "abacus" in {info.name for info in interop.frameworks()}


@pytest.mark.parametrize(
    ("before", "statement", "imported"),
    [
        ("", "interop.convert(numpy.ones(3), 'numpy')", []),
        ("", "interop.convert(numpy.ones(3, int), 'abacus')", ["abacus"]),
        ("import abacus; x = abacus.Abacus(numpy.ones(3))", "interop.to_numpy(x)", []),
        ("import abacus; x = abacus.Abacus(numpy.ones(3))", "interop.framework_of(x)", []),
        ("x = Stranger()", "interop.convert_tree([x], 'numpy')", []),
    ],
)
def test_plugin_is_imported_only_on_first_use(
    before: str, statement: str, imported: list[str]
) -> None:
    assert run_child(IMPORTED.format(before=before, statement=statement)) == f"{imported}\n"


def test_import_interop_does_not_search_for_plugins() -> None:
    said = run_child(
        """
        import interop, sys
        print("abacus" in sys.modules, "importlib.metadata" in sys.modules)
        """
    )
    assert said == "False False\n"


def test_plugin_search_is_disabled_by_the_environment_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTEROP_PLUGINS", "0")
    said = run_child(
        """
        import interop, numpy
        print("abacus" in {info.name for info in interop.frameworks()})
        try:
            interop.convert(numpy.ones(3, int), "abacus")
        except interop.UnknownFrameworkError as error:
            print(error)
        """
    )
    assert (
        said
        == "False\nno framework is called 'abacus'. Known frameworks: cupy, dask, jax, numpy, torch.\n"
    )


def install(folder: Path, distribution: str, framework: str, target: str) -> None:
    """Install a distribution as far as an importer can see."""
    info = folder / f"{distribution.replace('-', '_')}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[interop.adapters]\n{framework} = {target}\n")


def test_plugin_name_claimed_by_two_distributions_is_an_error_naming_both(tmp_path: Path) -> None:
    """The error repeats for the name and for an array, and other conversions still work."""
    (tmp_path / "counting.py").write_text(
        "print('counting was loaded')\nfrom abacus import adapter"
    )
    install(tmp_path, "other-abacus", "abacus", "counting:adapter")
    said = run_child(
        """
        import interop, numpy
        from abacus import Abacus
        x = numpy.ones(3, int)
        for call in (lambda: interop.convert(x, "abacus"), lambda: interop.to_numpy(Abacus(x))) * 2:
            try:
                call()
            except interop.InvalidOptionError as error:
                print(error)
        print(interop.convert(x, "numpy") is x)
        """,
        path=tmp_path,
    )
    claims = "counting:adapter of other-abacus 2.0 and abacus:adapter of interop-abacus 1.0"
    assert said == f"two adapters are called 'abacus': {claims}. Uninstall one.\n" * 4 + "True\n"


def test_plugin_distribution_found_twice_is_accepted(tmp_path: Path) -> None:
    """An editable install that runs in its own folder is found twice."""
    install(tmp_path, "interop-abacus", "abacus", "abacus:adapter")
    said = run_child(
        """
        import interop, numpy
        print(type(interop.convert(numpy.ones(3, int), "abacus")).__name__)
        """,
        path=tmp_path,
    )
    assert said == "Abacus\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "adapter = 3",
            "register takes an instance of a subclass of interop.adapter.Adapter, not 3",
        ),
        (
            "from abacus import adapter",
            "the entry point 'wrong' names the adapter 'abacus', wrong:adapter. Call both after the package.",
        ),
    ],
)
def test_plugin_with_an_invalid_adapter_is_refused_with_the_reason(
    tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "wrong.py").write_text(source)
    install(tmp_path, "wrong-interop", "wrong", "wrong:adapter")
    printed = run_child(
        """
        import interop, numpy
        try:
            interop.convert(numpy.ones(3), "wrong")
        except interop.InvalidOptionError as error:
            print(error)
        """,
        path=tmp_path,
    )
    assert printed == f"{said}\n"
