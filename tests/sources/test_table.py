"""Each source converts as the table states, according to the plan and to the memory itself."""

from typing import Any

import pytest

import interop

from .cases import CASES, COPIED, READ, REFUSED, TARGETS, ZERO, Case

KEYWORDS: list[dict[str, Any]] = [
    {},
    {"copy": True},
    {"copy": False},
    {"dtype": "float32"},
    {"readonly": "share"},
]


def having(*, numbers: bool) -> pytest.MarkDecorator:
    """Return the cases with numbers, or the refused ones, each with its required packages."""
    chosen = [case for case in CASES if (case.numpy != REFUSED) == numbers]
    marked = [pytest.param(c, id=c.name, marks=pytest.mark.requires(*names(c))) for c in chosen]
    return pytest.mark.parametrize("case", marked)


def names(case: Case) -> list[str]:
    packages = [package.partition(".")[0] for package in case.packages]
    if case.name == "array-api-strict Array":  # its capsules are those of NumPy
        packages.append("numpy-dlpack")
    return ["torch", *packages]


def address(x: Any) -> int:
    return int(x.data_ptr() if hasattr(x, "data_ptr") else x.ctypes.data)


def outcome(x: Any, to: str) -> str:
    try:
        plan = interop.explain(x, to)
    except interop.UnsupportedArrayError:
        return REFUSED
    verbs = {step.verb for step in plan.steps if step.writes}
    return plan.cost if plan.zero_copy else READ if "read" in verbs else COPIED


@having(numbers=True)
@pytest.mark.parametrize("to", TARGETS)
def test_convert_supported_source_gives_the_tabled_outcome_and_values(case: Case, to: str) -> None:
    x = case.source()
    assert outcome(x, to) == case.outcomes[to]
    result = interop.convert(x, to)
    assert interop.framework_of(result) == to
    assert result.tolist() == case.values


@having(numbers=True)
@pytest.mark.parametrize("to", TARGETS)
def test_convert_shares_memory_exactly_when_the_table_says_zero_copy(case: Case, to: str) -> None:
    x = case.source()
    first, second = interop.convert(x, to), interop.convert(x, to)
    assert (address(first) == address(second)) == case.outcomes[to].startswith(ZERO)
    if not case.outcomes[to].startswith(ZERO):
        first[...] = first.max()
        assert interop.convert(x, to).tolist() == case.values


@having(numbers=True)
@pytest.mark.parametrize("to", TARGETS)
def test_convert_copy_false_shares_or_raises(case: Case, to: str) -> None:
    x = case.source()
    if case.outcomes[to].startswith(ZERO):
        assert interop.convert(x, to, copy=False).tolist() == case.values
        return
    with pytest.raises(interop.CopyRequiredError):
        interop.convert(x, to, copy=False)


@having(numbers=True)
def test_convert_copy_true_gives_an_independent_writable_array(case: Case) -> None:
    x = case.source()
    for to in TARGETS:
        result = interop.convert(x, to, copy=True, dtype="float32")
        result += 1
        assert interop.convert(x, to).tolist() == case.values


@having(numbers=False)
@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
@pytest.mark.parametrize("to", TARGETS)
def test_convert_unsupported_source_is_refused_with_any_keywords(
    case: Case, to: str, keywords: Any
) -> None:
    x = case.source()
    for verb in (interop.explain, interop.convert):
        with pytest.raises(interop.UnsupportedArrayError):
            verb(x, to, **keywords)


@having(numbers=True)
def test_batches_of_each_source_concatenate_to_the_values(case: Case) -> None:
    x = case.source()
    pieces = interop.batches(x, "numpy", size=2)
    assert [row for piece in pieces for row in piece.tolist()] == case.values


@having(numbers=True)
def test_copyto_from_each_source_writes_the_values(case: Case) -> None:
    import numpy as np

    dst = np.zeros(np.shape(case.values))
    interop.copyto(dst, case.source())
    assert dst.tolist() == case.values


@having(numbers=False)
def test_copyto_from_unsupported_source_leaves_dst_unchanged(case: Case) -> None:
    import numpy as np

    x = case.source()
    dst = np.full(x.shape if hasattr(x, "shape") else len(x), 7.0)
    with pytest.raises(interop.UnsupportedArrayError):
        interop.copyto(dst, x)
    assert (dst == 7).all()


@pytest.mark.requires("torch", "cupy", "gpu", "pandas", "polars", "pyarrow")
def test_to_cupy_uploads_exactly_the_columns_that_to_numpy_accepts() -> None:
    kept = [case for case in CASES if case.packages in {("pandas",), ("polars",), ("pyarrow",)}]
    for case in kept:
        x = case.source()
        if case.numpy == REFUSED:
            with pytest.raises(interop.UnsupportedArrayError):
                interop.to_cupy(x)
        else:
            assert interop.to_numpy(interop.to_cupy(x)).tolist() == case.values
