"""The judgement of a runner: courses, sizes, probes, and its tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlkit.envs.locomotion.evaluation import EASY, course_of_shares, evaluate, markdown, markdown_of_seeds, summary
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS
from rlkit.envs.locomotion.metrics import VERDICT
from rlkit.errors import UsageError

SHORT = {"body": "walker", "episode_s": 0.4, "threads": 1}


class Still:
    """A player that does nothing."""

    def __init__(self, actions: int) -> None:
        self.actions = actions

    def predict(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((len(observations), self.actions), np.float32)


@pytest.fixture(scope="module")
def judgement() -> dict[str, Any]:
    return evaluate(Still(6), {**SHORT, "terrain": "hurdles"}, episodes=2, shares=(0.5,), probes=True)


def test_a_runner_is_judged_on_drawn_and_test_courses_by_size_and_when_probed(judgement: dict[str, Any]) -> None:
    assert [row["name"] for row in judgement["courses"]] == ["drawn", "easy", "hard", "by size"]
    assert [row["size_m"] for row in judgement["courses"]] == [None, 0.15, 0.3, 0.225]
    assert {row["name"] for row in judgement["probes"]} == {"friction", "rumble", "mass", "incline", "push"}
    assert judgement["score"] == 0.0 and judgement["courses"][1]["obstacles"] == 12
    assert json.loads(json.dumps(judgement)) == judgement


def test_who_stands_still_clears_nothing_and_does_not_finish(judgement: dict[str, Any]) -> None:
    for row in [*judgement["courses"], *judgement["probes"]]:
        assert row["finished"] == 0.0 and row["distance_m"] < 1.0
    assert all(row["cleared"] == 0.0 for row in judgement["courses"])


def test_tables_have_a_row_for_every_course_and_intervals_over_seeds(judgement: dict[str, Any]) -> None:
    table = markdown(judgement)
    assert "| hard, hurdles | 0.30 | 0.0 [0.0, 0.0] | 12 |" in table and "| push | 1 |" in table
    better = json.loads(json.dumps(judgement))
    better["courses"][1]["cleared"] = 3.0
    assert "| easy, hurdles | up to 0.15 | 1.5 [0.0, 3.0] | 12 |" in markdown_of_seeds([judgement, better])


def test_mixed_courses_are_judged_kind_by_kind() -> None:
    found = evaluate(Still(6), {**SHORT, "episode_s": 0.1, "terrain": "mixed"}, episodes=1, shares=1.0)
    kinds = {row["terrain"] for row in found["courses"]}
    assert kinds == {"mixed", "hurdles", "gaps", "platforms", "stairs"}  # no slalom in a plane


def test_flat_ground_is_scored_by_distance() -> None:
    found = evaluate(Still(8), {**SHORT, "body": "quadruped", "terrain": "flat"}, episodes=2)
    assert found["scored"] == "distance_m" and len(found["courses"]) == 1


def test_obstacles_met_are_those_cleared_and_that_of_the_fall() -> None:
    verdicts = np.zeros(2, VERDICT)
    verdicts["obstacles"], verdicts["cleared"], verdicts["fell"] = 4, [3, 4], [True, False]
    found = summary(verdicts)
    assert found["passed"] == 7 / 8 and found["cleared"] == 3.5 and found["fell"] == 0.5


@pytest.mark.parametrize("terrain", ["hurdles", "gaps", "platforms", "stairs", "slalom"])
def test_every_body_can_be_given_its_test_courses(terrain: str) -> None:
    for limits in (ANT_LIMITS,) if terrain == "slalom" else (ANT_LIMITS, WALKER_LIMITS):
        for shares in (EASY, (1.0,)):
            assert len(course_of_shares(terrain, limits, shares).checked(limits).obstacles) >= 6


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"episodes": 0}, "episodes"), ({"shares": (0.0,)}, "shares"), ({"probes": "all"}, "probes")],
)
def test_wrong_settings_are_told(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        evaluate(Still(6), {**SHORT, "terrain": "hurdles"}, **settings)
