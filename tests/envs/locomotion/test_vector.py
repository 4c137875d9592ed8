"""The batch: what it gives does not depend on threads, on its size, or on how it came to where it is."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv

from .batches import ALL_BODIES, TERRAIN_OF, make, no_actions, random_actions

STEPS = 40


def story(n: int, rows: int, actions: np.ndarray, **arguments: Any) -> list[np.ndarray]:
    """Everything that the first rows of a batch say in some steps; episodes end and begin again."""
    envs = make(n, autoreset_mode="same_step", episode_s=0.5, **arguments)
    told = [envs.observe()[0][:rows]]
    padding = np.zeros((n - rows, actions.shape[2]), np.float32)
    for action in actions:
        observations, rewards, terminations, truncations, info = envs.step(np.concatenate([action, padding]))
        told += [a[:rows] for a in (observations, rewards, terminations, truncations, info["distance_m"])]
    return told


@pytest.mark.parametrize("body", ALL_BODIES)
def test_threads_and_other_rows_change_nothing(body: str) -> None:
    arguments: dict[str, Any] = {"body": body, "terrain": TERRAIN_OF[body], "seed": 6}
    actions = random_actions(make(3, **arguments), STEPS, 0.6)
    expected = story(3, 3, actions, threads=1, **arguments)
    assert sum(ended.any() for ended in expected[3::5]) + sum(ended.any() for ended in expected[4::5]) > 0
    for n, threads in ((3, 2), (3, 3), (8, 2), (33, 3)):
        told = story(n, 3, actions, threads=threads, **arguments)
        for ours, theirs in zip(told, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("body", ALL_BODIES)
def test_a_row_is_the_single_environment(body: str) -> None:
    arguments: dict[str, Any] = {"body": body, "terrain": "mixture", "episode_s": 0.6}
    envs = make(4, seed=[1, 2, 3, 4], threads=2, **arguments)
    env = gymnasium.make("rlkit/ObstacleCourse-v0", threads=1, **arguments).unwrapped
    observation, _ = env.reset(seed=3)
    np.testing.assert_array_equal(observation, envs.observe()[0][2])
    ends = 0
    for actions in random_actions(envs, 60):
        observations, rewards, terminations, truncations, infos = envs.step(actions)
        observation, reward, terminated, truncated, info = env.step(actions[2])
        np.testing.assert_array_equal(observation, observations[2])
        assert (reward, terminated, truncated) == (rewards[2], terminations[2], truncations[2])
        assert info == {key: infos[key][2] for key in info}
        if terminated or truncated:
            ends += 1
            env.reset()
        if (terminations | truncations).any():
            envs.reset(options={"reset_mask": terminations | truncations})
    assert ends > 0


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_the_final_observation_is_that_of_the_end(mode: str) -> None:
    """And the next one is of the new episode, at the start line."""
    envs, plain = (make(6, autoreset_mode=m, episode_s=0.4) for m in (mode, "disabled"))
    for actions in random_actions(envs, 25, 1.0):
        observations, _, terminations, truncations, info = envs.step(actions)
        expected, _, _, _, verdict = plain.step(actions)
        ended = terminations | truncations
        if ended.any():
            break
        np.testing.assert_array_equal(observations, expected)
    assert ended.any()
    final = info["final_info"] if mode == "same_step" else info
    last = info["final_obs"] if mode == "same_step" else observations
    np.testing.assert_array_equal(last[ended], expected[ended])
    np.testing.assert_array_equal(final["speed_ms"][ended], verdict["speed_ms"][ended])
    if mode == "next_step":
        observations, rewards, terminations, truncations, info = envs.step(actions)
        assert not rewards[ended].any() and not (terminations | truncations)[ended].any()
    assert (np.abs(info["distance_m"][ended]) < 0.02).all()
    fresh, _ = plain.reset(options={"reset_mask": ended})
    np.testing.assert_array_equal(observations[ended], fresh[ended])


@pytest.mark.parametrize("body", ALL_BODIES)
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "state"])
def test_a_copy_goes_on_exactly(body: str, how: str) -> None:
    arguments: dict[str, Any] = {
        "body": body,
        "terrain": TERRAIN_OF[body],
        "curriculum": "adaptive",
        "conditions": {"friction": [0.5, 1.0], "push_ms": 0.5, "push_every_s": 0.3},
        "autoreset_mode": "same_step",
        "episode_s": 0.7,
    }
    envs = make(4, seed=3, **arguments)
    actions = random_actions(envs, 60, 0.6)
    for action in actions[:17]:
        envs.step(action)
    other: ObstacleCourseVectorEnv
    if how == "state":
        other = make(4, seed=99, **arguments)
        other.set_state(pickle.loads(pickle.dumps(envs.get_state())))
    else:
        other = copy.deepcopy(envs) if how == "deepcopy" else pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal(other.observe()[0], envs.observe()[0])
    ends = 0
    for action in actions[17:]:
        ours, theirs = envs.step(action), other.step(action)
        ends += int((ours[2] | ours[3]).sum())
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    assert ends > 0
    assert [envs.get_course(row) for row in range(4)] == [other.get_course(row) for row in range(4)]
    assert envs.conditions()["friction"].tolist() == other.conditions()["friction"].tolist()


def test_going_back_in_time_and_doing_the_same_gives_the_same() -> None:
    """Planning stands on it: the very batch that went on can be set back."""
    envs = make(5, terrain="mixed", autoreset_mode="same_step", episode_s=0.5)
    actions = random_actions(envs, 40)
    for action in actions[:15]:
        envs.step(action)
    state = envs.get_state()
    first = [envs.step(action)[0] for action in actions[15:]]
    envs.set_state(state)
    again = [envs.step(action)[0] for action in actions[15:]]
    np.testing.assert_array_equal(first, again)


def test_an_environment_that_has_not_begun_can_be_pickled() -> None:
    envs = ObstacleCourseVectorEnv(2, threads=1, terrain="flat")
    again = pickle.loads(pickle.dumps(envs))
    np.testing.assert_array_equal(again.reset(seed=1)[0], envs.reset(seed=1)[0])


def test_states_of_other_bodies_are_refused() -> None:
    state = make(2, body="walker").get_state()
    with pytest.raises(ValueError, match="another body"):
        make(2, body="quadruped").set_state(state)


@pytest.mark.parametrize("actions", [np.full((2, 6), np.nan), np.full((2, 6), 1.5), np.zeros((2, 5)), np.zeros(6)])
def test_bad_actions_are_refused_and_change_nothing(actions: np.ndarray) -> None:
    envs = make(2)
    before = envs.get_state()["task"]["simulation"]["integration"]
    with pytest.raises(ValueError, match="actions must"):
        envs.step(actions)
    np.testing.assert_array_equal(before, envs.get_state()["task"]["simulation"]["integration"])


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_a_batch_has_a_size(n: Any) -> None:
    with pytest.raises(ValueError, match="num_envs must be a whole number"):
        ObstacleCourseVectorEnv(n)


def test_metrics_are_in_the_verdict() -> None:
    envs = make(2, terrain="flat", episode_s=0.1)
    for _ in range(6):
        info = envs.step(no_actions(envs))[-1]
    for name, source in envs.metadata["metrics"]["values"].items():
        for key in [source] if isinstance(source, str) else source:
            assert np.isfinite(info[key]).all(), name
    assert envs.metadata["observation_groups"] == envs.observation_groups
