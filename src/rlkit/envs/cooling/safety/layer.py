"""What all safety layers share: a wrapper that changes actions on their way to the plant and says how often it did."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError, nearest

Result = tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]
L = TypeVar("L", bound="SafetyLayer")


class SafetyLayer(VectorWrapper[Any, Any, Any, Any, Any], ABC):
    """A layer around :class:`~rlkit.envs.cooling.vector.CoolingVectorEnv` or around another layer.

    A step's actions go from the outermost layer to the plant, in engineering units and in double precision; what no
    layer has changed reaches the plant bit for bit. Layers know what the building's controller knows (readings of the
    sensors, the plant's design data, the commands in force) and never the plant's true state.

    Every step's info has ``safety_<name>``, bool ``(n,)``: whether the layer acted in that hall. At an episode's end
    the verdict has ``safety_<name>_steps`` and ``safety_steps``, whose ratio is in ``metadata["metrics"]``, so that
    TensorBoard shows the share of steps as ``cooling/safety_<name>``. ``get_state`` and ``set_state`` include the
    layers, and public attributes of what is wrapped can be reached through them.

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
                f"got {type(envs.unwrapped).__name__}; around a single environment use SafeEnv"
            )
        self.plant_envs: CoolingVectorEnv = envs.unwrapped
        n = self.num_envs
        self.acted = np.zeros(n, dtype=np.bool_)
        self._acted_steps = np.zeros(n, dtype=np.int64)
        self._steps = np.zeros(n, dtype=np.int64)
        self._fresh = np.ones(n, dtype=np.bool_)  # no episode has begun, or it has ended: the coming action is ignored
        self._observations = np.zeros(0)
        metrics = envs.metadata["metrics"]
        share = {f"safety_{self.name}": [f"safety_{self.name}_steps", "safety_steps"]}
        self.metadata = {**envs.metadata, "metrics": {**metrics, "values": {**metrics["values"], **share}}}

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
    def step_minutes(self) -> float:
        """Length of a step."""
        return float(self.plant_envs.setup.task.step_s) / 60.0

    @abstractmethod
    def _filter(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is passed on of the actions ``(n, a)`` in engineering units; must not write into ``values``."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What the layer remembers, by name; written in place when a state is set."""
        return {}

    def _observe(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        """Take note of new observations; ``begun`` are the halls whose episode has just begun."""
        del observations, begun

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[NDArray[Any], dict[str, Any]]:
        """As what is wrapped; layers forget the episodes that ended."""
        observations, info = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        begun = np.ones(self.num_envs, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
        self._fresh &= ~begun
        self._start(observations, begun)
        return observations, info

    def _start(self, observations: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        self._steps[begun] = self._acted_steps[begun] = 0
        self._observations = observations
        self._observe(observations, begun)

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
        return self._pass(values, values, given)

    def _pass(self, values: NDArray[np.float64], proposed: NDArray[np.float64], given: NDArray[Any]) -> Result:
        filtered = self._filter(values)
        self.acted[:] = self._acts(values, filtered) & ~self._fresh
        if isinstance(self.env, SafetyLayer):
            return self._after(self.env._pass(filtered, proposed, given))
        kept = filtered == proposed
        encoded = np.where(kept, given, self.plant_envs.encode_actions(filtered))
        return self._after(self.env.step(encoded.astype(np.float32)))

    def _acts(self, values: NDArray[np.float64], filtered: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Halls in which the layer is said to have acted: those whose action it changed."""
        same = (values == filtered) | (np.isnan(values) & np.isnan(filtered))
        return ~same.all(axis=1)

    def _after(self, result: Result) -> Result:
        observations, rewards, terminated, truncated, info = result
        ended = terminated | truncated
        self._steps += ~self._fresh
        self._acted_steps += self.acted
        info[f"safety_{self.name}"] = self.acted.copy()
        mode = self.plant_envs.autoreset_mode
        begun = np.zeros_like(ended)
        if ended.any():
            self._judge(info["final_info"] if mode is AutoresetMode.SAME_STEP else info, ended.copy())
        if mode is AutoresetMode.SAME_STEP:
            begun = ended
        else:
            if mode is AutoresetMode.NEXT_STEP:
                begun = self._fresh.copy()
            self._fresh[:] = ended
        self._start(observations, begun)
        return observations, rewards, terminated, truncated, info

    def _judge(self, verdict: dict[str, Any], ended: NDArray[np.bool_]) -> None:
        for key, count in (("safety_steps", self._steps), (f"safety_{self.name}_steps", self._acted_steps)):
            verdict[key], verdict[f"_{key}"] = count.copy(), ended

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
        self._observations, _ = self.observe()

    def _all_arrays(self) -> dict[str, NDArray[Any]]:
        own = {"acted": self.acted, "acted_steps": self._acted_steps, "steps": self._steps, "fresh": self._fresh}
        return {f"{self.name}_{key}": array for key, array in {**own, **self._arrays()}.items()}


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
