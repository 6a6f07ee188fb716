"""Tell how far something long has come: by tqdm's bar, or by a call."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from interop import errors
from interop._model import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = bool | Callable[[int], object]


def check_progress(progress: Any) -> None:
    """Insist that it is True, False or a function; and on tqdm, where it is True.

    Raises
    ------
    InvalidOptionError, FrameworkNotInstalledError
    """
    if progress is True:
        _bar()
    elif progress is not False and not callable(progress):
        msg = f"progress must be True, False or a function that takes a number, got {text.short_repr(progress)}"
        raise errors.InvalidOptionError(msg)


@contextmanager
def reporting(progress: Progress, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Give a function to be called with how much is done so far; the bar ends with the block."""
    if progress is not True:
        yield progress or _ignore
        return
    with _bar()(total=total, unit=unit, unit_scale=unit == "B") as bar:
        yield lambda done: bar.update(done - bar.n)


def _ignore(done: int) -> None:
    pass


def _bar() -> Any:
    try:
        from tqdm import tqdm  # noqa: PLC0415 - optional
    except ImportError as error:
        reason = "progress=True needs tqdm, which is not installed"
        hint = "Install it with: pip install 'array-interop[progress]'"
        raise errors.FrameworkNotInstalledError(reason, hint=hint, name="tqdm") from error
    return tqdm
