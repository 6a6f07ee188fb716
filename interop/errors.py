"""The errors that interop raises on purpose.

Each message names the source, the target, the reason and a hint: what to write instead. These parts
are also fields of the error, so no program has to parse a message. The classes, with the built-in
classes that they are caught by::

    InteropError
      UnknownFrameworkError       ValueError               no framework has that name
      FrameworkNotInstalledError  ImportError              a known framework cannot be used here
      NotAnArrayError             TypeError                a list, a string, None, a raw capsule
      UnsupportedArrayError       TypeError, BufferError   sparse, masked, an unknown dtype
      CopyRequiredError           BufferError, ValueError  `copy=False`, and a copy is necessary
        HostCopyError                                      the policy forbids the transfer
      GradientError               RuntimeError             the result would lose the gradient
      DeviceUnavailableError      RuntimeError             this process has no such device
      InvalidOptionError          ValueError               the value of a keyword is not valid
      ShapeError                  ValueError               the shapes do not fit together

Errors of other code, such as a producer of arrays, a framework or the class of an argument, are
refusals: interop tries another way, or raises an error of its own with the first one as the cause.
There are two exceptions. A MemoryError passes unchanged, because another way would need as much
memory. So do all exceptions that are not an Exception, such as KeyboardInterrupt.

There is one warning, `HostCopyWarning` (a UserWarning). The policy ``host_copy="warn"`` issues the
warning instead of an error.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "CopyRequiredError",
    "DeviceUnavailableError",
    "FrameworkNotInstalledError",
    "GradientError",
    "HostCopyError",
    "HostCopyWarning",
    "InteropError",
    "InvalidOptionError",
    "NotAnArrayError",
    "Reason",
    "ShapeError",
    "UnknownFrameworkError",
    "UnsupportedArrayError",
]


class Reason(str):
    """A reason for a refusal, together with a hint.

    Adapters return an instance if a message should have both. An instance is a string: the text is
    the reason, then the hint.

    Parameters
    ----------
    reason : str
        Why something cannot be done, as a clause without a full stop.
    hint : str, optional
        What to write instead, as one or more sentences.

    Examples
    --------
    >>> from interop.errors import Reason
    >>> reason = Reason("torch has no dtype float128", 'Pass dtype="float64".')
    >>> str(reason)
    'torch has no dtype float128. Pass dtype="float64".'
    >>> reason.hint
    'Pass dtype="float64".'
    """

    __slots__ = ("hint", "reason")

    reason: str
    hint: str | None

    def __new__(cls, reason: str, hint: str | None = None) -> Self:
        """Compose the text."""
        self = super().__new__(cls, join_sentences(reason, hint))
        self.reason = reason
        self.hint = hint
        return self

    # The method of `str` would pass the complete text as the reason.
    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return the arguments of the constructor, for copies and pickles."""
        return self.reason, self.hint

    @classmethod
    def of(cls, text: str) -> Reason:
        """Return a reason as it is, and a plain string as a reason without a hint."""
        if isinstance(text, Reason):
            return text
        return Reason(text)

    def with_prefix(self, prefix: str) -> Reason:
        """Return the reason with a text in front."""
        return Reason(prefix + self.reason, self.hint)

    def with_hint(self, hint: str | None) -> Reason:
        """Return the reason with one more hint behind the first one."""
        hints = filter(None, (self.hint, hint))
        return Reason(self.reason, " ".join(hints) or None)


