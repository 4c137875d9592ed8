"""The bank of height fields."""

from __future__ import annotations

import numpy as np
import pytest

from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS, CourseLimits
from rlkit.envs.locomotion.rough import FLOOR_SHARE, LEVELS, VARIANTS, field_number, new_bank
from rlkit.envs.locomotion.scan import terrain_height

from .terrain_models import TerrainModel, draw, many_keys

BOTH = pytest.mark.parametrize("limits", [WALKER_LIMITS, ANT_LIMITS])


@BOTH
def test_fields_are_normalised_as_mujoco_would_and_begin_at_the_ground(limits: CourseLimits) -> None:
    data = new_bank(limits).data
    assert data.shape[0] == 2 * LEVELS * VARIANTS
    assert (data.min(axis=(1, 2)) == 0.0).all() and (data.max(axis=(1, 2)) == 1.0).all()
    assert (data[:, :, [0, -1]] == 0.0).all()


@BOTH
def test_mujoco_keeps_the_bank_as_it_is(limits: CourseLimits) -> None:
    courses = draw(limits, "rough", many_keys(1))
    model = TerrainModel(courses).model
    np.testing.assert_array_equal(model.hfield_data.reshape(courses.bank.data.shape), courses.bank.data)
    np.testing.assert_array_equal(model.hfield_size[:, 2], courses.bank.tops_m)


@BOTH
def test_harder_fields_are_higher_and_reach_the_limits(limits: CourseLimits) -> None:
    bank = new_bank(limits)
    for growing in (False, True):
        tops = [bank.tops_m[field_number(growing, level / 20, 0)] for level in range(21)]
        assert (np.diff(tops) >= 0).all()
        assert (tops[0], tops[-1]) == limits.relief_m


def test_of_two_kinds_of_fields_one_is_rough_from_the_start_and_one_grows() -> None:
    data = new_bank(ANT_LIMITS).data
    columns = data.shape[2]
    early, late = slice(columns // 10, columns // 4), slice(-columns // 4, -columns // 10)
    for variant in range(VARIANTS):
        steady, growing = data[field_number(False, 1.0, variant)], data[field_number(True, 1.0, variant)]
        assert steady[:, early].max() > 0.7 < steady[:, late].max()
        assert growing[:, early].max() < 0.3 and growing[:, late].max() > 0.6
        assert steady[:, early].min() > 0.9 * FLOOR_SHARE


def test_variants_differ_and_a_planar_field_does_not_vary_across_the_track() -> None:
    for limits in (WALKER_LIMITS, ANT_LIMITS):
        shapes = new_bank(limits).data[:VARIANTS]
        assert len(np.unique(shapes.reshape(VARIANTS, -1), axis=0)) == VARIANTS
    planar = new_bank(WALKER_LIMITS).data
    np.testing.assert_array_equal(planar[:, 0], planar[:, -1])


def test_ground_is_rough_within_a_step_and_yet_can_be_walked() -> None:
    bank = new_bank(ANT_LIMITS)
    heights = bank.data[field_number(False, 1.0, 0)] * ANT_LIMITS.relief_m[1]
    slopes = np.abs(np.diff(heights[:, 5:-5], axis=1)) / 0.2
    assert 0.05 < slopes.mean() < 0.5
    assert slopes.max() < 1.0  # 45 degrees


def test_balls_rest_on_the_field_of_their_own_simulation() -> None:
    courses = draw(WALKER_LIMITS, "rough", many_keys(8))
    assert len(set(courses.field)) > 4
    model = TerrainModel(courses, ball_radius_m=0.3)
    model.batch.bind("qpos")  # the ball is large, so that it rolls little
    z = model.rest(20.0, 0.0, 1.0, seconds=0.6)
    x = model.batch.bind("qpos")[:, 0]
    for i in range(8):
        around = [terrain_height(courses, i, x[i] + dx, 0.0, np.inf) for dx in np.linspace(-0.3, 0.3, 61)]
        support = max(h + np.sqrt(0.09 - dx * dx) for h, dx in zip(around, np.linspace(-0.3, 0.3, 61), strict=True))
        assert z[i] == pytest.approx(support, abs=0.02)
