"""What all safety layers share: a wrapper that changes actions on their way to the plant and says how often it did."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.envs.jit import kernel
from rlkit.errors import UsageError, nearest

Result = tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]
L = TypeVar("L", bound="SafetyLayer")
CHANGED = "interventions"  # of all layers together: what reached the plant was not what the agent had asked for


class Outcome(NamedTuple):
    """What a step brought, and what it means for episodes."""

    result: Result
    ended: NDArray[np.bool_]
    begun: NDArray[np.bool_]
    some_ended: bool
    some_begun: bool


class Stack:
    """What all layers around one batch share; the innermost keeps it up to date.

    Attributes:
        fresh: No episode has begun, or it has ended: the coming action is ignored; shape ``(n,)``.
        steps: Of the present episode.
        changed: Whether the last action reached the plant otherwise than the agent had asked.
        changed_steps: How often in the present episode.
        commands: In force, in engineering units, shape ``(n, a)``.
    """

    def __init__(self, envs: CoolingVectorEnv) -> None:
        n = envs.num_envs
        self.fresh = np.ones(n, dtype=np.bool_)
        self.steps = np.zeros(n, dtype=np.int64)
        self.changed = np.zeros(n, dtype=np.bool_)
        self.changed_steps = np.zeros(n, dtype=np.int64)
        self.commands = envs.commands
        self.never = np.zeros(n, dtype=np.bool_)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What decides how it goes on."""
        names = ("fresh", "steps", "changed", "changed_steps")
        return {f"stack_{name}": getattr(self, name) for name in names}


@kernel
def _differ(first, second, fresh, out):  # type: ignore[no-untyped-def]
    """Write in which rows two sets of actions differ (NaN equals NaN), where an action counts at all."""
    for i in range(first.shape[0]):
        same = True
        for j in range(first.shape[1]):
            a, b = first[i, j], second[i, j]
            same = same and (a == b or (a != a and b != b))
        out[i] = not same and not fresh[i]


