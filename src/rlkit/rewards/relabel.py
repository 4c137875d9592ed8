"""What an agent has kept under the reward of before: its replay, and its critics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.agents.replay import CompactReplay

Rewards = Callable[[Any, NDArray[Any], NDArray[np.bool_], Any], NDArray[Any]]
AT_ONCE = 8_192  # transitions


def relabel(algorithm: Any, space: spaces.Space[Any], rewards_of: Rewards) -> int:
    """Replace all rewards in an agent's replay.

    Args:
        algorithm: Of Stable-Baselines3.
        space: Of one observation, as the environment shows it.
        rewards_of: Rewards ``(n,)`` of observations, actions, whether the episode terminated, and the observations that
            followed, all as the environment has them.

    Returns:
        How many; 0 for an agent without a replay.
    """
    replay = getattr(algorithm, "replay_buffer", None)
    if replay is None:
        return 0

    def rewards(seen: Any, actions: NDArray[Any], terminated: NDArray[np.bool_], after: Any) -> NDArray[Any]:
        seen, after = (as_environment(part, space) for part in (seen, after))
        return rewards_of(seen, acted(algorithm, actions), terminated, after)

    if isinstance(replay, CompactReplay):
        return replay.relabel(rewards)
    used, rows = replay.buffer_size if replay.full else replay.pos, max(1, AT_ONCE // replay.n_envs)
    for start in range(0, used, rows):
        chosen = slice(start, min(start + rows, used))
        shape = replay.rewards[chosen].shape
        terminated = (replay.dones[chosen] * (1.0 - replay.timeouts[chosen])).ravel() > 0
        kept = replay.observations, replay.actions, replay.next_observations
        seen, actions, after = (_joined(part, chosen) for part in kept)
        replay.rewards[chosen] = rewards(seen, actions, terminated, after).reshape(shape)
    return int(used * replay.n_envs)


def _joined(tree: Any, chosen: slice) -> Any:
    """Steps and environments as one axis."""
    if isinstance(tree, dict):
        return {key: _joined(part, chosen) for key, part in tree.items()}
    return tree[chosen].reshape(-1, *tree.shape[2:])


def as_environment(observations: Any, space: spaces.Space[Any]) -> Any:
    """Observations as the environment shows them, from how Stable-Baselines3 keeps them.

    It puts the channels of pictures first, and gives single numbers an axis.

    Args:
        observations: Arrays of shape ``(n, ...)``.
        space: Of one observation.
    """
    if isinstance(space, spaces.Dict):
        return {key: as_environment(observations[key], part) for key, part in space.spaces.items()}
    shape = space.shape or ()
    if len(shape) == 3 and observations.shape[1:] != shape:
        return np.moveaxis(observations, 1, -1)
    return observations.reshape(-1, *shape)


def acted(algorithm: Any, actions: NDArray[Any]) -> NDArray[Any]:
    """Actions as the environment takes them, from how a replay keeps them: between -1 and 1, or with an axis more."""
    space = algorithm.action_space
    shaped = actions.reshape(-1, *space.shape)
    if not isinstance(space, spaces.Box):
        return shaped
    unscaled: NDArray[Any] = algorithm.policy.unscale_action(shaped)
    return unscaled.astype(space.dtype)


def reset_critic(algorithm: Any, updates: int) -> bool:
    """Begin an agent's critics anew, and let them learn from the replay (B-Pref's ``reset_critic``).

    Args:
        algorithm: Of Stable-Baselines3, between two iterations.
        updates: Gradient steps of critic and actor that follow.

    Returns:
        Whether it has critics apart from the actor, and has begun to learn.
    """
    critic, target = getattr(algorithm, "critic", None), getattr(algorithm, "critic_target", None)
    replay = getattr(algorithm, "replay_buffer", None)
    if critic is None or replay is None or algorithm.num_timesteps <= algorithm.learning_starts:
        return False
    shared = getattr(algorithm.policy, "share_features_extractor", False)
    for name, module in critic.named_modules():
        if hasattr(module, "reset_parameters") and not (shared and name.startswith("features_extractor")):
            module.reset_parameters()
    critic.optimizer.state.clear()
    if target is not None:
        with th.no_grad():
            target.load_state_dict(critic.state_dict())
    algorithm.train(gradient_steps=updates, batch_size=algorithm.batch_size)
    return True
