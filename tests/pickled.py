"""The names of interop that a pickle holds."""

import io
import pickle
from typing import Any


class NameRecorder(pickle.Unpickler):
    """An unpickler that records the names of interop in a pickle."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "interop":
            self.names.add(f"{module}.{name}")
        return super().find_class(module, name)


def load(pickled: bytes) -> tuple[Any, set[str]]:
    """Return the object in a pickle, and the names of interop in it."""
    recorder = NameRecorder(pickled)
    return recorder.load(), recorder.names
