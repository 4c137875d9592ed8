"""A clip shows what was lived: the same observations, from a state that was taken in the middle of an episode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlkit
from rlkit.envs.replayable import Replayable
from rlkit.rewards.segments import Clip
from rlkit.rewards.simulators import Simulators, replay, restore
from rlkit.trees import from_bytes, to_bytes

N, BEFORE, AFTER = 3, 7, 9
OURS = {
    "rlkit/Negotiation-v0": {"opponent": "conceder"},
    "rlkit/DataCenterCooling-v0": {},
    "rlkit/ObstacleCourse-v0": {},
    "rlkit/Sprite-v0": {},
}
SAFE = {"safety": "standard"}
THEIRS = {"Hopper-v5": "mujoco", "Reacher-v5": "mujoco", "Pendulum-v1": "replay", "CartPole-v1": "replay"}


def make(env_id: str, arguments: dict[str, Any]) -> Any:
    if env_id in OURS:
        return gymnasium.make_vec(
            env_id, N, vectorization_mode="vector_entry_point", autoreset_mode="same_step", **arguments
        )
    return SyncVectorEnv([lambda: Replayable(gymnasium.make(env_id))] * N, autoreset_mode=AutoresetMode.SAME_STEP)


def actions_of(envs: Any, rng: np.random.Generator) -> Any:
    if isinstance(envs.single_action_space, gymnasium.spaces.Box):
        low, high = envs.action_space.low, envs.action_space.high
        return rng.uniform(low, high).astype(envs.action_space.dtype)
    masks = envs.action_masks() if hasattr(envs, "action_masks") else None
    n = int(envs.single_action_space.n)
    return np.array([rng.choice(n if masks is None else np.flatnonzero(masks[row])) for row in range(N)])


@pytest.mark.parametrize(
    ("env_id", "more"), [*((env_id, {}) for env_id in (*OURS, *THEIRS)), ("rlkit/DataCenterCooling-v0", SAFE)]
)
def test_a_clip_is_lived_again(env_id: str, more: dict[str, Any]) -> None:
    assert rlkit.__version__
    arguments = OURS.get(env_id, {}) | more
    envs, rng = make(env_id, arguments), np.random.default_rng(0)
    envs.reset(seed=5)
    short = env_id == "rlkit/Negotiation-v0"  # its episodes are of a few steps
    for _ in range(1 if short else BEFORE):
        envs.step(actions_of(envs, rng))
    simulators = Simulators(envs)
    assert simulators.kind == THEIRS.get(env_id, "batch")
    row = 1
    snapshot = from_bytes(to_bytes(simulators.take([0, row])[1]))  # as it comes from the disk
    taken, seen = [], []
    for _ in range(AFTER):
        actions = actions_of(envs, rng)
        observations, _, terminated, truncated, info = envs.step(actions)
        over = (terminated | truncated)[row]
        taken.append(actions[row])
        seen.append(info["final_obs"][row] if over else observations[row].copy())
        if over:
            break
    env = gymnasium.make(env_id, **arguments)
    restore(env, snapshot)
    lived = [env.step(action)[0] for action in taken]
    np.testing.assert_array_equal(np.array(lived), np.array(seen))
    skip = len(taken) // 2
    assert list(replay(env, Clip(snapshot, np.array(taken), skip))) == list(range(len(taken) - skip + 1))


def test_a_clip_stays_at_the_environments_end() -> None:
    envs = SyncVectorEnv(
        [lambda: Replayable(gymnasium.make("CartPole-v1"))] * 2, autoreset_mode=AutoresetMode.SAME_STEP
    )
    envs.reset(seed=0)
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    clip = Clip(Simulators(envs).take([1])[0], np.ones(40, np.int64), 20)
    frames = [env.render() for _ in replay(env, clip)]
    assert len(frames) == 21
    np.testing.assert_array_equal(frames[-1], frames[-2])


def test_what_cannot_be_seen_again_says_so() -> None:
    envs = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    simulators = Simulators(envs)
    assert simulators.kind == "none"
    with pytest.raises(ValueError, match="no state that is known"):
        restore(gymnasium.make("CartPole-v1"), simulators.take([0])[0])
