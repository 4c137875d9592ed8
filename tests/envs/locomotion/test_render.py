"""Pictures of bodies on their courses: what is on the track is in them, and every row of a batch has its own."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from rlkit.envs.locomotion.bodies import BODIES
from rlkit.envs.locomotion.course import Course
from rlkit.envs.locomotion.courses import GAP, HURDLE, KINDS, PLATFORM
from rlkit.envs.locomotion.fixed import fixed_course
from rlkit.envs.locomotion.looks import FARTHEST_M, KIND_RGBA, box_kinds
from rlkit.envs.locomotion.stage import RenderOptions, Stage
from rlkit.envs.locomotion.vector import ObstacleCourseVectorEnv
from rlkit.errors import UsageError

from .batches import TERRAIN_OF, make, move, no_actions

ID = "rlkit/ObstacleCourse-v0"
SMALL = {"width": 160, "height": 90}
COURSES = {
    "hurdle": fixed_course("hurdles", [0.3], run_up_m=2.5),
    "gap": fixed_course("gaps", [0.5], run_up_m=2.5),
    "platform": fixed_course("platforms", [0.4], run_up_m=2.5),
    "stairs": fixed_course("stairs", [0.1], run_up_m=2.5),
}


def on(*courses: Course, **more: Any) -> ObstacleCourseVectorEnv:
    """Bodies before courses of their own."""
    envs = make(len(courses), **{**SMALL, **more})
    envs.reset(options={"course": list(courses)})
    return envs


def colored_like(picture: NDArray[np.uint8], rgb: tuple[float, ...]) -> NDArray[np.bool_]:
    """Pixels of a hue, however bright."""
    colors = picture / np.maximum(np.linalg.norm(picture, axis=-1, keepdims=True), 1e-9)
    return np.asarray(colors @ (np.array(rgb[:3]) / np.linalg.norm(rgb[:3])) > 0.99) & (picture.max(-1) > 60)


@pytest.mark.parametrize("body", BODIES)
def test_pictures_of_every_body(body: str) -> None:
    envs = make(2, body=body, terrain=TERRAIN_OF[body], render_mode="rgb_array", **SMALL)
    first = envs.render()
    assert first is not None and len(first) == 2
    assert all(picture.shape == (90, 160, 3) and picture.dtype == np.uint8 for picture in first)
    assert not np.array_equal(*first)
    for _ in range(5):
        envs.step(no_actions(envs))
    second = envs.render()
    assert second is not None and not np.array_equal(first[0], second[0])
    assert all(60 < picture.mean() < 230 and picture.std() > 15 for picture in second)  # neither black nor blank


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = gymnasium.make(ID).unwrapped
    env.reset(seed=0)
    assert env.render() is None


@pytest.mark.parametrize("kind", COURSES)
def test_obstacles_are_seen(kind: str) -> None:
    """An edit of the geometry is an edit of the picture, and each kind has its colour."""
    envs = on(Course(length_m=50.0), COURSES[kind], show_scan=False)
    without, with_it = envs.render_row(0), envs.render_row(1)
    changed = (with_it != without).any(-1)
    assert 0.005 < changed.mean() < 0.9
    if kind != "gap":
        color = KIND_RGBA[KINDS.index(kind)]
        assert colored_like(with_it, color).sum() > 30 > colored_like(without, color).sum()


def test_a_taller_hurdle_is_taller_in_the_picture() -> None:
    low, high = (fixed_course("hurdles", [height], run_up_m=2.5) for height in (0.1, 0.4))
    envs = on(low, high, show_scan=False)
    sizes = [colored_like(envs.render_row(row), KIND_RGBA[HURDLE]).sum() for row in (0, 1)]
    assert sizes[1] > 1.5 * sizes[0] > 0


def test_a_new_course_is_drawn_by_the_same_painter() -> None:
    envs = on(COURSES["hurdle"], show_scan=False)
    assert colored_like(envs.render_row(0), KIND_RGBA[HURDLE]).any()
    envs.reset(options={"course": [COURSES["platform"]]})
    picture = envs.render_row(0)
    assert colored_like(picture, KIND_RGBA[PLATFORM]).any() and not colored_like(picture, KIND_RGBA[HURDLE]).any()


@pytest.mark.parametrize("body", BODIES)
def test_a_row_looks_as_the_single_environment(body: str) -> None:
    task = {"body": body, "terrain": TERRAIN_OF[body], **SMALL}
    envs = make(3, seed=[5, 6, 7], **task)
    env = gymnasium.make(ID, render_mode="rgb_array", **task)
    env.reset(seed=6)
    for _ in range(3):
        envs.step(no_actions(envs))
        env.step(np.zeros(env.action_space.shape or (), np.float32))
    np.testing.assert_array_equal(envs.render_row(1), env.render())
    assert not np.array_equal(envs.render_row(0), envs.render_row(1))


def test_the_camera_goes_along() -> None:
    """The body stays where it is in the picture; the ground does not."""
    envs = on(Course(length_m=50.0), show_scan=False)
    before = envs.render_row(0)
    envs.reset(options={"course": [Course(length_m=50.0)]})
    move(envs, x=7.0)
    envs._simulation.settle(np.ones(1, np.bool_))
    after = envs.render_row(0)
    body = colored_like(before, (0.8, 0.6, 0.4)) | colored_like(before, (0.7, 0.3, 0.6))
    there = colored_like(after, (0.8, 0.6, 0.4)) | colored_like(after, (0.7, 0.3, 0.6))
    assert body.sum() > 50 and (body & there).sum() > 0.8 * body.sum()
    assert not np.array_equal(before, after)


def test_the_scan_is_drawn_where_the_body_sees() -> None:
    shown, hidden = (on(COURSES["stairs"], show_scan=show) for show in (True, False))
    points = shown._shot(0).points
    inside = (points[:, 0] > -0.5) & (points[:, 0] < 6.0)
    expected = [shown.terrain_height(x, y) for x, y, _ in points[inside]]
    np.testing.assert_allclose(points[inside, 2], expected, atol=1e-6)
    assert 20 < (shown.render_row(0) != hidden.render_row(0)).any(-1).sum() < 2_000


def test_depths_are_metres() -> None:
    """The ground is as far as geometry says, and a hurdle is nearer than what it hides."""
    flat, hurdle = Course(length_m=50.0), COURSES["hurdle"]
    envs = on(flat, hurdle, render_mode="depth_array")
    pictures = envs.render()
    assert pictures is not None
    without, with_it = pictures
    assert without.shape == (90, 160) and without.dtype == np.float32
    np.testing.assert_allclose(without[0], FARTHEST_M, rtol=1e-4)  # the sky
    assert (np.diff(without[60:, 120]) < 0.0).all()  # nearer and nearer, down the picture
    differs = np.abs(with_it - without) > 0.05
    assert differs.sum() > 30 and (with_it[differs] < without[differs]).mean() > 0.95
    stage = Stage(envs._simulation, envs._tracks.courses, RenderOptions(**SMALL))
    stage.show(envs._shot(0))
    camera = stage.scene.camera[0]
    towards = np.array(camera.forward) - np.array(camera.up) * camera.frustum_top / camera.frustum_near
    assert without[-1, 80] == pytest.approx(camera.pos[2] / -towards[2], rel=0.03)


def test_floors_between_gaps_are_told_from_obstacles() -> None:
    envs = make(1, body="quadruped", terrain="mixed", seed=2)
    courses = envs._tracks.courses
    kinds = box_kinds(courses, 0)
    obstacles = courses.obstacles[0, : courses.num_obstacles[0]]
    assert len(kinds) == courses.num_boxes[0]
    for kind in (HURDLE, PLATFORM):
        assert (kinds == kind).sum() == (obstacles["kind"] == kind).sum()
    gaps = (obstacles["kind"] == GAP).sum()
    assert (kinds == GAP).sum() == (gaps + 1 if gaps else 0)


def test_smooth_edges_differ_at_edges_alone() -> None:
    smooth, hard = (on(COURSES["hurdle"], antialias=antialias).render_row(0) for antialias in (True, False))
    assert 0.0 < (smooth != hard).any(-1).mean() < 0.5
    assert np.abs(smooth.astype(int) - hard).mean() < 5.0


def test_a_picture_of_a_state_that_was_set() -> None:
    envs = make(2, **SMALL)
    for _ in range(4):
        envs.step(no_actions(envs))
    picture, state = envs.render_row(1), envs.get_state()
    envs.reset(seed=9)
    assert not np.array_equal(envs.render_row(1), picture)
    envs.set_state(state)
    np.testing.assert_array_equal(envs.render_row(1), picture)


def test_what_has_drawn_can_be_pickled_closed_and_drawn_again() -> None:
    envs = on(COURSES["gap"])
    picture = envs.render_row(0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(envs)).render_row(0), picture)
    envs._screen.close()
    np.testing.assert_array_equal(envs.render_row(0), picture)
    envs.close()


def test_gymnasium_has_nothing_to_say_of_pictures() -> None:
    from rlkit.envs.locomotion.env import ObstacleCourseEnv

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*alternative render modes")  # one of them needs a display
        for mode in ("rgb_array", "depth_array"):
            check_env(ObstacleCourseEnv(render_mode=mode, **SMALL))


def test_record_video(tmp_path: Path) -> None:
    """A frame for the reset and one for each step."""
    pytest.importorskip("moviepy", reason="MoviePy is not installed")
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    env = gymnasium.make(ID, render_mode="rgb_array", episode_s=0.32, **SMALL)
    env = gymnasium.wrappers.RecordVideo(env, str(tmp_path / "videos"), episode_trigger=lambda episode: True)
    env.reset(seed=0)
    steps, over = 0, False
    while not over:
        _, _, terminated, truncated, _ = env.step(np.zeros(6, np.float32))
        over, steps = terminated or truncated, steps + 1
    assert len(env.recorded_frames) == steps + 1 == 21
    env.close()
    (path,) = (tmp_path / "videos").glob("*.mp4")
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames in (20, 21)  # MoviePy may lose the last one to rounding
    assert seconds == pytest.approx(21 / 62, abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0}, "width of a picture is a whole number of pixels from 1 to 4096, got 0"),
        ({"height": 90.0}, "height of a picture is"),
        ({"show_scan": 1}, "show_scan is True or False, got 1"),
        ({"widht": 100}, "did you mean 'width'"),
    ],
)
def test_impossible_pictures_are_told(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ObstacleCourseVectorEnv(1, **wrong)


def test_a_picture_before_the_first_reset_is_told() -> None:
    envs = ObstacleCourseVectorEnv(1)
    with pytest.raises(ValueError, match="call reset"):
        envs.render_row(0)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="got 'human'"):
        envs.render_row(0, "human")


def test_a_window_without_a_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    env = gymnasium.make(ID, render_mode="human")
    with pytest.raises(UsageError, match=r"no display for it \(neither DISPLAY.*take render_mode='rgb_array'"):
        env.reset(seed=0)
