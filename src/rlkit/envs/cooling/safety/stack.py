"""The usual stack of safety layers, and its use as a single environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.failover import Failover, FailoverRules
from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.safety.limits import ActionLimits, OperatorOverride, RateLimit
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.safety.rules import Fallback
from rlkit.envs.cooling.safety.verify import Check, Confidence, TwoLayerVerification, UncertaintyDrop
from rlkit.envs.cooling.vector import CoolingVectorEnv


def safe(
    envs: VectorEnv[Any, Any, Any],
    *,
    fallback: Fallback | None = None,
    confidence: Confidence | None = None,
    threshold: float = 0.5,
    own_check: Check | None = None,
    limits: Mapping[str, Any] | str | Path | None = None,
    rates: Mapping[str, float] | None = None,
    failover: FailoverRules | None = None,
) -> SafetyLayer:
    """All layers around a batch, in the order in which an action meets them.

    Uncertainty drop (if there is a ``confidence``), operator's limits, rate limits, two-layer verification, failover,
    operator's override, monitor. Limits and rates bind the agent; verification judges what they leave of its action;
    verification, failover and override may act faster and further than the agent, since they act to protect.

    Args:
        envs: A batch of data centers.
        fallback: The rule controller of all layers that need one, from the layer to actions ``(n, a)``; None for
            :class:`~rlkit.envs.cooling.safety.rules.CoolingRule`.
        confidence: See :class:`UncertaintyDrop`.
        threshold: See there.
        own_check: See :class:`TwoLayerVerification`.
        limits: See :class:`ActionLimits`.
        rates: See :class:`RateLimit`.
        failover: See :class:`Failover`.

    Example:
        >>> import gymnasium, rlkit
        >>> envs = safe(gymnasium.make_vec("rlkit/DataCenterCooling-v0", num_envs=2, plant="small_room"))
        >>> envs.pin("airflow", 0.9, hall=0)
    """
    layers: SafetyLayer = OperatorOverride(Monitor(envs))
    layers = Failover(layers, fallback, failover)
    layers = TwoLayerVerification(layers, own_check, fallback)
    layers = ActionLimits(RateLimit(layers, rates), limits)
    if confidence is not None:
        layers = UncertaintyDrop(layers, confidence, threshold, fallback)
    return layers


class SafeEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One data center behind safety layers: :func:`safe` around a batch of one, as a Gymnasium ``Env``.

    Args:
        layers: Keyword arguments of :func:`safe`.
        max_episode_steps: See :class:`~rlkit.envs.cooling.env.CoolingEnv`.
        render_mode: See there.
        task: See there.

    Attributes:
        envs: The layers, whose methods (``pin``, ``release``, ``report_lost``) are an operator's.
    """

    metadata: dict[str, Any] = CoolingVectorEnv.metadata

    def __init__(
        self,
        layers: Mapping[str, Any] | None = None,
        *,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        base = CoolingVectorEnv(
            1,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            **task,
        )
        self.envs = safe(base, **(layers or {}))
        self.observation_space = self.envs.single_observation_space
        self.action_space = self.envs.single_action_space
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a new episode; options are those of the batch, for one: ``{"faults": [[...]]}``."""
        super().reset(seed=seed)
        observations, info = self.envs.reset(seed=seed, options=options)
        return observations[0], _row(info)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one action, after the layers have seen to it."""
        observations, rewards, terminated, truncated, info = self.envs.step(np.asarray(action)[None])
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), _row(info)

    def render(self) -> Any:
        """The picture of the hall, or None without a render mode."""
        frames = self.envs.render()
        return None if frames is None else frames[0]

    def get_state(self) -> dict[str, Any]:
        """As :meth:`SafetyLayer.get_state`."""
        return self.envs.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`SafetyLayer.set_state`."""
        self.envs.set_state(state)

    def close(self) -> None:
        """Release what the batch holds."""
        self.envs.close()


def _row(info: dict[str, Any]) -> dict[str, Any]:
    """Infos of the only hall, without Gymnasium's masks."""
    return {key: value[0] for key, value in info.items() if not key.startswith("_")}
