"""All that decides how a run goes on, as a tree for `checkpoint`, taken between two iterations.

Between iterations the rollout buffer is empty, so what is left is: weights and optimizers, the replay, counters and
windows of the algorithm, what it saw last, the environments, the logger's pending figures and every random generator.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any, cast

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.save_util import recursive_getattr

from rlkit.agents.learner import Learner
from rlkit.agents.replay import CompactReplay
from rlkit.agents.vecenv import VecEnvAdapter

COUNTERS = (
    "num_timesteps",
    "_n_updates",
    "_episode_num",
    "_n_calls",
    "exploration_rate",
    "kl_coef",
    "_current_progress_remaining",
    "_last_obs",
    "_last_episode_starts",
    "_last_original_obs",
)
WINDOWS = ("ep_info_buffer", "ep_success_buffer")
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def take(model: BaseAlgorithm | Learner) -> dict[str, Any]:
    """The state of a run.

    Args:
        model: What learns, between two iterations, on a `VecEnvAdapter`.
    """
    if isinstance(model, Learner):
        counters = {"num_timesteps": model.num_timesteps}
        return {"counters": counters, "learner": model.get_state(), "logger": _logger_state(model.logger)}
    modules, variables = model._get_torch_save_params()
    state = {
        "modules": {name: recursive_getattr(model, name).state_dict() for name in modules},
        "variables": {name: recursive_getattr(model, name) for name in variables},
        "counters": {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)},
        "windows": {name: list(getattr(model, name)) for name in WINDOWS},
        "envs": cast(VecEnvAdapter, model.env).get_state(),
        "logger": _logger_state(model.logger),
        "random": _generators(model),
    }
    if hasattr(model, "get_extra_state"):
        state["extra"] = model.get_extra_state()
    if getattr(model, "replay_buffer", None) is not None:
        state["replay"] = _replay_state(model.replay_buffer)  # type: ignore[attr-defined]
    return state


def put(model: BaseAlgorithm | Learner, state: dict[str, Any]) -> None:
    """Go back to a state that :func:`take` gave, with a model made from the same configuration, its logger set.

    Raises:
        KeyError, RuntimeError, ValueError: If it does not fit.
    """
    _put_logger_state(model.logger, state["logger"])
    if isinstance(model, Learner):
        model.num_timesteps = state["counters"]["num_timesteps"]
        model.set_state(state["learner"])
        return
    modules, variables = model._get_torch_save_params()  # names are the model's, never the file's
    for name in modules:
        recursive_getattr(model, name).load_state_dict(state["modules"][name])
    for name in variables:
        recursive_getattr(model, name).data.copy_(state["variables"][name])
    for name in COUNTERS:
        if name in state["counters"]:
            setattr(model, name, state["counters"][name])
    for name in WINDOWS:
        setattr(model, name, deque(state["windows"][name], maxlen=model._stats_window_size))
    cast(VecEnvAdapter, model.env).set_state(state["envs"])
    if hasattr(model, "set_extra_state"):
        model.set_extra_state(state["extra"])
    if "replay" in state:
        _put_replay_state(model.replay_buffer, state["replay"])  # type: ignore[attr-defined]
    _put_generators(model, state["random"])


def _logger_state(logger: Logger) -> dict[str, Any]:
    """Figures that wait to be written."""
    return {
        "values": {key: _plain(value) for key, value in logger.name_to_value.items()},
        "counts": dict(logger.name_to_count),
        "excluded": dict(logger.name_to_excluded),
    }


def _put_logger_state(logger: Logger, state: dict[str, Any]) -> None:
    logger.name_to_value.update(state["values"])
    logger.name_to_count.update(state["counts"])
    logger.name_to_excluded.update(state["excluded"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic | th.Tensor) else value


def _replay_state(replay: Any) -> dict[str, Any]:
    if isinstance(replay, CompactReplay):
        return replay.get_state()
    used = replay.buffer_size if replay.full else replay.pos
    return {
        "pos": int(replay.pos),
        "full": bool(replay.full),
        "arrays": {name: _cut(getattr(replay, name), used) for name in REPLAY},
    }


def _put_replay_state(replay: BaseBuffer, state: dict[str, Any]) -> None:
    if isinstance(replay, CompactReplay):
        replay.set_state(state)
        return
    replay.pos, replay.full = state["pos"], state["full"]
    for name in REPLAY:
        _fill(getattr(replay, name), state["arrays"][name])


def _cut(array: Any, used: int) -> Any:
    return {key: part[:used] for key, part in array.items()} if isinstance(array, dict) else array[:used]


def _fill(array: Any, content: Any) -> None:
    if isinstance(array, dict):
        for key, part in array.items():
            _fill(part, content[key])
    else:
        array[: len(content)] = content


def _generators(model: BaseAlgorithm) -> dict[str, Any]:
    """States of every generator that Stable-Baselines3 draws from."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": th.get_rng_state(),
        "actions": dict(model.action_space.np_random.bit_generator.state),
    }


def _put_generators(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    th.set_rng_state(state["torch"])
    model.action_space.np_random.bit_generator.state = state["actions"]
