"""Tests with a missing requirement are skipped, or fail if INTEROP_REQUIRE names it."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test suite with this conftest, in which simcuda is missing and numpy is present."""
    monkeypatch.delenv("INTEROP_REQUIRE", raising=False)
    monkeypatch.delenv("INTEROP_SIMCUDA", raising=False)
    pytester.makeini("[pytest]\nmarkers =\n    requires(*names): what the test needs\n")
    monkeypatch.setenv("PYTHONPATH", str(CONFTEST.parent))
    pytester.makeconftest(CONFTEST.read_text() + "\nMODULES.add('nowhere')\nKNOWN.add('nowhere')\n")
    pytester.makepyfile(
        """
        import pytest

        def test_plain(): pass

        @pytest.mark.requires("numpy")
        def test_numpy(): pass

        @pytest.mark.requires("numpy", "simcuda")
        def test_simcuda(): raise AssertionError("must not run")
        """
    )
    return pytester


def test_requires_missing_package_skips_the_test(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines("SKIPPED*requires simcuda")


@pytest.mark.parametrize(("require", "processes"), [("simcuda", "-n0"), ("numpy,simcuda", "-n2")])
def test_interop_require_of_missing_package_gives_an_error(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, require: str, processes: str
) -> None:
    monkeypatch.setenv("INTEROP_REQUIRE", require)
    result = suite.runpytest_subprocess(processes)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines("*INTEROP_REQUIRE asks for what is not here: simcuda")


def test_interop_require_of_other_package_still_skips(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEROP_REQUIRE", "numpy")
    suite.runpytest_subprocess().assert_outcomes(passed=2, skipped=1)


def test_interop_require_with_unknown_name_stops_the_run(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEROP_REQUIRE", "trch")
    result = suite.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*INTEROP_REQUIRE names trch; there are: *torch*")


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_requires_marker_with_unknown_name_gives_an_error(
    suite: pytest.Pytester, processes: str
) -> None:
    suite.makepyfile(
        test_other="import pytest\npytestmark = pytest.mark.requires('nunpy')\n\ndef test(): pass"
    )
    result = suite.runpytest_subprocess(processes)
    result.assert_outcomes(passed=2, skipped=1, errors=1)
    result.stdout.fnmatch_lines("*::test names nunpy; there are: *")


USES_A_MISSING_PACKAGE = """
    import numpy, pytest
    import nowhere.arrays as na
    from nowhere import Array

    CASES = [numpy.ones(2), na.ones(2)[0] * 2]

    class Sub(Array):
        pass

    @pytest.mark.parametrize("x", CASES)
    def test_case(x): assert x.shape == (2,)

    def test_use(): na.ones(3)

    def test_import(): import nowhere

    @pytest.mark.parametrize("to", ["numpy", "nowhere"])
    def test_to(to): assert to == "numpy"

    def test_others(): assert not isinstance(3, int) or numpy.ones(2).sum() == 2
"""


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_module_that_imports_a_missing_package_runs_its_other_tests(
    suite: pytest.Pytester, processes: str
) -> None:
    suite.makepyfile(test_missing=USES_A_MISSING_PACKAGE)
    result = suite.runpytest_subprocess("-rs", processes, "test_missing.py")
    result.assert_outcomes(passed=3, skipped=4)
    result.stdout.fnmatch_lines("SKIPPED*requires nowhere")


def test_module_that_imports_a_required_package_is_an_error(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEROP_REQUIRE", "nowhere")
    suite.makepyfile(test_missing=USES_A_MISSING_PACKAGE)
    result = suite.runpytest_subprocess("test_missing.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*No module named 'nowhere'*")
