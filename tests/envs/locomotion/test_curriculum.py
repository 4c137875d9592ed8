from __future__ import annotations

import numpy as np

from rlkit.envs.locomotion.curriculum import LEVELS

from .batches import make, move, no_actions, topple


def end_at(envs, shares: list[float]) -> None:
    """End all episodes after these shares of the courses, and begin new ones."""
    for row, share in enumerate(shares):
        move(envs, x=share * envs.get_course(row).length_m, row=row)
        topple(envs, row)
    assert envs.step(no_actions(envs))[2].all()
    envs.reset(options={"reset_mask": np.ones(envs.num_envs, dtype=bool)})


def test_levels_follow_how_far_bodies_come() -> None:
    envs = make(3, terrain="flat", curriculum="adaptive")
    assert envs.levels.tolist() == [0, 0, 0]
    end_at(envs, [0.6, 0.3, 0.1])
    assert envs.levels.tolist() == [1, 0, 0]
    end_at(envs, [0.6, 0.6, 0.1])
    end_at(envs, [0.3, 0.1, 0.9])
    assert envs.levels.tolist() == [2, 0, 1]


def test_difficulty_follows_the_level_and_the_last_level_leads_anywhere() -> None:
    envs = make(64, terrain="hurdles", curriculum="adaptive", difficulty=0.9)
    assert all(envs.get_course(row).difficulty == 0.0 for row in range(64))
    for level in range(1, LEVELS):
        end_at(envs, [0.6] * 64)
        assert (envs.levels == level).all()
        assert abs(envs.get_course(5).difficulty - 0.9 * level / (LEVELS - 1)) < 1e-12
    end_at(envs, [0.6] * 64)
    assert len(set(envs.levels.tolist())) > 5


def test_a_verdict_tells_the_level_of_the_episode_that_ended() -> None:
    envs = make(2, terrain="flat", curriculum="adaptive", autoreset_mode="same_step")
    move(envs, x=30.0)
    topple(envs)
    info = envs.step(no_actions(envs))[-1]
    assert info["final_info"]["level"][0] == 0 and envs.levels.tolist() == [1, 0]


def test_episodes_that_are_broken_off_and_seeds_leave_no_trace() -> None:
    envs = make(2, terrain="flat", curriculum="adaptive")
    end_at(envs, [0.6, 0.6])
    move(envs, x=30.0)
    envs.step(no_actions(envs))
    envs.reset()  # nobody's episode had ended
    assert envs.levels.tolist() == [1, 1]
    envs.reset(seed=5)
    assert envs.levels.tolist() == [0, 0]
