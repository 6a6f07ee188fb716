"""Functions written for one framework: arguments in the body, and results for the caller."""

import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

import numpy as np
import pytest
import torch
from array_api_compat import torch as compat_torch
from numpy.typing import NDArray

import foreign
import interop
from child import run_child
from containers import HOLDERS, Frozen, Holder, Pair, Plain
from interop import implemented_in

pytestmark = pytest.mark.requires("torch")

NDARRAY = np.arange(3.0)
TENSOR = torch.arange(4.0)


@implemented_in("numpy")
def flip(image: Any, *more: Any, scale: Any = 1, **others: Any) -> Any:
    """Flip it."""
    assert {type(x) for x in (image, *more)} <= {np.ndarray}
    assert not isinstance(scale, torch.Tensor)
    assert not any(isinstance(x, torch.Tensor) for x in others.values())
    return image[::-1] * scale


@implemented_in("numpy")
def same(*args: Any, **kwargs: Any) -> Any:
    values = [*args, *kwargs.values()]
    return values if len(values) > 1 else values[0]


@implemented_in("numpy", returns=None)
def seen(*args: Any, **kwargs: Any) -> Any:
    """Return the arguments that the body receives."""
    return args, kwargs


def both(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


# Arguments of the body and results for the caller


def test_implemented_in_converts_arguments_and_converts_the_result_back() -> None:
    result = flip(TENSOR)
    assert type(result) is torch.Tensor
    assert result.tolist() == [3, 2, 1, 0]
    assert type(flip(NDARRAY)) is np.ndarray
    assert type(flip(TENSOR, NDARRAY, scale=torch.tensor(2.0), other=TENSOR)) is torch.Tensor


@pytest.mark.parametrize("framework", ["torch", torch, torch.Tensor, compat_torch])
def test_implemented_in_accepts_a_framework_by_name_module_or_class(framework: Any) -> None:
    @implemented_in(framework)
    def cumsum(x: Any) -> Any:
        return x.cumsum(dim=0)

    assert cumsum(NDARRAY).tolist() == [0, 1, 3]
    assert type(cumsum(NDARRAY)) is np.ndarray
    assert type(cumsum(TENSOR)) is torch.Tensor


def test_implemented_in_shares_memory_of_arguments_and_results() -> None:
    x = TENSOR.clone()
    result = same(x)
    assert interop.shares_memory(result, x)

    @implemented_in("numpy")
    def double(x: Any) -> None:
        x *= 2

    double(x)
    assert x.tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(("hold", "take"), HOLDERS.values(), ids=HOLDERS)
def test_implemented_in_converts_arrays_in_containers(hold: Holder, take: Holder) -> None:
    tree = hold(TENSOR.reshape(2, 2))
    ((inside,), _) = seen(tree)
    assert (type(inside), type(take(inside))) == (type(tree), np.ndarray)
    result = same(tree)
    assert (type(result), type(take(result))) == (type(tree), torch.Tensor)


def test_implemented_in_repeated_array_is_converted_once() -> None:
    x, inner = NDARRAY.copy(), {"x": TENSOR}
    for copy in (None, True):
        see = implemented_in("torch", returns=None, copy=copy)(both)
        (a, b, (c, d)), named = see(x, x, [x, inner], y=x, z=inner)
        assert type(a) is torch.Tensor
        assert a is b is c is named["y"]
        assert d is named["z"]
        assert interop.shares_memory(a, x) is not copy
    (a, b), named = see(x, x, y=x)  # without containers
    assert a is b is named["y"]


PASSED = [
    None, "abc", b"abc", bytearray(b"abc"), 1, 2.5, True, {1}, object(), int, [1, "a"], {"a": 1}, (1, [2]),
    Pair(1, 2), Plain(1, [2]), Frozen(1), OrderedDict(a=1), np, len,
]  # fmt: skip


@pytest.mark.parametrize("x", PASSED, ids=lambda x: type(x).__name__)
def test_implemented_in_argument_without_arrays_is_passed_unchanged(x: Any) -> None:
    (a, b), named = seen(TENSOR, x, y=x)
    assert type(a) is np.ndarray
    assert b is named["y"] is x
    (_, (c, d)), _ = seen(TENSOR, [TENSOR, x])
    assert d is x
    assert type(c) is np.ndarray
    assert same(x) is x
    assert same(TENSOR, x)[1] is x
    assert same([TENSOR, x])[1] is x


def test_implemented_in_container_without_conversions_is_passed_unchanged() -> None:
    for tree in (
        [NDARRAY, 1],
        {"x": NDARRAY},
        (NDARRAY,),
        Pair(NDARRAY),
        Plain(NDARRAY),
        OrderedDict(x=NDARRAY),
    ):
        ((inside,), _) = seen(tree)
        assert inside is tree
        assert same(tree) is tree


# The framework of the caller


CALLS: list[Callable[[Any, Any], Any]] = [
    same,
    lambda x, y: same(1, x, y=y),
    lambda x, y: same(x=x, y=y),
    lambda x, y: same([1, {"x": x}], y),
    lambda x, y: same(np.float64(1), x, y),
    lambda x, y: implemented_in("numpy", foreign=True)(same.__wrapped__)(foreign.DLPack(y), x, y),  # type: ignore[attr-defined]
    lambda x, y: implemented_in("numpy", foreign=False)(same.__wrapped__)(foreign.DLPack(y), x, y),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("call", CALLS)
def test_implemented_in_first_array_decides_the_result_framework(
    call: Callable[[Any, Any], Any],
) -> None:
    assert type(call(TENSOR, NDARRAY)[-1]) is torch.Tensor
    assert type(call(NDARRAY, TENSOR)[-1]) is np.ndarray


def test_implemented_in_without_array_arguments_keeps_the_result() -> None:
    def ones(n: int) -> Any:
        return np.ones(n)

    assert type(implemented_in("numpy")(ones)(3)) is np.ndarray
    assert type(implemented_in("numpy", returns=torch)(ones)(3)) is torch.Tensor


def test_implemented_in_array_subclass_counts_as_the_base_framework() -> None:
    assert type(same(torch.nn.Parameter(TENSOR.clone(), requires_grad=False))) is torch.Tensor


@pytest.mark.parametrize("x", [NDARRAY, TENSOR], ids=["numpy", "torch"])
def test_implemented_in_returns_keyword_sets_the_result_framework(x: Any) -> None:
    body = lambda x: {"x": x, "n": 1}  # noqa: E731
    for returns, cls in (
        ("caller", type(x)), (None, np.ndarray), ("numpy", np.ndarray), ("torch", torch.Tensor), (torch, torch.Tensor),
        (torch.Tensor, torch.Tensor),
    ):  # fmt: skip
        result = implemented_in("numpy", returns=returns)(body)(x)
        assert type(result["x"]) is cls
        assert result["n"] == 1


def test_implemented_in_result_of_a_third_framework_is_converted_back() -> None:
    @implemented_in("numpy")
    def odd(x: Any) -> Any:
        return torch.from_numpy(x), x

    assert {type(x) for x in odd(NDARRAY)} == {np.ndarray}
    assert {type(x) for x in odd(TENSOR)} == {torch.Tensor}


# Converted arguments


@pytest.mark.parametrize(
    "only", ["x", ["x"], ("x",), {"x"}, iter(["x"])], ids=lambda only: type(only).__name__
)
def test_implemented_in_only_converts_the_named_parameters(only: Any) -> None:
    def f(w: Any, x: Any, *, y: Any = None) -> Any:
        return [type(w), type(x), type(y), x]

    g = implemented_in("numpy", only=only)(f)
    for args, kwargs in (((NDARRAY, TENSOR), {}), ((NDARRAY,), {"x": TENSOR})):
        *kinds, result = g(*args, **kwargs, y=TENSOR)
        assert kinds == [np.ndarray, np.ndarray, torch.Tensor]
        assert type(result) is torch.Tensor  # x is the first array that counts
    *kinds, result = implemented_in("torch", only=["x", "y"])(f)(w=NDARRAY, y=NDARRAY, x=TENSOR)
    assert kinds == [np.ndarray, torch.Tensor, torch.Tensor]


def test_implemented_in_only_selects_variadic_parameters_by_name() -> None:
    def f(x: Any, *rest: Any, y: Any = None, **others: Any) -> Any:
        return [*map(type, (x, *rest, y, *others.values()))]

    def call(only: Any) -> Any:
        return implemented_in("numpy", only=only)(f)(TENSOR, TENSOR, TENSOR, y=TENSOR, z=TENSOR)

    here, there = np.ndarray, torch.Tensor
    assert call("rest") == [there, here, here, there, there]
    assert call("others") == [there, there, there, there, here]
    assert call(["y", "x"]) == [here, there, there, here, there]


def test_implemented_in_dtype_and_copy_apply_to_the_arguments() -> None:
    @implemented_in("torch", dtype="float16", casting="unsafe", copy=True)
    def f(x: Any) -> Any:
        assert x.dtype == torch.float16
        x[0] = 42
        return x

    x = NDARRAY.copy()
    assert f(x).dtype == np.float16
    assert x[0] == 0


# Nested calls


def test_implemented_in_nested_calls_convert_once() -> None:
    @implemented_in("numpy")
    def outer(x: Any, y: Any) -> Any:
        return same([flip(x), flip(y, scale=x[0])])

    with interop.watch() as watched:
        result = outer(TENSOR, torch.ones(4))
    assert [type(x) for x in result] == [torch.Tensor] * 2
    routes = [
        record.route for record in watched.records if record.plan.source != record.plan.target
    ]
    assert routes == ["torch on cpu -> numpy on cpu"] * 2 + ["numpy on cpu -> torch on cpu"] * 2


# Gradients


def test_implemented_in_argument_that_requires_grad_is_refused_without_detach() -> None:
    weight = torch.ones(2, requires_grad=True)
    for x in (weight, [weight]):
        with pytest.raises(interop.GradientError):
            same(x)
    with interop.options(detach=True):
        assert not same(weight).requires_grad
    permitted = implemented_in("numpy", detach=True)(named)
    assert not permitted(weight).requires_grad
    assert permitted([weight])[0].tolist() == [1, 1]


def test_implemented_in_own_framework_keeps_the_gradient() -> None:
    weight = torch.ones(2, requires_grad=True)

    @implemented_in("torch")
    def double(x: Any) -> Any:
        return x * 2

    double(weight).sum().backward()
    assert weight.grad is not None


def test_implemented_in_result_that_requires_grad_is_refused_without_detach() -> None:
    def body(x: Any) -> Any:
        return x * torch.ones(3, requires_grad=True)

    with pytest.raises(interop.GradientError) as caught:
        implemented_in("torch")(body)(NDARRAY)
    assert caught.value.__notes__ == ["in the result of body: at result"]
    with interop.options(detach=True):
        assert implemented_in("torch")(body)(NDARRAY).tolist() == [0, 1, 2]
    assert implemented_in("torch", detach=True)(body)(NDARRAY).tolist() == [0, 1, 2]
    assert implemented_in("torch", detach=True, returns="numpy")(body)(NDARRAY).tolist() == [
        0,
        1,
        2,
    ]


def test_implemented_in_readonly_applies_to_results() -> None:
    def body(x: Any) -> Any:
        x = x.view()
        x.flags.writeable = False
        return x

    assert not interop.shares_memory(implemented_in("numpy")(body)(TENSOR), TENSOR)
    assert interop.shares_memory(implemented_in("numpy", readonly="share")(body)(TENSOR), TENSOR)
    with pytest.raises(interop.CopyRequiredError):
        implemented_in("numpy", readonly="error")(body)(TENSOR)


# The namespace


@implemented_in("array_api")
def norm(x: Any, *, xp: Any = None) -> Any:
    return xp.sqrt(xp.sum(x * x)), xp


def test_implemented_in_array_api_passes_the_namespace_of_the_arguments() -> None:
    for x in (NDARRAY, TENSOR):
        result, xp = norm(x)
        assert xp is interop.namespace(x)
        assert type(result) in (type(x), np.float64)
        assert norm(x, xp=None)[1] is xp
    assert norm(NDARRAY, xp=np)[1] is np


def test_implemented_in_array_api_accepts_xp_by_position_or_keyword() -> None:
    @implemented_in("array_api")
    def first(tree: Any, xp: Any = None, axis: int = 0) -> Any:
        return tree, xp, axis

    tree = [1, {"x": TENSOR}]
    xp = interop.namespace(TENSOR)
    assert first(tree) == (tree, xp, 0)
    assert first(tree)[0] is tree
    assert first(tree, np)[1] is np
    assert first(tree, None, 1) == (tree, xp, 1)
    assert first(tree, axis=2) == (tree, xp, 2)
    assert implemented_in("array_api")(lambda _, **more: more)(TENSOR) == {"xp": xp}

    @implemented_in("array_api", only="y")
    def second(x: Any, y: Any, *, xp: Any = None) -> Any:
        return x, y, xp

    assert second(NDARRAY, y=TENSOR) == (NDARRAY, TENSOR, xp)


def test_implemented_in_array_api_refuses_mixed_frameworks_and_no_arrays() -> None:
    with pytest.raises(interop.UnsupportedArrayError, match="not of numpy and torch") as caught:
        norm([TENSOR, NDARRAY])
    assert caught.value.__notes__ == ["in the arguments of norm"]
    with pytest.raises(interop.UnsupportedArrayError, match="none was given"):
        norm(1)


# Introspection of decorated functions


def test_implemented_in_wrapper_keeps_name_docstring_and_signature() -> None:
    import inspect

    assert (flip.__name__, flip.__doc__, flip.__module__) == ("flip", "Flip it.", __name__)
    assert str(inspect.signature(flip)).startswith(
        "(image: Any, *more: Any, scale: Any = 1, **others: Any)"
    )
    assert inspect.unwrap(flip) is flip.__wrapped__  # type: ignore[attr-defined]


def test_implemented_in_wrapper_is_pickled_by_reference() -> None:
    module = type(sys)("of_a_library")
    module.f = implemented_in("numpy")(named)  # type: ignore[attr-defined]
    named.__module__ = module.f.__module__ = "of_a_library"
    named.__qualname__ = module.f.__qualname__ = "f"
    sys.modules["of_a_library"] = module
    try:
        assert pickle.loads(pickle.dumps(module.f)) is module.f  # noqa: S301 - our own
    finally:
        del sys.modules["of_a_library"]


def named(x: Any) -> Any:
    return x


@implemented_in("numpy")
def halve(x: NDArray[Any], n: int = 2, *, out: str = "") -> list[float]:
    return [*(x / n), len(out)]


def test_implemented_in_preserves_the_signature_for_type_checkers() -> None:
    assert_type(halve(np.ones(2), n=3), list[float])
    with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
        halve(np.ones(2), m=3)  # type: ignore[call-arg]


def test_implemented_in_missing_framework_fails_only_at_a_conversion() -> None:
    said = run_child("""
        import sys
        sys.modules["cupy"] = None
        import interop
        @interop.implemented_in("cupy", device="cuda", dtype="float32")
        def f(x): return x
        @interop.implemented_in("torch", returns="cupy", dtype="torch.half")
        def g(x): return x
        print("torch" in sys.modules, f(1))
        import numpy as np
        try:
            f(np.ones(2))
        except interop.FrameworkNotInstalledError as error:
            print(error.name, error.__notes__)
    """)
    assert said.splitlines() == ["False 1", "cupy ['in the arguments of f: at x']"]


def test_implemented_in_called_from_many_threads_gives_correct_results() -> None:
    barrier = threading.Barrier(8)

    def work(i: int) -> bool:
        barrier.wait()
        cls: Any = torch.full if i % 2 else np.full
        kept = [
            (cls((3,), float(i)), same(cls((3,), float(i)), [cls((3,), float(n))]))
            for n in range(500)
        ]
        return all(
            type(a) is type(x)
            and type(b[0]) is type(x)
            and a.tolist() == [i] * 3
            and b[0].tolist() == [n] * 3
            for n, (x, (a, b)) in enumerate(kept)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
