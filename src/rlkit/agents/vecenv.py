"""Any Gymnasium vector environment as Stable-Baselines3's ``VecEnv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from rlkit.agents.normalization import RewardNormalizer

Info = dict[str, Any]


class VecEnvAdapter(VecEnv):
    """A vector environment in same-step autoreset mode, as SB3 knows it.

    Work per environment is done only for episodes that have just ended: they get ``episode`` (return, length),
    ``terminal_observation`` and ``TimeLimit.truncated``; all others share one empty dictionary. Figures that the
    environment declares in ``metadata["metrics"]`` are summed over ended episodes.

    Args:
        envs: The environment; closed with the adapter.
        reward_scale: What rewards are multiplied by before the agent sees them; episode returns stay in the
            environment's unit.

    Attributes:
        reward_normalizer: Scales rewards further, by what it has seen of them; None: nothing does.
        counted: Environments whose episodes count in :meth:`pop_metrics`, shape ``(n,)`` bool; all, unless changed.

    Raises:
        ValueError: If the environment resets in another way than SB3 expects.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], reward_scale: float = 1.0) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"Stable-Baselines3 needs a vector environment with autoreset_mode SAME_STEP, got {mode}: "
                "make it with autoreset_mode='same_step' (rlkit) or AutoresetMode.SAME_STEP (Gymnasium)"
            )
        self.envs = envs  # before the base's constructor, which asks for the render mode
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self.reward_scale = reward_scale
        self.reward_normalizer: RewardNormalizer | None = None
        self.metadata = envs.metadata
        metrics = envs.metadata.get("metrics", {"prefix": "", "values": {}})
        self.metrics_prefix: str = metrics["prefix"]
        self._metrics: dict[str, str | list[str]] = metrics["values"]
        self._metric_sums: dict[str, float] = {}
        self._episodes_summed = 0
        self.counted = np.ones(self.num_envs, dtype=np.bool_)
        self._returns = np.zeros(self.num_envs, dtype=np.float64)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)
        self._actions: NDArray[Any] = np.zeros(0)
        self._seed: int | None = None

    def reset(self) -> Any:
        """New episodes everywhere; a seed given to :meth:`seed` is used once."""
        observations, _ = self.envs.reset(seed=self._seed)
        if self.reward_normalizer is not None:
            self.reward_normalizer.reset()
        self._seed = None
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[Info]]:
        """Step: observations, scaled rewards, ends, infos."""
        observations, rewards, terminated, truncated, info = self.envs.step(self._actions)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos: list[Info] = [{}] * self.num_envs
        if dones.any():
            self._finish(np.flatnonzero(dones), truncated & ~terminated, info, infos)
        scaled = self._agent_rewards(rewards, terminated, dones, info.get("final_obs")) * self.reward_scale
        if self.reward_normalizer is not None:
            scaled = self.reward_normalizer(scaled, dones)
        return observations, scaled.astype(np.float32), dones, infos

    def _agent_rewards(
        self, rewards: NDArray[Any], terminated: NDArray[np.bool_], dones: NDArray[np.bool_], last: Any
    ) -> NDArray[Any]:
        """What the agent gets for the task's rewards, shape ``(n,)``: the same.

        Args:
            rewards: The task's.
            terminated: Whether the episode terminated.
            dones: Whether it ended.
            last: What was seen at the end of those that did; None if none did.
        """
        return rewards

    def _finish(self, rows: NDArray[np.int64], timed_out: NDArray[np.bool_], info: Info, infos: list[Info]) -> None:
        """Infos of episodes that ended, and the sums of their figures."""
        final = info.get("final_info", {})
        final_obs, success = info["final_obs"], final.get("is_success")
        returns, lengths = self._returns[rows].tolist(), self._lengths[rows].tolist()
        for row, episode_return, length in zip(rows.tolist(), returns, lengths, strict=True):
            infos[row] = {
                "episode": {"r": episode_return, "l": length},
                "terminal_observation": _row(final_obs, row),
                "TimeLimit.truncated": bool(timed_out[row]),
            }
            if success is not None:
                infos[row]["is_success"] = bool(success[row])
        counted = rows[self.counted[rows]]
        for key in _flat(self._metrics.values()):
            self._metric_sums[key] = self._metric_sums.get(key, 0.0) + float(final[key][counted].sum())
        self._episodes_summed += len(counted)
        self._returns[rows] = 0.0
        self._lengths[rows] = 0

    @property
    def observation_groups(self) -> Any:
        """Which observations belong together, as the environment says: columns by name; None if it does not say."""
        if hasattr(self.envs, "observation_groups"):
            return self.envs.observation_groups
        if self.has_attr("observation_groups"):
            return cast(Any, self.envs).envs[0].get_wrapper_attr("observation_groups")
        return None

    def pop_metrics(self) -> dict[str, float]:
        """The environment's own figures, averaged over the episodes that ended since the last call.

        Returns:
            A value for each name in ``metadata["metrics"]``: the mean of its key or, for a pair of keys, the first's
            sum over the second's. None if no episode ended, and none for a share of nothing.
        """
        averages = {}
        for name, source in self._metrics.items():
            if isinstance(source, str):
                top, bottom = self._metric_sums.get(source, 0.0), float(self._episodes_summed)
            else:
                top, bottom = (self._metric_sums.get(key, 0.0) for key in source)
            if bottom:
                averages[name] = top / bottom
        self._metric_sums, self._episodes_summed = {}, 0
        return averages

    def get_state(self) -> dict[str, Any]:
        """The environment's state, the episodes in progress and the sums of figures."""
        envs: Any = self.envs
        inner = envs.get_state() if hasattr(envs, "get_state") else [env.get_state() for env in envs.envs]
        return {
            "envs": inner,
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
            "metric_sums": dict(self._metric_sums),
            "episodes_summed": self._episodes_summed,
            "reward_normalizer": None if self.reward_normalizer is None else self.reward_normalizer.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to a state that :meth:`get_state` gave."""
        envs: Any = self.envs
        if hasattr(envs, "set_state"):
            envs.set_state(state["envs"])
        else:
            for env, row in zip(envs.envs, state["envs"], strict=True):
                env.set_state(row)
        self._returns[:] = state["returns"]
        self._lengths[:] = state["lengths"]
        self._metric_sums = dict(state["metric_sums"])
        self._episodes_summed = int(state["episodes_summed"])
        if self.reward_normalizer is not None:
            self.reward_normalizer.set_state(state["reward_normalizer"])

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset."""
        self._seed = seed
        return [seed] * self.num_envs

    def close(self) -> None:
        """Close the environment."""
        self.envs.close()

    def has_attr(self, attr_name: str) -> bool:
        """Whether the vector environment, or else each of those it is made of, has an attribute."""
        if hasattr(self.envs, attr_name):
            return True
        parts: Sequence[Any] = getattr(self.envs, "envs", ())
        return bool(parts) and all(env.has_wrapper_attr(attr_name) for env in parts)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector environment, once for each row asked for."""
        return [getattr(self.envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment."""
        setattr(self.envs, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Call a method: once if the vector environment has it (``action_masks``: an array), else of each one."""
        if hasattr(self.envs, method_name):
            result = getattr(self.envs, method_name)(*args, **kwargs)
        else:
            envs: Any = self.envs
            result = [env.get_wrapper_attr(method_name)(*args, **kwargs) for env in envs.envs]
        return result if indices is None else [result[row] for row in np.atleast_1d(indices).tolist()]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Episodes are monitored here, so SB3's ``Monitor`` is said to be there."""
        return [wrapper_class is Monitor] * len(list(self._get_indices(indices)))

    def get_images(self) -> list[Any]:
        """Pictures of all environments."""
        frames = self.envs.render()
        return list(frames) if frames is not None else []


def _flat(sources: Any) -> set[str]:
    """Every key that some figure needs."""
    return {key for source in sources for key in ([source] if isinstance(source, str) else source)}


def _row(batch: Any, row: int) -> Any:
    """One row of a batch of observations, nested dictionaries included."""
    if isinstance(batch, dict):
        return {key: _row(value, row) for key, value in batch.items()}
    return batch[row]
