"""Classes that redefine how classes and objects are compared, hashed, named and asked.

Each odd object goes through each entry point. The result is right, or the error is one of interop's.
"""

import pickle
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from unittest import mock

import numpy as np
import pytest

import interop
from child import run_child

pytestmark = pytest.mark.requires("torch", "dask")


class OddError(Exception):
    """The error of an odd class."""


is_odd = False
"""Whether a test of this file is running."""


@pytest.fixture(autouse=True)
def _odd() -> Iterator[None]:
    global is_odd  # noqa: PLW0603 - read by the metaclasses
    is_odd = True
    yield
    is_odd = False


def fail(*_: Any, **__: Any) -> Any:
    """Raise an error, or return a harmless value if the class has outlived its test.

    The caches of abstract base classes compare classes that have one hash. So a class that is left
    would fail ``isinstance(x, Sequence)`` in other code.
    """
    if is_odd:
        raise OddError
    return False


class Producer:
    """An object with host memory."""

    def __init__(self) -> None:
        self.array = np.arange(3.0)

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class Plain:
    pass


def torch_metaclass() -> Any:
    import torch

    return type(torch.Tensor)


METACLASSES: Final[dict[str, dict[str, Any]]] = {
    "without a hash": {"__eq__": lambda cls, other: cls is other},
    "equal to ndarray": {"__eq__": lambda *_: True, "__hash__": lambda _: hash(np.ndarray)},
    "equal to int": {"__eq__": lambda *_: True, "__hash__": lambda _: hash(int)},
    "raising in hash": {"__hash__": fail},
    "raising in eq": {"__eq__": fail, "__hash__": lambda _: hash(np.ndarray)},
    "raising in instancecheck": {"__instancecheck__": fail},
    "raising in subclasscheck": {"__subclasscheck__": fail},
    "raising in getattr": {"__getattr__": fail},
    "answering every name": {"__getattr__": lambda *_: lambda *_, **__: None},
    "raising for the module": {"__module__": property(fail), "__mro__": property(fail)},
}


COMPARED: Final = [
    name for name, methods in METACLASSES.items() if "__hash__" in methods or "__eq__" in methods
]
"""Metaclasses that redefine how their classes are compared, and nothing else."""


def of_metaclass(namespace: dict[str, Any], base: type) -> Any:
    metaclass: Any = type("Metaclass", (type,), namespace)
    cls = metaclass("OfMetaclass", (base,), {})
    return np.arange(3.0).view(cls) if base is np.ndarray else cls()


def of_tensor_metaclass(namespace: dict[str, Any]) -> Any:
    import torch

    metaclass: Any = type("Metaclass", (torch_metaclass(),), namespace)
    return torch.arange(3.0, dtype=torch.float64).as_subclass(
        metaclass("OfMetaclass", (torch.Tensor,), {})
    )


def equal_to_tensor() -> Any:
    import torch

    return of_tensor_metaclass(
        {"__eq__": lambda *_: True, "__hash__": lambda _: hash(torch.Tensor)}
    )


def instance(name: str, bases: tuple[type, ...] = (), /, **namespace: Any) -> Callable[[], Any]:
    return type(name, bases, namespace)


def text(value: str, **namespace: Any) -> Callable[[], Any]:
    return lambda: type("Text", (str,), namespace)(value)


ODD: Final[dict[str, Callable[[], Any]]] = {
    **{
        f"{base.__name__} {name}": partial(of_metaclass, namespace, base)
        for name, namespace in METACLASSES.items()
        for base in (Plain, Producer, np.ndarray)
    },
    "Tensor raising in hash": lambda: of_tensor_metaclass({"__hash__": fail}),
    "Tensor equal to Tensor": equal_to_tensor,
    "class that lies": instance("Lies", __class__=property(lambda _: np.ndarray)),
    "class that lies str": instance("Lies", __class__=property(lambda _: str)),
    "class that raises": instance("Raises", (Producer,), __class__=property(fail)),
    "attributes that raise": instance("Raises", __getattribute__=fail),
    "missing attributes that raise": instance("Raises", __getattr__=fail),
    "every attribute": instance("Every", __getattr__=lambda self, _: self),
    "module that is a number": instance("Numbered", __module__=5),
    "module that raises": instance("Raises", __module__=property(fail)),
    "name of ndarray": instance("ndarray", __module__="numpy"),
    "name of Tensor": instance("Tensor", __module__="torch"),
    "name in reprlib": instance("array"),
    "repr that raises": instance("Raises", __repr__=fail),
    "truth that raises": instance("Raises", __bool__=fail, __len__=fail, __iter__=fail),
    "eq that gives an array": instance(
        "Array", (Producer,), __eq__=lambda *_: np.ones(2), __hash__=lambda _: hash("torch")
    ),
    "eq that raises": instance("Raises", __eq__=fail, __hash__=lambda _: hash("torch")),
    "hash that raises": instance("Raises", __hash__=fail),
    "dlpack that raises": instance(
        "Raises", __dlpack__=property(fail), __dlpack_device__=property(fail)
    ),
    "array interface that raises": instance("Raises", __array_interface__=property(fail)),
    "cuda interface that raises": instance("Raises", __cuda_array_interface__=property(fail)),
    "array that raises": instance("Raises", __array__=property(fail), shape=(3,), dtype="f8"),
    "shape that raises": instance("Raises", (Producer,), shape=property(fail)),
    "no weak references": instance("Slots", (Producer,), __slots__=()),
    "index that raises": instance("Raises", __index__=fail),
    "dtype that raises": instance("Raises", dtype=property(fail)),
    "stream that raises": instance("Raises", __cuda_stream__=property(fail)),
    "text without a hash": text("cpu", __hash__=None, __eq__=lambda *_: np.ones(2)),
    "text equal to all": text("other", __hash__=lambda _: hash("cpu"), __eq__=lambda *_: True),
    "text that raises": text("cpu", __str__=fail, __eq__=fail, __hash__=fail, lower=fail),
    "int that raises": lambda: type("Int", (int,), {"__eq__": fail, "__ge__": fail})(1),
    "Mock": mock.Mock,
    "MagicMock": mock.MagicMock,
    "Mock of ndarray": lambda: mock.Mock(spec=np.ndarray),
    "MagicMock of ndarray": lambda: mock.MagicMock(spec=np.ndarray),
    "nan": lambda: float("nan"),
    "array": lambda: np.ones(2),
    "array of objects": lambda: np.array([None, 1], object),
    "class": lambda: int,
    "module": lambda: sys,
}
X: Final = np.arange(3.0)


