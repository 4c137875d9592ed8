"""Pictures of the plant and plots of an episode."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlkit.envs.cooling.env import CoolingEnv
from rlkit.envs.cooling.plant import SHIPPED
from rlkit.envs.cooling.plot import plot_episode, record_of
from rlkit.envs.cooling.task import CONTROLS
from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.envs.cooling.view import view_of

pytest.importorskip("PIL", reason="Pillow is not installed")
render = pytest.importorskip("rlkit.envs.cooling.render")


@pytest.mark.parametrize("plant", SHIPPED)
@pytest.mark.parametrize("control", CONTROLS)
def test_picture_of_every_plant(plant: str, control: str) -> None:
    env = CoolingEnv(plant=plant, control=control, render_mode="rgb_array", faults="severe")
    env.reset(seed=0)
    first = env.render()
    for _ in range(30):
        env.step(env.default_action())
    second = env.render()
    assert first.shape == second.shape == (600, 960, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, second)


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = CoolingEnv()
    env.reset(seed=0)
    assert env.render() is None


def test_a_batch_gives_a_picture_of_each_hall() -> None:
    envs = CoolingVectorEnv(2, render_mode="rgb_array")
    envs.reset(seed=0)
    one, two = envs.render() or ()
    assert not np.array_equal(one, two)


def test_view_tells_the_readings() -> None:
    envs = CoolingVectorEnv(2, autoreset_mode="disabled")
    envs.reset(seed=0, options={"days": np.array([32, 1])})
    for _ in range(13):
        envs.step(envs.default_actions())
    view = view_of(envs, 0)
    assert (view.day, view.time_s) == (32, 13 * 300.0)
    assert view.hottest_c == envs.reading("inlet_max_c")[0]
    assert view.pue == pytest.approx(envs.reading("facility_power_kw")[0] / envs.reading("it_power_kw")[0])
    parts = view.fans_kw + view.pumps_kw + view.chillers_kw + view.towers_kw
    assert parts == pytest.approx(view.cooling_kw, rel=1e-6)
    assert view.zones[0].supply_setpoint_c == pytest.approx(18.0)


def test_hot_racks_are_red_and_cool_ones_are_not() -> None:
    limits = (18.0, 27.0)

    def channels(inlet_c: float) -> list[int]:
        color = render.inlet_color(inlet_c, limits)
        return [int(color[k : k + 2], 16) for k in (1, 3, 5)]

    red, _, blue = channels(35.0)
    assert red > 180 and blue < 60
    red, green, blue = channels(22.5)
    assert green > red and green > blue
    red, _, blue = channels(10.0)
    assert blue > 150 and red < 60
    view = _view()
    hot = dataclasses.replace(view, zones=tuple(dataclasses.replace(z, inlets_c=(40.0,)) for z in view.zones))
    cool, warm = render.render_plant(view).astype(int), render.render_plant(hot).astype(int)
    assert (warm[..., 0] - warm[..., 2] > 120).sum() > 3 * (cool[..., 0] - cool[..., 2] > 120).sum()


def _view() -> Any:
    envs = CoolingVectorEnv(1)
    envs.reset(seed=0)
    return view_of(envs, 0)


def test_a_clock_past_the_years_end_still_has_a_date() -> None:
    envs = CoolingVectorEnv(1, episode_days=2.0, autoreset_mode="disabled")
    envs.reset(seed=0, options={"days": np.array([365])})
    for _ in range(300):
        envs.step(envs.default_actions())
    view = view_of(envs, 0)
    assert view.day == 1 and render.render_plant(view).shape == (600, 960, 3)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("plant", ["small_room", "hall_10mw"])
def test_plot_of_an_episode(plant: str, control: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed")
    envs = CoolingVectorEnv(1, plant=plant, control=control, autoreset_mode="disabled")
    envs.reset(seed=0)
    records = []
    for _ in range(20):
        envs.step(envs.default_actions())
        records.append(record_of(envs))
    assert [record["hours"] for record in records[:2]] == pytest.approx([1 / 12, 2 / 12])
    path = tmp_path / "episode.png"
    plot_episode(records, path, "a morning")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


def test_nothing_to_plot_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_episode([], tmp_path / "none.png")
