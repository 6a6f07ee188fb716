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
    pytester.makeconftest(CONFTEST.read_text())
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
