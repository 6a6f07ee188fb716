"""The compiled fast path: used when expected, and as safe as `Tensor.numpy`.

The whole suite runs with and without the compiled modules.
"""

import copy
import gc
import inspect
import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch.overrides import TorchFunctionMode

import interop
from attempt import thorough
from child import run_child
from interop._engine import choices
from interop._identify import registry
from memory import bits
from strategies import PLAIN, Case, numpy_cases, torch_cases, torch_dtype

pytestmark = pytest.mark.requires("torch", "ml_dtypes", "compiled")
adapter = registry.adapter_named("torch")
nothing: Any = [None] * 3
share, share_detached, share_copy = adapter.compiled_export_host() or nothing
adopt, _, adopt_copy = adapter.compiled_adopt_host() or nothing


class TestTaken:
    """Plain arrays take the compiled path. Otherwise the tests in this file prove nothing."""

    @pytest.mark.parametrize("dtype", PLAIN)
    @pytest.mark.parametrize(
        "take", [lambda x: x, lambda x: x.T, lambda x: x[1:, ::2], lambda x: x[1, 1, ...]]
    )
    def test_share_and_adopt_of_plain_arrays_share_memory(
        self, dtype: str, take: Callable[[Any], Any]
    ) -> None:
        tensor = take(torch.ones((3, 4), dtype=torch_dtype(dtype)))
        array = take(np.ones((3, 4), dtype))
        for _ in range(2):  # at the first call torch freezes the storage
            assert interop.shares_memory(share(tensor), tensor)
        assert interop.shares_memory(adopt(array), array)
        assert bits(share_copy(tensor)) == bits(adopt_copy(array)) == bits(array)

    @pytest.mark.parametrize("make", [torch.Tensor.requires_grad_, torch.nn.Parameter])
    def test_share_detached_of_tensor_with_grad_shares_memory(
        self, make: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        tensor = make(torch.ones(3))
        for _ in range(2):
            assert interop.shares_memory(share_detached(tensor), tensor)
        assert share(tensor) is NotImplemented

    def test_adopt_of_reversed_array_copies(self) -> None:
        assert adopt(np.arange(6).reshape(2, 3)[:, ::-1]).tolist() == [[2, 1, 0], [5, 4, 3]]

    def test_verbs_with_plain_arrays_call_no_python_function(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No Python function runs during the call."""
        tensor, array, weight = torch.ones(3), np.ones(3), torch.ones(3, requires_grad=True)
        for x in (tensor, array):
            interop.to_numpy(x), interop.to_torch(x)  # fills the cache again if it was cleared
        monkeypatch.setattr(
            "interop._engine.implementation.convert_any",
            lambda *_: pytest.fail("the conversion was planned"),
        )
        seen: list[str] = []
        sys.setprofile(
            lambda frame, event, _: seen.append(frame.f_code.co_name) if event == "call" else None
        )
        try:
            done = (
                interop.to_numpy(tensor), interop.to_torch(array), interop.to_torch(tensor), interop.to_numpy(array),
                interop.convert(tensor, "numpy"), interop.convert(array, "torch"), interop.to_torch(array[::-1]),
                interop.to_numpy(tensor, copy=True), interop.to_torch(array, copy=True),
                interop.to_numpy(weight, detach=True),
            )  # fmt: skip
        finally:
            sys.setprofile(None)
        assert (len(done), seen) == (10, [])


class TestAgreement:
    """The compiled path agrees with the plan, or returns NotImplemented."""

    def test_adopt_and_share_of_large_copies_return_not_implemented(self) -> None:
        """The planner chooses the side that copies, by the same size limit."""
        for n, is_large in ((choices._LARGE - 1, False), (choices._LARGE, True)):
            array, tensor = np.zeros(n, "uint8"), torch.zeros(n, dtype=torch.uint8)
            assert (adopt_copy(array) is NotImplemented) == is_large
            assert (adopt(array[::-1]) is NotImplemented) == is_large
            assert (share_copy(tensor) is NotImplemented) == is_large

    @thorough
    @given(case=torch_cases())
    @pytest.mark.parametrize("kwargs", [{}, {"detach": True}, {"copy": True}], ids=str)
    def test_share_from_torch_agrees_with_the_plan(
        self, case: Case, kwargs: dict[str, Any]
    ) -> None:
        function = share_copy if "copy" in kwargs else share_detached if kwargs else share
        result = function(case.x)
        if result is not NotImplemented:
            plan = interop.explain(case.x, "numpy", **kwargs)
            assert bits(result) == bits(case.array)
            assert (result.shape, result.dtype.name) == (plan.shape, plan.dtype)
            assert not plan.readonly
            if result.size:
                assert np.shares_memory(result, case.root) == plan.zero_copy

    @thorough
    @given(case=numpy_cases())
    @pytest.mark.parametrize("kwargs", [{}, {"copy": True}], ids=str)
    def test_adopt_from_numpy_agrees_with_the_plan(
        self, case: Case, kwargs: dict[str, Any]
    ) -> None:
        result = (adopt_copy if kwargs else adopt)(case.x)
        if result is not NotImplemented:
            plan = interop.explain(case.x, "torch", **kwargs)
            assert bits(result) == bits(case.array)
            assert (tuple(result.shape), result.dtype) == (plan.shape, torch_dtype(plan.dtype))
            if result.numel():
                assert interop.shares_memory(result, case.root) == plan.zero_copy


def lazy(*, imaginary: bool = False) -> torch.Tensor:
    z = torch.tensor([1 + 2j, 3 - 4j]).conj()
    return z.imag if imaginary else z


NOT_PLAIN = {
    "requires grad": lambda: torch.ones(3, requires_grad=True),
    "conjugated": lazy,
    "negated": lambda: lazy(imaginary=True),
    "overlapping": lambda: torch.ones(1).expand(3),
    "overlapping windows": lambda: torch.arange(6.0).unfold(0, 3, 1),
    "bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "int4 over frozen memory": lambda: torch.from_numpy(np.ones(3, "uint8")).view(
        torch_dtype("int4")
    ),
    "uint2 over frozen memory": lambda: torch.from_numpy(np.ones(3, "uint8")).view(
        torch_dtype("uint2")
    ),
    "meta": lambda: torch.ones(3, device="meta"),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "zero without memory": lambda: torch._efficientzerotensor(3),  # pyright: ignore[reportPrivateImportUsage]
    "subclass": lambda: torch.ones(3).as_subclass(type("Sub", (torch.Tensor,), {})),
    "nine axes": lambda: torch.ones([1] * 9),
    "no tensor": lambda: [1.0],
}


@pytest.mark.parametrize("function", [share, share_copy], ids=["share", "share_copy"])
@pytest.mark.parametrize("make", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_share_of_special_tensor_returns_not_implemented(
    make: Callable[[], Any], function: Any
) -> None:
    assert function(make()) is NotImplemented


def frozen(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    x.flags.writeable = False
    return x


NOT_PLAIN_EITHER = {
    "read-only": lambda: frozen(np.ones(3)),
    "swapped": lambda: np.ones(3, ">f8"),
    "unaligned": lambda: np.zeros(25, "u1")[1:].view("f8"),
    "packed": lambda: np.zeros(3, "u1,f8")["f1"],
    "overlapping": lambda: np.lib.stride_tricks.as_strided(np.ones(3), (3, 3), (0, 8)),
    "long double": lambda: np.ones(3, np.longdouble),
    "date": lambda: np.zeros(3, "M8[s]"),
    "object": lambda: np.array([None]),
    "masked": lambda: np.ma.masked_array([1, 2], [True, False]),
    "subclass": lambda: np.ones(3).view(type("Sub", (np.ndarray,), {})),
    "scalar": lambda: np.float64(1),
    "no array": lambda: [1.0],
}


@pytest.mark.parametrize("make", NOT_PLAIN_EITHER.values(), ids=NOT_PLAIN_EITHER)
def test_adopt_of_special_ndarray_returns_not_implemented(make: Callable[[], Any]) -> None:
    assert adopt(make()) is NotImplemented


class TestLifetime:
    def test_to_numpy_without_copy_makes_the_tensor_not_resizable(self) -> None:
        tensor = torch.arange(4.0)
        array = interop.to_numpy(tensor)
        for resize in (lambda: tensor.resize_(1000), lambda: tensor.untyped_storage().resize_(0)):
            with pytest.raises(RuntimeError, match="resizable"):
                resize()
        assert array.tolist() == [0, 1, 2, 3]

    def test_to_numpy_copy_true_leaves_the_tensor_resizable(self) -> None:
        tensor = torch.arange(4.0)
        array = interop.to_numpy(tensor, copy=True)
        assert tensor.resize_(1000).numel() == 1000
        assert array.tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize("leave", ["data", "set_", "swap"])
    def test_to_numpy_view_survives_replaced_tensor_memory(self, leave: str) -> None:
        tensor = torch.arange(1000.0)
        for _ in range(20):
            array = interop.to_numpy(
                tensor
            )  # over the storage instead of through torch, from the size that pays
        assert type(array.base).__name__ == "UntypedStorage"
        if leave == "data":
            tensor.data = torch.zeros(3)
        elif leave == "set_":
            tensor.set_(torch.zeros(3).untyped_storage(), 0, (3,), (1,))
        else:
            torch.utils.swap_tensors(tensor, torch.zeros(3))  # type: ignore[no-untyped-call]
        gc.collect()
        noise = [torch.full((1000,), torch.nan) for _ in range(100)]
        assert array.sum() == 499_500
        assert len(noise) == 100

    def test_to_torch_result_keeps_the_array_alive_until_deleted(self) -> None:
        array = np.arange(1000.0)
        ghost = weakref.ref(array)
        tensor = interop.to_torch(array)
        del array
        gc.collect()
        assert ghost() is not None
        assert tensor.sum() == 499_500
        del tensor
        assert ghost() is None

    def test_to_torch_results_can_be_freed_on_another_thread(self) -> None:
        tensors = [interop.to_torch(np.ones(3)) for _ in range(100)]
        thread = threading.Thread(target=tensors.clear)
        thread.start()
        thread.join()
        assert tensors == []

    def test_to_torch_results_can_be_freed_by_autograd(self) -> None:
        """Autograd's thread frees the tensors that backward no longer needs."""
        weight = torch.ones(3, requires_grad=True)
        for _ in range(100):
            (weight * interop.to_torch(np.full(3, 2.0, "float32"))).sum().backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        assert weight.grad.tolist() == [200.0] * 3


class Witness(TorchFunctionMode):
    """A torch function mode that records every call."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(function.__name__)
        return function(*args, **(kwargs or {}))


class TestModes:
    def test_to_numpy_in_function_mode_makes_one_torch_call(self) -> None:
        tensor = torch.ones(3)
        interop.to_numpy(tensor)
        with Witness() as witness:
            array = interop.to_numpy(tensor)
        assert witness.seen == ["numpy"]
        assert interop.shares_memory(array, tensor)

    def test_to_numpy_of_overlapping_tensor_in_function_mode_is_readonly(self) -> None:
        with Witness():
            assert not interop.to_numpy(torch.ones(1).expand(3)).flags.writeable

    def test_convert_ignores_the_default_device_of_torch(self) -> None:
        array = np.ones(3)
        with torch.device("meta"):
            tensor = interop.to_torch(array)
            back = interop.to_numpy(tensor)
        assert interop.shares_memory(back, array)

    @pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.functionalize])
    def test_share_inside_func_transform_returns_not_implemented(
        self, transform: Callable[..., Any]
    ) -> None:
        def inner(x: torch.Tensor) -> torch.Tensor:
            assert share(x) is share_detached(x) is share_copy(x) is NotImplemented
            return x + 1

        assert transform(inner)(torch.zeros(2, 3)).tolist() == [[1.0] * 3] * 2

    def test_to_numpy_of_lazy_clone_leaves_the_original_unchanged(self) -> None:
        tensor = torch.arange(3.0)
        twin = torch._lazy_clone(tensor)  # pyright: ignore[reportPrivateImportUsage]
        interop.to_numpy(twin)[0] = 7
        assert tensor.tolist() == [0, 1, 2]
        assert twin.tolist() == [7, 1, 2]


class TestVerbs:
    """A compiled function looks like a Python function to inspection."""

    @pytest.mark.parametrize("verb", [interop.convert, interop.to_numpy, interop.to_torch])
    def test_verb_has_the_signature_and_metadata_of_the_function(self, verb: Any) -> None:
        function = verb.__wrapped__
        assert inspect.signature(verb) == inspect.signature(function)
        assert (verb.__name__, verb.__doc__) == (function.__name__, function.__doc__)
        assert verb.__module__ == "interop"
        assert pickle.loads(pickle.dumps(verb)) is copy.deepcopy(verb) is verb  # noqa: S301 - our own
        assert inspect.isroutine(verb)
        assert verb.__name__ in repr(verb)

    def test_verb_as_class_attribute_binds_like_a_function(self) -> None:
        class Reader:
            to_numpy = interop.to_numpy

            def __array__(self, *_: Any, **__: Any) -> Any:
                return np.arange(3)

        assert Reader().to_numpy().tolist() == [0, 1, 2]

    @pytest.mark.parametrize("arguments", [(), (np.ones(3), np.ones(3))])
    def test_verb_with_wrong_arguments_raises_the_error_of_the_function(
        self, arguments: Any
    ) -> None:
        with pytest.raises(TypeError, match=r"to_numpy\(\)"):
            interop.to_numpy(*arguments)

    def test_verb_with_invalid_keyword_or_value_raises(self) -> None:
        wrong: list[Any] = [{"copy": 1}, {"detach": 1}, {"copy": "True"}]
        for keywords in wrong:
            with pytest.raises(interop.InvalidOptionError):
                interop.to_numpy(torch.ones(3), **keywords)
        with pytest.raises(TypeError, match="coppy"):
            interop.to_numpy(torch.ones(3), coppy=True)  # type: ignore[call-arg]

    def test_register_of_another_adapter_disables_the_compiled_path(self) -> None:
        said = run_child("""
            import interop, numpy as np, torch
            from interop.adapters.torch.adapter import TorchAdapter
            class Other(TorchAdapter):
                name = "other"
                array_type = torch.Tensor
                fast_export_host = compiled_export_host = lambda self: None
                def export_host(self, x):
                    print("asked")
                    return super().export_host(x)
            interop.to_numpy(torch.ones(3)), interop.to_torch(torch.ones(3))
            interop.register(Other())
            interop.to_numpy(torch.ones(3)), interop.to_numpy(torch.ones(3)), interop.convert(torch.ones(3), "numpy")
        """)
        assert said.split() == ["asked"] * 3


def is_compiled(code: str) -> bool:
    report = "(info,) = (info for info in interop.frameworks() if info.name == 'torch'); print(info.compiled)"
    convert = "assert interop.to_numpy(torch.ones(3)).tolist() == interop.to_torch(np.ones(3)).tolist() == [1, 1, 1]"
    return (
        run_child(f"{code}\nimport interop, numpy as np, torch\n{convert}\n{report}").strip()
        == "True"
    )


def test_frameworks_reports_if_the_compiled_path_is_used() -> None:
    assert is_compiled("")
    assert not is_compiled("import os; os.environ['INTEROP_COMPILED'] = '0'")


@pytest.mark.parametrize(
    "broken", ["del torch.Tensor.__dlpack_c_exchange_api__", "torch.Tensor.is_neg = lambda t: 0"]
)
def test_compiled_path_is_used_only_with_the_dlpack_api_of_torch(broken: str) -> None:
    assert is_compiled(f"import torch; {broken}") == ("is_neg" in broken)


ROUTES = {
    "torch to NumPy": ("torch.ones(4)", "interop.to_numpy(x)"),
    "torch to NumPy, detached": (
        "torch.ones(4, requires_grad=True)",
        "interop.to_numpy(x, detach=True)",
    ),
    "torch to NumPy, copied": ("torch.ones(4)", "interop.to_numpy(x, copy=True)"),
    "torch to NumPy, a fresh tensor each time": ("torch.ones(4)", "interop.to_numpy(x.clone())"),
    "NumPy to torch": ("np.ones(4)", "interop.to_torch(x)"),
    "NumPy to torch, copied": ("np.ones(4)", "interop.to_torch(x, copy=True)"),
    "NumPy to torch, reversed": ("np.ones(4)[::-1]", "interop.to_torch(x)"),
    "to where it is": ("np.ones(4)", "interop.to_numpy(x)"),
    "what is not plain": ("torch.ones(1).expand(4)", "share(x)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_convert_repeated_a_million_times_leaks_no_memory(route: tuple[str, str]) -> None:
    make, call = route
    said = run_child(f"""
        import gc, resource, sys
        from pathlib import Path
        import interop, numpy as np, torch
        from interop.adapters.torch._native import share

        def resident():
            gc.collect()
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

        def counts():
            everybody = x, type(x), x.dtype, np.ndarray, np.dtype("float32"), np.dtype("float64")
            return [sys.getrefcount(one) for one in everybody]

        def work(rounds):
            for _ in range(rounds):
                {call}

        x = {make}
        work(10_000)
        before, held = resident(), counts()
        work(1_000_000)
        print(resident() - before, max(abs(b - a) for a, b in zip(held, counts(), strict=True)))
    """)
    grown, kept = map(int, said.split())
    assert grown < 2**20
    assert kept < 10
