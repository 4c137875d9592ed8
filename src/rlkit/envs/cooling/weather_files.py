"""EPW and TMY3 files.

EPW: EnergyPlus, "Auxiliary Programs", chapter on the weather data format. TMY3: Wilcox and Marion 2008, "Users Manual
for TMY3 Data Sets", NREL/TP-581-43156. Both give hours 1 to 24, and the value of hour ``h`` holds at its end; hour 24
of the last day is New Year's midnight. A typical year is stitched together from months of different years. At each
seam the step that does not belong to the weather is spread over six hours on either side; where there is none, nothing
changes. The files themselves still have steps of several K and of 10 to 20 hPa there.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.weather import (
    DEW_POINT,
    DRY_BULB,
    PRESSURE,
    RELATIVE_HUMIDITY,
    WIND_DIRECTION,
    Weather,
    humidity_from_dew_point,
    make_weather,
)
from rlkit.errors import UsageError

SEAM_H = 6  # hours on either side of a seam (TMY3 User's Manual, section 2.3)
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NUM_MEASURED = 6


@dataclass(frozen=True)
class Field:
    """A field of a file's row: where it stands, and what may stand there."""

    column: int  # from 0, as in the file
    name: str
    unit: str
    low: float
    high: float
    is_missing: Callable[[float], bool]
    scale: float = 1.0  # to the unit of the weather table


def _code(missing: float) -> Callable[[float], bool]:
    return lambda value: value >= missing


def _tmy3_missing(value: float) -> bool:
    return value <= -9900.0


# In the order of the weather table's first six columns. Limits: the EPW data dictionary's.
EPW_FIELDS = (
    Field(6, "dry bulb temperature", "C", -70, 70, _code(99.9)),
    Field(7, "dew point temperature", "C", -70, 70, _code(99.9)),
    Field(8, "relative humidity", "%", 0, 110, _code(999), 0.01),
    Field(9, "atmospheric station pressure", "Pa", 31_000, 120_000, _code(999_999)),
    Field(21, "wind speed", "m/s", 0, 40, _code(999)),
    Field(20, "wind direction", "degrees", 0, 360, _code(999)),
)
TMY3_FIELDS = tuple(
    (heading, Field(-1, field.name, unit, low, high, _tmy3_missing, scale))
    for heading, field, unit, low, high, scale in (
        ("Dry-bulb (C)", EPW_FIELDS[0], "C", -70.0, 70.0, 1.0),
        ("Dew-point (C)", EPW_FIELDS[1], "C", -70.0, 70.0, 1.0),
        ("RHum (%)", EPW_FIELDS[2], "%", 0.0, 110.0, 0.01),
        ("Pressure (mbar)", EPW_FIELDS[3], "mbar", 310.0, 1200.0, 100.0),
        ("Wspd (m/s)", EPW_FIELDS[4], "m/s", 0.0, 40.0, 1.0),
        ("Wdir (degrees)", EPW_FIELDS[5], "degrees", 0.0, 360.0, 1.0),
    )
)

Rows = list[tuple[int, list[str]]]  # line number, cells


@dataclass(frozen=True)
class _Raw:
    """What both formats come to: measured columns in file order, NaN where missing, and each row's year."""

    measured: NDArray[np.float64]  # (hours, 6)
    years: NDArray[np.int64]
    records_per_hour: int
    location: str
    elevation_m: float


def read_weather(path: Path, missing: str) -> Weather:
    """Read a file, EPW or TMY3 by its content.

    Args:
        path: The file.
        missing: ``"fill"`` or ``"refuse"``.

    Raises:
        UsageError: If it cannot be read, naming line and column.
    """
    rows = _rows(path)
    first = rows[0][1][0].strip().upper() if rows and rows[0][1] else ""
    if first == "LOCATION":
        raw = _read_epw(path, rows)
    elif len(rows) > 1 and any(cell.startswith("Date (MM/DD/YYYY)") for cell in rows[1][1]):
        raw = _read_tmy3(path, rows)
    else:
        raise UsageError(
            f"{path}, line 1: neither an EPW file (its first word is LOCATION) nor a TMY3 file (its second line begins "
            f"with 'Date (MM/DD/YYYY)'), got {','.join(rows[0][1])[:60]!r}"
            if rows
            else f"{path}: the file is empty"
        )
    return _to_weather(path, raw, missing)


