"""Environments seen as what they draw: shapes, episodes, states, and what cannot be seen so."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

import toys
from rlkit.envs.pixels import Pixels
from rlkit.envs.replayable import Replayable

ENVS = {  # ours have a state, Gymnasium's get one by being lived again
    "sprite": functools.partial(gymnasium.make, "rlkit/Sprite-v0", fields=5, max_steps=6, render_mode="rgb_array"),
    "negotiation": functools.partial(gymnasium.make, "rlkit/Negotiation-v0", render_mode="rgb_array"),
    "time limit": functools.partial(
        gymnasium.make, "rlkit/Sprite-v0", fields=5, max_episode_steps=5, render_mode="rgb_array"
    ),
    "cartpole": lambda: Replayable(gymnasium.make("CartPole-v1", max_episode_steps=8, render_mode="rgb_array")),
}
every_env = pytest.mark.parametrize("name", list(ENVS))


class Lamp(toys.Toy):
    """Draws how many steps were taken: 10 times that, in grey, the right half in pure red."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        picture = np.full((60, 90, 3), 10 * self._step, dtype=np.uint8)
        picture[:, 45:] = 0
        picture[:, 45:, 0] = 10 * self._step
        return picture


def left(frames: NDArray[np.uint8]) -> list[int]:
    """Of each picture, how bright the left is."""
    return frames[:, 4, 1].tolist()


def lamp(**arguments: Any) -> Pixels:
    return Pixels(Lamp("rgb_array"), **{"edge": 10, "stack": 3, **arguments})


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@every_env
def test_pictures_are_small_grey_and_stacked(name: str) -> None:
    env = Pixels(ENVS[name](), edge=42, stack=3)
    observation, _ = env.reset(seed=0)
    assert env.observation_space == spaces.Box(0, 255, (3, 42, 42), np.uint8)
    assert env.observation_space.contains(observation) and observation.std() > 1
    assert env.metadata["frame_stack"] == 3
    check_env(env, skip_render_check=True)


def test_frames_move_up_and_the_first_is_repeated() -> None:
    env = lamp()
    env.reset(seed=0)
    seen = [left(env.step(0)[0]) for _ in range(4)]
    assert seen == [[0, 0, 10], [0, 10, 20], [10, 20, 30], [20, 30, 40]]
    assert left(env.reset()[0]) == [0, 0, 0]


def test_grey_is_a_mean_of_weighted_colours() -> None:
    """Red counts 0.299; the column that lies on the border has half of each."""
    env = lamp(edge=9)
    env.reset(seed=0)
    for _ in range(5):
        observation = env.step(0)[0]
    assert observation[-1, 3].tolist() == pytest.approx([50] * 4 + [32] + [15] * 4, abs=1)


def test_what_was_returned_stays_as_it_was() -> None:
    env = lamp()
    first, _ = env.reset(seed=0)
    env.step(0)
    assert left(first) == [0, 0, 0]


def test_the_last_observation_of_an_episode_is_its_own() -> None:
    """In a batch that resets by itself, where the next episode's first is returned at the same step."""
    envs = SyncVectorEnv([lamp] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    for _ in range(toys.EPISODE - 1):
        envs.step(np.zeros(2, np.int64))
    observations, _, terminated, _, info = envs.step(np.zeros(2, np.int64))
    assert terminated.all()
    assert [left(frames) for frames in observations] == [[0, 0, 0]] * 2
    assert [left(frames) for frames in info["final_obs"]] == [[60, 70, 80]] * 2
    assert info["final_info"]["is_success"].all()


def played(env: gymnasium.Env[Any, Any], steps: int) -> list[Any]:
    rng, seen = np.random.default_rng(1), []
    for _ in range(steps):
        masks = env.get_wrapper_attr("action_masks")() if env.has_wrapper_attr("action_masks") else np.ones(2)
        observation, reward, terminated, truncated, _ = env.step(int(rng.choice(np.flatnonzero(masks))))
        seen += [observation, reward, terminated, truncated]
        if terminated or truncated:
            seen.append(env.reset()[0])
    return seen


@every_env
def test_a_state_comes_back_in_another_environment(name: str) -> None:
    """In the midst of an episode: stack, time and chances; one whose time is up then is reset alike."""
    one, other = (Pixels(ENVS[name](), edge=21, stack=2) for _ in range(2))
    one.reset(seed=3)
    played(one, 9)
    state = one.get_state()
    expected = played(one, 20)
    other.set_state(state)
    for a, b in zip(expected, played(other, 20), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_of_other_sizes_is_told() -> None:
    one, other = (Pixels(ENVS["sprite"](), edge=edge, stack=2) for edge in (21, 22))
    one.reset(seed=0)
    with pytest.raises(ValueError, match=r"pictures \(2, 21, 21\), these are \(2, 22, 22\)"):
        other.set_state(one.get_state())


class Deaf(Lamp):
    """Says that it draws, and does not."""

    def render(self) -> Any:
        return [1, 2]


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (toys.Toy, {}, "draws itself: .*render modes"),
    (Lamp, {}, "was made with None, not with 'rgb_array'"),
    (lambda: Lamp("rgb_array"), {"edge": 0}, "edge must be a whole number >= 1, got 0"),
    (lambda: Lamp("rgb_array"), {"stack": 1.5}, "stack must be a whole number >= 1, got 1.5"),
    (lambda: Deaf("rgb_array"), {}, "draws list"),
]


@pytest.mark.parametrize(("make", "arguments", "message"), REFUSED)
def test_what_cannot_be_seen_is_told(make: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pixels(make(), **arguments).reset()
