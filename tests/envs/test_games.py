"""Stages of others: as agents take them, replayable, and with the line that installs them."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

import rlkit  # noqa: F401
from rlkit.envs.games import MINATAR_GAMES
from rlkit.envs.replayable import Replayable

every_game = pytest.mark.parametrize("game", MINATAR_GAMES)


@pytest.mark.parametrize(
    ("env_id", "module", "extra"), [("rlkit/MinAtar-v0", "minatar", "minatar"), ("rlkit/Arcade-v0", "ale_py", "arcade")]
)
def test_what_is_missing_is_told(env_id: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{module} is missing: pip install 'rlkit-toolkit\[{extra}\]'"):
        gymnasium.make(env_id)


def test_unknown_games_are_told() -> None:
    with pytest.raises(ValueError, match="unknown game 'braekout': did you mean 'breakout'"):
        gymnasium.make("rlkit/MinAtar-v0", game="braekout")


def played(env: gymnasium.Env[Any, Any], steps: int, rng: np.random.Generator) -> list[np.ndarray]:
    seen = []
    for _ in range(steps):
        observation, _, terminated, truncated, _ = env.step(int(rng.integers(env.action_space.n)))
        seen.append(observation)
        if terminated or truncated:
            env.reset()
    return seen


def assert_comes_back(env: gymnasium.Env[Any, Any]) -> None:
    """From a saved state, in the midst of a later episode, the same actions show the same."""
    env.reset(seed=5)
    rng = np.random.default_rng(0)
    played(env, 60, rng)
    env.reset()
    played(env, 7, rng)
    state = env.get_state()
    first = played(env, 40, np.random.default_rng(1))
    env.set_state(state)
    np.testing.assert_array_equal(first, played(env, 40, np.random.default_rng(1)))


@every_game
def test_minatar_is_bytes_with_channels_first_and_comes_back(game: str) -> None:
    pytest.importorskip("minatar")
    env = gymnasium.make("rlkit/MinAtar-v0", game=game)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert observation.shape[1:] == (10, 10) and set(np.unique(observation)) == {0, 255}
    assert_comes_back(Replayable(env))


def test_the_arcade_is_stacked_and_comes_back() -> None:
    pytest.importorskip("ale_py")
    pytest.importorskip("cv2")
    env = gymnasium.make("rlkit/Arcade-v0", game="Pong", frame_stack=3, edge=42)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (3, 42, 42) and observation.dtype == np.uint8
    assert (observation == observation[0]).all()
    assert env.metadata["frame_stack"] == 3
    assert_comes_back(Replayable(env))
