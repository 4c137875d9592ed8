"""What a controller has before it: the setpoints it can change, and what the building system shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.vector import CoolingVectorEnv
from rlkit.errors import UsageError

TOWER_APPROACH_K = 3.0  # LBNL's PartialDataCenter: tower setpoint = wet bulb + 3 K within the chillers' range
HUMIDITY_MARGIN = 0.02  # to the highest relative humidity
LEAST_BAND_K = 2.0  # between coldest and hottest inlet; very moist air must not drive inlets into the other limit
MAGNUS = (17.62, 243.12)


class Setpoints:
    """Where a plant's setpoints stand in an action.

    Args:
        envs: Halls under supervisory control.

    Attributes:
        chilled: Column of the chilled-water setpoint.
        condenser: Columns of the condenser-water setpoint: one, or none where air-cooled.
        supply: Columns of the supply-air setpoints, one for each zone.
        airflow: Columns of the airflows.
        low: Lowest of every action, in engineering units.
        high: Highest.
        defaults: The plant's default setpoints.

    Raises:
        UsageError: If the halls are under direct control of their actuators.
    """

    def __init__(self, envs: CoolingVectorEnv) -> None:
        if envs.setup.task.control != "supervisory":
            raise UsageError("controllers give setpoints: make the environment with control='supervisory'")
        names = envs.action_names
        self.chilled = names.index("chilled_water_setpoint_c")
        self.condenser = np.array([i for i, name in enumerate(names) if name == "condenser_water_setpoint_c"], int)
        self.supply = np.array([i for i, name in enumerate(names) if name.endswith(".supply_air_setpoint_c")])
        self.airflow = np.array([i for i, name in enumerate(names) if name.endswith(".airflow")])
        self.low, self.high = (bound.copy() for bound in envs.setup.action_bounds())
        self.defaults = envs.decode_actions(envs.default_actions())[0]

    @property
    def zones(self) -> int:
        """How many zones there are."""
        return len(self.supply)

    def tile(self, n: int) -> NDArray[np.float64]:
        """The default setpoints of ``n`` halls, to be changed, shape ``(n, actions)``."""
        return np.tile(self.defaults, (n, 1))


class Shown:
    """One look at what the building system shows.

    A quantity is read from its sensors, errors included (their median where there are several). What the environment's
    set of sensors leaves out is read from the plant itself, so that a controller works with every set: each quantity
    that the controllers ask for is measured in data centers as they are.

    Args:
        envs: The halls.
    """

    def __init__(self, envs: CoolingVectorEnv) -> None:
        self._envs = envs
        sensors = envs.setup.sensors
        self._names = [name.partition("#")[0] for name in sensors.names]
        self._values = envs.decode_observations(envs.observe()[0])

    def reading(self, name: str) -> NDArray[np.float64]:
        """A quantity by its full name, such as ``zone0.supply_air_c``; shape ``(n,)``."""
        columns = [i for i, known in enumerate(self._names) if known == name]
        if columns:
            return np.median(self._values[:, columns], axis=1)
        return self._envs.readings()[:, self._envs.reading_names.index(name)]

    def zones(self, name: str) -> NDArray[np.float64]:
        """A quantity of every zone, shape ``(n, zones)``."""
        count = len(self._envs.setup.plant.zones)
        return np.stack([self.reading(f"zone{zone}.{name}") for zone in range(count)], axis=1)

    def inlets(self) -> NDArray[np.float64]:
        """Inlet temperature of every rack, shape ``(n, racks)``: racks have thermometers of their own."""
        return self._envs.readings()[:, self._envs.setup.packed.readings.columns("inlet_c")]

    def extremes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coldest and hottest inlet of every zone, shapes ``(n, zones)``."""
        inlets = self.inlets()
        first = self._envs.setup.packed.zones["first_rack"]
        return np.minimum.reduceat(inlets, first, axis=1), np.maximum.reduceat(inlets, first, axis=1)

    def utilisation(self) -> NDArray[np.float64]:
        """How busy the servers of each zone are, as their management reports; shape ``(n, zones)``."""
        return self._envs.surroundings()[1]


def tower_setpoint(wet_bulb_c: NDArray[np.float64], approach_k: float = TOWER_APPROACH_K) -> NDArray[np.float64]:
    """Condenser-water setpoint reset from the wet bulb, shape ``(n,)``; the plant clips it to the chillers' range."""
    return wet_bulb_c + approach_k


def coldest_inlets(envs: CoolingVectorEnv, shown: Shown) -> NDArray[np.float64]:
    """How cold inlets of every zone may be, in C: by their limit, and by the moisture of the air; shape ``(n, zones)``.

    Relative humidity rises as air cools. At the dew point that is measured, inlets must be so warm as to stay below the
    highest humidity allowed (Magnus' formula with the constants of Sonntag 1990, exact to 0.1 K here).
    """
    limits = envs.setup.model.charges[0]
    low, high = float(limits["inlet_low_c"]), float(limits["inlet_high_c"])
    dew_c = shown.zones("dew_point_c")
    gamma = MAGNUS[0] * dew_c / (MAGNUS[1] + dew_c) - np.log(float(limits["humidity_high"]) - HUMIDITY_MARGIN)
    return np.clip(MAGNUS[1] * gamma / (MAGNUS[0] - gamma), low, high - LEAST_BAND_K)
