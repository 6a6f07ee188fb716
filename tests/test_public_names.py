"""The public names, as `help()`, editors and pickle see them."""

import inspect
import pickle
import pydoc
from typing import Any, get_type_hints

import pytest

import interop
from child import run_child
from interop._model.request import Keywords, Request

PUBLIC = [getattr(interop, name) for name in interop.__all__ if name != "__version__"]
CONVERTING = [
    interop.batches, interop.convert, interop.convert_like, interop.convert_tree, interop.explain,
    interop.implemented_in, interop.stack, interop.to_cupy, interop.to_jax, interop.to_numpy,
    interop.to_torch, interop.unify,
]  # fmt: skip


def shown(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_public_name_has_the_module_interop(public: Any) -> None:
    assert public.__module__ == "interop"
    assert getattr(interop, public.__name__) is public


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_public_name_is_pickled_by_its_name_in_interop(public: Any) -> None:
    assert pickle.loads(pickle.dumps(public)) is public  # noqa: S301 - our own


def test_device_is_unpickled_in_a_process_that_has_imported_nothing() -> None:
    data = pickle.dumps(interop.Device(2, 1))
    assert run_child(f"import pickle; print(pickle.loads({data!r}))") == "cuda:1\n"


@pytest.mark.parametrize("function", CONVERTING, ids=lambda function: function.__name__)
def test_signature_of_a_converting_function_lists_each_keyword(function: Any) -> None:
    parameters = shown(function)
    for name in get_type_hints(Keywords):
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


@pytest.mark.parametrize("function", CONVERTING, ids=lambda function: function.__name__)
def test_signature_of_a_converting_function_shows_the_defaults(function: Any) -> None:
    defaults = {name: shown(function)[name].default for name in Keywords.__annotations__}
    computes = function.__name__.startswith("to_") or function in (interop.stack, interop.unify)
    assert defaults.pop("compute") is computes
    assert defaults == {name: Request._field_defaults[name] for name in defaults}


def test_signature_of_a_function_without_the_keywords_is_its_own() -> None:
    assert list(shown(interop.device_of)) == ["x"]
    assert "device" not in shown(interop.copyto)


def test_help_to_numpy_lists_the_keywords() -> None:
    text = pydoc.plain(pydoc.render_doc(interop.to_numpy))
    for name in ("device", "dtype", "copy", "detach", "readonly", "casting"):
        assert f"{name}: " in text


def test_convert_tree_with_an_unknown_keyword_raises_type_error() -> None:
    """The listed keywords are those that are accepted."""
    for name, default in ((p.name, p.default) for p in shown(interop.convert_tree).values()):
        if name not in ("tree", "to"):
            interop.convert_tree([], "numpy", **{name: default})
    with pytest.raises(TypeError, match="there is no keyword 'devise'"):
        interop.convert_tree([], "numpy", devise="cpu")  # type: ignore[call-arg]
