"""A clip shows what the environment showed; one process draws, the disk remembers, and a dead process is replaced."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from rewards.lived import make_run
from rewards.people import header, make_segment, new_store
from rlkit.envs import ENVIRONMENTS
from rlkit.envs.replayable import Replayable
from rlkit.errors import UsageError
from rlkit.rewards import clips
from rlkit.rewards.clips import NoPicture, Projectionist, frame_stride, frames, pack, picture_env, unpack
from rlkit.rewards.header import Header
from rlkit.rewards.segments import Clip
from rlkit.rewards.simulators import Simulators
from rlkit.rewards.store import STORE, ComparisonStore

SKIP, LENGTH, STRIDE = 3, 8, 3
Pictures = list[NDArray[np.uint8]]


def lived_and_shown(env_id: str) -> tuple[Pictures, Pictures]:
    """What an environment showed at the steps of a clip, and what the clip shows."""
    about: Header = header(env_id=env_id)
    env: Any
    if env_id in ENVIRONMENTS:
        env = picture_env(about)
        take = lambda: {"kind": "batch", "state": env.unwrapped.get_state()}  # noqa: E731
    else:
        envs = SyncVectorEnv([lambda: Replayable(picture_env(about))], autoreset_mode=AutoresetMode.SAME_STEP)
        env = envs.envs[0]
        take = lambda: Simulators(envs).take([0])[0]  # noqa: E731
    env.action_space.seed(1)
    env.reset(seed=4)
    for _ in range(5):
        env.step(env.action_space.sample())
    snapshot, actions = take(), [env.action_space.sample() for _ in range(SKIP + LENGTH)]
    seen = []
    for number, action in enumerate(actions):
        if number >= SKIP:
            seen.append(env.render())
        env.step(action)
    seen.append(env.render())
    wanted = [*seen[:LENGTH:STRIDE], seen[LENGTH]]
    return wanted, list(frames(picture_env(about), Clip(snapshot, np.array(actions), SKIP), STRIDE))


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")  # which graphics library draws is settled once a process
    with ProcessPoolExecutor(1, context, clips._prepare, ("",)) as found:
        yield found


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "Reacher-v5", "rlkit/Sprite-v0"])
def test_a_clip_shows_what_the_environment_showed(env_id: str, process: ProcessPoolExecutor) -> None:
    lived, shown = process.submit(lived_and_shown, env_id).result()
    assert len(shown) == len(lived) == 4  # before steps 0, 3 and 6, and after the last
    for one, other in zip(lived, shown, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != lived[0]).any() for one in lived)


@pytest.mark.parametrize(
    ("fps", "stride", "shown"), [(125.0, 4, 31.25), (50.0, 2, 25.0), (20.0, 1, 20.0), (None, 1, 10.0)]
)
def test_frames_that_nobody_could_see_are_left_out(fps: float | None, stride: int, shown: float) -> None:
    assert frame_stride(header(fps=fps)) == stride
    assert clips.frames_a_second(header(fps=fps)) == shown


def test_frames_are_packed_in_order_and_a_standstill_costs_nothing() -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    pictures = [np.broadcast_to(np.roll(ramp, 8 * shift)[:, None, None], (64, 48, 3)).copy() for shift in range(4)]
    back = unpack(pack(pictures))
    for one, other in zip(pictures, back, strict=True):
        assert other.shape == one.shape
        assert np.abs(one.astype(int) - other).mean() < 3
    assert len(pack([pictures[0]] * 50)) < len(pack([pictures[0]])) + 4 * 50
    assert len(unpack(pack([pictures[0]] * 50))) == 50
    assert unpack(pack([np.zeros((600, 2_000, 3), np.uint8)]))[0].shape == (240, 800, 3)


def test_an_environment_without_pictures_is_refused() -> None:
    gymnasium.register("Sightless-v0", entry_point=lambda **_: gymnasium.Env())
    try:
        with pytest.raises(UsageError, match="Sightless-v0"):
            picture_env(header(env_id="Sightless-v0"))
        with pytest.raises(UsageError, match="NoSuch-v0"):
            picture_env(header(env_id="NoSuch-v0"))
    finally:
        del gymnasium.registry["Sightless-v0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), pairs=4)


@pytest.fixture(scope="module")
def projectionist(run: Path) -> Iterator[Projectionist]:
    found = Projectionist(run / "preferences" / STORE, run / "preferences" / "page" / "clips", limit_bytes=2**20)
    yield found
    found.close()
    assert not found._folder.exists()


def drawer(projectionist: Projectionist) -> int:
    """Id of the process that draws."""
    (process,) = projectionist._pool._processes.values()
    return int(process.pid or 0)


def test_clips_are_drawn_once_and_kept(run: Path, projectionist: Projectionist) -> None:
    async def ask() -> list[bytes]:
        return [*await asyncio.gather(*(projectionist.clip(1) for _ in range(3))), await projectionist.clip(1)]

    first, *others = asyncio.run(ask())
    assert all(other == first for other in others)
    store = ComparisonStore(run / "preferences" / STORE)
    clip = store.segment(1, clip=True).clip
    assert clip is not None
    assert first == pack(list(frames(picture_env(store.header), clip, frame_stride(store.header))))
    assert (projectionist._folder / "1.clip").read_bytes() == first
    (projectionist._folder / "1.clip").write_bytes(b"from the disk")
    assert asyncio.run(projectionist.clip(1)) == b"from the disk"
    (projectionist._folder / "1.clip").unlink()  # somebody cleaned up
    assert asyncio.run(projectionist.clip(1)) == first


def test_the_least_used_clips_give_way(run: Path, projectionist: Projectionist) -> None:
    async def ask() -> None:
        sizes = [len(await projectionist.clip(segment)) for segment in (1, 2)]
        projectionist._limit = sum(sizes) + 1
        await projectionist.clip(1)  # 2 is the least used now
        await projectionist.clip(3)

    asyncio.run(ask())
    assert {path.name for path in projectionist._folder.iterdir()} == {"1.clip", "3.clip"}
    projectionist._limit = 2**20


def test_a_process_that_dies_is_replaced(projectionist: Projectionist) -> None:
    asyncio.run(projectionist.clip(1))
    before = drawer(projectionist)
    os.kill(before, signal.SIGKILL)
    assert asyncio.run(projectionist.clip(4))
    assert drawer(projectionist) != before


def test_what_cannot_be_shown_is_said(tmp_path: Path, projectionist: Projectionist) -> None:
    with pytest.raises(NoPicture, match="no segment 999"):
        asyncio.run(projectionist.clip(999))
    store = new_store(tmp_path, env_id="CartPole-v1")
    blind = store.add_segment(make_segment(np.random.default_rng(0)))
    other = Projectionist(tmp_path / STORE, tmp_path / "clips", limit_bytes=2**20)
    with pytest.raises(NoPicture, match="state was not kept"):
        asyncio.run(other.clip(blind))
    other.close()


BE_KILLED = """
import asyncio, os, sys
from pathlib import Path
from rlkit.rewards.clips import Projectionist
if __name__ == "__main__":
    found = Projectionist(Path(sys.argv[1]), Path(sys.argv[2]), limit_bytes=2**20)
    asyncio.run(found.clip(1))
    print(next(iter(found._pool._processes)), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_the_process_ends_with_its_server_even_if_that_is_killed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(BE_KILLED)
    command = [sys.executable, str(tmp_path / "server.py"), str(run / "preferences" / STORE), str(tmp_path / "clips")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == -signal.SIGKILL, said.stderr
    end = time.monotonic() + 20
    while Path(f"/proc/{int(said.stdout)}").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
