"""Errors of conversions in which an adapter refuses to share memory."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import interop
from interop.adapter import Facts
from interop.errors import Reason
from ledger import Ledger, LedgerAdapter
from registering import registered


class Full(LedgerAdapter):
    """An adapter that refuses to adopt memory, copies included."""

    def adopt_host(self, array: NDArray[Any], /) -> Any:  # noqa: ARG002
        msg = "the ledger is full."
        raise BufferError(msg)


class Compressed(LedgerAdapter):
    """An adapter whose arrays cannot be shared, with a reason that has a hint."""

    def describe(self, x: Any, /) -> Facts:
        reason = Reason("its rows are compressed", "Use x.unpack().")
        return super().describe(x)._replace(not_shareable=reason)


class Locked(Compressed):
    """An adapter whose arrays can be neither shared nor copied."""

    def copy(self, *_: Any) -> Any:
        msg = "the ledger is locked"
        raise BufferError(msg)


def test_convert_to_an_adapter_that_refuses_the_copy_names_source_and_target() -> None:
    with registered(Full()), pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.convert(np.arange(3), "ledger")
    text = "cannot convert numpy int64 (3,) on cpu to ledger: the ledger is full"
    assert str(caught.value) == text
    assert type(caught.value.__cause__) is BufferError
    assert caught.value.source == "numpy int64 (3,) on cpu"


def test_convert_from_an_adapter_that_refuses_the_copy_names_source_and_target() -> None:
    with registered(Locked()), pytest.raises(interop.UnsupportedArrayError) as caught:
        interop.to_numpy(Ledger(np.arange(3)))
    text = "cannot convert ledger int64 (3,) on cpu to numpy: the ledger is locked"
    assert str(caught.value) == text


def test_explain_reason_with_a_hint_shows_the_reason_only() -> None:
    with registered(Compressed()):
        plan = interop.explain(Ledger(np.arange(3)), "numpy")
    assert plan.reason == "its rows are compressed"


def test_to_numpy_copy_false_with_a_reason_with_a_hint_is_one_sentence() -> None:
    with registered(Compressed()), pytest.raises(interop.CopyRequiredError) as caught:
        interop.to_numpy(Ledger(np.arange(3)), copy=False)
    reason = "it takes a copy, because its rows are compressed. Leave copy=False out to allow it."
    assert str(caught.value) == f"cannot convert ledger int64 (3,) on cpu to numpy: {reason}"
