"""`python -m interop` with missing, broken or incorrect frameworks, in child processes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from child import run_child

pytestmark = pytest.mark.slow

HIDDEN = """
    import importlib.abc, sys
    class Hidden(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {names}:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    sys.meta_path.insert(0, Hidden())
    import importlib.util
    find_spec = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *rest: None if name in {names} else find_spec(name, *rest)
"""


@pytest.mark.requires("torch")
def test_doctor_as_a_module_runs_with_warnings_as_errors() -> None:
    said = run_child("""
        import runpy, sys
        sys.argv = ["interop", "--json", "--check"]
        runpy.run_module("interop", run_name="__main__", alter_sys=True)
    """)
    document = json.loads(said)
    assert {"numpy", "torch", "cupy"} <= {info["name"] for info in document["frameworks"]}


def test_doctor_missing_framework_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTEROP_PLUGINS", "0")  # a longer name widens the column
    said = run_child(
        HIDDEN.format(names=("torch", "cupy", "jax", "dask", "rich"))
        + "    from interop.__main__ import main\n    main([])"
    )
    assert "torch  not installed" in said
    for name in ("torch", "cupy"):
        reason = f"{name} is not installed. Install it with: pip install 'array-interop[{name}]'"
        # The width of the column depends on the other reasons.
        assert re.search(rf"^ +{name} +{re.escape(reason)}", said, re.MULTILINE)
    assert "numpy cpu  zero-copy  unavailable  unavailable  unavailable" in said


def test_doctor_missing_framework_passes_the_check() -> None:
    code = (
        HIDDEN.format(names=("torch", "cupy", "jax", "dask"))
        + "    from interop.__main__ import main\n    print(main(['--check']))"
    )
    assert run_child(code).splitlines()[-1] == "0"


def test_doctor_without_numpy_still_prints_a_report() -> None:
    code = (
        HIDDEN.format(names=("numpy", "torch", "cupy", "jax", "dask", "rich"))
        + """
    from interop.__main__ import main
    main(["--svg", "-"])
    main([])
    """
    )
    said = run_child(code)
    assert "numpy is not installed" in said


@pytest.mark.parametrize(
    "error", ["ImportError('libgpu.so is missing')", "OSError('libgpu.so is missing')"]
)
def test_doctor_installed_framework_that_fails_to_import_fails_the_check(
    error: str, tmp_path: Path
) -> None:
    (tmp_path / "cupy.py").write_text(f"raise {error}")
    said = run_child(
        """
        from interop.__main__ import main
        print(main(["--check"]))
        """,
        path=tmp_path,
    )
    assert said.splitlines()[-1] == "1"
    assert "libgpu.so is missing" in said


LIAR = """
    import contextlib, io, json
    import numpy as np
    import interop, ledger
    from interop.__main__ import main
    class Liar(ledger.LedgerAdapter):
        def {method}
    interop.register(Liar())
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["--json", "--check"])
    document = json.loads(out.getvalue())
    assert err.getvalue().splitlines() == document["problems"]
    print(code, *document["problems"], sep="\\n")
"""


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (
            "export(self, x, stream, /): return x.rows + 1",
            "ledger cpu -> numpy cpu: broken, the plan says zero-copy, but the array was copied, and the values are wrong",
        ),
        (
            "adopt(self, source, stream, /): return ledger.Ledger(np.array(source))",
            "numpy cpu -> ledger cpu: broken, the plan says zero-copy, but the array was copied",
        ),
        (
            "export(self, x, stream, /): raise ZeroDivisionError('by nought')",
            "ledger cpu -> numpy cpu: broken, ZeroDivisionError: by nought",
        ),
        (
            "resolve_device(self, device, /): raise ZeroDivisionError('by nought')",
            "ledger: ZeroDivisionError: by nought",
        ),
    ],
)
def test_doctor_incorrect_adapter_fails_the_check(method: str, problem: str) -> None:
    said = run_child(LIAR.format(method=method), path=Path(__file__).parent)
    code, *problems = said.splitlines()
    assert code == "1"
    assert problem in problems


def test_doctor_correct_third_party_adapter_passes_the_check() -> None:
    said = run_child(LIAR.format(method="quiet(self): pass"), path=Path(__file__).parent)
    assert said == "0\n"


@pytest.mark.parametrize(("hidden", "options"), [("", []), ("rich", ["--json"])])
def test_main_with_a_closed_output_pipe_ends_without_a_traceback(
    hidden: str, options: list[str]
) -> None:
    """The reader closes the pipe before the first line, as with python -m interop | head."""
    code = f"""
        import runpy, sys
        if {hidden!r}:
            sys.modules[{hidden!r}] = sys.modules[{hidden + ".console"!r}] = None
        sys.argv = ["interop", *{options}]
        runpy.run_module("interop", run_name="__main__", alter_sys=True)
    """
    command = [sys.executable, "-c", dedent(code)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        said = child.stderr.read()
    assert (child.returncode, said) == (141, "")
