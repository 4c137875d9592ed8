from __future__ import annotations

import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlkit.envs.locomotion.bodies import BODIES
from rlkit.envs.locomotion.courses import TERRAINS
from rlkit.envs.locomotion.fixed import fixed_course

from .batches import move

ID = "rlkit/ObstacleCourse-v0"
PAIRS = [(body, terrain) for body in BODIES for terrain in TERRAINS if (body, terrain) != ("walker", "slalom")]


@pytest.mark.parametrize(("body", "terrain"), PAIRS)
def test_gymnasium_has_nothing_to_say(body: str, terrain: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(ID, body=body, terrain=terrain, threads=1).unwrapped
        check_env(env, skip_render_check=True)


def test_a_single_environment_has_what_the_batch_has() -> None:
    env = gymnasium.make(ID, body="quadruped", terrain="gaps", conditions={"friction": 0.7}).unwrapped
    course = fixed_course("gaps", [0.4], half_width_m=2.5)
    env.reset(seed=0, options={"course": course})
    assert env.get_course() == course
    assert env.terrain_height(3.2) == -1.0 and env.terrain_height(1.0) == 0.0
    assert env.conditions()["friction"] == 0.7
    size = env.observation_space.shape[0]
    assert len(env.observation_names) == len(env.observation_units) == size
    assert env.observation_groups["terrain"][1] == env.metadata["observation_groups"]["terrain"][1] == size
    assert env.action_names[0] == "hip_4" and len(env.action_names) == 8
    assert env.metadata["render_fps"] == 20


def test_a_single_environment_ends_at_the_finish_line_too() -> None:
    env = gymnasium.make(ID, terrain="gaps").unwrapped
    course = fixed_course("gaps", [0.2])
    env.reset(seed=0, options={"course": course})
    move(env._batch, x=course.length_m + 1.0)
    _, _, terminated, truncated, info = env.step(np.zeros(6, np.float32))
    assert truncated and not terminated and info["is_success"]


def test_terrain_height_knows_what_is_under_a_platform() -> None:
    env = gymnasium.make(ID).unwrapped
    env.reset(options={"course": fixed_course("platforms", [1.5])})
    assert env.terrain_height(3.5) == 1.5
    assert env.terrain_height(3.5, below_m=1.25) == 0.0


def test_a_single_environment_can_be_pickled() -> None:
    env = gymnasium.make(ID, terrain="stairs").unwrapped
    env.reset(seed=4)
    env.step(np.zeros(6, np.float32))
    again = pickle.loads(pickle.dumps(env))
    np.testing.assert_array_equal(again.step(np.zeros(6, np.float32))[0], env.step(np.zeros(6, np.float32))[0])
