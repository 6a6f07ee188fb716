"""Producers of other libraries."""

import array
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

import interop

from .producers import (
    LENDERS,
    Computed,
    DLPack,
    LegacyDLPack,
    address,
)
from .upstream import may_fail, may_go_wrong

TARGETS = pytest.mark.parametrize("to", ["numpy", "torch"])


class TestForeign:
    """Trap 11, silent: `torch.asarray(array.array("i", [1, 2]))` is `[1.4e-45, 2.8e-45]`, because
    torch reads the bytes of a buffer as its default dtype. An object that has only `__array__`
    fails in every constructor of torch.

    interop opens objects of unknown libraries as NumPy does, and never with `torch.asarray` or
    `torch.as_tensor`.
    """

    TYPECODES = pytest.mark.parametrize("code", "bBhHiIlLqQfd")

    def test_plain_torch_asarray_may_misread_a_buffer(self) -> None:
        integers = array.array("i", [1, 2])
        misread = torch.tensor([1, 2], dtype=torch.int32).view(torch.float32).tolist()
        may_go_wrong(lambda: torch.asarray(integers).tolist(), wrong=misread, right=[1, 2])

    def test_plain_torch_may_reject_objects_with_only_array_method(self) -> None:
        for construct in (torch.tensor, torch.asarray, torch.as_tensor):
            may_fail(partial(construct, Computed(np.ones(3))), RuntimeError, TypeError, ValueError)

    @TYPECODES
    @TARGETS
    def test_convert_buffer_is_shared_with_its_dtype(self, code: str, to: str) -> None:
        source = array.array(code, [1, 2])
        result = interop.convert(source, to, copy=False)
        assert result.tolist() == [1, 2]
        assert str(result.dtype).removeprefix("torch.") == np.dtype(code).name
        assert address(result) == source.buffer_info()[0]
        source[0] = 7
        assert result.tolist() == [7, 2]

    @TARGETS
    @pytest.mark.parametrize("lend", LENDERS.values(), ids=LENDERS)
    def test_convert_memory_of_every_protocol_is_shared(
        self, lend: Callable[[Any], Any], to: str
    ) -> None:
        memory = np.arange(12.0).reshape(3, 4)[:, ::2]
        result = interop.convert(lend(memory), to, copy=False, readonly="share")
        assert result.tolist() == memory.tolist()
        assert address(result) == memory.ctypes.data
        assert tuple(result.stride() if to == "torch" else (s // 8 for s in result.strides)) == (
            4,
            2,
        )

    @TARGETS
    def test_convert_object_with_only_array_method_is_read_once(self, to: str) -> None:
        source = Computed(np.arange(3.0))
        result = interop.convert(source, to)
        assert (result.tolist(), source.calls) == ([0, 1, 2], 1)
        result += 1
        assert source.array.tolist() == [0, 1, 2]

    def test_to_torch_bytes_and_bytearray_return_byte_values(self) -> None:
        assert interop.to_torch(b"abc").tolist() == [97, 98, 99]
        memory = bytearray(b"abc")
        interop.to_torch(memory, copy=False)[0] = 65
        assert memory == b"Abc"


class Failing(DLPack):
    def __dlpack__(self, **keywords: Any) -> Any:
        self.asked.append(keywords)
        raise TypeError("three is no device")


class FailingLegacy(LegacyDLPack):
    def __dlpack__(self, stream: int | None = None) -> Any:
        self.calls += 1
        raise TypeError("three is no device")


class TestLegacyProducers:
    """Trap 21: Producers from before DLPack 1.0 raise "unexpected keyword" for `max_version`,
    `dl_device` and `copy`. torch calls a producer up to four times, so that a `TypeError` of the
    producer itself appears late, and it drops `copy=False` on the way.

    interop inspects the signature once for each class and calls each object once, with the keywords
    that it accepts. An error of the producer is shown.
    """

    def test_plain_numpy_may_pass_unknown_keywords_to_old_producers(self) -> None:
        may_fail(lambda: np.from_dlpack(LegacyDLPack(np.ones(3)), copy=False), TypeError)

    def test_plain_torch_may_call_a_failing_producer_repeatedly(self) -> None:
        source = Failing(np.ones(3))
        may_fail(lambda: from_dlpack(source), TypeError)
        assert source.asked

    @TARGETS
    @pytest.mark.parametrize(
        "keywords", [{}, {"copy": True}, {"dtype": "float32"}, {"readonly": "share"}], ids=str
    )
    def test_convert_old_producer_is_called_once_with_known_keywords(
        self, to: str, keywords: Any
    ) -> None:
        for values in ([0, 1, 2], [3, 4, 5]):
            source = LegacyDLPack(np.array(values, dtype="float64"))
            assert interop.convert(source, to, **keywords).tolist() == values
            assert source.calls == 1

    @TARGETS
    @pytest.mark.requires("numpy-dlpack")
    def test_convert_new_producer_is_called_once(self, to: str) -> None:
        source = DLPack(np.arange(3.0))
        assert interop.convert(source, to).tolist() == [0, 1, 2]
        assert len(source.asked) == 1

    @TARGETS
    @pytest.mark.parametrize("producer", [Failing, FailingLegacy])
    def test_convert_producer_error_is_the_cause_after_one_call(
        self, to: str, producer: type[Any]
    ) -> None:
        source = producer(np.ones(3))
        with pytest.raises(
            interop.UnsupportedArrayError, match="TypeError: three is no device"
        ) as caught:
            interop.convert(source, to)
        assert type(caught.value.__cause__) is TypeError
        assert (source.calls if producer is FailingLegacy else len(source.asked)) == 1

    def test_convert_copy_false_of_old_producer_is_respected(self) -> None:
        source = LegacyDLPack(np.arange(3.0)[::-1])
        with pytest.raises(interop.CopyRequiredError):
            interop.to_torch(source, copy=False)
        result = interop.to_numpy(source, copy=False)
        assert address(result) == source.array.ctypes.data

    def test_to_numpy_inspects_the_producer_signature_once_per_class(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Source(LegacyDLPack):
            def __dlpack__(self, stream: Any = None) -> Any:
                return super().__dlpack__(stream)

        looks = []
        signature = inspect.signature

        def look(function: Any) -> inspect.Signature:
            looks.append(function)
            return signature(function)

        monkeypatch.setattr(inspect, "signature", look)
        for _ in range(2):
            interop.to_numpy(Source(np.ones(3)))
            assert len(looks) == 1
