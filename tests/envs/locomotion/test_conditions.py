from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rlkit.envs.locomotion.conditions import PROBES, Conditions, probe
from rlkit.errors import UsageError

from .batches import ALL_BODIES, make, no_actions, random_actions

RANGES = {
    "friction": [0.5, 1.5],
    "mass": [0.8, 1.3],
    "gear": [0.7, 1.1],
    "gravity": [0.9, 1.1],
    "incline_deg": [-5.0, 5.0],
    "push_ms": [0.5, 1.0],
    "push_every_s": 0.2,
}


@pytest.mark.parametrize("body", ALL_BODIES)
def test_every_episode_draws_its_own_conditions_and_mujoco_has_them(body: str) -> None:
    envs = make(3, body=body, terrain="flat", conditions=RANGES)
    first = envs.conditions()
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    drawn, plain = envs.conditions(), envs._model.mujoco
    for name, values in drawn.items():
        low, high = RANGES[name]
        assert ((low <= values) & (values <= high)).all() and len(set(values)) == 3
        assert (values != first[name]).tolist() == [True, False, True]
    root = plain.body(envs.setup.body.root).id
    for row in range(3):
        model = envs._simulation.mujoco_model(row)
        here = {name: values[row] for name, values in drawn.items()}
        np.testing.assert_allclose(model.geom_friction, plain.geom_friction * here["friction"])
        np.testing.assert_allclose(model.actuator_gear, plain.actuator_gear * here["gear"])
        np.testing.assert_allclose(model.body_mass[root], plain.body_mass[root] * here["mass"])
        np.testing.assert_allclose(model.body_inertia[root], plain.body_inertia[root] * here["mass"])
        others = np.arange(plain.nbody) != root
        np.testing.assert_array_equal(model.body_mass[others], plain.body_mass[others])
        added = plain.body_mass[root] * (here["mass"] - 1)
        assert model.body_subtreemass[0] == pytest.approx(plain.body_subtreemass[0] + added)  # set_const was called
        slope = math.radians(here["incline_deg"])
        pull = 9.81 * here["gravity"]
        np.testing.assert_allclose(model.opt.gravity, [-pull * math.sin(slope), 0, -pull * math.cos(slope)], atol=1e-9)


def test_conditions_come_from_the_seed_and_change_nothing_else() -> None:
    """The same seed gives the same courses and starts whether or not something is varied."""
    one, two, plain = (make(2, autoreset_mode="same_step", conditions=c) for c in (RANGES, RANGES, None))
    assert str(one.conditions()) == str(two.conditions())
    assert one.get_course(1) == plain.get_course(1)
    for actions in random_actions(one, 30):
        for ours, theirs in zip(one.step(actions)[:4], two.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("body", ["walker", "quadruped"])
def test_pushes_come_when_they_are_due(body: str) -> None:
    step_s = 0.016 if body == "walker" else 0.05
    pushed = make(64, body=body, terrain="flat", conditions={"push_ms": 1.0, "push_every_s": 3 * step_s})
    plain = make(64, body=body, terrain="flat")
    for step in range(4):
        before = pushed._simulation.readout.qvel[:, :2].copy()
        np.testing.assert_array_equal(before, plain._simulation.readout.qvel[:, :2])
        a, b = pushed.step(no_actions(pushed))[0], plain.step(no_actions(plain))[0]
        if step < 3:
            np.testing.assert_array_equal(a, b)
    speed = "speed_x" if body == "walker" else "velocimeter_x"
    column = pushed.observation_names.index(speed)
    change = a[:, column] - b[:, column]
    assert (change > 0.2).any() and (change < -0.2).any() and np.abs(change).max() < 2.0


@pytest.mark.parametrize(
    ("name", "strength"),
    [("friction", 0.1), ("mass", 3.0), ("incline", 20.0), ("push", 2.0), ("rumble", 0.02)],
)
def test_probes_make_environments(name: str, strength: float) -> None:
    envs = make(4, body="quadruped", **probe(name, strength, half_width_m=2.5))
    course = envs.get_course()
    assert bool(course.obstacles) is (name == "rumble")
    if name == "rumble":
        assert len(course.obstacles) == 24 and {o.height_m for o in course.obstacles} == {strength}
    else:
        assert strength in {float(values[0]) for values in envs.conditions().values()}
    for actions in random_actions(envs, 5):
        assert np.isfinite(envs.step(actions)[0]).all()


def test_an_incline_pulls_back_and_light_gravity_lets_fall_slowly() -> None:
    level, uphill, light = (
        make(body="quadruped", terrain="flat", conditions=c) for c in (None, {"incline_deg": 20.0}, {"gravity": 0.2})
    )
    for envs in (level, uphill, light):
        envs.step(no_actions(envs))
    speeds = [envs._simulation.readout.qvel[0, :3] for envs in (level, uphill, light)]
    assert speeds[1][0] < speeds[0][0] - 0.05
    assert speeds[2][2] > speeds[0][2] + 0.1


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"frction": 1.0}, "did you mean 'friction'"),
        ({"friction": [1.5, 0.5]}, "friction of conditions"),
        ({"friction": 0.0}, "from 0.01 to 10"),
        ({"mass": [1.0, 2.0, 3.0]}, "a number or a range"),
        ({"gear": "strong"}, "a number or a range"),
        ({"push_ms": float("nan")}, "push_ms of conditions"),
        ({"push_every_s": 0.0}, "push_every_s"),
        ("windy", "conditions is None or a mapping"),
    ],
)
def test_impossible_conditions_are_refused(conditions: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Conditions.parse(conditions)


def test_unknown_probes_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'rumble'"):
        probe("rumbles", 0.1)
    with pytest.raises(UsageError, match="friction"):
        probe("friction", -1.0)
    assert set(PROBES) == {"friction", "rumble", "mass", "incline", "push"}