def with_namespace(a: Any, xp: Any = None) -> Any:
    return a, xp


def decorated(**keywords: Any) -> Callable[[Any], Any]:
    def same(a: Any) -> Any:
        return a

    return interop.implemented_in("torch", **keywords)(same)


SOURCES: Final[dict[str, Callable[[Any], Any]]] = {
    "convert": lambda x: interop.convert(x, "torch"),
    "to_numpy": interop.to_numpy,
    "to_numpy copy": lambda x: interop.to_numpy(x, copy=True),
    "to_torch": interop.to_torch,
    "to_torch after ndarray": lambda x: (interop.to_torch(X), interop.to_torch(x))[1],
    "convert_tree": lambda x: interop.convert_tree({"a": x, "b": [x, X]}, "torch"),
    "convert_tree flat": lambda x: interop.convert_tree(dict.fromkeys(range(20), x), "torch"),
    "convert_tree foreign": lambda x: interop.convert_tree([x], "torch", foreign=True),
    "convert_like": lambda x: interop.convert_like(X, x),
    "framework_of": interop.framework_of,
    "device_of": interop.device_of,
    "namespace": interop.namespace,
    "shares_memory": lambda x: interop.shares_memory(x, X),
    "unify": lambda x: interop.unify(interop.to_torch(X), x),
    "stack": lambda x: interop.stack([x, x], "numpy"),
    "copyto to": lambda x: interop.copyto(x, X),
    "copyto from": lambda x: interop.copyto(np.zeros(3), x),
    "export": lambda x: np.from_dlpack(interop.export(x)),
    "explain": lambda x: interop.explain(x, "torch"),
    "batches": lambda x: list(interop.batches(x, "numpy", size=2)),
    "register": interop.register,
    "decorated": decorated(),
    "decorated foreign": decorated(foreign=True),
    "decorated pass": decorated(foreign=False),
    "decorated result": lambda x: interop.implemented_in("torch")(lambda _: x)(X),
    "array_api": interop.implemented_in("array_api")(with_namespace),
}
VALUES: Final[dict[str, Callable[[Any], Any]]] = {
    "target": lambda x: interop.convert(X, x),
    "target class": lambda x: interop.convert(X, type(x)),
    "target of a tree": lambda x: interop.convert_tree([X], x),
    "to": lambda x: interop.unify(X, to=x),
    "dtype": lambda x: interop.to_numpy(X, dtype=x),
    "dtype class": lambda x: interop.to_numpy(X, dtype=type(x)),
    "device": lambda x: interop.to_torch(X, device=x),
    "copy": lambda x: interop.to_torch(X, copy=x),
    "detach": lambda x: interop.to_torch(X, detach=x),
    "readonly": lambda x: interop.to_torch(X, readonly=x),
    "casting": lambda x: interop.to_torch(X, casting=x),
    "compute": lambda x: interop.to_torch(X, compute=x),
    "stream": lambda x: interop.to_torch(X, stream=x),
    "chunks": lambda x: interop.convert(X, "dask", chunks=x),
    "axis": lambda x: interop.stack([X], "numpy", axis=x),
    "size": lambda x: list(interop.batches(X, "numpy", size=x)),
    "options": lambda x: interop.options(host_copy=x),
    "max_host_bytes": lambda x: interop.options(max_host_bytes=x),
    "stream of a block": interop.stream,
    "stream of an export": lambda x: interop.export(X).__dlpack__(stream=x),
    "max_version of an export": lambda x: interop.export(X).__dlpack__(max_version=x),
    "framework": lambda x: interop.implemented_in(x)(lambda a: a),
    "returns": lambda x: interop.implemented_in("numpy", returns=x)(lambda a: a),
    "only": lambda x: interop.implemented_in("numpy", only=x)(lambda a: a)(X),
}
NUMPY_REFUSES: Final = {("ndarray equal to int", "stack")}
"""`numpy.stack` itself takes an array of this class for a number."""


