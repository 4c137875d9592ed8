"""Clips as GIF, WebP or MP4."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rlkit.errors import UsageError, nearest

HOLD_S = 0.6  # the last frame stays, so that one sees how it ended before the clip begins anew
FORMATS = (".gif", ".webp", ".mp4")


@dataclass(frozen=True)
class Clip:
    """Some seconds of an episode.

    Attributes:
        frames: Shape ``(height, width, 3)`` uint8 each.
        frame_s: Between two frames.
    """

    frames: list[NDArray[np.uint8]]
    frame_s: float

    def scaled(self, width: int) -> Clip:
        """The same, no wider than this."""
        height, present = self.frames[0].shape[:2]
        if present <= width:
            return self
        size = (width, max(1, round(height * width / present)))
        return Clip(
            [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX)) for f in self.frames], self.frame_s
        )

    def gif(self) -> bytes:
        """As an animated GIF, with one palette for all frames so that colours do not flicker."""
        images = [Image.fromarray(frame) for frame in self.frames]
        chosen = [images[k] for k in sorted({0, len(images) // 2, len(images) - 1})]
        sample = Image.fromarray(np.vstack([np.asarray(image) for image in chosen]))
        palette = sample.quantize(255, Image.Quantize.MEDIANCUT)
        flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        return _animation(flat, "GIF", self._durations_ms(10), optimize=False)

    def webp(self) -> bytes:
        """As an animated WebP."""
        images = [Image.fromarray(frame) for frame in self.frames]
        return _animation(images, "WEBP", self._durations_ms(1), quality=80, method=2)

    def _durations_ms(self, unit_ms: int) -> list[int]:
        """How long each frame stays, in whole units whose sum does not drift from the true time."""
        ends = np.round(np.arange(1, len(self.frames) + 1) * self.frame_s * 1000 / unit_ms).astype(int)
        durations = np.diff(ends, prepend=0) * unit_ms
        durations[-1] += round(HOLD_S * 1000)
        return [int(duration) for duration in durations]


def check_path(path: Path) -> None:
    """Refuse a file that a clip cannot be written to, before the work is done.

    Raises:
        UsageError: If the format is unknown, its library missing, or the folder not there.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"a video is a file that ends in {', '.join(FORMATS)}, got {str(path)!r}: {_nearest(path)}")
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()


def _nearest(path: Path) -> str:
    return nearest(path.suffix or path.name, FORMATS)


def write_clip(path: Path, clip: Clip) -> None:
    """Write a clip; the file's ending decides on the format.

    Raises:
        UsageError: As :func:`check_path`, and if the file cannot be written.
    """
    check_path(path)
    kind = path.suffix.lower()
    try:
        if kind == ".mp4":
            _write_mp4(path, clip)
        else:
            path.write_bytes(clip.gif() if kind == ".gif" else clip.webp())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _write_mp4(path: Path, clip: Clip) -> None:
    height, width = (length - length % 2 for length in clip.frames[0].shape[:2])  # the usual colours need even sizes
    film = _ffmpeg().write_frames(str(path), (width, height), fps=1.0 / clip.frame_s, quality=7, macro_block_size=2)
    film.send(None)
    for frame in clip.frames:
        film.send(np.ascontiguousarray(frame[:height, :width]))
    film.close()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UsageError(
            "MP4 needs imageio-ffmpeg: run `pip install 'imageio-ffmpeg>=0.5'` (it is rlkit's extra `video`), or take "
            ".gif or .webp, which need nothing more"
        ) from error
    return imageio_ffmpeg


def _animation(images: list[Any], kind: str, durations_ms: list[int], **how: Any) -> bytes:
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=durations_ms, loop=0, **how)
    return file.getvalue()
