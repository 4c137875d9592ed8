"""What a data center is made of: frozen dataclasses, to and from YAML.

A :class:`Plant` is zones (racks, air handlers), a chilled-water loop with chillers, and what carries the heat away
(cooling towers and a condenser loop, or the outdoor air). Numbers are in engineering units, which their names carry.
Five plants ship with the package (:data:`SHIPPED`); copy one of their files to describe your own::

    plant = load_plant("hall_1mw")
    plant = load_plant("my_hall.yaml")
    Path("copy.yaml").write_text(plant.to_yaml())

The kernels see a plant as three record arrays (:mod:`rlkit.envs.cooling.packing`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from rlkit.envs.cooling.mapping import PlantError, from_mapping
from rlkit.envs.cooling.parts import Chillers, Condenser, Control, Pumps, Servers, Zone
from rlkit.errors import nearest

SHIPPED = ("small_room", "two_zone", "two_zone_energyplus", "hall_1mw", "hall_10mw")


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A whole data center.

    Attributes:
        name: What it is called.
        description: A sentence or two.
        pressure_pa: Of the site; sizes airflows. Weather brings its own at every step.
        servers: IT equipment, the same everywhere.
        zones: At least one.
        chilled_water_m3: Volume of the chilled-water loop.
        chilled_water_pumps: Its pumps.
        chillers: What cools it.
        condenser: Towers and loop; None for air-cooled chillers.
        control: Local loops and ranges of setpoints.
    """

    name: str
    description: str = ""
    pressure_pa: float = 101325.0
    servers: Servers
    zones: tuple[Zone, ...]
    chilled_water_m3: float
    chilled_water_pumps: Pumps
    chillers: Chillers
    condenser: Condenser | None = None
    control: Control

    def __post_init__(self) -> None:
        check_plant(self)

    @property
    def rack_count(self) -> int:
        """Racks of all zones."""
        return sum(zone.racks for zone in self.zones)

    @property
    def it_peak_kw(self) -> float:
        """Peak power of all racks."""
        return sum(zone.racks * zone.rack_peak_kw for zone in self.zones)

    def to_mapping(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        return _plain(dataclasses.asdict(self))

    def to_yaml(self) -> str:
        """YAML that :func:`load_plant` reads back to an equal plant."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False, default_flow_style=None, width=110)

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any], where: str = "plant") -> Plant:
        """A plant from plain dictionaries.

        Raises:
            PlantError: Naming the key at fault and the nearest right one.
        """
        return from_mapping(cls, mapping, where)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def load_plant(source: str | Path | Plant) -> Plant:
    """A plant from a shipped name, the path of a YAML file, or as it is.

    Raises:
        PlantError: If there is no such plant or file, or the file does not describe one.

    Example:
        >>> load_plant("two_zone").rack_count
        2
    """
    if isinstance(source, Plant):
        return source
    if str(source) in SHIPPED:
        where = f"{source}.yaml"
        text = (resources.files("rlkit.envs.cooling") / "plants" / where).read_text(encoding="utf-8")
    else:
        where = str(source)
        path = Path(source).expanduser()
        if path.suffix not in (".yaml", ".yml"):
            raise PlantError(
                f"no plant is called {where!r}: {nearest(where, SHIPPED)}; or give the path of a .yaml file"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
            raise PlantError(f"cannot read a plant from {where!r}: {reason}") from error
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlantError(f"{where}: not YAML: {error}") from error
    return Plant.from_mapping(mapping, where)


def check_plant(plant: Plant) -> None:
    """Raise :class:`PlantError` where a plant contradicts itself."""
    if not plant.zones:
        raise PlantError(f"plant {plant.name!r} has no zones: give at least one")
    names = [zone.name for zone in plant.zones]
    if len(set(names)) < len(names):
        raise PlantError(f"plant {plant.name!r}: zone names must differ, got {names}")
    for zone in plant.zones:
        if (zone.air_handler.coil is None) == (zone.air_handler.dx_coil is None):
            raise PlantError(
                f"plant {plant.name!r}: the air handler of zone {zone.name!r} needs either a coil (chilled water) or a "
                "dx_coil (direct expansion), and not both"
            )
    condenser, chillers = plant.condenser, plant.chillers
    if condenser is not None and condenser.towers.water_out_c <= condenser.towers.wet_bulb_c:
        raise PlantError(
            f"plant {plant.name!r}: towers.water_out_c must be above towers.wet_bulb_c, got "
            f"{condenser.towers.water_out_c} and {condenser.towers.wet_bulb_c}"
        )
    if chillers.unloading_min > chillers.part_load[0]:
        raise PlantError(
            f"plant {plant.name!r}: chillers.unloading_min ({chillers.unloading_min}) must not exceed the least part "
            f"load ({chillers.part_load[0]}), else hot gas would be bypassed, which is not modelled"
        )


__all__ = ["SHIPPED", "Plant", "PlantError", "load_plant"]
