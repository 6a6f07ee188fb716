"""Every error has fields, and the error text is composed of the fields."""

import copy
import pickle
from typing import Final

import pytest

import interop
from interop.errors import Reason

from .rows import Row, params
from .test_remedies import ROWS, made

FIELDS: Final = ("source", "target", "reason", "hint")
NO_HINT: Final = ("chunks that do not fit",)
"""Rows whose message repeats the error of another library."""


def provoke(case: Row) -> interop.InteropError | None:
    """Return the error of a row, or None for errors that interop does not raise."""
    with made(case) as x:
        try:
            case.call(x)
        except interop.InteropError as error:
            return error
        except Exception:  # noqa: BLE001 - the user's own function may raise anything
            return None
    pytest.fail("no error was raised")


def fields(error: interop.InteropError) -> list[str | None]:
    return [getattr(error, name) for name in FIELDS]


@params(ROWS)
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
def test_message_is_composed_of_the_fields(case: Row) -> None:
    error = provoke(case)
    if error is None:
        return
    message = str(error)
    assert error.reason
    if case.name not in NO_HINT:
        assert error.hint, f"{message}\n\nhas a remedy, and no hint"
        assert f"{error.reason}. {error.hint}" in message
    if message.startswith("cannot "):
        assert error.source
        assert error.source in message
        assert error.target is None or error.target in message or error.target == "DLPack"


def test_errors_keep_fields_and_notes_when_copied_or_pickled() -> None:
    error = interop.FrameworkNotInstalledError(
        "it is {odd}", attempt="cannot convert {source} to {target}", source="x", target="y",
        hint="Do this.", details="The plan was:\nnothing", name="y",
    )  # fmt: skip
    error.add_note("at arrays[0]")
    assert str(error) == "cannot convert x to y: it is {odd}. Do this. The plan was:\nnothing"
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert str(other) == str(error)
        assert fields(other) == ["x", "y", "it is {odd}", "Do this."]
        assert other.__notes__ == ["at arrays[0]"]
        assert other.name == "y"


def test_error_of_a_single_text_has_the_text_as_its_reason() -> None:
    assert fields(interop.ShapeError("too short")) == [None, None, "too short", None]
    assert fields(interop.ShapeError()) == [None] * 4
    assert str(interop.ShapeError()) == ""


def test_reason_brings_a_hint_into_the_error() -> None:
    reason = Reason("it is sparse", "Use x.todense().").with_prefix("dst: ").with_hint("Or not.")
    error = interop.UnsupportedArrayError(reason)
    assert str(error) == str(reason) == "dst: it is sparse. Use x.todense(). Or not."
    assert fields(error) == [None, None, "dst: it is sparse", "Use x.todense(). Or not."]
    copied = pickle.loads(pickle.dumps(reason))  # noqa: S301 - our own
    assert (copied, copied.reason, copied.hint) == (reason, reason.reason, reason.hint)
    assert Reason.of(reason) is reason
    assert Reason.of("it is sparse").hint is None
