"""What all segments of a comparison store have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from rlkit.agents.spaces import space_from_json, space_to_json


@dataclass(frozen=True, kw_only=True)
class Header:
    """What all segments of a store have in common.

    Attributes:
        env_id: Gymnasium's name of the environment they were lived in.
        env_kwargs: Its arguments.
        observation_space: Of one environment.
        action_space: Of one environment.
        segment: Steps of a segment, at most.
        fps: Steps a second, in the environment's time; None: it does not say.
        budget: Queries that are asked in all; None: no end.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    segment: int
    fps: float | None = None
    budget: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        described = {name: space_to_json(getattr(self, name)) for name in ("observation_space", "action_space")}
        plain = {name: getattr(self, name) for name in ("env_id", "env_kwargs", "segment", "fps", "budget")}
        restored: dict[str, Any] = json.loads(json.dumps(plain | described))
        return restored

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Header:
        """What :meth:`to_plain` gave."""
        described = {name: space_from_json(plain[name]) for name in ("observation_space", "action_space")}
        return cls(**(plain | described))
