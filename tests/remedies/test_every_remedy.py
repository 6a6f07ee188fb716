"""Every code example in the package's messages is a row of the tables, so a test runs it."""

from collections.abc import Iterator
from typing import Final

import pytest

from interop._identify import hints
from sources.test_messages import SAYS
from test_errors_arrays import UNSUPPORTED

from .sources import Fragment, codes, fragments
from .test_remedies import ROWS

DESCRIBES: Final = {
    'host_copy="error"': "the policy that forbids a copy",
    "max_host_bytes=": "the limit that forbids a copy, and the option in interop.options that allows it",
    "copy=True": "the reason of a plan",
    "per_block=True": "what does not fit, in a message about blocks; to leave it out is run by other rows",
    "chunks=": "a keyword that is not for this target",
    "stream=": "a keyword that is not for lazy arrays",
    "dtype=": "a dtype that loses the kind of number, or is given to dask.array.map_blocks",
    "interop.adapter.Adapter": "the class that register takes",
    "interop.adapters": "the module that can't be imported under another name",
    "interop.copyto": "the function that was interrupted",
    "pip install --force-reinstall": "not an error: `frameworks` says why the compiled path is off",
    "pip install 'array-interop[doctor]'": "not an error: `python -m interop` asks for rich",
}
"""Code in messages that describes the situation and is not a remedy."""


def executed() -> Iterator[str]:
    """Yield all code that the tests run."""
    for row in ROWS:
        yield from row.remedies
    yield from SAYS.values()  # run in sources/test_messages
    yield from (case[-1] for case in UNSUPPORTED)
    yield from (other.code for other in hints.PACKAGES.values())  # run in test_targets


EXECUTED: Final = list(executed())
FRAGMENTS: Final = list(fragments())


def is_known(fragment: Fragment) -> bool:
    return any(fragment.is_in(text) for text in EXECUTED) or any(
        fragment.code.startswith(code) for code in DESCRIBES
    )


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=str)
def test_messages_with_code_have_a_test_that_runs_the_code(fragment: Fragment) -> None:
    assert is_known(fragment), (
        f"{fragment}: add a row to tests/remedies that provokes the message and runs the code"
    )


def test_describes_lists_only_code_that_messages_contain() -> None:
    found = [fragment.code for fragment in FRAGMENTS]
    assert [code for code in DESCRIBES if not any(other.startswith(code) for other in found)] == []


def test_is_known_for_untested_code_is_false() -> None:
    for code in (
        "x.cast(int)",
        "interop.stack(x, to=3)",
        'readonly="never"',
        "numpy.load(x, mmap_mode=None)",
    ):
        assert list(codes(f"It is wrong. Use {code} instead.")) == [code]
        assert not is_known(Fragment("nowhere", code))
