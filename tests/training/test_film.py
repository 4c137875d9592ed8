"""Agents are filmed: steps and time of an episode, what TensorBoard gets and when, and the command line's video."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image as Pictures
from stable_baselines3.common.logger import Image

from commands import run
from rlkit.errors import UsageError
from rlkit.training import film
from rlkit.training.clips import Clip
from rlkit.training.config import compose_run
from rlkit.training.film import CLIP_EVERY, Album, Film, moves, read_film, record
from rlkit.training.folder import RunFolder
from rlkit.training.tasks import EnvConfig
from runs import images


class Still:
    """A policy that does nothing."""

    def predict(self, obs: Any, mask: Any = None) -> Any:
        return np.int64(0)


class Rising(gymnasium.Env[Any, Any]):
    """Episodes of 20 steps, 50 a second; every step is brighter than the one before."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}
    observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None, width: int = 32) -> None:
        self.render_mode, self.width = render_mode, width

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return np.zeros(1, np.float32), 0.0, self.count == 20, False, {}

    def render(self) -> Any:
        return np.full((8, self.width, 3), 10 * self.count, np.uint8)


class Broken(Rising):
    def render(self) -> Any:
        raise gymnasium.error.DependencyNotInstalled("no pictures here")


@pytest.fixture(autouse=True)
def toys() -> Any:
    for kind in (Rising, Broken):
        gymnasium.register(f"{kind.__name__}-v0", entry_point=kind)
    yield
    for kind in (Rising, Broken):
        del gymnasium.registry[f"{kind.__name__}-v0"]


def config(name: str = "Rising-v0") -> EnvConfig:
    found: EnvConfig = compose_run(["env=gym", f"env.id={name}"]).env
    return found