class SafetyLayer(VectorWrapper[Any, Any, Any, Any, Any], ABC):
    """A layer around :class:`~rlkit.envs.cooling.vector.CoolingVectorEnv` or around another layer.

    A step's actions go from the outermost layer to the plant, in engineering units and in double precision; what no
    layer has changed reaches the plant bit for bit. Layers know what the building's controller knows (readings of the
    sensors, the plant's design data, the commands in force) and never the plant's true state.

    Every step's info has ``safety_<name>``, bool ``(n,)``: whether the layer acted in that hall, and
    ``safety_interventions``: whether what reached the plant was not what the agent had asked for. At an episode's end
    the verdict has ``safety_<name>_steps``, ``safety_interventions_steps`` and ``safety_steps``, whose ratios are in
    ``metadata["metrics"]``, so that TensorBoard shows shares of steps as ``cooling/safety_<name>``. ``get_state`` and
    ``set_state`` include the layers, and public attributes of what is wrapped can be reached through them.

    Args:
        envs: What to wrap.

    Raises:
        UsageError: If it is not a batch of data centers.
    """

    name: ClassVar[str]

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(envs)
        if not isinstance(envs.unwrapped, CoolingVectorEnv):
            raise UsageError(
                f"a safety layer wraps CoolingVectorEnv (gymnasium.make_vec of rlkit/DataCenterCooling-v0), "
                f"got {type(envs.unwrapped).__name__}; a single environment takes safety='standard'"
            )
        self.plant_envs: CoolingVectorEnv = envs.unwrapped
        self._inner = envs if isinstance(envs, SafetyLayer) else None
        self._stack: Stack = self._inner._stack if self._inner is not None else Stack(self.plant_envs)
        self.acted = np.zeros(self.num_envs, dtype=np.bool_)
        self._acted_steps = np.zeros(self.num_envs, dtype=np.int64)
        self._observations = np.zeros(0)
        self._key = f"safety_{self.name}"
        self.metadata = {**envs.metadata, "metrics": self._metrics(envs.metadata["metrics"])}

    def _metrics(self, inner: dict[str, Any]) -> dict[str, Any]:
        names = (self.name,) if self._inner is not None else (CHANGED, self.name)
        shares = {f"safety_{name}": [f"safety_{name}_steps", "safety_steps"] for name in names}
        return {**inner, "values": {**inner["values"], **shares}}

    def __getattr__(self, name: str) -> Any:
        """Public attributes of what is wrapped, such as ``action_names``."""
        if name.startswith("_") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    @property
    def observations(self) -> NDArray[Any]:
        """The last observations, as the agent was given them."""
        return self._observations

    @property
    def commands_in_force(self) -> NDArray[np.float64]:
        """As ``commands``, without a copy: not to be written into."""
        return self._stack.commands

    @property
    def intervened(self) -> NDArray[np.bool_]:
        """Whether the last action reached the plant otherwise than the agent had asked, ``(n,)``."""
        return self._stack.changed.copy()

    @property
    def step_minutes(self) -> float:
        """Length of a step."""
        return float(self.plant_envs.setup.task.step_s) / 60.0

    @abstractmethod
    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is passed on of the actions ``(n, a)`` in engineering units; must not write into ``values``."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What the layer remembers, by name; written in place when a state is set."""
        return {}

    def _forget(self, begun: NDArray[np.bool_]) -> None:
        """New episodes have begun in these halls."""
        del begun

    def _observe(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        """Take note of new observations; ``begun`` are the halls whose episode has just begun."""
        del observations, begun

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[NDArray[Any], dict[str, Any]]:
        """As what is wrapped; layers forget the episodes that ended."""
        observations, info = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        begun = np.ones(self.num_envs, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
        if self._inner is None:
            self._stack.fresh &= ~begun
            self._begin_stack(begun)
            self._stack.commands = self.plant_envs.commands
        self._begin(begun)
        self._observations = observations
        self._observe(observations, begun)
        return observations, info

    def _begin_stack(self, begun: NDArray[np.bool_]) -> None:
        self._stack.steps[begun] = self._stack.changed_steps[begun] = 0

    def _begin(self, begun: NDArray[np.bool_]) -> None:
        self._acted_steps[begun] = 0
        self._forget(begun)

    def step(self, actions: ArrayLike) -> Result:
        """As what is wrapped, after the layers have seen to the actions.

        Args:
            actions: Shape ``(n, a)``. A row with a NaN says that the agent has not answered in time: a
                :class:`~rlkit.envs.cooling.safety.failover.Failover` then steers; without one it is an error.
        """
        given = np.asarray(actions)
        if given.shape != self.action_space.shape or given.dtype.kind not in "fiu":
            result: Result = self.env.step(actions)  # complains
            return result
        values = self.plant_envs.decode_actions(given)
        return self._pass(values, values, given).result

    def _pass(self, values: NDArray[np.float64], proposed: NDArray[np.float64], given: NDArray[Any]) -> Outcome:
        filtered = self._filter(values)
        np.greater(self._acts(values, filtered), self._stack.fresh, out=self.acted)
        if self._inner is not None:
            outcome = self._inner._pass(filtered, proposed, given)
        else:
            outcome = self._step_plant(filtered, proposed, given)
        return self._after(outcome)

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Halls in which the layer is said to have acted: those whose action it changed."""
        if filtered is values:
            return self._stack.never
        _differ(values, filtered, self._stack.fresh, self.acted)
        return self.acted

    def _step_plant(self, filtered: NDArray[np.float64], proposed: NDArray[np.float64], given: NDArray[Any]) -> Outcome:
        """The innermost layer's: step the plant, and count for all."""
        stack, encoded = self._stack, given
        _differ(proposed, filtered, stack.fresh, stack.changed)
        if stack.changed.any():
            encoded = np.where(filtered == proposed, given, self.plant_envs.encode_actions(filtered))
        observations, rewards, terminated, truncated, info = self.env.step(encoded.astype(np.float32))
        ended = terminated | truncated
        some_ended = bool(ended.any())
        stack.steps += ~stack.fresh
        stack.changed_steps += stack.changed
        info[f"safety_{CHANGED}"] = stack.changed.copy()
        mode, begun = self.plant_envs.autoreset_mode, stack.never
        if some_ended:
            self._say(info, CHANGED, stack.changed_steps, ended)
            self._say(info, "", stack.steps, ended)
        if mode is AutoresetMode.SAME_STEP:
            begun = ended
        else:
            if mode is AutoresetMode.NEXT_STEP:
                begun = stack.fresh.copy()
            stack.fresh[:] = ended
        some_begun = bool(begun.any())
        if some_begun:
            self._begin_stack(begun)
        stack.commands = self.plant_envs.commands
        return Outcome((observations, rewards, terminated, truncated, info), ended, begun, some_ended, some_begun)

    def _after(self, outcome: Outcome) -> Outcome:
        """Count, and take note of what the step has brought."""
        observations, _, _, _, info = outcome.result
        self._acted_steps += self.acted
        info[self._key] = self.acted.copy()
        if outcome.some_ended:
            self._say(info, self.name, self._acted_steps, outcome.ended)
        if outcome.some_begun:
            self._begin(outcome.begun)
        self._observations = observations
        self._observe(observations, outcome.begun)
        return outcome

    def _say(self, info: dict[str, Any], name: str, counts: NDArray[np.int64], ended: NDArray[np.bool_]) -> None:
        """Add a count to the verdicts of the episodes that have ended."""
        same_step = self.plant_envs.autoreset_mode is AutoresetMode.SAME_STEP
        verdict = info["final_info"] if same_step else info
        key = f"safety_{name}_steps" if name else "safety_steps"
        verdict[key], verdict[f"_{key}"] = counts.copy(), ended.copy()

    def get_state(self) -> dict[str, Any]:
        """As :meth:`rlkit.envs.batch.BatchEnv.get_state`, with what the layers remember."""
        envs: Any = self.env
        return {"envs": envs.get_state(), "safety": copy.deepcopy(self._all_arrays())}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to a state that :meth:`get_state` gave, of the same layers around the same task.

        Raises:
            ValueError: If it is of other layers.
        """
        arrays = self._all_arrays()
        saved = state.get("safety", {})
        for key, array in arrays.items():
            if key not in saved or saved[key].shape != array.shape:
                raise ValueError(
                    f"the state is of other safety layers or another task: layer {self.name!r} expects {key!r} of "
                    f"shape {array.shape}, got {saved[key].shape if key in saved else 'none'}"
                )
        envs: Any = self.env
        envs.set_state(state["envs"])
        for key, array in arrays.items():
            array[...] = saved[key]
        if self._inner is None:
            self._stack.commands = self.plant_envs.commands
        self._observations, _ = self.observe()

    def _all_arrays(self) -> dict[str, NDArray[Any]]:
        own = {"acted": self.acted, "acted_steps": self._acted_steps, **self._arrays()}
        shared = self._stack.arrays() if self._inner is None else {}
        return {**shared, **{f"{self.name}_{key}": array for key, array in own.items()}}


def find_layer(envs: Any, kind: type[L]) -> L | None:
    """The outermost layer of a kind around a batch; None if there is none."""
    while isinstance(envs, VectorWrapper):
        if isinstance(envs, kind):
            return envs
        envs = envs.env
    return None


def columns_of(envs: CoolingVectorEnv, control: str) -> list[int]:
    """Columns of the actions that a name means: ``"zone0.airflow"``, or ``"airflow"`` for that of every zone.

    Raises:
        UsageError: Naming the nearest right one.
    """
    names = envs.action_names
    found = [column for column, name in enumerate(names) if control in (name, name.split(".")[-1])]
    if not found:
        raise UsageError(f"there is no control {control!r}: {nearest(control, {*names, *_short(names)})}")
    return found


def _short(names: tuple[str, ...]) -> set[str]:
    return {name.split(".")[-1] for name in names}