@pytest.mark.parametrize("odd", ODD)
def test_entry_point_odd_object_is_converted_or_refused(odd: str) -> None:
    import torch

    expected = {"to_numpy": np.ndarray, "to_numpy copy": np.ndarray, "convert": torch.Tensor}
    for name, enter in (SOURCES | VALUES).items():
        if (odd, name) in NUMPY_REFUSES:
            continue
        x = ODD[odd]()
        try:
            result = enter(x)
        except interop.InteropError:
            continue
        except Exception as error:  # noqa: BLE001
            raise AssertionError(name, type(error)) from None  # pytest cannot print odd objects
        # With a number, a class or an odd object, some keywords are not given.
        wanted = expected.get(name, object)
        assert issubclass(type(result), wanted), (name, type(result))


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.requires("numpy-dlpack")
def test_to_torch_producer_of_an_odd_class_shares_its_memory(name: str) -> None:
    x = of_metaclass(METACLASSES[name], Producer)
    tensor = interop.to_torch(x)
    tensor[0] = 7
    assert x.array[0] == 7


@pytest.mark.parametrize("name", METACLASSES)
def test_convert_tree_leaf_of_an_odd_class_stays(name: str) -> None:
    x = of_metaclass(METACLASSES[name], Plain)
    tree = interop.convert_tree([X, x, 1, x, X], "torch")
    assert tree[1] is x
    assert tree[3] is x
    assert tree[4].tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", COMPARED)
def test_to_numpy_plain_object_of_an_odd_class_is_not_an_array(name: str) -> None:
    interop.to_numpy(X)
    with pytest.raises(interop.NotAnArrayError, match="is not an array"):
        interop.to_numpy(of_metaclass(METACLASSES[name], Plain))


def test_to_torch_subclass_that_equals_ndarray_is_planned_as_a_subclass() -> None:
    x = of_metaclass(METACLASSES["equal to ndarray"], np.ndarray)
    vars(x)["unit"] = "m"
    interop.to_torch(X)
    with pytest.raises(interop.UnsupportedArrayError, match="the unit m"):
        interop.to_torch(x)


@pytest.mark.parametrize("cls", [np.ndarray, "torch.Tensor"])
def test_namesake_of_a_framework_class_is_not_of_the_framework(cls: Any) -> None:
    import torch

    original: Any = torch.Tensor if cls == "torch.Tensor" else cls
    namesake = type(original.__name__, (), {"__module__": original.__module__})
    with pytest.raises(interop.NotAnArrayError):
        interop.framework_of(namesake())
    leaf = namesake()
    assert interop.convert_tree([leaf], "torch")[0] is leaf


class Changing:
    """A dtype for NumPy, which may change and be equal to another one."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_to_numpy_dtype_object_that_changes_is_read_in_each_call() -> None:
    asked = Changing("float32")
    for _ in range(3):
        assert interop.to_numpy(X, dtype=asked).dtype == "float32"
        assert interop.to_numpy(X, dtype=Changing("float16")).dtype == "float16"
    asked.dtype = np.dtype("int16")
    assert interop.to_numpy(X, dtype=asked, casting="unsafe").dtype == "int16"


def test_classes_made_by_the_thousand_are_freed() -> None:
    code = """
        import gc
        import numpy as np
        import interop
        from interop._identify import registry

        def convert_many():
            for _ in range(300):
                cls = type("Made", (np.ndarray,), {})
                interop.to_torch(np.ones(2).view(cls))
                interop.convert_tree([type("Leaf", (), {})()], "torch")
            gc.collect()
            return len(registry._classes), len(type.__subclasses__(np.ndarray))

        convert_many()
        before = convert_many()
        print(before == convert_many())
    """
    assert run_child(code) == "True\n"


@pytest.mark.parametrize("namespace", METACLASSES.values(), ids=METACLASSES)
def test_register_adapter_of_an_odd_array_class_converts(namespace: dict[str, Any]) -> None:
    from interop._identify import registry
    from registering import registered

    numpy_adapter: Any = type(registry.adapter_named("numpy"))

    class Framed(numpy_adapter):  # type: ignore[misc]
        name = "framed"
        array_type: Any = type(of_metaclass(namespace, np.ndarray))

    with registered(Framed()):
        x = np.arange(3.0).view(Framed.array_type)
        for _ in range(3):
            assert interop.framework_of(x) == "framed"
            assert interop.to_torch(x).tolist() == [0, 1, 2]


def test_reason_of_an_odd_object_is_pickled() -> None:
    with pytest.raises(interop.NotAnArrayError) as caught:
        interop.to_numpy(of_metaclass(METACLASSES["raising for the module"], Plain))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
