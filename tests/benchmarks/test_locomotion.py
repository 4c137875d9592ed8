"""The locomotion benchmark compares what it says."""

from __future__ import annotations

import pytest

from rlkit.benchmarks.locomotion import alternated, ratios
from rlkit.benchmarks.locomotion_peers import Bare, Ours, Processes, Speed, envpool_speed, new_course_costs
from rlkit.errors import UsageError


@pytest.fixture(scope="module")
def walkers() -> Ours:
    return Ours("walker", threads=1, steps=24, num_envs=8)


@pytest.mark.parametrize("resets", [False, True])
def test_the_bare_batch_goes_the_same_way(walkers: Ours, resets: bool) -> None:
    """Through falls and resets, bit for bit, in every round: the share of ours is one of the same physics."""
    bare = Bare(walkers, resets=resets)
    assert sum(restored.rows.sum() for restored in walkers.restored) > 8
    for _ in range(2):
        assert min(*walkers.speed(), *bare.speed()) > 0.0
        assert (walkers.state() == bare.batch.state).all()


def test_the_other_integrator_is_gymnasiums(walkers: Ours) -> None:
    bare = Bare(walkers, "Walker2d-v5", share=0.25)
    assert bare.described == "4 x 2 ms"
    bare.speed()
    before = walkers.start["task"]["simulation"]["integration"]
    never_reset = ~sum(restored.rows for restored in walkers.restored[:6]).astype(bool)
    assert never_reset.any()
    simulated_s = (bare.batch.state - before)[never_reset, 0]
    assert simulated_s == pytest.approx(6 * 4 * 0.002)


def test_processes_count_what_their_children_use() -> None:
    """Eight processes cannot take much less CPU time than one that does the same."""
    beside, one = Processes("Walker2d-v5", True, 400).speed(), Processes("Walker2d-v5", False, 400).speed()
    assert beside.per_cpu_second < 2.0 * one.per_cpu_second


def test_contestants_take_turns() -> None:
    turns: list[str] = []

    def contestant(name: str, speed: float) -> Speed:
        turns.append(name)
        return Speed(speed, 2.0 * speed)

    found = alternated({"a": lambda: contestant("a", 6.0), "b": lambda: contestant("b", 3.0)}, 2)
    assert turns == ["a", "b", "a", "b"]
    assert ratios(found["a"], found["b"]) == ["2.00x", "2.00 to 2.00"] * 2


def test_a_new_course_costs_something() -> None:
    wall_us, cpu_us = new_course_costs("walker", "mixed", threads=1, repeats=1, num_envs=8)
    assert 0.0 < cpu_us and 0.0 < wall_us < 1e5


def test_a_python_without_envpool_is_told() -> None:
    with pytest.raises(UsageError, match="RLKIT_ENVPOOL_PYTHON=no/python does not run EnvPool"):
        envpool_speed("no/python", "Walker2d-v5", 2)
