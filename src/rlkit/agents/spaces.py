"""Spaces as JSON, and as Stable-Baselines3's networks see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.errors import UsageError

_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_DTYPES = ("float16", "float32", "float64", "bool", *_INTEGERS)


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space as JSON: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these."""
    if isinstance(space, spaces.Box):
        bounds = {name: _compact(getattr(space, name)) for name in ("low", "high")}
        return {"kind": "Box", **bounds, "shape": list(space.shape), "dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": int(space.n) if isinstance(space.n, int | np.integer) else list(space.n)}
    if isinstance(space, spaces.Dict):
        return {"kind": "Dict", "spaces": {key: space_to_json(part) for key, part in space.spaces.items()}}
    raise UsageError(f"policies of {type(space).__name__} spaces cannot be saved")


def space_from_json(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """The space that :func:`space_to_json` described.

    Raises:
        KeyError: If it describes none.
    """
    kind = data["kind"]
    if kind == "Box":
        if data["dtype"] not in _DTYPES:
            raise KeyError(data["dtype"])
        shape, dtype = tuple(data["shape"]), np.dtype(data["dtype"])
        low, high = (np.broadcast_to(np.array(data[name], dtype=dtype), shape) for name in ("low", "high"))
        return spaces.Box(low, high, shape, dtype)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"], start=data["start"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    if kind == "Dict":
        return spaces.Dict({key: space_from_json(part) for key, part in data["spaces"].items()})
    raise KeyError(kind)


def _compact(bounds: NDArray[Any]) -> Any:
    """One number where all are the same."""
    values = np.unique(bounds)
    return values[0].item() if len(values) == 1 else bounds.tolist()


def channels_first(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space that Stable-Baselines3's networks see."""
    from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
    from stable_baselines3.common.vec_env import VecTransposeImage

    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: channels_first(part) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Box) and is_image_space(space) and not is_image_space_channels_first(space):
        return VecTransposeImage.transpose_space(space)
    return space
