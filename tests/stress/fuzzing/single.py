"""Conversions of one array, by each function that can do one."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import interop

from . import keywords as kw
from . import makers
from .checks import Fuzz, check_plan, check_result, check_unchanged, expect_error
from .oracle import DEVICES, Promise, promise
from .sources import Source

Verb = Callable[..., Any]


def make_source(fuzz: Fuzz) -> Source:
    """Return a random source of any kind."""
    groups = [makers.HOST, makers.HOST, makers.OTHERS, makers.RARE]
    if DEVICES["cupy"]:
        groups.append(makers.DEVICE)
    make = fuzz.random.choice(fuzz.random.choice(groups))
    source = make(fuzz.random)
    fuzz.say(source)
    fuzz.fixed = fuzz.fixed and source.fixed
    return source


def by_name(x: Any, to: Any, target: str, **keywords: Any) -> Any:
    del to
    return getattr(interop, f"to_{target}")(x, **keywords)


def by_tree(x: Any, to: Any, target: str, **keywords: Any) -> Any:
    del target
    tree = interop.convert_tree({"x": [x, None]}, to, foreign=True, **keywords)
    assert tree["x"][1] is None
    return tree["x"][0]


def by_unify(x: Any, to: Any, target: str, **keywords: Any) -> Any:
    del target
    first, again = interop.unify(x, x, to=to, **keywords)
    assert first is again
    return first


def by_decorator(x: Any, to: Any, target: str, **keywords: Any) -> Any:
    del target

    @interop.implemented_in(to, returns=None, foreign=True, **keywords)
    def identity(x: Any) -> Any:
        return x

    return identity(x)


def by_convert(x: Any, to: Any, target: str, **keywords: Any) -> Any:
    del target
    return interop.convert(x, to, **keywords)


VERBS: Final[tuple[Verb, ...]] = (
    by_convert,
    by_convert,
    by_name,
    by_tree,
    by_unify,
    by_decorator,
)


def convert_one(fuzz: Fuzz) -> None:
    """Convert one source by any function, up to three times, and compare with the promise."""
    source = make_source(fuzz)
    target = fuzz.random.choice(kw.targets(source))
    keywords, asked = kw.draw(fuzz.random, source)
    options: kw.Keywords = {}
    if fuzz.random.random() < 0.2:
        options, asked = kw.draw_options(fuzz.random, keywords, asked)
    verb = choose_verb(fuzz, source, target)
    to = kw.target_spec(fuzz.random, target)
    fuzz.say(f"{verb.__name__}(x, {to!r}, {keywords}) within options({options})")
    expected = promise(source, target, asked)
    with interop.options(**options) if options else ExitStack():
        compare(fuzz, source, expected, lambda: verb(source.x, to, target, **keywords),
                lambda: interop.explain(source.x, to, **keywords))  # fmt: skip
    check_unchanged(source)


def choose_verb(fuzz: Fuzz, source: Source, target: str) -> Verb:
    """Return a function that treats this source as `convert` does."""
    if source.lazy or source.error or target == "array_api_strict":
        return by_convert
    return fuzz.random.choice(VERBS)


def compare(fuzz: Fuzz, source: Source, expected: Any, call: Any, explain: Any) -> None:
    """Compare a call with the promise and with `explain`."""
    plan = fuzz.attempt(explain)
    if expected is None:
        agree(fuzz, plan, call)
        return
    if not isinstance(expected, Promise):
        expect_error(fuzz, plan, expected)
        expect_error(fuzz, fuzz.attempt(call), expected)
        return
    check_plan(plan, source, expected)
    if expected.needs_kernel:
        fuzz.counts["plans only, because a kernel is needed"] += 1
        return
    for _ in range(fuzz.random.choice((1, 1, 2, 3))):
        result = fuzz.attempt(call)
        assert not isinstance(result, interop.InteropError), repr(result)
        check_result(fuzz, result, source, expected, plan)
        fuzz.counts["conversions"] += 1
    if fuzz.random.random() < 0.2:
        watched(fuzz, source, plan, call)


def agree(fuzz: Fuzz, plan: Any, call: Any) -> None:
    """Check only that a call is refused if `explain` says so."""
    outcome = fuzz.attempt(call)
    if isinstance(plan, interop.InteropError):
        assert type(outcome) is type(plan), f"{outcome!r}, but explain raised {plan!r}"


def watched(fuzz: Fuzz, source: Source, plan: Any, call: Any) -> None:
    """Check that `watch` records exactly the plan that `explain` gave."""
    with interop.watch() as seen:
        fuzz.attempt(call)
    (record,) = seen.records
    if source.read or (plan.target == "jax" and not plan.zero_copy):
        # What was read or copied by the source may need one more copy, to align it for JAX.
        assert record.plan[:6] == plan[:6]
    else:
        assert record.plan == plan, f"{record.plan}, but explain gave {plan}"
    fuzz.counts["watched conversions"] += 1


def wrong_keyword(fuzz: Fuzz) -> None:
    """Pass one keyword that is wrong. The error names it, whatever else is wrong with the array."""
    source = make_source(fuzz)
    target = fuzz.random.choice(kw.targets(source))
    keywords, _ = kw.draw(fuzz.random, source)
    name, value = fuzz.random.choice(kw.WRONG)
    keywords[name] = value
    verb = choose_verb(fuzz, source, target)
    fuzz.say(f"{verb.__name__}(x, {target!r}, {keywords})")
    outcome = fuzz.attempt(lambda: verb(source.x, target, target, **keywords))
    expect_error(fuzz, outcome, interop.InvalidOptionError)
    assert name in str(outcome), outcome
    keywords = {fuzz.random.choice(kw.UNKNOWN): None}
    try:
        verb(source.x, target, target, **keywords)
    except TypeError as error:
        assert not isinstance(error, interop.InteropError)  # noqa: PT017 - the class is the point
    else:
        raise AssertionError(f"{keywords} is accepted")
    check_unchanged(source)


def wrong_target(fuzz: Fuzz) -> None:
    """Name a framework that does not exist."""
    source = make_source(fuzz)
    target: Any = fuzz.random.choice(("nupmy", "", "pytorch.tensor", 3, None, int, object()))
    fuzz.say(f"convert(x, {target!r})")
    outcome = fuzz.attempt(lambda: interop.convert(source.x, target))
    expect_error(fuzz, outcome, interop.UnknownFrameworkError)


def like_reference(fuzz: Fuzz) -> None:
    """Convert to the framework and the device of a reference."""
    source = make_source(fuzz)
    reference = make_source(fuzz)
    keywords, asked = kw.draw(fuzz.random, source)
    if reference.framework not in DEVICES or source.lazy or reference.lazy or reference.error:
        return
    if asked.device is None:
        asked = asked._replace(device=reference.device)
    fuzz.say(f"convert_like(x, reference, {keywords})")
    target = reference.framework
    expected = promise(source, target, asked)
    explained: kw.Keywords = {"device": reference.device} | keywords
    compare(fuzz, source, expected, lambda: interop.convert_like(source.x, reference.x, **keywords),
            lambda: interop.explain(source.x, target, **explained))  # fmt: skip
    check_unchanged(source)
    check_unchanged(reference)
