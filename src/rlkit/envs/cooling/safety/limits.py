"""What an operator lays down: how fast and how far controls may move, and what is pinned by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from rlkit.envs.cooling.safety.layer import SafetyLayer, columns_of
from rlkit.envs.cooling.safety.monitor import monitored
from rlkit.errors import UsageError, nearest

# In units of the control a minute. Supply air: TC 9.9 allows inlets 5 K in 15 minutes, 0.33 K a minute. The others are
# by hand. Water set points: a fraction of a kelvin within the time constant of the loops that follow them (120 and
# 180 s). Pumps: slowly enough for a chiller to follow its flow. Fans, valves: their whole range in 20 minutes, so that
# aisle pressure and coils settle in between. Machines: one in ten minutes. The economizer is a switch.
RATES_PER_MINUTE = {
    "supply_air_setpoint_c": 0.33,
    "airflow": 0.05,
    "chilled_water_setpoint_c": 0.25,
    "condenser_water_setpoint_c": 0.5,
    "chillers": 0.1,
    "chilled_water_pump_speed": 0.1,
    "condenser_pump_speed": 0.1,
    "tower_fan_speed": 0.1,
    "economizer": math.inf,
    "fan_speed": 0.05,
    "valve_position": 0.05,
}


class RateLimit(SafetyLayer):
    """Controls move at most so far a minute from the command in force, whoever gave that.

    Args:
        envs: What to wrap.
        rates: Units a minute by control (``"airflow"``, ``"zone0.airflow"``), over :data:`RATES_PER_MINUTE`;
            ``math.inf`` for none.

    Raises:
        UsageError: For an unknown control or a rate that is not above 0.
    """

    name = "rate_limit"

    def __init__(self, envs: VectorEnv[Any, Any, Any], rates: Mapping[str, float] | None = None) -> None:
        super().__init__(envs)
        per_minute = np.array([RATES_PER_MINUTE[name.split(".")[-1]] for name in self.plant_envs.action_names])
        for control, rate in _mapping("rates", rates).items():
            if not _is_number(rate) or not rate > 0.0:
                raise UsageError(f"the rate of {control!r} is a number above 0 a minute, got {rate!r}")
            per_minute[columns_of(self.plant_envs, str(control))] = rate
        self.most = per_minute * self.step_minutes  # of a step, (a,)

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        before = self.commands_in_force
        return np.minimum(np.maximum(values, before - self.most), before + self.most)


@dataclass(frozen=True)
class OperatorRule:
    """A range that holds while a reading is above or below a threshold, or not plausible.

    Attributes:
        reading: A sensor's name.
        above: It holds above this; None for no such condition.
        below: It holds below this.
        control: Which control.
        low: Lowest value then.
        high: Highest.
    """

    reading: str
    control: str
    low: float
    high: float
    above: float | None = None
    below: float | None = None


class ActionLimits(SafetyLayer):
    """Ranges within which the agent may act, and rules of the operator's that narrow them.

    They are given as a mapping, or as the path of a YAML file with one::

        limits:
          airflow: [0.4, 1.0]                     # every zone
          zone1.supply_air_setpoint_c: [16, 24]
        rules:
          - {reading: outdoor_wet_bulb_c, above: 22, control: chilled_water_setpoint_c, range: [5, 7]}

    Args:
        envs: What to wrap.
        config: Such a mapping, a path, or None for the control's own ranges.

    Raises:
        UsageError: For an unknown key, control or sensor, or a range outside the control's own.
    """

    name = "action_limits"

    def __init__(self, envs: VectorEnv[Any, Any, Any], config: Mapping[str, Any] | str | Path | None = None) -> None:
        parsed = _read(config)
        rules = [_rule(entry) for entry in parsed.get("rules") or ()]
        if rules:
            envs, self._monitor = monitored(envs)
            self._monitor.watch([rule.reading for rule in rules])
        super().__init__(envs)
        bounds = self.plant_envs.setup.action_bounds()
        self.low, self.high = (bound.copy() for bound in bounds)
        for control, pair in _mapping("limits", parsed.get("limits")).items():
            columns = columns_of(self.plant_envs, str(control))
            self.low[columns], self.high[columns] = self._range(str(control), pair)
        self._rules = [(rule, columns_of(self.plant_envs, rule.control)) for rule in rules]
        for rule, _ in self._rules:
            self._range(rule.control, (rule.low, rule.high))

    def _range(self, control: str, pair: Any) -> tuple[float, float]:
        low, high = self.plant_envs.setup.action_bounds()
        columns = columns_of(self.plant_envs, control)
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_number, pair)) or pair[0] > pair[1]:
            raise UsageError(f"the limits of {control!r} are [lowest, highest], got {pair!r}")
        if pair[1] < low[columns].max() or pair[0] > high[columns].min():
            raise UsageError(
                f"the limits of {control!r} must overlap its range {low[columns].max()} to {high[columns].min()}, "
                f"got {pair!r}"
            )
        return float(pair[0]), float(pair[1])

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        passed = np.minimum(np.maximum(values, self.low), self.high)
        for rule, columns in self._rules:
            holds = self._holds(rule)[:, None]
            passed[:, columns] = np.where(holds, np.clip(passed[:, columns], rule.low, rule.high), passed[:, columns])
        return passed

    def _holds(self, rule: OperatorRule) -> NDArray[np.bool_]:
        value = self._monitor.value(rule.reading)
        above = -math.inf if rule.above is None else rule.above
        below = math.inf if rule.below is None else rule.below
        with np.errstate(invalid="ignore"):
            return ~((value <= above) | (value >= below))  # also where the reading is unknown


class OperatorOverride(SafetyLayer):
    """Controls that an operator holds by hand, in any hall, until they are released; the innermost of layers.

    Args:
        envs: What to wrap.
    """

    name = "override"

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(envs)
        self.pinned = np.full((self.num_envs, len(self.plant_envs.action_names)), np.nan)

    def pin(self, control: str, value: float, hall: int | None = None) -> None:
        """Hold a control at a value, in engineering units, from the next step on.

        Args:
            control: Its name; ``"airflow"`` holds that of every zone.
            value: Within the control's range.
            hall: Which row; None for all.

        Raises:
            UsageError: If there is no such control or hall, or the value is out of range.
        """
        columns = columns_of(self.plant_envs, control)
        low, high = self.plant_envs.setup.action_bounds()
        least, most = low[columns].max(), high[columns].min()
        if not _is_number(value) or not least <= value <= most:
            raise UsageError(f"{control!r} can be pinned from {least} to {most}, got {value!r}")
        self.pinned[self._rows(hall)[:, None], columns] = value

    def release(self, control: str | None = None, hall: int | None = None) -> None:
        """Give a control back to the layers above; None for all controls, or all halls."""
        columns = range(self.pinned.shape[1]) if control is None else columns_of(self.plant_envs, control)
        self.pinned[self._rows(hall)[:, None], list(columns)] = np.nan

    def _rows(self, hall: int | None) -> NDArray[np.int64]:
        if hall is None:
            return np.arange(self.num_envs)
        if isinstance(hall, bool) or not isinstance(hall, int | np.integer) or not 0 <= hall < self.num_envs:
            raise UsageError(f"hall is a whole number from 0 to {self.num_envs - 1}, got {hall!r}")
        return np.array([hall])

    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        free = np.isnan(self.pinned)
        return values if free.all() else np.where(free, values, self.pinned)

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        return self._stack.never if filtered is values else (~np.isnan(self.pinned)).any(axis=1)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"pinned": self.pinned}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _mapping(what: str, config: Any) -> Mapping[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise UsageError(f"{what} is a mapping from controls, got {config!r}")
    return config


def _read(config: Mapping[str, Any] | str | Path | None) -> Mapping[str, Any]:
    """Limits from a mapping or a YAML file, with its keys checked."""
    if isinstance(config, str | Path):
        try:
            config = yaml.safe_load(Path(config).read_text())
        except OSError as error:
            raise UsageError(f"cannot read the limits {str(config)!r}: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise UsageError(f"the limits are no YAML: {error}") from None
    parsed = _mapping("the configuration of limits", config)
    for key in parsed:
        if key not in ("limits", "rules"):
            raise UsageError(f"limits: there is no key {key!r}: {nearest(str(key), ('limits', 'rules'))}")
    return parsed


_RULE_KEYS = ("reading", "above", "below", "control", "range")


def _rule(entry: Any) -> OperatorRule:
    if not isinstance(entry, Mapping):
        raise UsageError(f"a rule is a mapping of {', '.join(_RULE_KEYS)}, got {entry!r}")
    for key in entry:
        if key not in _RULE_KEYS:
            raise UsageError(f"a rule has no key {key!r}: {nearest(str(key), _RULE_KEYS)}")
    bounds, pair = [entry.get(key) for key in ("above", "below")], entry.get("range")
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_number, pair)):
        raise UsageError(f"the range of a rule is [lowest, highest], got {pair!r}")
    if bounds == [None, None] or not all(bound is None or _is_number(bound) for bound in bounds):
        raise UsageError(f"a rule needs 'above' or 'below', numbers, got {dict(entry)!r}")
    return OperatorRule(str(entry.get("reading")), str(entry.get("control")), float(pair[0]), float(pair[1]), *bounds)