class InteropError(Exception):
    """Base class of all errors that interop raises on purpose.

    Parameters
    ----------
    reason : str, optional
        Why something cannot be done, as a clause without a full stop. A `Reason` may have a hint.
    attempt : str, optional
        Text in front of the reason, with the fields ``{source}`` and ``{target}``.
    source, target, hint : optional
        The attributes of that name.
    details : str, optional
        Text behind the hint.
    **more
        Keywords of the built-in exception that is a base class.

    Attributes
    ----------
    source : str or None
        The array or object that was passed, such as ``"torch float32 (3,) on cpu"``. None if the
        error concerns no array, or several.
    target : str or None
        The framework, the array to write to, or the function that should have received the array.
        None if there is no target.
    reason : str or None
        Why it is impossible.
    hint : str or None
        What to write instead. None if interop knows no remedy.

    Examples
    --------
    >>> import numpy as np, interop
    >>> try:
    ...     interop.to_torch(np.ones(3), dtype="int32")
    ... except interop.InteropError as error:
    ...     print(error.source, error.target, error.hint, sep=" | ")
    numpy float64 (3,) on cpu | torch | Pass casting="unsafe" to accept that.
    """

    source: str | None = None
    target: str | None = None
    reason: str | None = None
    hint: str | None = None

    def __init__(  # noqa: PLR0913 - keywords
        self,
        reason: str | None = None,
        *,
        attempt: str | None = None,
        source: object = None,
        target: object = None,
        hint: str | None = None,
        details: str | None = None,
        **more: Any,
    ) -> None:
        if reason is None:  # another package may raise an error without a text
            super().__init__(**more)
            return
        if isinstance(reason, Reason):
            complete = reason.with_hint(hint)
            reason = complete.reason
            hint = complete.hint
        text = join_sentences(reason, hint)
        if attempt:
            text = f"{attempt.format(source=source, target=target)}: {text}"
        if details:
            text = f"{text} {details}"
        # The text is the only argument: copies and pickles restore the fields from __dict__.
        super().__init__(text, **more)
        if source is not None:
            self.source = str(source)
        if target is not None:
            self.target = str(target)
        self.reason = str(reason)
        self.hint = hint


class UnknownFrameworkError(InteropError, ValueError):
    """A target that is not a known framework."""


class FrameworkNotInstalledError(InteropError, ImportError):
    """A known framework that is not installed, or that cannot be used here.

    For example, importing the framework fails, or the framework is too old. The cause has the error
    of the framework.
    """


class NotAnArrayError(InteropError, TypeError):
    """An object that is not an array and has no array protocol."""


# The array API standard requires a BufferError of `__dlpack__` if the memory cannot be exported.
class UnsupportedArrayError(InteropError, TypeError, BufferError):
    """An array without plain numbers, or with a dtype or device unknown to the target."""


# For copy=False, `__dlpack__` raises a BufferError, and numpy.asarray raises a ValueError.
class CopyRequiredError(InteropError, BufferError, ValueError):
    """Memory that cannot be shared, where a copy was forbidden."""


class HostCopyError(CopyRequiredError):
    """A transfer between the host and a device that the policy forbids."""


class HostCopyWarning(UserWarning):
    """A transfer between the host and a device, where the policy asks for a warning."""


# `torch.Tensor.numpy` raises a RuntimeError for such a tensor.
class GradientError(InteropError, RuntimeError):
    """An array that requires grad, where the result would lose the gradient."""


class DeviceUnavailableError(InteropError, RuntimeError):
    """A device that does not exist in this process."""


class InvalidOptionError(InteropError, ValueError):
    """A keyword with a value that is not valid."""


class ShapeError(InteropError, ValueError):
    """Shapes that do not fit together."""


class _IgnoredRefusals:
    """A context manager that ends the block at a refusal of other code, without an error."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        """Return whether the error is a refusal: see the docstring of the module."""
        return isinstance(error, Exception) and not isinstance(error, MemoryError)


ignored_refusals: Final = _IgnoredRefusals()
"""Like ``suppress(Exception)``, but a MemoryError passes."""


@contextmanager
def reading_payload() -> Generator[None, None, None]:
    """Refuse data from another process that cannot be read, inside the ``with`` block.

    Raises
    ------
    UnsupportedArrayError
        The block has raised another error (the cause).
    """
    try:
        yield
    except (InteropError, MemoryError):
        raise
    except Exception as error:
        raise UnsupportedArrayError(
            f"data from another process cannot be read ({quote(error)})",
            hint="Use one version of interop in all processes.",
        ) from error


def join_sentences(reason: str, hint: str | None) -> str:
    """Return a reason and a hint as one text."""
    if hint is None:
        return reason
    return f"{reason}. {hint}"


def quote(error: BaseException) -> str:
    """Return the class and the text of a foreign exception, for the middle of a sentence."""
    name = type(error).__name__
    text = ""
    with ignored_refusals:  # the exception may raise another one
        text = without_stop(str(error))
    if not text:
        return name
    return f"{name}: {text}"


def without_stop(text: str) -> str:
    """Return the text of a foreign message without the full stop at the end."""
    return text.strip().rstrip(".")
