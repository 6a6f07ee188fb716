"""The Plan class: fields, text, and the HTML table for notebooks."""

import html.parser
import pickle

import numpy as np
import pytest
import torch

import interop
from interop import Device, Plan, Step
from interop._engine.executor import make_calls
from interop._engine.planner import make_plan
from interop._identify import registry
from interop._model.conversion import Conversion
from interop._model.request import Request
from interop._model.verb import Verb

pytestmark = pytest.mark.requires("torch")

CPU = Device(1, 0)


def test_explain_shared_array_plans_one_share_step() -> None:
    plan = interop.explain(np.ones((2, 3), "float32"), "torch")
    assert plan == Plan(
        source="numpy", target="torch", shape=(2, 3), source_device=CPU, device=CPU, dtype="float32", readonly=False,
        steps=(Step(Verb.SHARE, "source", CPU, "float32", 0),), reason="both can use the same memory on cpu",
    )  # fmt: skip
    assert plan.zero_copy
    assert plan.bytes_copied == 0


def test_explain_cast_plans_a_copy_and_a_share_step() -> None:
    plan = interop.explain(torch.ones(2, 3), "numpy", dtype="float64")
    assert plan.steps == (
        Step(Verb.COPY, "source", CPU, "float64", 48),
        Step(Verb.SHARE, "source", CPU, "float64", 0),
    )
    assert plan.reason == "the dtype changes from float32 to float64"
    assert not plan.zero_copy
    assert plan.bytes_copied == 48


def test_explain_same_framework_plans_a_keep_step() -> None:
    plan = interop.explain(np.ones(3), "numpy")
    assert plan.steps == (Step(Verb.KEEP, "source", CPU, "float64", 0),)
    assert plan.reason == "it is numpy's already"


def test_explain_detach_plans_a_detach_and_a_share_step() -> None:
    plan = interop.explain(torch.ones(3, requires_grad=True), "numpy", detach=True)
    assert [step.verb for step in plan.steps] == ["detach", "share"]
    assert plan.zero_copy


def test_explain_read_only_view_is_marked_readonly() -> None:
    plan = interop.explain(torch.ones(1).expand(4), "numpy")
    assert plan.readonly
    assert not interop.to_numpy(torch.ones(1).expand(4)).flags.writeable
    assert not interop.explain(torch.ones(4), "numpy").readonly


def test_step_verb_is_a_string_with_a_plain_repr() -> None:
    """Programs may compare, look up and pickle a verb as a string."""
    (step,) = interop.explain(np.ones(3), "torch").steps
    assert step.verb == "share"
    assert {"share": 1}[step.verb] == 1
    assert str(step.verb) == f"{step.verb}" == "share"
    assert repr(step).startswith("Step(verb='share', side='source', device=")
    assert pickle.loads(pickle.dumps(step)) == step  # noqa: S301 - our own


@pytest.mark.parametrize("verb", Verb)
def test_verb_writes_as_the_public_list_says(verb: Verb) -> None:
    assert verb.writes == (verb in ("read", "copy", "move", "compute"))


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb in ("compute", "map")])
def test_make_calls_with_a_verb_of_lazy_arrays_raises(verb: Verb) -> None:
    """The executor raises for a step without a call, and does not skip the step."""
    numpy, array = registry.find("numpy"), np.ones(3)
    conversion = Conversion(numpy.describe(array), numpy, numpy, Request())
    plan = make_plan(conversion)
    plan = plan._replace(steps=(plan.steps[0]._replace(verb=verb), *plan.steps))
    with pytest.raises(
        NotImplementedError, match=f"^the executor has no call for the step '{verb}'"
    ):
        make_calls(plan, conversion)


WORDS = {
    "zero-copy": (
        interop.explain(np.ones((2, 3), "float32"), "torch"),
        ("numpy -> torch, float32 (2, 3) on cpu: zero-copy, because both can use the same memory on cpu\n"
            "  share: float32 on cpu"),
    ),
    "read-only": (
        interop.explain(torch.ones(1).expand(4), "numpy"),
        ("torch -> numpy, float32 (4,) on cpu: zero-copy, read-only, because both can use the same memory on cpu\n"
            "  share: float32 on cpu"),
    ),
    "a copy": (
        interop.explain(np.ones(1000)[::-1], "torch"),
        ("numpy -> torch, float64 (1000,) on cpu: 8,000 bytes copied, because torch has no negative strides\n"
            "  copy by the source's framework: float64 on cpu, 8,000 bytes\n"
            "  share: float64 on cpu"),
    ),
    "no change": (
        interop.explain(np.ones(3), "numpy"),
        ("numpy -> numpy, float64 (3,) on cpu: zero-copy, because it is numpy's already\n"
            "  keep by the source's framework: float64 on cpu"),
    ),
    "an upload": (
        Plan(
            "numpy", "cupy", (4,), CPU, Device(2, 1), "int8",
            (Step(Verb.SHARE, "source", CPU, "int8"), Step(Verb.MOVE, "target", Device(2, 1), "int8", 4)), "it moves",
        ),
        ("numpy -> cupy, int8 (4,) on cuda:1: 4 bytes copied, because it moves\n"
            "  share: int8 on cpu\n"
            "  move by the target's framework: int8 on cuda:1, 4 bytes"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plan", "words"), WORDS.values(), ids=WORDS)
def test_plan_str_states_cost_reason_and_steps(plan: Plan, words: str) -> None:
    assert str(plan) == words


class Cells(html.parser.HTMLParser):
    """A parser that collects the text and the element names of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert not attrs
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize(("plan", "words"), WORDS.values(), ids=WORDS)
def test_plan_repr_html_has_the_headline_and_a_row_per_step(plan: Plan, words: str) -> None:
    """The HTML has the same headline as the text, and one row per step."""
    cells = Cells(plan._repr_html_())
    assert cells.tags == {"div", "b", "table", "tr", "th", "td"}
    assert "".join(cells.text).startswith(words.splitlines()[0])
    for step in plan.steps:
        assert f"{step.bytes:,}" in cells.text
        assert {step.verb, str(step.device), step.dtype} <= set(cells.text)
        assert step.verb == "share" or step.side in cells.text


def test_plan_repr_html_escapes_angle_brackets() -> None:
    """The name of a class defined in a function contains angle brackets."""

    class Local:
        __array_interface__ = np.ones(3).__array_interface__

    plan = interop.explain(Local(), "torch", readonly="share")
    assert "<locals>" in str(plan)
    assert "<locals>" not in plan._repr_html_()
    assert "&lt;locals&gt;.Local" in plan._repr_html_()
    assert "<script>" not in plan._replace(reason="<script>", source="<script>")._repr_html_()


def test_plan_bytes_copied_counts_elements_not_strides() -> None:
    wide = np.ones((4, 100), "int16")[:, ::50]
    assert interop.explain(wide, "torch", copy=True).bytes_copied == 16
    assert interop.explain(torch.ones(1).expand(1000), "numpy", copy=True).bytes_copied == 4000
    assert interop.explain(np.empty((0, 5)), "torch", copy=True).bytes_copied == 0
