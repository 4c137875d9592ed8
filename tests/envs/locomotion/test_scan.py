"""What a body sees is what MuJoCo has: heights by arithmetic equal heights by rays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.locomotion.course import put_course
from rlkit.envs.locomotion.courses import new_courses
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.limits import ANT_LIMITS, WALKER_LIMITS
from rlkit.envs.locomotion.scan import PLANAR_SCAN, SCAN_CLIP_M, SPATIAL_SCAN, ScanSpec, scan_rows, terrain_height
from rlkit.errors import UsageError

from .terrain_models import BODIES, PAIRS, TerrainModel, draw, keys, many_keys

NUM_COURSES = 200
NUM_POINTS = 60


def scan(courses, x, y, z_ref, offsets):  # type: ignore[no-untyped-def]
    n = len(courses.field)
    out = np.full((n, len(offsets) + 2), 7.0)
    x, y, z_ref = (np.broadcast_to(np.asarray(v, dtype=np.float64), n).copy() for v in (x, y, z_ref))
    scan_rows(np.ones(n, dtype=np.bool_), courses, x, y, z_ref, np.asarray(offsets, dtype=np.float64), out, 1)
    assert (out[:, [0, -1]] == 7.0).all()  # only its own columns are written
    return out[:, 1:-1]


@pytest.mark.parametrize(("body", "terrain"), PAIRS)
def test_scan_equals_rays(body: str, terrain: str) -> None:
    limits = BODIES[body]
    courses = draw(limits, terrain, many_keys(NUM_COURSES), along=False)
    rng = np.random.default_rng(1)
    span = limits.half_width_m * 1.2  # beyond the track, too
    offsets = np.column_stack([rng.uniform(-15, 70, NUM_POINTS), rng.uniform(-span, span, NUM_POINTS)])
    seen = scan(courses, 0.0, 0.0, 0.5, offsets) + 0.5
    above = np.broadcast_to(np.column_stack([offsets, np.full(NUM_POINTS, 10.0)]), (NUM_COURSES, NUM_POINTS, 3))
    hit = TerrainModel(courses).heights_below(np.ascontiguousarray(above))
    np.testing.assert_allclose(seen, hit, rtol=0, atol=1e-9)
    assert terrain == "flat" or np.ptp(seen) > 0.1


@pytest.mark.parametrize("along", [False, True])
def test_rough_ground_equals_rays_where_cells_meet(along: bool) -> None:
    courses = draw(ANT_LIMITS, "rough", many_keys(20), along=along)
    rng = np.random.default_rng(2)
    corners = np.column_stack([rng.integers(16, 240, NUM_POINTS) * 0.2, rng.integers(-12, 12, NUM_POINTS) * 0.2 + 0.1])
    offsets = corners + rng.uniform(-1e-3, 1e-3, corners.shape)  # around the grid's corners, where triangles change
    above = np.broadcast_to(np.column_stack([offsets, np.full(NUM_POINTS, 10.0)]), (20, NUM_POINTS, 3))
    hit = TerrainModel(courses).heights_below(np.ascontiguousarray(above))
    np.testing.assert_allclose(scan(courses, 0.0, 0.0, 0.0, offsets), hit, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("body", "terrain"), PAIRS)
def test_terrain_height_below_a_point_equals_rays_from_there(body: str, terrain: str) -> None:
    limits = BODIES[body]
    courses = draw(limits, terrain, many_keys(40))
    rng = np.random.default_rng(3)
    points = np.stack(
        [
            rng.uniform(-5, 55, (40, 25)),
            rng.uniform(-1, 1, (40, 25)) * limits.half_width_m,
            rng.uniform(0.01, 2, (40, 25)),
        ],
        axis=2,
    )
    hit = TerrainModel(courses).heights_below(points)
    for i, j in np.ndindex(40, 25):
        x, y, z = points[i, j]
        inside = ((courses.boxes[i, :, ::2] <= points[i, j]) & (points[i, j] <= courses.boxes[i, :, 1::2])).all(axis=1)
        if inside.any() or z < terrain_height(courses, i, x, y, np.inf) and courses.field[i] >= 0:
            continue  # within the solid a ray starts at its back side
        assert terrain_height(courses, i, x, y, z) == pytest.approx(hit[i, j], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(key=keys, x=st.floats(-5, 60), y=st.floats(-3, 3), z=st.floats(-1, 3), pair=st.sampled_from(PAIRS))
def test_a_scan_is_terrain_heights_relative_to_the_body_and_clipped(key, x, y, z, pair) -> None:  # type: ignore[no-untyped-def]
    courses = draw(BODIES[pair[0]], pair[1], key)
    heights = [terrain_height(courses, 0, x + ahead, y + left, np.inf) - z for ahead, left in SPATIAL_SCAN.offsets_m]
    expected = np.clip(heights, -SCAN_CLIP_M, SCAN_CLIP_M)
    np.testing.assert_array_equal(scan(courses, x, y, z, SPATIAL_SCAN.array())[0], expected)


def test_only_the_asked_rows_are_scanned() -> None:
    courses = draw(WALKER_LIMITS, "hurdles", many_keys(3))
    out = np.full((3, len(PLANAR_SCAN)), 7.0)
    zeros = np.zeros(3)
    scan_rows(np.array([False, True, False]), courses, zeros, zeros, zeros, PLANAR_SCAN.array(), out, 0)
    assert (out[[0, 2]] == 7.0).all()
    assert (out[1] != 7.0).all()


def test_under_a_platform_the_ground_is_found_and_on_it_the_platform() -> None:
    courses = new_courses(1, WALKER_LIMITS)
    put_course(courses, 0, fixed_course("platforms", [1.3]))
    assert terrain_height(courses, 0, 3.5, 0.0, 1.0) == 0.0
    assert terrain_height(courses, 0, 3.5, 0.0, 1.3) == 1.3
    assert terrain_height(courses, 0, 2.5, 0.0, np.inf) == 0.0


@pytest.mark.parametrize("spec", [PLANAR_SCAN, SPATIAL_SCAN])
def test_no_hurdle_hides_from_the_near_points_and_the_density_falls(spec: ScanSpec) -> None:
    ahead = sorted(x for x, y in spec.offsets_m if y == 0.0)
    apart = np.diff(ahead)
    near = np.array(ahead[1:]) <= 1.5
    assert (apart[near] <= WALKER_LIMITS.hurdle_thickness_m[0] + 1e-9).all()
    assert (np.diff(apart[~near]) > 0).all()
    assert len(set(spec.offsets_m)) == len(spec)


@pytest.mark.parametrize("offsets", [(), ((0.0, float("nan")),), ((1.0,),), 3, (("a", 0.0),)])
def test_a_scan_that_is_no_points_is_refused(offsets) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="offsets_m of a scan"):
        ScanSpec(offsets)
