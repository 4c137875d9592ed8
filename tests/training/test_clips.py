"""Clips as files: as many frames as there were, for as long as it took."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rlkit.errors import UsageError
from rlkit.training.clips import HOLD_S, Clip, check_path, write_clip


def rainbow(count: int, height: int = 40, width: int = 60) -> list[NDArray[np.uint8]]:
    """A white bar goes across a picture of many colours."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    ground = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    frames = []
    for k in range(count):
        frame = ground.copy()
        frame[:, k * width // count : k * width // count + 5] = 255
        frames.append(frame)
    return frames


def read(content: bytes) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Frames and durations in ms."""
    image = Image.open(io.BytesIO(content))
    frames, durations = [], []
    for k in range(getattr(image, "n_frames", 1)):
        image.seek(k)
        frames.append(np.asarray(image.convert("RGB")))
        durations.append(int(image.info["duration"]))
    return frames, durations


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_frames_and_times(kind: str) -> None:
    """No drift, although a GIF counts in hundredths of a second."""
    clip = Clip(rainbow(31), frame_s=0.032)
    frames, durations = read(getattr(clip, kind)())
    assert len(frames) == 31
    assert sum(durations) == pytest.approx(1000 * (31 * 0.032 + HOLD_S), abs=10)
    assert set(durations[:-1]) <= {30, 32, 40}
    for frame, true in zip(frames, clip.frames, strict=True):
        assert np.abs(frame.astype(int) - true).mean() < 12.0


def test_one_frame_is_a_clip_too() -> None:
    frames, _ = read(Clip(rainbow(1), frame_s=0.05).gif())
    assert len(frames) == 1


def test_the_same_clip_is_the_same_file() -> None:
    assert Clip(rainbow(5), 0.04).gif() == Clip(rainbow(5), 0.04).gif()


def test_smaller() -> None:
    clip = Clip(rainbow(3), 0.04)
    assert {frame.shape for frame in clip.scaled(30).frames} == {(20, 30, 3)}
    assert clip.scaled(60) is clip and clip.scaled(30).frame_s == 0.04


def test_mp4(tmp_path: Path) -> None:
    """Odd sizes lose a row or column."""
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    path = tmp_path / "clip.mp4"
    write_clip(path, Clip(rainbow(25, 41, 61), frame_s=0.04))
    assert imageio_ffmpeg.count_frames_and_secs(str(path)) == (25, pytest.approx(1.0, abs=0.01))
    reader = imageio_ffmpeg.read_frames(str(path))
    assert next(reader)["size"] == (60, 40)


def test_files(tmp_path: Path) -> None:
    clip = Clip(rainbow(4), 0.04)
    for ending in (".gif", ".webp", ".GIF"):
        write_clip(tmp_path / f"clip{ending}", clip)
        assert len(read((tmp_path / f"clip{ending}").read_bytes())[0]) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clip.avi", r"ends in .gif, .webp, .mp4, got '.*clip.avi'"),
        ("clip.gfi", "did you mean '.gif'"),
        ("clip", "ends in .gif"),
        ("nowhere/clip.gif", "there is no folder"),
    ],
)
def test_impossible_files_are_told(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        check_path(tmp_path / name)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r"MP4 needs imageio-ffmpeg: run `pip install .*or take .gif or .webp"):
        check_path(tmp_path / "clip.mp4")


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "clip.gif").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*clip.gif: Is a directory"):
        write_clip(tmp_path / "clip.gif", Clip(rainbow(2), 0.04))
