"""Libraries with arrays on DLPack devices, and libraries that refuse a move or fake a move."""

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import interop
from interop.adapter import Device

BASE = np.arange(6.0).reshape(2, 3)
CARD = (14, 0)


class Place:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


PLACES = CPU, REMOTE = Place("the cpu"), Place("the card")


class Remote:
    """An array of a standard library on a remote device, with or without a DLPack device number."""

    def __init__(self, array: Any, device: Place = REMOTE, number: tuple[int, int] = CARD) -> None:
        self.array = array
        self.device = device
        self.number = number
        self.shape, self.dtype = array.shape, array.dtype

    def __array_namespace__(self) -> Any:
        info = SimpleNamespace(
            devices=lambda: PLACES, default_device=lambda: CPU, dtypes=lambda **_: {}
        )
        namespace = ModuleType("remotes")
        vars(namespace).update(__array_namespace_info__=lambda: info)
        return namespace

    def to_device(self, device: Place) -> Any:
        return type(self)(self.array.copy(), device, self.number)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0) if self.device is CPU else self.number

    def __dlpack__(self, **keywords: Any) -> Any:
        assert self.device is CPU, "memory of the card was asked for"
        return self.array.__dlpack__(**keywords)


class Refusing(Remote):
    def to_device(self, device: Place) -> Any:
        msg = f"no way to {device}"
        raise OSError(msg)


class Staying(Remote):
    def to_device(self, device: Place) -> Any:  # noqa: ARG002 - ignored on purpose
        return self


class Forwarding:
    """An object without the array API whose `__dlpack__` moves to the host for `dl_device`."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return CARD

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any:
        assert dl_device == (1, 0), "memory of the card was asked for"
        assert (stream, copy) == (None, None)
        return self.array.copy().__dlpack__(max_version=max_version)


SOURCES = [Remote(BASE), Remote(BASE, number=(1, 0)), Forwarding(BASE)]


@pytest.mark.requires("numpy-dlpack")
@pytest.mark.parametrize("x", SOURCES, ids=["to_device", "without a number", "dl_device"])
def test_convert_uses_the_library_to_move_to_the_host(x: Any) -> None:
    plan = interop.explain(x, "numpy", dtype="float32")
    assert [step.verb for step in plan.steps] == ["move", "share"]
    assert plan.bytes_copied == 24
    assert plan.host_bytes == 48  # float64 travels, and the host casts
    result = interop.to_numpy(x, dtype="float32")
    assert result.tolist() == BASE.tolist()
    with pytest.raises(interop.CopyRequiredError, match="it moves from"):
        interop.to_numpy(x, copy=False)
    with pytest.raises(interop.UnsupportedArrayError, match=r"Leave stream= out\."):
        interop.to_numpy(x, stream=7)
    out = np.zeros((2, 3))
    interop.copyto(out, x)
    assert out.tolist() == BASE.tolist()


def test_device_of_prefers_the_dlpack_device() -> None:
    assert interop.device_of(Remote(BASE)) == Device(*CARD)
    assert str(interop.device_of(Remote(BASE, number=(1, 0)))) == "the card"


@pytest.mark.parametrize("number", [CARD, (1, 0)])
@pytest.mark.parametrize(
    ("library", "said"),
    [(Refusing, "OSError: no way to the cpu"), (Staying, "it is on the card after to_device")],
)
def test_to_numpy_failed_move_by_the_library_raises_with_the_cause(
    library: Any, said: str, number: Any
) -> None:
    with pytest.raises(interop.UnsupportedArrayError, match=said) as caught:
        interop.to_numpy(library(BASE, number=number))
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("number", [CARD, (1, 0)])
def test_to_numpy_library_without_to_device_is_refused_with_a_hint(
    number: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Remote, "to_device")
    with pytest.raises(
        interop.UnsupportedArrayError,
        match=r"Move it first|Convert it to a framework of that device",
    ):
        interop.to_numpy(Remote(BASE, number=number))


@pytest.mark.requires("cupy", "gpu")
def test_convert_gpu_object_is_shared_on_the_gpu_and_moved_to_the_host() -> None:
    import cupy

    class OnGPU(Forwarding):
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __dlpack__(
            self,
            *,
            stream: Any = None,
            max_version: Any = None,
            dl_device: Any = None,
            copy: Any = None,
        ) -> Any:
            return self.array.__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )

    array = interop.to_cupy(BASE)
    assert isinstance(array, cupy.ndarray)
    assert interop.to_cupy(OnGPU(array), copy=False).data.ptr == array.data.ptr
    assert [step.verb for step in interop.explain(OnGPU(array), "numpy").steps] == ["move", "share"]
    assert interop.to_numpy(OnGPU(array)).tolist() == BASE.tolist()