def shades(clip: Clip) -> list[int]:
    return [int(frame[0, 0, 0]) // 10 for frame in clip.frames]


@pytest.mark.parametrize(
    ("seconds", "most_fps", "expected"),
    [
        (9.0, 25.0, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        (9.0, 100.0, list(range(21))),
        (0.2, 25.0, [0, 2, 4, 6, 8, 10]),
        (9.0, 7.0, [0, 7, 14, 20]),  # the end is always there
    ],
)
def test_an_episode_from_its_beginning(seconds: float, most_fps: float, expected: list[int]) -> None:
    policy: Any = Still()
    clip = record(policy, config(), 0, seconds, most_fps)
    assert shades(clip) == expected
    assert clip.frame_s == pytest.approx(expected[1] / 50)


def test_arguments_reach_the_environment_and_wrong_ones_are_told() -> None:
    policy: Any = Still()
    assert record(policy, config(), 0, 1.0, 25.0, width=12).frames[0].shape == (8, 12, 3)
    with pytest.raises(UsageError, match="env.id=Rising-v0 cannot be filmed: .*height"):
        record(policy, config(), 0, 1.0, 25.0, height=12)
    with pytest.raises(UsageError, match="cannot be filmed: no pictures here"):
        record(policy, config("Broken-v0"), 0, 1.0, 25.0)


def test_what_moves_is_shown_in_motion() -> None:
    assert moves(gymnasium.make("rlkit/ObstacleCourse-v0").metadata)
    assert not moves(gymnasium.make("rlkit/Negotiation-v0").metadata)
    assert not moves({"render_modes": ["human"], "render_fps": 60})
    assert not moves({})


def test_clips_come_now_and_then_and_at_the_end() -> None:
    policy: Any = Still()
    album = Album(config(), Rising.metadata, 100, pytest.fail)
    due = [number for number in range(1, 40) if album.look(policy, 0, 100 * number, final=False)]
    assert due == [1, 2, 4, 8, CLIP_EVERY, 2 * CLIP_EVERY]
    shown = album.look(policy, 0, 3900, final=True)
    assert list(shown) == ["eval/clip"] and isinstance(shown["eval/clip"], Clip)


def test_the_pictures_of_a_file_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    monkeypatch.setattr(film, "load_policy", lambda path: Still())
    monkeypatch.setattr(film, "make_env", lambda config, fine=False, **rest: made.append(fine) or Rising())
    folder = RunFolder(tmp_path)
    folder.write_config(compose_run(["env=gym", "env.id=Rising-v0"]))
    Film(tmp_path / "a.gif", seconds=0.1).make(folder)
    assert Album(config(), Rising.metadata, 100, pytest.fail).look(cast(Any, Still()), 0, 100, final=False)
    assert made == [True, False] and (tmp_path / "a.gif").exists()


def test_a_task_has_clips_under_its_own_name() -> None:
    policy: Any = Still()
    album = Album(config(), {**Rising.metadata, "metrics": {"prefix": "locomotion"}}, 100, pytest.fail)
    shown = album.look(policy, 0, 100, final=False)
    assert list(shown) == ["locomotion/clip"]


def test_what_cannot_be_drawn_is_told_once() -> None:
    policy: Any = Still()
    said: list[str] = []
    album = Album(config("Broken-v0"), Rising.metadata, 100, said.append)
    assert [album.look(policy, 0, step, final=False) for step in (100, 200, 400)] == [{}] * 3
    assert said == ["no clips for TensorBoard: env.id=Broken-v0 cannot be filmed: no pictures here"]


def test_what_stands_still_is_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    policy: Any = Still()
    album = Album(config(), {**Rising.metadata, "render_fps": 1}, 100, pytest.fail)
    shown = album.look(policy, 0, 300, final=False)
    assert list(shown) == ["eval/last_frame"] and isinstance(shown["eval/last_frame"], Image)
    monkeypatch.setattr(film, "pictures", lambda *arguments: {})
    assert album.look(policy, 0, 400, final=False) == {}


def test_settings_of_a_video(tmp_path: Path) -> None:
    asked = read_film({"video": str(tmp_path / "a.gif"), "video_seconds": 3, "video_size": [64, 36]})
    assert asked == Film(tmp_path / "a.gif", 3, (64, 36))
    assert read_film({}) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"video_size": [64, 36]}, "video_size= is of a video: give video=<file> too"),
        ({"video": "a.gif", "video_seconds": 0}, "video_seconds must be a number above 0 .*got 0"),
        ({"video": "a.gif", "video_seconds": "long"}, "video_seconds must be"),
        ({"video": "a.gif", "video_size": 64}, r"video_size must be \[width,height\] in pixels, got 64"),
        ({"video": "a.gif", "video_size": [64]}, r"video_size must be .*got \[64\]"),
        ({"video": "a.gif", "video_size": [64, -1]}, r"video_size must be .*got \[64, -1\]"),
    ],
)
def test_impossible_settings_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_film(settings)


def test_the_command_films_a_run(tmp_path: Path) -> None:
    """And training has put the first and the last clip into TensorBoard, as GIFs."""
    training = ("steps=1024", "n_envs=16", "agent.n_steps=32", "agent.batch_size=128", "agent.net_arch=[16]")
    task = ("env=locomotion", "agent=ppo", "env.episode_s=0.4", "env.threads=1", "evaluate=false", "progress=false")
    trained = run("train", *task, *training, "eval_every=512", "eval_episodes=2", "run_dir=run", folder=tmp_path)
    assert trained.code == 0, trained.err
    clips = images(tmp_path / "run")["locomotion/clip"]
    assert [step for step, _ in clips] == [512, 1024]
    assert all(content.startswith(b"GIF89a") for _, content in clips)
    judging = ("run=run", "video=clip.webp", "video_size=[64,36]", "video_seconds=0.2")
    filmed = run("evaluate", *judging, folder=tmp_path)
    assert filmed.code == 0, filmed.err
    assert "Written to clip.webp" in filmed.err
    with Pictures.open(tmp_path / "clip.webp") as clip:
        assert clip.size == (64, 36)
        assert getattr(clip, "n_frames", 1) in range(5, 9)
