"""The data center behind Gymnasium's API: the single environment, whose docstring is the manual."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.batch import SingleEnv
from rlkit.envs.cooling.safety.layer import SafetyLayer
from rlkit.envs.cooling.safety.stack import layers_of, safe
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError, nearest

_PLURAL = {
    "day": "days",
    "weather": "weathers",
    "workload": "workloads",
    "workload_day": "workload_days",
    "faults": "faults",
}


class CoolingEnv(SingleEnv):
    """Cool a data center for the least money, within the limits of its servers.

    ## Description

    A hall of racks is cooled by air handlers (CRAH), chilled water, chillers, cooling towers and, where there is one,
    an economizer. Servers push their own air: where the handlers give less than they draw, hot air comes round
    (recirculation); where they give more, it goes to waste (bypass). Warmer set points save compressor and tower energy
    and cost server fan power, leakage and safety. The physics is validated against EnergyPlus 25.2
    (:mod:`rlkit.envs.cooling.kernel`). The computing work is given: what can be saved is what the facility draws beyond
    it. PUE is reported and never paid, since a policy can lower PUE while the bill rises
    (``docs/cooling-pue-trap.md``).

    ## Action space

    ``Box(-1, 1)``, each number spread over the range of one control; ``scaled=False``: engineering units.
    ``action_names`` tells the order. Only what does something in the plant is an action. A step's actions hold for the
    whole step. They may jump; rate limits are a wrapper's.

    ``control="supervisory"`` sets set points, which local loops follow (``two_zone``: 6 actions):

    | control | unit | range in ``two_zone`` | where |
    |---|---|---|---|
    | chilled_water_setpoint_c | C | 4.5 to 8.8 | plant |
    | condenser_water_setpoint_c | C | 18.5 to 30 | plant; not if air-cooled |
    | supply_air_setpoint_c | C | 12 to 27 | each zone |
    | airflow (share of the fans' design) | 1 | 0.25 to 1 | each zone |

    ``control="actuator"`` moves the machines themselves (``two_zone``: 9 actions): ``chillers`` (how many, rounded;
    their least times on and off still hold), ``chilled_water_setpoint_c`` (kept by the chillers' own controllers),
    ``chilled_water_pump_speed``, ``condenser_pump_speed``, ``tower_fan_speed``, ``economizer`` (above 0.5: on), and for
    each zone ``fan_speed`` and ``valve_position``.

    ## Observation space

    ``Box(-1, 1)`` float32, each sensor's range spread over it; ``scaled=False``: engineering units.
    ``observation_names`` tells the order: the sensors, the clock, the forecast, the commands. With the ``"standard"``
    set in ``two_zone``, 49 numbers:

    | index | meaning | unit | range |
    |---|---|---|---|
    | 0 .. 2 | power of the facility, of IT, of cooling | kW | 0 to 197, 123, 98 |
    | 3, 4 | heat taken by chillers and by the waterside economizer | kW | 0 to 197 |
    | 5, 6 | chilled water: supply, return | C | 0 to 60 |
    | 7 | chilled water: flow | kg/s | 0 to 125 % of design |
    | 8, 9 | condenser water: supply, return | C | -40 to 60 |
    | 10 | condenser water: flow | kg/s | 0 to 125 % of design |
    | 11 .. 14 | chillers running, their part load, economizer mode, tower fan speed | 1 | |
    | 15, 16 | outdoor dry bulb and wet bulb | C | -40 to 60 |
    | 17 .. 19 | hottest, mean and coldest rack inlet | C | 0 to 60 |
    | 20 | fastest change of an inlet | K/h | -60 to 60 |
    | 21 .. 32 | first zone: supply air, return air (C), airflow (kg/s), fan speed, fan power (kW), valve position, \
IT power (kW), hottest and mean inlet (C), dew point (C), humidity (1), aisle pressure (Pa) | | |
    | 33 .. 44 | second zone: the same | | |
    | 45, 46 | sine and cosine of the time of day | 1 | -1 to 1 |
    | 47, 48 | sine and cosine of the time of the (workload's) week | 1 | -1 to 1 |

    The set ``"minimal"`` has 24 of these sensors, ``"full"`` every quantity of each rack and unit (``hall_10mw``: over
    1,500 sensors; ``{"set": "full", "redundancy": 2}``: over 3,000). Sensors have noise, bias, drift, rounding and, if
    asked for, dropout (:mod:`rlkit.envs.cooling.sensors`); ``"perfect"`` has none of it. Powers and flows are means
    over the last step, temperatures are those at its end. ``readings()`` gives the plant's true readings, with names.

    ## Reward

    ``reward="cost"``: ``-(energy_kwh * energy_price + water_m3 * water_price) / unit`` of the step, where
    ``energy_kwh`` is the facility meter and ``unit`` is what the plant's peak IT power costs in a step at the tariff's
    mean price (``two_zone``, 300 s, 0.10 a kWh: 0.82). So it is about -0.6 to -1.2 a step.
    ``reward="weighted"`` (or ``{"kind": "weighted", "weight": 5.0}``): that, less ``weight * info["cost"]``.
    A thermal trip is charged as if the hall drew twice its IT peak, at the dearest hour, for the rest of the episode
    and four hours more, so that ending an episode never pays.

    ``info["cost"]`` is how much the limits were broken in the step, for constrained learning; it is the sum of:

    | key | what | unit |
    |---|---|---|
    | cost_inlet_temp | hottest rack inlet above the class, plus coldest below, times hours | K h |
    | cost_rate | change of a zone's inlet within 15 minutes beyond 5 K, times hours | K h |
    | cost_humidity | dew point (or relative humidity, as dew point) beyond the class, times hours | K h |
    | cost_unmet_heat | heat that the chillers lacked capacity for, over peak IT power, times hours | h |

    ## Starting state

    A day drawn from the ``split`` of the weather and another of the workload, at midnight. The hall has then been
    running for three hours with default set points through the weather and load of the evening before, after a start
    from about the steady state, so that the first hours are not an artefact. ``reset(options=...)`` fixes ``day`` and
    ``workload_day`` (from 1), ``weather`` and ``workload`` (which of the sources) and ``faults`` (a list such as
    ``[{"kind": "chiller", "unit": 0, "at_s": 3600, "for_s": 7200}]``, see
    :func:`rlkit.envs.cooling.faults.lay_faults`). All chances come from the seed and none depends on actions: the same
    seed gives two controllers the same load noise, sensor errors and faults.

    ## Episode end

    Truncates after ``episode_days``. Terminates on a thermal trip: a rack inlet reaches the temperature at which its
    servers begin to shut down (``servers.shutdown_c`` of the plant, 45 C in those that ship). Then ``info`` has
    ``energy_kwh``, ``it_energy_kwh``, ``cooling_energy_kwh``, ``operating_cost`` (money), ``water_l``, ``PUE``,
    ``TUE``, ``WUE``, ``RCI_hi``, ``RCI_lo``, ``SHI`` (:mod:`rlkit.envs.cooling.metrics` has their definitions),
    ``violation_minutes`` and ``degree_minutes`` (of inlets beyond the limits), ``rate_minutes``, ``humidity_minutes``,
    ``unmet_minutes``, ``constraint_cost`` (sum of ``info["cost"]``), ``max_inlet_c``, ``out_of_range_minutes`` (a
    chiller outside its published curves), ``chiller_starts``, ``mode_changes``, ``weather``, ``workload``, ``day``,
    ``thermal_trip`` and ``is_success`` (no violation minutes and no trip).
    With faults, every ``info`` has ``faults`` and ``sensor_faults``, the truth as the plant and the sensors feel it;
    ``active_faults()`` lists it.

    ## Arguments

    Args:
        plant: ``"small_room"`` (50 kW, air-cooled), ``"two_zone"`` (100 kW, EnergyPlus' example), ``"hall_1mw"``,
            ``"hall_10mw"``, the path of a YAML file, or its contents as a mapping.
        weather: A climate, the path of an EPW or TMY3 file (:func:`rlkit.envs.cooling.weather.load_weather`), or a list
            of which each episode draws one.
        workload: ``"diurnal"``, ``"constant:0.6"``, a trace or a CSV file
            (:func:`rlkit.envs.cooling.workload.load_workload`), or a list.
        split: ``"all"``, ``"train"`` or ``"test"`` (one week in four, of weather and workload).
        control: ``"supervisory"`` or ``"actuator"``.
        step_s: Length of a step, 30 to 900 s.
        substeps: Sub-steps of the air side in a step; None for one a minute, and fewer in steps of more than five
            minutes in which little happens.
        episode_days: Length of an episode.
        start: ``"random"`` (a day, at midnight), ``"anytime"`` (also a quarter-hour of the day) or a day of the year.
        sensors: ``"minimal"``, ``"standard"``, ``"full"``, ``"perfect"``, or a mapping
            (:func:`rlkit.envs.cooling.sensors.parse_sensors`).
        faults: ``"none"``, ``"typical"``, ``"severe"``, or a mapping
            (:func:`rlkit.envs.cooling.faults.parse_faults`).
        forecast: None, True, or a mapping such as ``{"leads_h": [1, 6], "temperature_error_k": 1.0}``
            (:class:`rlkit.envs.cooling.forecast.Forecast`).
        observe_commands: Whether the actions in force are observed as well, as a building management system knows
            them: those of the last step, or the plant's default set points.
        load_noise: Spread of the load about its table, or a mapping with ``spread`` and ``memory_s``.
        scaled: Whether actions and observations are spread over -1 to 1.
        reward: ``"cost"``, ``"weighted"``, or a mapping.
        price: Of a kWh (0.10), or ``{"energy": {"0": 0.08, "7": 0.16, "22": 0.08}, "water": 4.0}``: by the hour from
            which it holds, and of a cubic metre.
        limits: A class of ASHRAE TC 9.9: ``"recommended"`` (18 to 27 C), ``"A1"`` to ``"A4"``; or a mapping such as
            ``{"class": "A1", "humidity": [0, 1]}`` (:class:`rlkit.envs.cooling.costs.Limits`).
        safety: ``"none"``; ``"standard"``: layers between the agent and the plant, which change what would overheat a
            hall (``docs/cooling-safety.md``); or a mapping of their ``limits``, ``rates`` and ``failover``. Then
            ``info`` has ``safety_interventions`` and, for every layer, ``safety_<layer>``.
        max_episode_steps: Ends episodes after so many steps instead. (``gymnasium.make`` keeps an argument of this name
            for its ``TimeLimit`` wrapper, which knows nothing of verdicts: give it ``episode_days``.)
        render_mode: None or ``"rgb_array"``.

    ## Versions

    * v0: first version.

    Example:
        >>> import gymnasium, rlkit
        >>> env = gymnasium.make("rlkit/DataCenterCooling-v0", scaled=False, sensors="perfect")
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, env.action_space.shape
        ((49,), (6,))
    """

    metadata: dict[str, Any] = CoolingVectorEnv.metadata
    layers: SafetyLayer | None  # whose methods (pin, release, report_lost) are an operator's
    _batch: CoolingVectorEnv

    def __init__(
        self,
        *,
        safety: Any = None,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        layers = layers_of(safety)
        super().__init__(
            CoolingVectorEnv(
                1,
                autoreset_mode=AutoresetMode.DISABLED,
                max_episode_steps=max_episode_steps,
                copy=False,
                render_mode=render_mode,
                **task,
            )
        )
        self.layers = None if layers is None else safe(self._batch, **layers)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a new episode; see the manual for the options."""
        options = options or {}
        for key in options:
            if key not in _PLURAL:
                raise UsageError(f"there is no reset option {key!r}: {nearest(str(key), _PLURAL)}")
        options = {_PLURAL[key]: value for key, value in options.items()}
        if self.layers is None:
            return super().reset(seed=seed, options=options)
        gymnasium.Env.reset(self, seed=seed)
        self.layers.reset(seed=seed, options={key: [value] for key, value in options.items()})
        return self.observe()

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Take one action, after the safety layers, if there are any, have seen to it."""
        if self.layers is None:
            return super().step(action)
        array = np.asarray(action)
        if array.shape != self._action_shape:
            raise UsageError(f"an action must have shape {self._action_shape}, got {array.shape}: {action!r}")
        observations, rewards, terminated, truncated, infos = self.layers.step(array[None])
        info = {key: value[0].copy() for key, value in infos.items() if not key.startswith("_")}
        return observations[0].copy(), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def get_state(self) -> dict[str, Any]:
        """As :meth:`rlkit.envs.batch.BatchEnv.get_state`, safety layers included."""
        return super().get_state() if self.layers is None else self.layers.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to a state that :meth:`get_state` gave."""
        (self._batch if self.layers is None else self.layers).set_state(state)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of every observation."""
        return self._batch.observation_names

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action."""
        return self._batch.action_names

    def readings(self) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """True readings of the last step, shape ``(readings,)``, and their names."""
        return self._batch.readings()[0], self._batch.reading_names

    def reading(self, name: str, index: int = 0) -> float:
        """One of the true readings; ``index`` numbers zones or racks."""
        return float(self._batch.reading(name, index)[0])

    def record(self) -> dict[str, float]:
        """The step that has just been made, for :func:`rlkit.envs.cooling.plot.draw_episode`."""
        from rlkit.envs.cooling.plot import record_of

        record = record_of(self._batch)
        return record if self.layers is None else {**record, "intervened": float(self.layers.intervened[0])}

    def active_faults(self) -> list[dict[str, Any]]:
        """The truth about what is broken."""
        return self._batch.active_faults(0)

    def default_action(self) -> NDArray[np.float32]:
        """What an uninformed operator does: the plant's default set points; actuators in fixed positions overcool."""
        return self._batch.default_actions()[0]

    def encode_action(self, values: ArrayLike) -> NDArray[np.float32]:
        """An action in engineering units as the environment takes it."""
        return self._batch.encode_actions(values)

    def decode_action(self, action: ArrayLike) -> NDArray[np.float64]:
        """The inverse of :meth:`encode_action`."""
        return self._batch.decode_actions(action)

    def decode_observation(self, observation: ArrayLike) -> NDArray[np.float64]:
        """An observation in engineering units."""
        return self._batch.decode_observations(observation)
