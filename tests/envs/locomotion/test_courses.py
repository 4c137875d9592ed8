"""The arrays that hold courses."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rlkit.envs.locomotion.courses import TERRAINS, courses_state, new_courses, parse_terrain, restore_courses
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS
from rlkit.envs.locomotion.scan import terrain_height
from rlkit.errors import UsageError

from .terrain_models import draw, many_keys


def test_new_courses_are_flat() -> None:
    courses = new_courses(2, WALKER_LIMITS)
    assert all(terrain_height(courses, 1, x, 0.0, np.inf) == 0.0 for x in np.linspace(-5, 60, 30))


def test_a_saved_state_brings_courses_back_and_is_a_copy() -> None:
    courses = draw(ANT_LIMITS, "mixture", many_keys(6))
    saved = courses_state(courses)
    file = io.BytesIO()
    np.savez(file, **saved)  # as a checkpoint keeps it
    file.seek(0)
    other = draw(ANT_LIMITS, "mixed", many_keys(6, seed=1))
    restore_courses(other, dict(np.load(file, allow_pickle=False)))
    restored = courses_state(other)
    courses.boxes[:] = 0.0
    for name, array in saved.items():
        np.testing.assert_array_equal(restored[name], array)
    assert not (saved["boxes"] == 0.0).all()


@pytest.mark.parametrize("terrain", TERRAINS)
def test_every_terrain_has_a_number(terrain: str) -> None:
    assert TERRAINS[parse_terrain(terrain, ANT_LIMITS)] == terrain


def test_unknown_terrains_and_walls_for_planar_bodies_are_refused() -> None:
    with pytest.raises(UsageError, match="no terrain 'hurdels': did you mean 'hurdles'"):
        parse_terrain("hurdels", WALKER_LIMITS)
    with pytest.raises(UsageError, match="bodies that can turn"):
        parse_terrain("slalom", WALKER_LIMITS)
