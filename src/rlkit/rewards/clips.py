"""Clips: segments as pictures, made when somebody wants to see them, by one process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.envs.drawing import draw_quickly, draw_without_a_window
from rlkit.errors import UsageError
from rlkit.rewards.header import Header
from rlkit.rewards.segments import Clip
from rlkit.rewards.simulators import replay
from rlkit.rewards.store import ComparisonStore

Frame = NDArray[np.uint8]

MOST_FPS = 30.0  # more are not seen, and take long to draw
UNKNOWN_FPS = 10.0  # of environments that do not say
LONGEST_SIDE = 800  # pixels
QUALITY = 90  # of JPEG, without subsampling of colours: thin lines keep theirs


class NoPicture(LookupError):
    """A segment that nothing can show; the message says why."""


def frame_stride(header: Header) -> int:
    """Steps between two frames of a clip."""
    return max(1, round((header.fps or UNKNOWN_FPS) / MOST_FPS))


def frames_a_second(header: Header) -> float:
    """How fast a clip is shown, in the environment's own time."""
    return (header.fps or UNKNOWN_FPS) / frame_stride(header)


def picture_env(header: Header) -> gymnasium.Env[Any, Any]:
    """The environment that a store's segments were lived in, to be rendered.

    Raises:
        UsageError: If it cannot be made, or makes no pictures.
    """
    import rlkit  # noqa: F401  registers our environments

    try:
        env = gymnasium.make(header.env_id, render_mode="rgb_array", disable_env_checker=True, **header.env_kwargs)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"{header.env_id} cannot be shown: {error}") from error
    if "rgb_array" not in env.metadata.get("render_modes", ()):
        env.close()
        raise UsageError(
            f"{header.env_id} makes no pictures (render_mode='rgb_array'), so nobody can compare its clips"
        )
    draw_quickly(env)
    return env


def frames(env: gymnasium.Env[Any, Any], clip: Clip, stride: int = 1) -> Iterator[Frame]:
    """What an environment shows of a clip: before its first step, after every ``stride`` steps, and at its end.

    Args:
        env: Of :func:`picture_env`.
        clip: Of a segment.
        stride: Steps between two frames.

    Yields:
        Frames of shape ``(height, width, 3)``.
    """
    end = len(clip.actions) - clip.skip
    for number in replay(env, clip):
        if number % stride == 0 or number == end:
            yield np.asarray(env.render(), dtype=np.uint8)


def pack(pictures: Sequence[Frame]) -> bytes:
    """Frames in one piece: their number, the length of each, both uint32 in little-endian order, then JPEG after JPEG.

    One that is the same as the one before has length 0. The page unpacks them in `page/static/player.js`.
    """
    parts: list[bytes] = []
    for number, picture in enumerate(pictures):
        same = number > 0 and np.array_equal(picture, pictures[number - 1])
        parts.append(b"" if same else _jpeg(picture))
    return struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts)


def unpack(data: bytes) -> list[Frame]:
    """The frames of :func:`pack`, as exact as JPEG is."""
    from PIL import Image

    (count,) = struct.unpack_from("<I", data)
    lengths = struct.unpack_from(f"<{count}I", data, 4)
    found: list[Frame] = []
    start = 4 * (count + 1)
    for length in lengths:
        picture = data[start : start + length]
        found.append(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) if picture else found[-1])
        start += length
    return found


def _jpeg(picture: Frame) -> bytes:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


class Projectionist:
    """Renders in a process of its own, begun anew if it dies. Clips are kept on disk; the least used ones give way.

    Args:
        store: File of the comparisons.
        folder: Of the cache; emptied.
        limit_bytes: Of the cache.
    """

    def __init__(self, store: Path, folder: Path, *, limit_bytes: int) -> None:
        self._store, self._folder, self._limit = store, folder, limit_bytes
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._sizes: OrderedDict[int, int] = OrderedDict()  # of what is on the disk, least used first
        self._making: dict[int, asyncio.Task[bytes]] = {}
        self._pool = self._begin()

    async def clip(self, segment: int) -> bytes:
        """A segment's clip, :func:`pack`'s bytes. Who asks for one that is being made waits for that.

        Raises:
            NoPicture: If it cannot be shown.
        """
        if segment in self._sizes:
            with contextlib.suppress(FileNotFoundError):
                data = await asyncio.to_thread(self._path(segment).read_bytes)
                if segment in self._sizes:
                    self._sizes.move_to_end(segment)
                return data
        if segment not in self._making:
            self._making[segment] = asyncio.create_task(self._make(segment))
            self._making[segment].add_done_callback(lambda _: self._making.pop(segment, None))
        return await asyncio.shield(self._making[segment])

    async def _make(self, segment: int) -> bytes:
        for attempt in range(2):
            pool = self._pool
            try:
                data = await asyncio.wrap_future(pool.submit(_render, segment))
                break
            except BrokenProcessPool as error:  # killed, or a graphics library took the process with it
                if pool is self._pool:
                    self._pool = self._begin()
                if attempt:
                    raise NoPicture(f"segment {segment} cannot be shown: the process that draws it dies") from error
        await asyncio.to_thread(self._path(segment).write_bytes, data)
        self._sizes[segment] = len(data)
        self._sizes.move_to_end(segment)
        while len(self._sizes) > 1 and sum(self._sizes.values()) > self._limit:
            oldest, _ = self._sizes.popitem(last=False)
            self._path(oldest).unlink(missing_ok=True)
        return data

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:d}.clip"

    def _begin(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a forked process would share locks and graphics contexts
        pool = ProcessPoolExecutor(1, context, _prepare, (str(self._store),))
        pool.submit(_warm_up)  # the first pair comes sooner
        return pool

    def close(self) -> None:
        """End the process and remove the cache."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class _Booth:
    """What the rendering process has open."""

    def __init__(self, path: str) -> None:
        self.store = ComparisonStore(path)
        self.env = picture_env(self.store.header)


_path = ""
_booth: _Booth | None = None


def _prepare(path: str) -> None:
    """The process begins: Ctrl-C is the server's, and where the server is gone there is nothing to do."""
    global _path
    _path = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    draw_without_a_window()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(0)


def _open_booth() -> _Booth:
    global _booth
    if _booth is None:
        _booth = _Booth(_path)
    return _booth


def _warm_up() -> None:
    env = _open_booth().env
    env.reset(seed=0)
    env.render()


def _render(segment: int) -> bytes:
    try:
        booth = _open_booth()
        clip = booth.store.segment(segment, clip=True).clip
        if clip is None:
            raise NoPicture(f"segment {segment} cannot be shown: the environment's state was not kept")
        return pack(list(frames(booth.env, clip, frame_stride(booth.store.header))))
    except NoPicture:
        raise
    except Exception as error:  # of any environment: told in a form that every process knows
        raise NoPicture(f"segment {segment} cannot be shown: {type(error).__name__}: {error}") from None
