from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from rlkit.envs.locomotion.bodies import BODIES, BodySpec, RewardWeights, parse_body
from rlkit.envs.locomotion.limits import CourseLimits
from rlkit.errors import UsageError


@pytest.mark.parametrize("name", BODIES)
def test_a_body_survives_json(name: str) -> None:
    """Configurations keep bodies as plain values: what comes back is the same body."""
    plain = json.loads(json.dumps({k: v for k, v in asdict(BODIES[name]).items() if k != "scan"}))
    assert parse_body(plain) == BODIES[name]


@pytest.mark.parametrize("name", BODIES)
def test_models_are_found_in_the_installed_gymnasium(name: str) -> None:
    assert BODIES[name].path().is_file()


def test_a_planar_body_has_planar_courses_and_looks_ahead_only() -> None:
    body = BodySpec(mjcf="m.xml", feet=("f",), planar=True, limits=CourseLimits(planar=False))
    assert body.limits.planar
    assert {left for _, left in body.points.offsets_m} == {0.0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("wlker", "did you mean 'walker'"),
        (3, "a body is a name"),
        ({"mjcf": "a.xml"}, "a body needs feet"),
        ({"mjcf": "a.xml", "feet": []}, "at least one foot"),
        ({"mjcf": "a.xml", "feet": "left"}, "list of names"),
        ({"mjcf": "a.xml", "feet": ["f"], "rot": "torso"}, "did you mean 'root'"),
        ({"mjcf": "a.xml", "feet": ["f"], "timestep_s": 0}, "timestep_s"),
        ({"mjcf": "a.xml", "feet": ["f"], "substeps": 2.5}, "substeps"),
        ({"mjcf": "a.xml", "feet": ["f"], "min_height_m": float("nan")}, "min_height_m"),
        ({"mjcf": "a.xml", "feet": ["f"], "limits": {"gap_lenght_m": [0.1, 0.2]}}, "did you mean 'gap_length_m'"),
        ({"mjcf": "a.xml", "feet": ["f"], "reward": {"forward": -1.0}}, "reward forward"),
    ],
)
def test_bad_bodies_are_refused(body: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_body(body)


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(UsageError, match="no file '/nowhere/x.xml'"):
        BodySpec(mjcf="/nowhere/x.xml", feet=("f",)).path()
    with pytest.raises(UsageError, match="did you mean 'ant.xml'"):
        BodySpec(mjcf="gymnasium:ants.xml", feet=("f",)).path()


@pytest.mark.parametrize("value", [-0.1, float("inf"), True, "1"])
def test_weights_are_finite_and_not_negative(value: Any) -> None:
    with pytest.raises(UsageError, match="reward action"):
        RewardWeights(action=value)
