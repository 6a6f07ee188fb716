"""Errors of decorating and of calls, which name the function and the argument."""

from typing import Any

import numpy as np
import pytest
import torch

import interop
from containers import Pair
from interop import implemented_in
from test_errors import Case

pytestmark = pytest.mark.requires("torch")
TENSOR = torch.arange(4.0)
LEAF = torch.ones(2, requires_grad=True)
TEXT = np.array("a")


def f(x: Any, /, y: Any = None, *rest: Any, z: Any = None, **others: Any) -> Any:
    return [x, y, *rest, z, *others.values()]


def nothing() -> None:
    pass


class Solver:
    def run(self, x: Any) -> Any:
        return x


# When decorating

DECORATING = {
    "no such framework": Case(
        lambda: implemented_in("torhc"), interop.UnknownFrameworkError,
        "no framework is called 'torhc'. Did you mean 'torch'? Known frameworks: KNOWN.",
    ),
    "no framework at all": Case(
        lambda: implemented_in(3), interop.UnknownFrameworkError,  # type: ignore[arg-type]
        "a target is the name of a framework, the module or the class of arrays of a framework, not 3. "
        "Known frameworks: KNOWN.",
    ),
    "no such place for results": Case(
        lambda: implemented_in("numpy", returns="caler"), interop.InvalidOptionError,
        "returns must be 'caller', None or a framework, got 'caler'. Frameworks: KNOWN.",
    ),
    "no place for results at all": Case(
        lambda: implemented_in("numpy", returns=True), interop.InvalidOptionError,  # type: ignore[arg-type]
        "returns must be 'caller', None or a framework, got True. Frameworks: KNOWN.",
    ),
    "no such choice": Case(
        lambda: implemented_in("numpy", readonly="shared"), interop.InvalidOptionError,  # type: ignore[arg-type]
        "readonly must be one of 'copy', 'share', 'error', got 'shared'",
    ),
    "no such keyword": Case(
        lambda: implemented_in("numpy", devise="cpu"), TypeError,  # type: ignore[call-arg]
        "there is no keyword 'devise'. Did you mean device=? The keywords are device, dtype, copy, stream, detach, "
        "readonly, casting, compute, chunks.",
    ),
    "no such parameter": Case(
        lambda: implemented_in("numpy", only="w")(f), interop.InvalidOptionError,
        "only=['w'] names 'w', which f does not have. The parameters of f are x, y, rest, z, others.",
    ),
    "one no such parameter": Case(
        lambda: implemented_in("numpy", only=("x", "v", "w"))(f), interop.InvalidOptionError,
        "only=['x', 'v', 'w'] names 'v' and 'w', which f does not have. The parameters of f are x, y, "
        "rest, z, others.",
    ),
    "no parameters": Case(
        lambda: implemented_in("numpy", only="x")(nothing), interop.InvalidOptionError,
        "only=['x'] names 'x', which nothing does not have. nothing has no parameters that can be "
        "inspected.",
    ),
    "only none": Case(
        lambda: implemented_in("numpy", only=[])(f), interop.InvalidOptionError,
        "only=[] names no parameter. The parameters of f are x, y, rest, z, others.",
    ),
    "only a number": Case(
        lambda: implemented_in("numpy", only=1)(f), interop.InvalidOptionError,  # type: ignore[arg-type]
        "only=1 names no parameter. The parameters of f are x, y, rest, z, others.",
    ),
    "without parentheses": Case(
        lambda: implemented_in(nothing), interop.UnknownFrameworkError,  # type: ignore[arg-type]
        'implemented_in needs the name of a framework. Write @interop.implemented_in("numpy") above '
        "the definition of nothing.",
    ),
    "another choice of foreign": Case(
        lambda: implemented_in("numpy", foreign="yes"), interop.InvalidOptionError,  # type: ignore[arg-type]
        "foreign must be one of None, True, False, got 'yes'",
    ),
    "another choice of per_block": Case(
        lambda: implemented_in("numpy", per_block=None), interop.InvalidOptionError,  # type: ignore[arg-type]
        "per_block must be one of True, False, got None",
    ),
    "a class": Case(
        lambda: implemented_in("numpy")(Solver), TypeError,
        "implemented_in decorates functions and methods, not the class Solver. Write it directly above the def.",
    ),
    "a property": Case(
        lambda: implemented_in("numpy")(property(nothing)), TypeError,  # type: ignore[arg-type]
        "implemented_in decorates functions and methods, not a property. Write it directly above the def.",
    ),
    "no parameter for the namespace": Case(
        lambda: implemented_in("array_api")(nothing), interop.InvalidOptionError,
        "implemented_in('array_api') passes the namespace of the arrays to nothing as the keyword xp, "
        "which callers can omit. nothing has no such parameter. Add it at the end: *, xp=None.",
    ),
    "a namespace in front": Case(
        lambda: implemented_in("array_api")(lambda xp, x: (xp, x)), interop.InvalidOptionError,
        "implemented_in('array_api') passes the namespace of the arrays to <lambda> as the keyword xp, "
        "which callers can omit. <lambda> has no such parameter. Add it at the end: *, xp=None.",
    ),
    "a namespace and where results go": Case(
        lambda: implemented_in("array_api", returns=None), interop.InvalidOptionError,
        "implemented_in('array_api') converts no arrays. Remove returns.",
    ),
    "a namespace and keywords": Case(
        lambda: implemented_in("array_api", device="cpu", copy=True), interop.InvalidOptionError,
        "implemented_in('array_api') converts no arrays. Remove device, copy.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECORATING.values(), ids=DECORATING)
def test_implemented_in_invalid_arguments_are_refused_when_decorating(case: Case) -> None:
    case.check()


def test_implemented_in_array_api_positional_only_xp_is_refused() -> None:
    def g(x: Any, xp: Any = None, /) -> Any:
        return x, xp

    with pytest.raises(interop.InvalidOptionError, match="g has no such parameter"):
        implemented_in("array_api")(g)


# When called

ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "x": ((LEAF,), {}),
    "y": ((1, LEAF), {}),
    "y['a'][1].y": ((1, {"a": [TENSOR, Pair(1, LEAF)]}), {}),
    "rest[0]": ((1, 2, LEAF), {}),
    "rest[2]['k']": ((1, 2, 3, 4, {"k": LEAF}), {}),
    "z": ((TENSOR,), {"z": LEAF}),
    "w[3]": ((1,), {"w": [1, 2, 3, LEAF]}),
}


@pytest.mark.parametrize(("where", "call"), ARGUMENTS.items(), ids=ARGUMENTS)
def test_implemented_in_refused_argument_is_named_in_a_note(where: str, call: Any) -> None:
    for only in (None, ["x", "y", "rest", "z", "others"]):
        with pytest.raises(interop.GradientError, match="requires grad") as caught:
            implemented_in("numpy", only=only)(f)(*call[0], **call[1])
        assert caught.value.__notes__ == [f"in the arguments of f: at {where}"]
        assert caught.value.__context__ is None


def test_implemented_in_refused_argument_of_a_method_names_the_class() -> None:
    with pytest.raises(interop.GradientError) as caught:
        implemented_in("numpy")(Solver.run)(Solver(), LEAF)
    assert caught.value.__notes__ == ["in the arguments of Solver.run: at x"]


def test_implemented_in_refused_argument_of_a_ufunc_is_located_in_a_note() -> None:
    update: Any = implemented_in("numpy")(np.add)
    with pytest.raises(interop.GradientError) as caught:
        update(TENSOR, LEAF)
    (note,) = caught.value.__notes__
    assert note in ("in the arguments of add: at args[1]", "in the arguments of add: at x2")


def test_implemented_in_refused_result_is_located_in_a_note() -> None:
    @implemented_in("numpy")
    def g(x: Any) -> Any:
        return {"good": x, "bad": [TEXT]}

    with pytest.raises(
        interop.UnsupportedArrayError, match="is not a dtype of plain numbers"
    ) as caught:
        g(TENSOR)
    assert caught.value.__notes__ == ["in the result of g: at result['bad'][0]"]
    assert caught.value.__context__ is None


def test_implemented_in_nested_refusal_names_only_the_innermost_function() -> None:
    @implemented_in("torch")
    def inner(x: Any) -> Any:
        return x

    @implemented_in("numpy")
    def outer(x: Any) -> Any:
        return inner([x, TEXT])

    with pytest.raises(interop.UnsupportedArrayError) as caught:
        outer(TENSOR)
    assert caught.value.__notes__ == ["in the arguments of inner: at x[1]"]


def test_implemented_in_error_in_the_body_is_raised_unchanged() -> None:
    @implemented_in("numpy")
    def g(x: Any) -> Any:
        raise KeyError(x.shape)

    for x in (TENSOR, [TENSOR][0]):
        with pytest.raises(KeyError) as caught:
            g(x)
        assert caught.value.args == ((4,),)
        assert caught.value.__context__ is None
        assert not hasattr(caught.value, "__notes__")


def test_implemented_in_cyclic_container_is_refused() -> None:
    cycle: list[Any] = [TENSOR]
    cycle.append(cycle)
    with pytest.raises(interop.UnsupportedArrayError) as caught:
        implemented_in("numpy")(f)(1, cycle)
    assert str(caught.value) == (
        "the list at y[1] contains itself, and such a tree has no end. Convert it without that reference."
    )
    assert caught.value.__notes__ == ["in the arguments of f: at y[1]"]


def test_implemented_in_wrong_call_raises_the_type_error_of_the_function() -> None:
    with pytest.raises(
        TypeError, match=r"^nothing\(\) takes 0 positional arguments but 1 was given$"
    ):
        implemented_in("numpy")(nothing)(TENSOR)  # type: ignore[call-arg]
