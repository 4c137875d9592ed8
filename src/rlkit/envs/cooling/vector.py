"""The data center as a batch behind Gymnasium's vector API; ``env.CoolingEnv`` is the manual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.batch import BatchEnv, State
from rlkit.envs.cooling import episode
from rlkit.envs.cooling.costs import CONSTRAINTS
from rlkit.envs.cooling.episode import EPISODE, Arrays, Batch
from rlkit.envs.cooling.fault_kernel import FaultState
from rlkit.envs.cooling.faults import faults_of, lay_faults
from rlkit.envs.cooling.forecast import ForecastRules, ForecastState, forecast_rules, new_forecast_state
from rlkit.envs.cooling.halls import default_actions, new_halls
from rlkit.envs.cooling.kernel import new_room
from rlkit.envs.cooling.metrics import METRICS, TOTALS, VERDICT, judge
from rlkit.envs.cooling.task import CLOCK, Setup, Task, set_up
from rlkit.errors import UsageError, nearest

_FIXED = ("weathers", "workloads", "days", "workload_days")  # in the order of episode.WEATHER, ...

_COSTS = ("cost", *(f"cost_{name}" for name in CONSTRAINTS))


class CoolingVectorEnv(BatchEnv):
    """N data centers at once; :class:`~rlkit.envs.cooling.env.CoolingEnv` explains arguments and spaces.

    In addition, ``reset(options=...)`` takes sequences of N: ``days`` and ``workload_days`` (from 1), ``weathers`` and
    ``workloads`` (which of the sources), -1 where the draw is to decide; and ``faults`` (a list of fixed faults each).

    Args:
        num_envs: N.
        autoreset_mode: See :class:`~rlkit.envs.batch.BatchEnv`.
        max_episode_steps: Ends episodes after so many steps instead of after ``episode_days``.
        copy: See :class:`~rlkit.envs.batch.BatchEnv`.
        render_mode: None or ``"rgb_array"``.
        task: Attributes of :class:`~rlkit.envs.cooling.task.Task`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 12, "metrics": METRICS}

    def __init__(
        self,
        num_envs: int,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        self.setup: Setup = set_up(Task.parse(task), num_envs)
        super().__init__(
            num_envs,
            self.setup.observation_space(),
            self.setup.action_space(),
            autoreset_mode=autoreset_mode,
            max_episode_steps=max_episode_steps or self.setup.task.episode_steps,
            copy=copy,
            render_mode=render_mode,
        )
        self._model = self.setup.model
        self._model.settings["steps"] = self.max_episode_steps
        self._batch, self._faults = _new_batch(self.setup, self.num_envs)
        self._has_faults = bool(np.isfinite(self.setup.faults.rules.mean_gap_s).any())
        self._forecast: tuple[ForecastRules, ForecastState] | None = None
        if self.setup.forecast is not None:
            rules = forecast_rules(self.setup.forecast, self.setup.noise)
            self._forecast = rules, new_forecast_state(self.setup.forecast, self.num_envs)
        self._drawn = np.full((self.num_envs, len(_FIXED)), -1, dtype=np.int64)
        self._hold()

    def _hold(self) -> None:
        self._handle = episode.hold(
            Arrays(self._model, self._batch, self._streams, self._observations, self._rewards, self._terminations)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_handle"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hold()

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Of every observation."""
        return self.setup.observation_names

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of every action."""
        return self.setup.action_names

    @property
    def reading_names(self) -> tuple[str, ...]:
        """Of every column of :meth:`readings`; ``rlkit.envs.cooling.readings`` tells what they mean."""
        return tuple(self.setup.packed.readings.names())

    def readings(self) -> NDArray[np.float64]:
        """True readings of the last step, without any sensor's error, shape ``(n, readings)``."""
        return self._batch.readings.copy()

    def reading(self, name: str, index: int = 0) -> NDArray[np.float64]:
        """One of them for each hall, shape ``(n,)``; ``index`` numbers zones or racks."""
        return self._batch.readings[:, self.setup.packed.readings.column(name, index)].copy()

    @property
    def commands(self) -> NDArray[np.float64]:
        """The actions in force, in engineering units, shape ``(n, actions)``."""
        return self._batch.commands[:, self.setup.columns].copy()

    @property
    def episodes(self) -> NDArray[np.void]:
        """Where each episode is: source of weather and workload, day, steps made, times (``episode.EPISODE``)."""
        return self._batch.episodes.copy()

    def surroundings(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weather ``(n, 3)`` (dry bulb, wet bulb, pressure) and utilisation ``(n, zones)`` of the last step."""
        return self._batch.weather.copy(), self._batch.load.copy()

    def active_faults(self, row: int = 0) -> list[dict[str, Any]]:
        """The truth about what is broken in one hall."""
        return faults_of(self.setup.faults, self._faults, row)

    def encode_actions(self, values: ArrayLike) -> NDArray[np.float32]:
        """Actions in engineering units as the environment takes them; what is out of range is clipped.

        Args:
            values: Shape ``(..., actions)``, in the order of :attr:`action_names`.
        """
        low, high = self.setup.action_bounds()
        values = np.clip(np.asarray(values, dtype=np.float64), low, high)
        if self.setup.task.scaled:
            values = 2.0 * (values - low) / (high - low) - 1.0
        return np.clip(values, self.single_action_space.low, self.single_action_space.high).astype(np.float32)  # type: ignore[attr-defined]

    def decode_actions(self, actions: ArrayLike) -> NDArray[np.float64]:
        """The inverse of :meth:`encode_actions`."""
        low, high = self.setup.action_bounds()
        actions = np.asarray(actions, dtype=np.float64)
        return low + 0.5 * (actions + 1.0) * (high - low) if self.setup.task.scaled else actions

    def decode_observations(self, observations: ArrayLike) -> NDArray[np.float64]:
        """Observations in engineering units, shape ``(..., observations)``."""
        observations = np.asarray(observations, dtype=np.float64)
        if not self.setup.task.scaled:
            return observations
        low, high = self.setup.observation_bounds()
        return low + 0.5 * (observations + 1.0) * (high.astype(np.float64) - low)

    def default_actions(self) -> NDArray[np.float32]:
        """What an uninformed operator does: the plant's default setpoints, shape ``(n, actions)``."""
        commands = default_actions(self.setup.packed, self.num_envs, self.setup.task.control)
        return self.encode_actions(commands[:, self.setup.columns])

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin new episodes; see the class for the options."""
        self._batch.costs[:] = 0.0
        return super().reset(seed=seed, options=options)

    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        faults = options.pop("faults", None) if options else None
        fixed = self._fixed(options) if options else self._drawn
        laid = self._checked_faults(faults)
        self._fail(rows, start=True)
        episode.begin_rows(rows, fixed, self._model, self.setup.start, self._batch, self._streams, self._observations)
        self._foresee(rows, 1)
        self._show_commands(rows)
        for row in np.flatnonzero(rows) if laid else ():
            lay_faults(self.setup.faults, self._faults, int(row), laid[row] or ())
            self._has_faults |= bool(laid[row])

    def _fail(self, rows: NDArray[np.bool_], start: bool) -> None:
        b = self._batch
        step_s = self.setup.task.step_s
        rules = self.setup.faults.rules
        episode.fail_rows(
            rows, start, rules, self._faults, b.effects, b.state, b.episodes, float(step_s), self._streams
        )

    def _foresee(self, rows: NDArray[np.bool_], start: int) -> None:
        if self._forecast is not None:
            column = len(self.setup.sensors) + len(CLOCK)
            episode.foresee_rows(
                rows, start, *self._forecast, self._model, self._batch, self._streams, self._observations, column
            )

    def _show_commands(self, rows: NDArray[np.bool_]) -> None:
        if self.setup.task.observe_commands:
            self._observations[rows, -len(self.setup.columns) :] = self.encode_actions(self.commands[rows])

    def _fixed(self, options: dict[str, Any]) -> NDArray[np.int64]:
        """What reset options fix, checked: shape ``(n, 4)``, days from 0."""
        if unknown := set(options) - set(_FIXED):
            name = sorted(unknown)[0]
            raise UsageError(f"there is no reset option {name!r}: {nearest(name, ('reset_mask', 'faults', *_FIXED))}")
        fixed = self._drawn.copy()
        for column, name in enumerate(_FIXED):
            if name not in options:
                continue
            given = np.asarray(options[name])
            if given.shape != (self.num_envs,) or given.dtype.kind not in "iu":
                raise UsageError(f"options[{name!r}] must be {self.num_envs} whole numbers, got {options[name]!r}")
            low, high = self._range_of(name)
            if ((given < low) & (given != -1)).any() or given.max() > high:
                raise UsageError(f"options[{name!r}] must be from {low} to {high} (-1: drawn), got {given.tolist()}")
            fixed[:, column] = np.where(given < 0, -1, given - low)
        return fixed

    def _range_of(self, name: str) -> tuple[int, int]:
        sources = self._model.weather if name in ("weathers", "days") else self._model.workload
        if name.endswith("days"):
            return 1, int(sources.about["days"].min())
        return 0, len(sources.about) - 1

    def _checked_faults(self, faults: Any) -> list[Any]:
        """Fixed faults of each row, tried on an empty state first so that a mistake leaves the episode alone."""
        if faults is None:
            return []
        if not isinstance(faults, Sequence) or isinstance(faults, str) or len(faults) != self.num_envs:
            raise UsageError(f"options['faults'] must be {self.num_envs} lists of fixed faults, got {faults!r}")
        for entries in faults:
            if entries is not None and (isinstance(entries, str) or not isinstance(entries, Sequence)):
                raise UsageError(f"the fixed faults of one environment are a list of mappings, got {entries!r}")
            trial, _ = self.setup.faults.new_state(self._batch.effects.plant[:1])
            lay_faults(self.setup.faults, trial, 0, entries or ())
        return list(faults)

    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[np.float32]) -> None:
        if self._has_faults:
            self._fail(rows, start=False)
        episode.step_rows(rows, actions, self._handle)
        if self._forecast is not None:
            self._foresee(rows, 0)
        self._show_commands(rows)

    def _step_info(self) -> dict[str, Any]:
        info: dict[str, Any] = dict(zip(_COSTS, self._returned(self._batch.costs), strict=True))
        if self._has_faults:
            info["faults"] = self._returned(self._batch.effects.plant)
            info["sensor_faults"] = self._returned(self._batch.effects.sensor_mode)
        return info

    def _single_info(self) -> dict[str, Any]:
        if self._has_faults:
            return super()._single_info()
        return dict(zip(_COSTS, self._batch.costs[:, 0].tolist(), strict=True))

    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        verdicts = np.zeros(self.num_envs, dtype=VERDICT)
        judge(rows, self._batch.totals, self._batch.episodes, verdicts)
        return verdicts

    def _task_state(self) -> State:
        return {"has_faults": self._has_faults, **self._arrays()}

    def _set_task_state(self, state: State) -> None:
        arrays = self._arrays()
        for name, array in arrays.items():
            if name not in state or state[name].shape != array.shape:
                raise ValueError(
                    f"the state is of another plant or task: this one's {name} have shape {array.shape}, "
                    f"got {state[name].shape if name in state else 'none'}"
                )
        for name, array in arrays.items():
            array[:] = state[name]
        self._has_faults = bool(state["has_faults"])
        episode.observe_rows(self._all_rows, self._model, self._batch, self._observations)
        self._foresee(self._all_rows, -1)
        self._show_commands(self._all_rows)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """All that decides what happens next, by name; every array has a row for each hall."""
        b, faults = self._batch, self._faults
        arrays = {
            "episodes": _flat(b.episodes),
            "totals": _flat(b.totals),
            "costs": b.costs.T,
            "state": b.state,
            "readings": b.readings,
            "commands": b.commands,
            "weather": b.weather,
            "load": b.load,
            "noise": b.noise,
            "history": b.history,
            "plant_faults": b.effects.plant,
            "sensor_mode": b.effects.sensor_mode,
            "sensor_jump": b.effects.sensor_jump,
            "faults": _flat(faults.slots),
            "next_fault_s": faults.next_s,
            "fault_due_s": faults.due_s,
            **{f"sensor_{name}": array for name, array in b.sensors._asdict().items()},
        }
        if self._forecast is not None:
            arrays |= {f"forecast_{name}": array for name, array in self._forecast[1]._asdict().items()}
        return arrays

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Pictures ``(600, 960, 3)`` uint8, one of each hall; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(self.render_row(row) for row in range(self.num_envs))

    def render_row(self, row: int) -> NDArray[np.uint8]:
        """The picture of one hall of the batch."""
        from rlkit.envs.cooling.render import render_plant
        from rlkit.envs.cooling.view import view_of

        return render_plant(view_of(self, row))


def _new_batch(setup: Setup, n: int) -> tuple[Batch, FaultState]:
    """Arrays for ``n`` halls."""
    zones = len(setup.plant.zones)
    halls = new_halls(setup.packed, n)
    faults, effects = setup.faults.new_state(halls.faults)
    batch = Batch(
        np.zeros(n, EPISODE),
        halls.state,
        halls.readings,
        np.tile(setup.start.first_command, (n, 1)),
        np.zeros((n, 3)),
        np.zeros((n, zones)),
        np.zeros((n, zones)),
        setup.sensors.new_state(n),
        effects,
        np.zeros((n, int(setup.model.charges["window"][0]), zones)),
        np.zeros((1 + len(CONSTRAINTS), n)),
        np.zeros(n, TOTALS),
        new_room(setup.packed.plant[0], halls.state.shape[1]),
        np.zeros(len(setup.sensors)),
    )
    return batch, faults


def _flat(records: NDArray[np.void]) -> NDArray[np.uint8]:
    """Records as bytes, a row for each hall: plain arrays for files that know no records."""
    return records.view(np.uint8).reshape(len(records), -1)