def _rows(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:  # place names come in any encoding
            reader = csv.reader(file)
            return [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise UsageError(
            f"cannot read weather from {str(path)!r}: {error.strerror}. weather= takes a climate's name such as "
            "'temperate' or the path of an EPW or TMY3 file"
        ) from error
    except csv.Error as error:
        raise UsageError(f"{path}: not a text file with commas ({error})") from error


def _read_epw(path: Path, rows: Rows) -> _Raw:
    head = rows[0][1]
    if len(head) < 10:
        raise UsageError(f"{path}, line 1: LOCATION has 10 fields (the last is the elevation in m), got {len(head)}")
    elevation = _number(path, 1, head, 9, "elevation", "m", -1000, 9999.9)
    periods = next((r for r in rows[:20] if r[1] and r[1][0].strip().upper() == "DATA PERIODS"), None)
    if periods is None:
        raise UsageError(
            f"{path}: no header line 'DATA PERIODS' in the first 20 lines (an EPW file has 8 header lines)"
        )
    per_hour = int(_number(path, periods[0], periods[1], 2, "records per hour", "1", 1, 60))
    body = [row for row in rows[rows.index(periods) + 1 :] if any(cell.strip() for cell in row[1])]
    years, dates = [], []
    for line, cells in body:
        years.append(int(_number(path, line, cells, 0, "year", "1", 0, 9999)))
        dates.append(tuple(int(_number(path, line, cells, c, n, "1", 1, h)) for c, n, h in _EPW_DATE))
    _check_dates(path, [line for line, _ in body], dates, per_hour)
    measured = _measured(path, body, EPW_FIELDS)
    return _Raw(measured, np.array(years), per_hour, ", ".join(c for c in head[1:4] if c.strip(" -")), elevation)


_EPW_DATE = ((1, "month", 12), (2, "day", 31), (3, "hour", 24))


def _read_tmy3(path: Path, rows: Rows) -> _Raw:
    head = rows[0][1]
    if len(head) < 7:
        raise UsageError(f"{path}, line 1: 7 fields (the last is the elevation in m), got {len(head)}")
    elevation = _number(path, 1, head, 6, "elevation", "m", -1000, 9999.9)
    headings = [cell.strip() for cell in rows[1][1]]
    fields = []
    for heading, field in TMY3_FIELDS:
        if heading not in headings:
            raise UsageError(f"{path}, line 2: no column {heading!r}")
        fields.append(Field(headings.index(heading), *_rest(field)))
    body = [row for row in rows[2:] if any(cell.strip() for cell in row[1])]
    years, dates = [], []
    for line, cells in body:
        month, day, year, hour = _tmy3_date(path, line, cells)
        years.append(year)
        dates.append((month, day, hour))
    _check_dates(path, [line for line, _ in body], dates, 1)
    return _Raw(_measured(path, body, tuple(fields)), np.array(years), 1, f"{head[1]}, {head[2]}", elevation)


def _rest(field: Field) -> tuple[str, str, float, float, Callable[[float], bool], float]:
    return field.name, field.unit, field.low, field.high, field.is_missing, field.scale


def _tmy3_date(path: Path, line: int, cells: list[str]) -> tuple[int, int, int, int]:
    try:
        month, day, year = (int(part) for part in cells[0].split("/"))
        hour = int(cells[1].split(":")[0])
    except (ValueError, IndexError):
        raise UsageError(
            f"{path}, line {line}, columns 1 and 2: expected a date MM/DD/YYYY and a time HH:MM, got {cells[:2]!r}"
        ) from None
    return month, day, year, hour


def _check_dates(path: Path, lines: list[int], dates: Sequence[tuple[int, ...]], per_hour: int) -> None:
    """The rows are a whole year (29 February is allowed), each hour in its place."""
    leap = (2, 29) in {date[:2] for date in dates}
    expected = [
        (month, day, hour)
        for month, length in enumerate(MONTH_DAYS, 1)
        for day in range(1, length + 1 + (leap and month == 2))
        for hour in range(1, 25)
        for _ in range(per_hour)
    ]
    for line, date, wanted in zip(lines, dates, expected, strict=False):
        if date != wanted:
            raise UsageError(
                f"{path}, line {line}: expected month {wanted[0]}, day {wanted[1]}, hour {wanted[2]} "
                f"(hours are 1 to 24), got month {date[0]}, day {date[1]}, hour {date[2]}"
            )
    if len(dates) != len(expected):
        raise UsageError(f"{path}: a year has {len(expected)} rows of data, got {len(dates)}")


def _measured(path: Path, body: Rows, fields: tuple[Field, ...]) -> NDArray[np.float64]:
    """The six measured columns in table units, NaN where the file says missing."""
    table = np.empty((len(body), NUM_MEASURED))
    for row, (line, cells) in enumerate(body):
        for column, field in enumerate(fields):
            value = _cell(path, line, cells, field.column, field.name)
            if value is None or field.is_missing(value):
                table[row, column] = np.nan
            else:
                _check_range(path, line, field.column, field.name, field.unit, value, field.low, field.high)
                table[row, column] = value * field.scale
    table[:, RELATIVE_HUMIDITY] = np.minimum(table[:, RELATIVE_HUMIDITY], 1.0)
    return table


def _cell(path: Path, line: int, cells: list[str], column: int, name: str) -> float | None:
    """A cell's number, None where it is empty."""
    if column >= len(cells):
        raise UsageError(f"{path}, line {line}: no column {column + 1} ({name}); the line has {len(cells)}")
    text = cells[column].strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{path}, line {line}, column {column + 1} ({name}): expected a number, got {text!r}")
    return value


def _number(
    path: Path, line: int, cells: list[str], column: int, name: str, unit: str, low: float, high: float
) -> float:
    """A number that must be there."""
    value = _cell(path, line, cells, column, name)
    if value is None:
        raise UsageError(f"{path}, line {line}, column {column + 1} ({name}): expected a number, got nothing")
    _check_range(path, line, column, name, unit, value, low, high)
    return value


def _check_range(
    path: Path, line: int, column: int, name: str, unit: str, value: float, low: float, high: float
) -> None:
    if not low <= value <= high:
        unit = "" if unit == "1" else f" {unit}"
        raise UsageError(
            f"{path}, line {line}, column {column + 1} ({name}): got {value:g}, allowed is {low:g} to {high:g}{unit}"
        )


def _to_weather(path: Path, raw: _Raw, missing: str) -> Weather:
    """Fill what is missing, mend the seams, begin at midnight and derive the wet bulb."""
    table = _filled(path, raw.measured, missing)
    edges = np.flatnonzero(raw.years != np.roll(raw.years, 1))  # first row of each source year, New Year included
    table = _smoothed(table, edges, SEAM_H * raw.records_per_hour)
    table = np.roll(table, 1, axis=0)  # the last row is hour 24 of 31 December: the new year's midnight
    return make_weather(
        *table.T,
        step_s=3600.0 / raw.records_per_hour,
        location=raw.location,
        elevation_m=raw.elevation_m,
        source=str(path),
    )


def _filled(path: Path, measured: NDArray[np.float64], missing: str) -> NDArray[np.float64]:
    """Missing values interpolated in time (around the year's end too); the wind's direction held."""
    gaps = np.isnan(measured)
    if not gaps.any():
        return measured.copy()
    counts = {f.name: int(n) for f, n in zip(EPW_FIELDS, gaps.sum(0), strict=True) if n}
    if missing == "refuse" or (whole := [name for name, n in counts.items() if n == len(measured)]):
        told = counts if missing == "refuse" else {name: counts[name] for name in whole}
        raise UsageError(
            f"{path}: values are missing: "
            + ", ".join(f"{n} of {name}" for name, n in told.items())
            + "; "
            + (
                "missing='fill' interpolates them"
                if missing == "refuse"
                else "a column without any value cannot be filled"
            )
        )
    warnings.warn(
        f"{path}: filled missing values by interpolation: " + ", ".join(f"{n} of {name}" for name, n in counts.items()),
        stacklevel=4,
    )
    table = measured.copy()
    rows = np.arange(len(table))
    for column in range(NUM_MEASURED):
        known = np.flatnonzero(~gaps[:, column])
        if column == WIND_DIRECTION:
            held = known[np.searchsorted(known, rows, side="right") - 1]  # -1, before the first, is the year's last
            table[:, column] = table[held, column]
        else:
            table[:, column] = np.interp(rows, known, table[known, column], period=len(table))
    return table


def _smoothed(table: NDArray[np.float64], edges: NDArray[np.intp], reach: int) -> NDArray[np.float64]:
    """Spread the step at each seam over ``reach`` rows on either side.

    What counts as step is the jump less the mean change on its two sides, so that a seam without one stays as it is.
    Relative humidity changes as the ratio of the saturation pressures does.
    """
    result = table.copy()
    rows = len(table)
    fade = 1.0 - np.arange(reach) / reach
    for edge in edges:
        before, after = (edge - 1 - np.arange(reach)) % rows, (edge + np.arange(reach)) % rows
        for column in (DRY_BULB, DEW_POINT, PRESSURE):
            left, right = table[before, column], table[after, column]
            step = (right[0] - left[0]) - 0.5 * ((left[0] - left[1]) + (right[1] - right[0]))
            result[before, column] += 0.5 * step * fade
            result[after, column] -= 0.5 * step * fade
        near = np.concatenate([before, after])
        result[near, DEW_POINT] = np.minimum(result[near, DEW_POINT], result[near, DRY_BULB])
        ratio = humidity_from_dew_point(result[near, DRY_BULB], result[near, DEW_POINT])
        ratio /= humidity_from_dew_point(table[near, DRY_BULB], table[near, DEW_POINT])
        result[near, RELATIVE_HUMIDITY] = np.minimum(table[near, RELATIVE_HUMIDITY] * ratio, 1.0)
    return result
