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
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError


@dataclass(frozen=True)
class Episodes:
    """What came of one episode in each hall.

    Attributes:
        verdicts: Records of :data:`rlkit.envs.cooling.metrics.VERDICT`, shape ``(n,)``.
        returns: Sums of rewards, shape ``(n,)``.
    """

    verdicts: NDArray[np.void]
    returns: NDArray[np.float64]


def play(
    player: Any, envs: CoolingVectorEnv, *, seed: int | Sequence[int] = 0, options: dict[str, Any] | None = None
) -> Episodes:
    """One episode in every hall.

    Args:
        player: A controller or its name; or a policy: an object with ``predict(observations)``.
        envs: The halls, with ``autoreset_mode="same_step"`` (an episode may end early, by a thermal trip).
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
    pending = np.ones(envs.num_envs, dtype=np.bool_)
    while pending.any():
        actions = player.predict(observations) if hasattr(player, "predict") else player.act(envs)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        returns += rewards * pending
        ended = (terminated | truncated) & pending
        if ended.any():
            for name in VERDICT.names or ():
                verdicts[name][ended] = infos["final_info"][name][ended]
            pending &= ~ended  # episodes after the first do not count
    return Episodes(verdicts, returns)
