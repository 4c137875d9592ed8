"""The usual stack of safety layers, and how an argument of the environment asks for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv

from rlkit.envs.cooling.safety.failover import Failover, FailoverRules
from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.safety.limits import ActionLimits, OperatorOverride, RateLimit
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.safety.rules import Fallback
from rlkit.envs.cooling.safety.verify import Check, Confidence, TwoLayerVerification, UncertaintyDrop
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError, nearest

NONE, STANDARD = "none", "standard"
_KEYS = ("limits", "rates", "failover")  # of a mapping, all JSON


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


def layers_of(config: Any) -> dict[str, Any] | None:
    """Arguments of :func:`safe` that ``safety=`` means.

    Args:
        config: ``"none"`` (or None), ``"standard"``, or a mapping of ``limits``, ``rates`` and ``failover`` (its
            rules by name), each as :func:`safe` takes it.

    Returns:
        None for no layers.

    Raises:
        UsageError: If it is neither; the nearest is named.

    Example:
        >>> layers_of({"failover": {"dwell_s": 3600}})["failover"].dwell_s
        3600
    """
    if config is None or config == NONE:
        return None
    if config == STANDARD:
        return {}
    if not isinstance(config, Mapping):
        raise UsageError(
            f"unknown safety {config!r}: {nearest(str(config), (NONE, STANDARD))}; or a mapping of {', '.join(_KEYS)}"
        )
    for key in config:
        if key not in _KEYS:
            raise UsageError(f"safety has no key {key!r}: {nearest(str(key), _KEYS)}")
    layers = dict(config)
    if layers.get("failover") is not None:
        layers["failover"] = _failover(layers["failover"])
    return layers


def _failover(config: Any) -> FailoverRules:
    known = [field.name for field in dataclasses.fields(FailoverRules)]
    if not isinstance(config, Mapping):
        raise UsageError(f"the failover of safety is a mapping of {', '.join(known)}, got {config!r}")
    for key, value in config.items():
        if key not in known:
            raise UsageError(f"the failover of safety has no key {key!r}: {nearest(str(key), known)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{key} of a failover is a number, got {value!r}")
    return FailoverRules(**config)


def make_vector(num_envs: int, *, safety: Any = None, **arguments: Any) -> VectorEnv[Any, Any, Any]:
    """The batch that ``gymnasium.make_vec`` makes: halls, and the layers around them that ``safety`` asks for.

    Args:
        num_envs: How many.
        safety: See :func:`layers_of`.
        arguments: Of :class:`~rlkit.envs.cooling.vector.CoolingVectorEnv`.
    """
    layers = layers_of(safety)
    envs = CoolingVectorEnv(num_envs, **arguments)
    return envs if layers is None else safe(envs, **layers)
