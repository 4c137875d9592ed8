"""Pictures that need not be fine cost less."""

from __future__ import annotations

import gymnasium

from rlkit.envs.drawing import SHADOW_MAP, draw_quickly


def test_mujoco_draws_coarser() -> None:
    env = gymnasium.make("Hopper-v5")
    quality = env.unwrapped.model.vis.quality  # type: ignore[attr-defined]
    assert quality.offsamples > 0 and quality.shadowsize > SHADOW_MAP
    draw_quickly(env)
    assert quality.offsamples == 0 and quality.shadowsize == SHADOW_MAP
    quality.shadowsize = 0  # of a task that has none
    draw_quickly(env)
    assert quality.shadowsize == 0


def test_others_are_left_alone() -> None:
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    draw_quickly(env)
    assert (env.render() == before).all()  # type: ignore[operator]
