"""Workload: how busy the servers are, as a table in time, and the noise that an environment adds to it.

A table is regular in time and wraps around; row ``k`` holds at ``k * step_s`` seconds, where time 0 is a Monday's
midnight for the built-in shape, and midnight of the first day for a file. Utilisation is a share, from 0 to 1, of what
the servers of a zone can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.weather import DAY_S, value_at
from rlkit.envs.jit import inlined, kernel
from rlkit.envs.streams import normal
from rlkit.errors import UsageError, nearest

NUM_DAYS = 52 * 7  # of the built-in shape
STEP_S = 900.0  # of the built-in shape
NIGHT, WORKDAY_PEAK, WEEKEND_PEAK = 0.35, 0.75, 0.55  # between the real traces' extremes (0.16 to 0.79)
PEAK_HOUR = 14.5
NARROWING = 1.3  # exponent of the raised cosine: above 1 the busy hours are fewer
DAY_SPREAD, DAY_MEMORY = 0.03, 3.0  # a day's level differs from the next: standard deviation, memory in days
BATCH_SHARE = 0.5  # of the last zone's swing that batch work evens out


@dataclass(frozen=True, eq=False)
class Workload:
    """Utilisation over time.

    Attributes:
        table: Shape ``(rows, columns)`` float64, 0 to 1; one column for all zones, or one each. Cannot be written to.
        step_s: Seconds between rows.
        source: Where it comes from.
    """

    table: NDArray[np.float64]
    step_s: float
    source: str

    @property
    def num_days(self) -> int:
        """Whole days that the table covers, at least 1."""
        return max(int(len(self.table) * self.step_s // DAY_S), 1)


def make_workload(table: NDArray[np.float64], step_s: float, source: str) -> Workload:
    """A workload from its table, shape ``(rows,)`` or ``(rows, columns)``."""
    table = np.array(table if table.ndim == 2 else table[:, None], dtype=np.float64, order="C")
    table.flags.writeable = False
    return Workload(table, float(step_s), source)


def load_workload(source: str | Path = "diurnal", num_zones: int = 1) -> Workload:
    """The workload that a name or a file stands for.

    Args:
        source: ``"diurnal"`` (the built-in shape, see :func:`diurnal`; ``"diurnal:3"`` is another year of it),
            ``"constant:0.6"``, ``"alibaba"``, ``"google"`` or ``"azure"`` (real traces, see
            :mod:`rlkit.envs.cooling.traces`), or the path of a CSV file with the columns ``time`` (seconds, or
            ISO 8601) and ``utilisation`` (0 to 1), or one column for each zone.
        num_zones: Zones of the plant. A table of one column serves all of them.

    Raises:
        ValueError: If there is no such source, its package is not installed, the file is wrong (which line and
            column), or it has columns for another number of zones.

    Example:
        >>> load_workload("constant:0.6").table
        array([[0.6]])
    """
    from rlkit.envs.cooling import traces

    name, _, argument = str(source).partition(":")
    if isinstance(source, Path) or any(mark in str(source) for mark in ("/", "\\", ".csv")):
        workload = traces.read_csv(Path(source).expanduser())
    elif name == "diurnal":
        workload = diurnal(_year(str(source), argument), num_zones)
    elif name == "constant":
        # Four weeks, the least that has one held out: a constant load can be trained with and judged by.
        workload = make_workload(np.array([_share(str(source), argument)]), 28 * DAY_S, str(source))
    elif name in traces.TRACES and not argument:
        workload = traces.read_trace(name)
    else:
        known = ["diurnal", "constant:0.6", *traces.TRACES]
        raise UsageError(f"unknown workload {str(source)!r}: {nearest(name, known)}; or give the path of a .csv file")
    if workload.table.shape[1] not in (1, num_zones):
        raise UsageError(
            f"workload {str(source)!r} has {workload.table.shape[1]} columns for {num_zones} zones: "
            "give one column for all, or one for each"
        )
    return workload


def _year(source: str, argument: str) -> int:
    if argument and not (argument.isascii() and argument.isdigit()):
        raise UsageError(f"the year of a diurnal workload is a whole number >= 0 such as 'diurnal:3', got {source!r}")
    return int(argument or 0)


def _share(source: str, argument: str) -> float:
    try:
        share = float(argument)
    except ValueError:
        share = np.nan
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"a constant workload is a number from 0 to 1 such as 'constant:0.6', got {source!r}")
    return share


def diurnal(year: int = 0, num_zones: int = 1) -> Workload:
    """The built-in shape: 52 weeks of quiet nights, busy workdays and calmer weekends.

    Utilisation is ``night + (peak - night) * day(hour) ** 1.3 + level``: ``day`` is a raised cosine about 14:30,
    ``peak`` is 0.75 on Monday to Friday and 0.55 at the weekend (changing over midnight), and ``level`` is a slow noise
    from day to day (spread 0.03) drawn from ``year``. The first zone serves users alone; towards the last, batch work
    evens out up to half of the swing about the mean, so the zones differ but none is busier on average.

    Args:
        year: Which year of noise.
        num_zones: Columns of the table.
    """
    hour = np.arange(0.0, NUM_DAYS * 24.0, STEP_S / 3600.0)
    day = (0.5 + 0.5 * np.cos(2 * np.pi * (hour - PEAK_HOUR) / 24)) ** NARROWING
    peak = _over_days(np.where(np.arange(NUM_DAYS) % 7 < 5, WORKDAY_PEAK, WEEKEND_PEAK), hour)
    busy = NIGHT + (peak - NIGHT) * day + _over_days(_levels(year), hour)
    even = BATCH_SHARE * np.arange(num_zones) / max(num_zones - 1, 1)
    table = busy[:, None] + even * (busy.mean() - busy[:, None])
    return make_workload(np.clip(table, 0.0, 1.0), STEP_S, f"diurnal:{year}")


def _over_days(of_day: NDArray[Any], hour: NDArray[Any]) -> NDArray[Any]:
    """A value that each day has at noon, interpolated between."""
    return np.interp(hour / 24.0, np.arange(NUM_DAYS) + 0.5, of_day, period=NUM_DAYS)


def _levels(year: int) -> NDArray[np.float64]:
    """By how much each day is busier than usual: first-order autoregressive noise."""
    shocks = np.random.default_rng(year).standard_normal(NUM_DAYS)
    decay = np.exp(-1.0 / DAY_MEMORY)
    levels = np.empty(NUM_DAYS)
    level = shocks[0]
    for day, shock in enumerate(shocks):
        level = decay * level + np.sqrt(1 - decay**2) * shock if day else level
        levels[day] = DAY_SPREAD * level
    return levels


@dataclass(frozen=True, kw_only=True)
class LoadNoise:
    """What makes the load of one environment differ from the table: first-order autoregressive noise, zone by zone.

    Attributes:
        spread: Standard deviation, in utilisation; 0 for none.
        memory_s: E-folding time of its correlation.
    """

    spread: float = 0.02
    memory_s: float = 1800.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.spread <= 1.0:
            raise UsageError(f"the spread of the load noise is from 0 to 1, got {self.spread!r}")
        if not 0.0 < self.memory_s < np.inf:
            raise UsageError(f"memory_s of the load noise is a number of seconds > 0, got {self.memory_s!r}")


class NoiseRule(NamedTuple):
    """Load noise for steps of one length, as kernels take it."""

    spread: float
    decay: float  # what is left of it after a step
    shock: float  # standard deviation of what is added in a step
    memory_s: float


def noise_rule(noise: LoadNoise, step_s: float) -> NoiseRule:
    """The noise's discrete form; exact, so that its spread and memory do not depend on the step's length."""
    decay = float(np.exp(-step_s / noise.memory_s))
    return NoiseRule(noise.spread, decay, noise.spread * float(np.sqrt(1.0 - decay**2)), noise.memory_s)


@kernel
def start_noise(i, rule, streams, noise):  # type: ignore[no-untyped-def]
    """Draw row ``i`` of the noise ``(n, zones)`` from its stationary law."""
    for zone in range(noise.shape[1]):
        noise[i, zone] = rule.spread * normal(streams, i) if rule.spread > 0.0 else 0.0


@inlined
def advance_noise(i, rule, streams, noise):  # type: ignore[no-untyped-def]
    """Advance row ``i`` of the noise ``(n, zones)`` by one step."""
    if rule.spread > 0.0:
        for zone in range(noise.shape[1]):
            noise[i, zone] = rule.decay * noise[i, zone] + rule.shock * normal(streams, i)


@inlined
def utilisation_at(i, table, step_s, time_s, noise, out):  # type: ignore[no-untyped-def]
    """Utilisation of environment ``i``: the table at a time, interpolated, with its noise, within 0 and 1.

    Args:
        i: The environment's row.
        table: Shape ``(rows, 1)`` or ``(rows, zones)``, of :class:`Workload`.
        step_s: Seconds between rows.
        time_s: Seconds; the table wraps around.
        noise: Shape ``(n, zones)``.
        out: Shape ``(n, zones)``; row ``i`` is written.
    """
    shared = table.shape[1] == 1
    common = value_at(table, step_s, time_s, 0)
    for zone in range(out.shape[1]):
        level = common if shared or zone == 0 else value_at(table, step_s, time_s, zone)
        out[i, zone] = min(max(level + noise[i, zone], 0.0), 1.0)
