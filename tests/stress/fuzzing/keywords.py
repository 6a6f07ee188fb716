"""Random targets and keywords, and keywords that are wrong."""

from random import Random
from typing import Any, Final

import numpy as np
import torch

import interop

from .oracle import DEVICES, Asked
from .sources import DTYPES, PLAIN, Source

Keywords = dict[str, Any]
WRONG: Final[tuple[tuple[str, Any], ...]] = (
    ("copy", 1),
    ("copy", "yes"),
    ("copy", np.True_),
    ("detach", None),
    ("detach", 1),
    ("readonly", "shared"),
    ("readonly", None),
    ("casting", "safe"),
    ("casting", None),
    ("compute", "yes"),
    ("dtype", "flaot32"),
    ("dtype", "object"),
    ("dtype", 3.5),
    ("device", "gpx"),
    ("device", 7),
    ("device", ("cuda", "0")),
    ("stream", "main"),
    ("stream", 1.5),
)
"""Values that no conversion accepts."""
UNKNOWN: Final = ("cpoy", "host_copy", "to", "device_id", "axis_")
"""Keywords that no function has."""


def target_spec(random: Random, target: str) -> Any:
    """Return a target as a name, a module or a class."""
    if random.random() < 0.6:
        return target
    if target == "numpy":
        return random.choice((np, np.ndarray))
    if target == "torch":
        return random.choice((torch, torch.Tensor))
    if target == "cupy":
        import cupy

        return random.choice((cupy, cupy.ndarray))
    if target == "jax":
        import jax

        return random.choice((jax, jax.Array))
    return target


def draw(random: Random, source: Source) -> tuple[Keywords, Asked]:
    """Return keywords of a conversion, and the same for the oracle."""
    keywords: Keywords = {}
    if random.random() < 0.4:
        keywords["copy"] = random.choice((None, True, False))
    if random.random() < 0.3:
        keywords["readonly"] = random.choice(("copy", "share", "error"))
    if random.random() < 0.3:
        keywords["detach"] = random.choice((True, False))
    if random.random() < 0.3:
        keywords["casting"] = random.choice(("same_kind", "unsafe"))
    if random.random() < 0.1:
        keywords["stream"] = random.choice((None, -1))
    asked = Asked(**{key: value for key, value in keywords.items() if key != "stream"})
    if random.random() < 0.35:
        dtype = random.choice((source.dtype, *DTYPES))
        keywords["dtype"] = random.choice((dtype, *_dtype_objects(dtype)))
        asked = asked._replace(dtype=dtype)
    if random.random() < 0.25:
        device = random.choice(("cpu", "cpu", source.device, "cuda", "cuda:1", "cuda:77"))
        keywords["device"] = random.choice((device, *_device_objects(device)))
        asked = asked._replace(device=device)
    items = list(keywords.items())
    random.shuffle(items)
    return dict(items), asked


def _dtype_objects(dtype: str) -> list[Any]:
    objects: list[Any] = [getattr(torch, dtype)]
    if dtype in PLAIN:
        objects += [np.dtype(dtype), np.dtype(dtype).type]
    return objects


def _device_objects(device: str) -> list[Any]:
    index = int(device.partition(":")[2] or 0)
    kind = 1 if device == "cpu" else 2
    return [interop.Device(kind, index), (kind, index), torch.device(device)]


def draw_options(random: Random, keywords: Keywords, asked: Asked) -> tuple[Keywords, Asked]:
    """Return keywords of `interop.options`, and what they change for the oracle.

    A keyword of the call wins.
    """
    options: Keywords = {}
    if random.random() < 0.5:
        options["host_copy"] = random.choice(("allow", "warn", "error"))
    if random.random() < 0.3:
        options["max_host_bytes"] = random.choice((0, 8, 64, float("inf")))
    if random.random() < 0.4:
        options["detach"] = random.choice((True, False))
    if random.random() < 0.4:
        options["readonly"] = random.choice(("copy", "share", "error"))
    return options, asked._replace(**{k: v for k, v in options.items() if k not in keywords})


def targets(source: Source) -> list[str]:
    """Return the targets, those of the source's own framework more often."""
    names = [name for name, devices in DEVICES.items() if devices and name != "dask"]
    own = [source.framework] if source.framework in names else []
    return [*names, "numpy", "torch", "numpy", "torch", *own]
