"""The safety layer: composable wrappers between an agent and the plant (``docs/cooling-safety.md``)."""

from __future__ import annotations

from rlkit.envs.cooling.safety.failover import CAUSES, Failover, FailoverRules
from rlkit.envs.cooling.safety.layer import SafetyLayer, find_layer
from rlkit.envs.cooling.safety.limits import RATES_PER_MINUTE, ActionLimits, OperatorOverride, RateLimit
from rlkit.envs.cooling.safety.model import SteadyModel
from rlkit.envs.cooling.safety.monitor import Monitor
from rlkit.envs.cooling.safety.rules import CoolingRule, default_rule, maximum_cooling
from rlkit.envs.cooling.safety.stack import layers_of, make_vector, safe
from rlkit.envs.cooling.safety.verify import TwoLayerVerification, UncertaintyDrop

__all__ = [
    "CAUSES",
    "RATES_PER_MINUTE",
    "ActionLimits",
    "CoolingRule",
    "Failover",
    "FailoverRules",
    "Monitor",
    "OperatorOverride",
    "RateLimit",
    "SafetyLayer",
    "SteadyModel",
    "TwoLayerVerification",
    "UncertaintyDrop",
    "default_rule",
    "find_layer",
    "layers_of",
    "make_vector",
    "maximum_cooling",
    "safe",
]
