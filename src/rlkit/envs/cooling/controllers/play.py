"""Let a controller or a policy run halls through whole episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers import make_controller
from rlkit.envs.cooling.metrics import VERDICT
from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError


@dataclass(frozen=True)
class Episodes:
    """What came of one episode in each hall.

    Attributes:
        verdicts: Records of :data:`rlkit.envs.cooling.metrics.VERDICT`, shape ``(n,)``.
        returns: Sums of rewards, shape ``(n,)``.
        interventions: Share of all steps in which each safety layer acted, by its name; None without layers.
    """

    verdicts: NDArray[np.void]
    returns: NDArray[np.float64]
    interventions: dict[str, float] | None = None


def play(
    player: Any,
    envs: CoolingVectorEnv | SafetyLayer,
    *,
    seed: int | Sequence[int] = 0,
    options: dict[str, Any] | None = None,
) -> Episodes:
    """One episode in every hall.

    Args:
        player: A controller or its name; or a policy: an object with ``predict(observations)``.
        envs: The halls, with ``autoreset_mode="same_step"`` (an episode may end early, by a thermal trip); safety
            layers may be around them.
        seed: Of the episodes: one for the batch, or one for each hall.
        options: Of their reset, such as ``days``.

    Raises:
        UsageError: If the halls reset themselves in another way, or the player neither acts nor predicts.
    """
    if envs.autoreset_mode is not AutoresetMode.SAME_STEP:
        raise UsageError("play needs an environment made with autoreset_mode='same_step'")
    if isinstance(player, str):
        player = make_controller(player)
    if not hasattr(player, "predict") and not hasattr(player, "act"):
        raise UsageError(f"a player has predict(observations) or act(envs), got {type(player).__name__}")
    observations, _ = envs.reset(seed=seed, options=dict(options or {}))
    if not hasattr(player, "predict"):
        player.reset(envs, np.ones(envs.num_envs, dtype=np.bool_))
    verdicts, returns = np.zeros(envs.num_envs, VERDICT), np.zeros(envs.num_envs)
    counts = {key: np.zeros(envs.num_envs, np.int64) for key in _counted(envs)}
    pending = np.ones(envs.num_envs, dtype=np.bool_)
    while pending.any():
        actions = player.predict(observations) if hasattr(player, "predict") else player.act(envs)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        returns += rewards * pending
        ended = (terminated | truncated) & pending
        if ended.any():
            for name in VERDICT.names or ():
                verdicts[name][ended] = infos["final_info"][name][ended]
            for key, count in counts.items():
                count[ended] = infos["final_info"][key][ended]
            pending &= ~ended  # episodes after the first do not count
    return Episodes(verdicts, returns, _shares(counts) if counts else None)


def _counted(envs: CoolingVectorEnv | SafetyLayer) -> list[str]:
    """Keys of verdicts that count what safety layers did."""
    found = (source for name, source in envs.metadata["metrics"]["values"].items() if name.startswith("safety_"))
    return list(dict.fromkeys(key for source in found for key in source))


def _shares(counts: dict[str, NDArray[np.int64]]) -> dict[str, float]:
    total = float(counts["safety_steps"].sum())
    named = {key.removeprefix("safety_").removesuffix("_steps"): int(count.sum()) for key, count in counts.items()}
    return {name: count / total for name, count in named.items() if name != "steps"}
