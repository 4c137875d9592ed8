"""An episode as a figure: temperatures with their limits and set points, flows, and where the power went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rlkit.envs.cooling.vector import CoolingVectorEnv

Record = Mapping[str, float]
_PARTS = (
    ("IT", "it_energy_kwh", "#4a5568"),
    ("power supply", "ups_energy_kwh", "#9aa3b2"),
    ("lights", "lighting_energy_kwh", "#c3c8d1"),
    ("CRAH fans", "fan_energy_kwh", "#5b8fd0"),
    ("chilled-water pumps", "chilled_water_pump_energy_kwh", "#3d8f8a"),
    ("condenser pumps", "condenser_pump_energy_kwh", "#7cbdb8"),
    ("chillers", "chiller_energy_kwh", "#d9822b"),
    ("DX coils", "dx_energy_kwh", "#b5651d"),
    ("tower fans", "tower_fan_energy_kwh", "#8a63b5"),
    ("basin heaters", "basin_heater_energy_kwh", "#c22f2a"),
    ("evaporative coolers", "evaporative_energy_kwh", "#a3c585"),
)
_WATER = (
    ("chilled supply", "chilled_water_supply_c", "#2f6fb5"),
    ("chilled return", "chilled_water_return_c", "#c0663f"),
    ("condenser supply", "condenser_water_supply_c", "#3d8f8a"),
    ("wet bulb", "outdoor_wet_bulb_c", "#9aa3b2"),
    ("dry bulb", "outdoor_dry_bulb_c", "#c9c6be"),
)
_ASKED = {
    "chilled supply": "asked.chilled_water_setpoint_c",
    "condenser supply": "asked.condenser_water_setpoint_c",
}
MAX_ZONES = 4  # that are drawn one by one
DPI = 110


def record_of(envs: CoolingVectorEnv, row: int = 0) -> dict[str, float]:
    """What :func:`draw_episode` needs of the step that has just been made, in one hall of a batch.

    Returns:
        ``hours`` since the episode began, ``step_h``, the limits, every true reading by its name, and every action in
        force as ``asked.<name>``.
    """
    setup, place = envs.setup, envs.episodes[row]
    limits = setup.model.charges[0]
    record = {
        "hours": float(place["steps"] * setup.task.step_s / 3600.0),
        "step_h": setup.task.step_s / 3600.0,
        "clock_h": float(place["weather_s"] / 3600.0 % 24.0),
        "inlet_low_c": float(limits["inlet_low_c"]),
        "inlet_high_c": float(limits["inlet_high_c"]),
    }
    record.update(zip(envs.reading_names, envs.readings()[row].tolist(), strict=True))
    for name, value in zip(setup.action_names, envs.commands[row].tolist(), strict=True):
        record[f"asked.{name}"] = value
    return record


def plot_episode(records: Sequence[Record], path: str | Path, title: str = "") -> None:
    """Write a figure of an episode.

    Args:
        records: Of every step, from :func:`record_of`; those with ``intervened`` show where safety layers acted.
        path: Where to; the ending decides the format.
        title: Above the figure.

    Raises:
        ValueError: If there are no records.
        ImportError: If Matplotlib is not installed.
    """
    _figure(records, title).savefig(Path(path), dpi=DPI)


def draw_episode(records: Sequence[Record], title: str = "") -> NDArray[np.uint8]:
    """The same as a picture, shape ``(height, width, 3)``.

    Raises:
        ValueError: If there are no records.
        ImportError: If Matplotlib is not installed.
    """
    figure = _figure(records, title)
    figure.set_dpi(DPI)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _figure(records: Sequence[Record], title: str) -> Any:
    """The figure of an episode.

    Raises:
        ValueError: If there are no records.
        ImportError: If Matplotlib is not installed.
    """
    if not records:
        raise ValueError("there is nothing to plot: records is empty")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plotting an episode needs Matplotlib: run `pip install 'rlkit-toolkit[train]'` or `pip install matplotlib`"
        ) from error
    table = {name: np.array([record[name] for record in records]) for name in records[0]}
    figure = Figure(figsize=(10, 10), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 3, 3))
    hours = table["hours"] + table["clock_h"]
    _plot_air(axes[0], hours, table)
    _plot_speeds(axes[1], hours, table)
    _plot_water(axes[2], hours, table)
    _plot_powers(axes[3], hours, table)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    axes[-1].set_xlabel("hours since midnight of the first day")
    axes[-1].set_xlim(hours[0], hours[-1] if len(hours) > 1 else hours[0] + 1.0)
    if title:
        figure.suptitle(title)
    return figure


def _zones(table: Mapping[str, NDArray[np.float64]]) -> int:
    return sum(name.endswith(".supply_air_c") for name in table)


def _plot_air(axis: Any, hours: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]]) -> None:
    axis.axhspan(table["inlet_low_c"][0], table["inlet_high_c"][0], color="#3c8a4e", alpha=0.08, label="limits")
    axis.fill_between(hours, table["inlet_min_c"], table["inlet_max_c"], color="#c22f2a", alpha=0.25, label="inlets")
    axis.plot(hours, table["inlet_max_c"], color="#c22f2a", lw=1.2, label="hottest inlet")
    for zone in range(min(_zones(table), MAX_ZONES)):
        (line,) = axis.plot(hours, table[f"zone{zone}.supply_air_c"], lw=1.2, label=f"supply, zone {zone}")
        asked = table.get(f"asked.zone{zone}.supply_air_setpoint_c")
        if asked is not None:
            axis.step(hours, asked, where="pre", color=line.get_color(), ls=":", lw=1)
    acted = table.get("intervened")
    if acted is not None and acted.any():
        axis.plot(hours[acted > 0.0], np.full(int((acted > 0.0).sum()), 1.02), "|", color="#6b4e9b", clip_on=False,
                  transform=axis.get_xaxis_transform(), label="safety layers acted")  # fmt: skip
    axis.set_ylabel("air, °C")


def _plot_speeds(axis: Any, hours: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]]) -> None:
    for zone in range(min(_zones(table), MAX_ZONES)):
        (line,) = axis.plot(hours, table[f"zone{zone}.fan_speed"], lw=1.2, label=f"fans, zone {zone}")
        valve, color = table[f"zone{zone}.valve_position"], line.get_color()
        axis.plot(hours, valve, color=color, lw=0.8, ls="--", label=f"valve, zone {zone}")
    axis.plot(hours, table["tower_fan_speed"], color="#8a63b5", lw=1.2, label="tower fans")
    axis.plot(hours, table["chiller_part_load"], color="#d9822b", lw=1.2, label="chiller part load")
    axis.set_ylabel("share of design")


def _plot_water(axis: Any, hours: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]]) -> None:
    for label, name, color in _WATER:
        axis.plot(hours, table[name], color=color, lw=1.2, label=label)
        asked = table.get(_ASKED.get(label, ""))
        if asked is not None:
            axis.step(hours, asked, where="pre", color=color, ls=":", lw=1)
    axis.set_ylabel("water, outdoors, °C")


def _plot_powers(axis: Any, hours: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]]) -> None:
    parts = [(label, table[name] / table["step_h"], color) for label, name, color in _PARTS if table[name].any()]
    labels, powers, colors = zip(*parts, strict=True)
    axis.stackplot(hours, powers, labels=labels, colors=colors)
    pue = table["facility_energy_kwh"].sum() / table["it_energy_kwh"].sum()
    axis.set_ylabel(f"kW (PUE {pue:.3f})")
    axis.set_ylim(0.0)
