"""The sprite task shows what happened, and obeys."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import rlkit  # noqa: F401
from rlkit.envs.sprite.kernel import DISTRACTOR, PIXELS, RING, SPRITE
from rlkit.envs.sprite.vector import SpriteVectorEnv
from runs import assert_same

STEPS = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1), 0: (0, 0)}


def place(frame: np.ndarray, colour: int) -> tuple[int, int]:
    """The first field of a colour."""
    y, x = np.argwhere(frame == colour)[0]
    return int(y) // PIXELS, int(x) // PIXELS


def test_the_sprite_obeys_and_the_edge_holds() -> None:
    env = gymnasium.make("rlkit/Sprite-v0", fields=5, distractors=0, decoys=0, max_steps=400)
    observation, _ = env.reset(seed=3)
    rng, moves = np.random.default_rng(0), 0
    for _ in range(300):
        action = int(rng.integers(5))
        was = place(observation[-1], SPRITE)
        observation, reward, over, _, info = env.step(action)
        wanted = tuple(min(max(a + b, 0), 4) for a, b in zip(was, STEPS[action], strict=True))
        assert place(observation[-1], SPRITE) == wanted
        assert (reward == 1.0) == over == ((observation[-1] == RING).sum() == 0)
        moves += wanted != was
        if over:
            assert info["is_success"]
            observation, _ = env.reset()
    assert moves > 100


def test_frames_move_up_and_begin_black() -> None:
    envs = SpriteVectorEnv(4, frame_stack=3, distractors=1, decoys=0, autoreset_mode="disabled")
    observations, _ = envs.reset(seed=0)
    assert not observations[:, :2].any() and (observations[:, 2] == SPRITE).sum((1, 2)).tolist() == [PIXELS**2] * 4
    seen = [observations[:, 2]]
    for _ in range(5):
        observations = envs.step(np.zeros(4, np.int64))[0]
        seen.append(observations[:, 2])
        np.testing.assert_array_equal(observations[:, 1], seen[-2])


def test_distractors_move_whatever_is_done() -> None:
    env = gymnasium.make("rlkit/Sprite-v0", distractors=1, decoys=0, max_steps=200)
    frames = [env.reset(seed=1)[0][-1]]
    for _ in range(100):
        frames.append(env.step(0)[0][-1])
    seen = [frame for frame in frames if (frame == DISTRACTOR).sum() == PIXELS**2]
    assert len({place(frame, DISTRACTOR) for frame in seen}) > 10
    assert len({place(frame, SPRITE) for frame in frames}) == 1


def test_only_motion_tells_the_sprite_from_decoys() -> None:
    env = gymnasium.make("rlkit/Sprite-v0", fields=6, distractors=0, decoys=8, max_steps=500)
    observation, _ = env.reset(seed=5)
    told, rng = 0, np.random.default_rng(1)
    for _ in range(200):
        action = int(rng.integers(1, 5))
        before, state = observation[-1].astype(int), env.unwrapped.get_state()
        observation, _, over, _, _ = env.step(action)
        change = observation[-1].astype(int) - before
        where = set(zip(*(axis // PIXELS for axis in np.nonzero(change)), strict=True))
        sprite = tuple(map(int, env.unwrapped.get_state()["task"]["places"][0]))
        was = tuple(map(int, state["task"]["places"][0]))
        assert where <= {was, sprite}  # decoys stay, and where two are on each other nothing is to be seen
        told += where == {was, sprite}
        if over:
            observation, _ = env.reset()
    assert told > 50
    assert set(np.unique(observation[-1])) <= {0, int(RING), int(SPRITE)}


def test_a_state_of_another_board_is_refused() -> None:
    env = SpriteVectorEnv(1, decoys=3, autoreset_mode="disabled")
    env.reset(seed=0)
    before = env.get_state()
    for change, what in ({"decoys": 4}, "decoys"), ({"distractors": 2}, "distractors"), ({"fields": 9}, "pictures"):
        other = SpriteVectorEnv(1, **({"decoys": 3} | change), autoreset_mode="disabled")  # type: ignore[arg-type]
        other.reset(seed=0)
        with pytest.raises(ValueError, match=f"the state has {what}"):
            env.set_state(other.get_state())
        assert_same(env.get_state(), before)  # nothing was changed before it was refused


def test_time_runs_out_without_success() -> None:
    env = gymnasium.make("rlkit/Sprite-v0", max_steps=3)
    env.reset(seed=0)
    ends = [env.step(0)[1:] for _ in range(3)]
    assert [(end[1], end[2]) for end in ends] == [(False, False), (False, False), (False, True)]
    assert not ends[-1][3]["is_success"]


@pytest.mark.parametrize(
    "argument", [{"fields": 1}, {"distractors": -1}, {"decoys": -1}, {"frame_stack": 0}, {"fields": 2.5}]
)
def test_arguments_that_are_not_possible_are_told(argument: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(argument))} must be a whole number >="):
        SpriteVectorEnv(1, **argument)  # type: ignore[arg-type]
