"""Report the progress of a long call, with a progress bar or by a function of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interop import errors
from interop._engine.parse import invalid
from interop.adapter.scope import scoped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Progress = bool | Callable[[int], object]


def check_progress(progress: Any) -> None:
    """Insist on a valid value of `progress`, and on tqdm if the value is True.

    Raises
    ------
    InvalidOptionError
        The value is neither True nor False nor a function.
    FrameworkNotInstalledError
        The value is True, and tqdm is not installed.
    """
    # By identity, because functions count as true.
    if progress is True:
        _tqdm()
    elif progress is not False and not callable(progress):
        raise invalid("progress", progress, "True, False or a function that takes a number")


@scoped
def reporting(
    progress: Progress, total: int, unit: str
) -> Generator[Callable[[int], object], None, None]:
    """Give the function to call with the amount done so far, and close the bar at the end.

    Parameters
    ----------
    progress : bool or function
        The keyword of the user, already checked.
    total : int
        The amount when all is done.
    unit : str
        The unit behind the numbers of the bar.
    """
    if progress is not True:
        yield progress or _ignore
        return
    with _tqdm()(total=total, unit=unit, unit_scale=unit == "B") as bar:
        # tqdm wants the increase, and `done` is the total so far.
        yield lambda done: bar.update(done - bar.n)


def _ignore(done: int) -> None:
    pass


def _tqdm() -> Any:
    """Return the class of tqdm's bars."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        reason = "progress=True needs tqdm, which is not installed"
        hint = "Install it with: pip install 'array-interop[progress]'"
        raise errors.FrameworkNotInstalledError(reason, hint=hint, name="tqdm") from error
    return tqdm
