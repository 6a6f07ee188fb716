"""Every error that interop raises on purpose. A message says: source, target, reason, and what to write instead.

The tree, with the built-in classes that each is also caught by::

    InteropError
      UnknownFrameworkError       ValueError                 no framework of that name
      FrameworkNotInstalledError  ImportError                known, but it can't be imported here
      NotAnArrayError             TypeError                  a list, a string, None, a raw capsule
      UnsupportedArrayError       TypeError, BufferError     sparse, masked, object dtype: no such numbers over there
      CopyRequiredError           BufferError, ValueError    `copy=False`, and the memory can't be shared
        HostCopyError                                        the policy of `options` forbids the transfer
      GradientError               RuntimeError               leaving would cut the array off its gradient graph
      DeviceUnavailableError      RuntimeError               no such device in this process
      InvalidOptionError          ValueError                 a keyword's value is none of its choices
      ShapeError                  ValueError                 shapes that don't fit together

A warning, `HostCopyWarning` (a UserWarning), is what the policy ``host_copy="warn"`` gives in the place of an error.
"""

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
    "ShapeError",
    "UnknownFrameworkError",
    "UnsupportedArrayError",
]


class InteropError(Exception):
    """Whatever interop refuses to do."""


class UnknownFrameworkError(InteropError, ValueError):
    """No framework of that name is known."""


class FrameworkNotInstalledError(InteropError, ImportError):
    """The framework is known, but it can't be imported here."""


class NotAnArrayError(InteropError, TypeError):
    """The object is no array and speaks no protocol of arrays."""


class UnsupportedArrayError(InteropError, TypeError, BufferError):
    """The array has no plain numbers to give, or the target has no such dtype."""


class CopyRequiredError(InteropError, BufferError, ValueError):
    """The memory can't be shared, and a copy was not permitted."""


class HostCopyError(CopyRequiredError):
    """A copy through host memory that the policy forbids."""


class HostCopyWarning(UserWarning):
    """A copy through host memory that the policy permits, and wants to be told of."""


class GradientError(InteropError, RuntimeError):
    """The array requires grad, and the result would be cut off its graph."""


class DeviceUnavailableError(InteropError, RuntimeError):
    """The device doesn't exist in this process."""


class InvalidOptionError(InteropError, ValueError):
    """A keyword's value is none of its choices."""


class ShapeError(InteropError, ValueError):
    """The shapes don't fit together."""


def quote(error: BaseException) -> str:
    """Return the class and the text of an exception as a part of a sentence, which ends without a full stop."""
    text = without_stop(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def without_stop(text: str) -> str:
    """Return the text of another library's message for the middle of a sentence of ours."""
    return text.strip().rstrip(".")
