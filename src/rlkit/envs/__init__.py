"""The environments, and their registration with Gymnasium."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium


@dataclass(frozen=True)
class EnvironmentSpec:
    """A row of the table of environments.

    Attributes:
        entry_point: Of the single environment, ``"module:class"`` (imported when it is made).
        vector_entry_point: Of the batch.
        evaluation: Module with ``evaluate``, its ``SETTINGS`` and ``markdown``, which judge agents on it; None for
            returns alone.
        plot: ``"module:function"`` that draws an episode, shape ``(height, width, 3)``, from what the single
            environment's ``record()`` gave after every step; None where there is none.
        kwargs: Default arguments.
    """

    entry_point: str
    vector_entry_point: str
    evaluation: str | None = None
    plot: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)


ENVIRONMENTS: dict[str, EnvironmentSpec] = {
    "rlkit/Negotiation-v0": EnvironmentSpec(
        entry_point="rlkit.envs.negotiation.env:NegotiationEnv",
        vector_entry_point="rlkit.envs.negotiation.vector:NegotiationVectorEnv",
        evaluation="rlkit.envs.negotiation.evaluation",
    ),
    "rlkit/DataCenterCooling-v0": EnvironmentSpec(
        entry_point="rlkit.envs.cooling.env:CoolingEnv",
        vector_entry_point="rlkit.envs.cooling.safety.stack:make_vector",
        evaluation="rlkit.envs.cooling.evaluation",
        plot="rlkit.envs.cooling.plot:draw_episode",
    ),
    "rlkit/ObstacleCourse-v0": EnvironmentSpec(
        entry_point="rlkit.envs.locomotion.env:ObstacleCourseEnv",
        vector_entry_point="rlkit.envs.locomotion.vector:ObstacleCourseVectorEnv",
        evaluation="rlkit.envs.locomotion.evaluation",
    ),
    "rlkit/Sprite-v0": EnvironmentSpec(
        entry_point="rlkit.envs.sprite.env:SpriteEnv",
        vector_entry_point="rlkit.envs.sprite.vector:SpriteVectorEnv",
    ),
}

# Stages of others, which need an extra and stand side by side rather than in a batch: id and entry point.
STAGES: dict[str, str] = {
    "rlkit/MinAtar-v0": "rlkit.envs.games:MinAtarEnv",
    "rlkit/Arcade-v0": "rlkit.envs.games:make_arcade",
    "rlkit/Doom-v0": "rlkit.envs.doom:DoomEnv",
}


def register() -> None:
    """Register every environment of the tables with Gymnasium; once more does no harm."""
    for env_id, entry_point in STAGES.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=entry_point)
    for env_id, row in ENVIRONMENTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=row.entry_point,
                vector_entry_point=row.vector_entry_point,
                kwargs=dict(row.kwargs),
            )
