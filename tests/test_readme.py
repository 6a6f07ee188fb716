"""The README's examples run, and print the documented output."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
EXAMPLE = re.compile(
    r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)


@pytest.mark.requires("torch")
def test_readme_examples_print_the_documented_output(capsys: pytest.CaptureFixture[str]) -> None:
    examples = EXAMPLE.findall(README.read_text())
    assert examples
    names: dict[str, object] = {}
    for code, said in examples:  # each block continues the previous one
        exec(compile(code, README.name, "exec"), names)  # noqa: S102 - our own code
        assert capsys.readouterr().out == said
