"""Weather: a year as a table, from a built-in climate or from any EPW or TMY3 file.

The table is regular in time; row ``k`` holds at ``k * step_s`` seconds after New Year's midnight, local standard time.
Kernels interpolate between rows and wrap around the year.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlkit.envs.cooling.psychrometrics import humidity_ratio_from_relative_humidity, saturation_pressure_pa, wet_bulb_c
from rlkit.envs.jit import inlined, kernel

# The table's columns, and their units.
DRY_BULB, DEW_POINT, RELATIVE_HUMIDITY, PRESSURE, WIND_SPEED, WIND_DIRECTION, WET_BULB = range(7)
COLUMNS = (
    "dry_bulb_c",
    "dew_point_c",
    "relative_humidity",  # 0 to 1
    "pressure_pa",
    "wind_speed_m_s",
    "wind_direction_deg",  # where it comes from: 0 north, 90 east
    "wet_bulb_c",
)
UNITS = ("C", "C", "1", "Pa", "m/s", "deg", "C")
DAY_S = 86_400.0
HELD_OUT = 4  # one block of days in four is for testing


@dataclass(frozen=True, eq=False)
class Weather:
    """A year (or another whole number of days) of weather.

    Attributes:
        table: Shape ``(rows, 7)`` float64, columns :data:`COLUMNS`; cannot be written to.
        step_s: Seconds between rows.
        location: Name of the place.
        elevation_m: Above sea level.
        source: Where it comes from: the climate's name with its seed, or the file's path.
    """

    table: NDArray[np.float64]
    step_s: float
    location: str
    elevation_m: float
    source: str

    @property
    def num_days(self) -> int:
        """Whole days that the table covers."""
        return int(len(self.table) * self.step_s // DAY_S)

    def column(self, name: str) -> NDArray[np.float64]:
        """One column, by its name in :data:`COLUMNS`."""
        return self.table[:, COLUMNS.index(name)]


def make_weather(
    dry_bulb_c: ArrayLike,
    dew_point_c: ArrayLike,
    relative_humidity: ArrayLike,
    pressure_pa: ArrayLike,
    wind_speed_m_s: ArrayLike,
    wind_direction_deg: ArrayLike,
    **about: Any,
) -> Weather:
    """Weather from its measured columns; the wet bulb follows from dry bulb, relative humidity and site pressure.

    Relative humidity (not the dew point) decides, as in EnergyPlus. The wet bulb never exceeds the dry bulb.

    Args:
        dry_bulb_c: Shape ``(rows,)``, like all others.
        dew_point_c: In C.
        relative_humidity: From 0 to 1.
        pressure_pa: At the site.
        wind_speed_m_s: In m/s.
        wind_direction_deg: In degrees.
        about: The other attributes of :class:`Weather`.
    """
    measured = np.column_stack(
        [dry_bulb_c, dew_point_c, relative_humidity, pressure_pa, wind_speed_m_s, wind_direction_deg]
    )
    dry_bulb, _, humidity, pressure = measured.T[:4]
    wet_bulb = wet_bulb_c(dry_bulb, humidity_ratio_from_relative_humidity(dry_bulb, humidity, pressure), pressure)
    table = np.column_stack([measured, np.minimum(wet_bulb, dry_bulb)])
    table.flags.writeable = False
    return Weather(table, **about)


def humidity_from_dew_point(dry_bulb_c: ArrayLike, dew_point_c: ArrayLike) -> NDArray[np.float64]:
    """Relative humidity, 0 to 1: the ratio of the saturation pressures."""
    return saturation_pressure_pa(dew_point_c) / saturation_pressure_pa(dry_bulb_c)


def load_weather(source: str | Path = "temperate", *, missing: str = "fill") -> Weather:
    """The weather that a name or a file stands for.

    Args:
        source: A built-in climate (:data:`rlkit.envs.cooling.climates.CLIMATES`), perhaps with the number of a year,
            ``"temperate:3"`` (each number is another year of the same climate; without one it is year 0); or the path
            of an EPW or a TMY3 file.
        missing: What becomes of values that a file marks as missing: ``"fill"`` interpolates and warns, ``"refuse"``
            raises.

    Raises:
        ValueError: If there is no such climate or file, or the file is wrong: which line and column, what was found,
            what is allowed.

    Example:
        >>> load_weather("hot_dry").table.shape
        (8760, 7)
    """
    from rlkit.envs.cooling import climates, weather_files

    if missing not in ("fill", "refuse"):
        raise ValueError(f"missing must be 'fill' or 'refuse', got {missing!r}")
    if isinstance(source, str) and climates.is_name(source):
        return climates.synthesize(source)
    return weather_files.read_weather(Path(source).expanduser(), missing)


def start_days(num_days: int, split: str = "all", episode_days: int = 1) -> NDArray[np.int64]:
    """Days on which an episode may begin so that it lies in one part of the data as a whole.

    Data of four weeks or more is cut into weeks, shorter data into days; each fourth week (or day) is held out: weeks
    3, 7, 11, ... counted from 0, thirteen of them spread over a year. The cut is fixed, and the same for weather
    and workload.

    Args:
        num_days: Days of data.
        split: ``"train"``, ``"test"``, or ``"all"`` (every day; episodes then wrap around the end of the data).
        episode_days: Length of an episode, rounded up to days.

    Returns:
        First days, ascending, int64.

    Raises:
        ValueError: If the split does not exist, or no episode of that length fits.

    Example:
        >>> start_days(365, "test", episode_days=7)[:3]
        array([21, 49, 77])
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test', got {split!r}")
    days = np.arange(num_days, dtype=np.int64)
    if split == "all":
        return days
    block_days = 7 if num_days >= 7 * HELD_OUT else 1
    wanted = (days // block_days % HELD_OUT == HELD_OUT - 1) == (split == "test")
    outside = np.concatenate([[0], np.cumsum(~wanted)])
    last = num_days - episode_days + 1
    fits = [day for day in range(max(last, 0)) if outside[day + episode_days] == outside[day]]
    if not fits:
        longest = max((len(run) for run in "".join("x" if w else " " for w in wanted).split()), default=0)
        raise ValueError(
            f"no episode of {episode_days} days fits into the {split!r} part of {num_days} days of data; "
            f"the longest that fits has {longest} days"
        )
    return np.array(fits, dtype=np.int64)


@inlined
def value_at(table, step_s, time_s, column):  # type: ignore[no-untyped-def]
    """One column of a table of equal steps at a time, interpolated linearly; the table repeats itself for ever."""
    place = time_s / step_s
    whole = np.floor(place)
    share = place - whole
    rows = table.shape[0]
    before = int(whole) % rows
    after = before + 1 if before + 1 < rows else 0
    return table[before, column] + share * (table[after, column] - table[before, column])


@kernel
def weather_at(table, step_s, time_s, out):  # type: ignore[no-untyped-def]
    """The weather at a time, interpolated linearly (the wind's direction along the shorter arc).

    Args:
        table: Shape ``(rows, 7)``, of :class:`Weather`.
        step_s: Seconds between rows.
        time_s: Seconds after New Year's midnight; beyond the table's end it wraps around.
        out: Shape ``(7,)``, written.
    """
    place = time_s / step_s
    whole = np.floor(place)
    share = place - whole
    rows = table.shape[0]
    before = int(whole) % rows
    after = before + 1 if before + 1 < rows else 0
    for column in range(table.shape[1]):
        out[column] = table[before, column] + share * (table[after, column] - table[before, column])
    turn = (table[after, WIND_DIRECTION] - table[before, WIND_DIRECTION] + 180.0) % 360.0 - 180.0
    out[WIND_DIRECTION] = (table[before, WIND_DIRECTION] + share * turn) % 360.0
