"""Doom without a display: small grey stacks, episodes that come back, and nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import rlkit  # noqa: F401
from envs.test_games import assert_comes_back
from rlkit.envs.replayable import Replayable


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(ImportError, match=r"vizdoom is missing: pip install 'rlkit-toolkit\[doom\]'"):
        gymnasium.make("rlkit/Doom-v0")


def test_doom_is_stacked_comes_back_and_writes_nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vizdoom")
    monkeypatch.chdir(tmp_path)
    env = gymnasium.make("rlkit/Doom-v0", scenario="HealthGathering", frame_stack=3)
    observation, _ = env.reset(seed=2)
    assert observation.shape == (3, 60, 80) and not observation[:2].any() and observation[2].std() > 5
    assert env.metadata["frame_stack"] == 3
    scratch = env.unwrapped._scratch  # type: ignore[attr-defined]
    assert_comes_back(Replayable(env))
    env.close()
    assert not scratch.exists() and list(tmp_path.iterdir()) == []


def test_time_that_is_up_truncates() -> None:
    pytest.importorskip("vizdoom")
    env = gymnasium.make("rlkit/Doom-v0", scenario="Basic", frame_skip=10)
    env.reset(seed=0)
    steps = [env.step(0)[2:4] for _ in range(30)]
    assert steps[-1] == (False, True) and not any(map(any, steps[:-1]))
    env.close()


def test_an_engine_that_exits_is_started_anew() -> None:
    pytest.importorskip("vizdoom")
    env = gymnasium.make("rlkit/Doom-v0")
    env.reset(seed=0)
    env.unwrapped._game.close()  # type: ignore[attr-defined]
    with pytest.warns(RuntimeWarning, match="exited by itself and was started anew"):
        _, _, terminated, truncated, info = env.step(0)
    assert (terminated, truncated, info["restarts"]) == (False, True, 1)
    observation, _ = env.reset()
    assert np.asarray(observation[-1]).std() > 5
    env.close()


def test_unknown_scenarios_are_told() -> None:
    pytest.importorskip("vizdoom")
    with pytest.raises(ValueError, match="unknown scenario 'MyWayHoem': did you mean 'my_way_home'"):
        gymnasium.make("rlkit/Doom-v0", scenario="MyWayHoem")


def test_health_is_a_bar_where_the_scenario_tells_it() -> None:
    pytest.importorskip("vizdoom")
    env = gymnasium.make("rlkit/Doom-v0", scenario="HealthGathering")
    plain = gymnasium.make("rlkit/Doom-v0", scenario="HealthGathering", health_bar=False)
    lengths = []
    seen, bare = env.reset(seed=3)[0][-1], plain.reset(seed=3)[0][-1]
    terminated = False
    while not terminated:
        assert set(np.unique(seen[-3:])) <= {0, 255} and (seen[-3:] == seen[-1]).all()
        np.testing.assert_array_equal(seen[:-3], bare[:-3])
        lengths.append(int((seen[-1] > 0).sum()))
        observation, _, terminated, _, _ = env.step(0)
        seen, bare = observation[-1], plain.step(0)[0][-1]
    assert 70 < lengths[0] <= 80 and lengths == sorted(lengths, reverse=True) and lengths[-1] < 10  # acid
    assert bare[-3:].std() > 1
    env.close()
    plain.close()
    told = gymnasium.make("rlkit/Doom-v0", scenario="Basic")  # tells ammunition alone
    assert not set(np.unique(told.reset(seed=0)[0][-1, -3:])) <= {0, 255}
    told.close()
