"""Fixed setpoints, which the plant's own loops follow: how most data centers run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.cooling.controllers.building import Setpoints
from rlkit.envs.cooling.vector import CoolingVectorEnv


class FixedSetpoints:
    """The same setpoints at all times.

    Where an argument is None it is the plant's default, which its file gives with the source: supply air 18 C and
    chilled water 8 C in ``hall_1mw`` (LBNL's PartialDataCenter), 18 C and 7 C in ``two_zone``.

    Args:
        supply_air_c: Supply air of all zones.
        airflow: Share of design airflow of all zones.
        chilled_water_c: Chilled water.
        condenser_water_c: Condenser water.
    """

    def __init__(
        self,
        *,
        supply_air_c: float | None = None,
        airflow: float | None = None,
        chilled_water_c: float | None = None,
        condenser_water_c: float | None = None,
    ) -> None:
        self.supply_air_c = supply_air_c
        self.airflow = airflow
        self.chilled_water_c = chilled_water_c
        self.condenser_water_c = condenser_water_c

    def reset(self, envs: CoolingVectorEnv, rows: NDArray[np.bool_]) -> None:
        """Work the setpoints out."""
        setpoints = Setpoints(envs)
        values = setpoints.tile(envs.num_envs)
        for columns, value in (
            (setpoints.supply, self.supply_air_c),
            (setpoints.airflow, self.airflow),
            (setpoints.chilled, self.chilled_water_c),
            (setpoints.condenser, self.condenser_water_c),
        ):
            if value is not None:
                values[:, columns] = value
        self._actions = envs.encode_actions(values)

    def act(self, envs: CoolingVectorEnv) -> NDArray[np.float32]:
        """The setpoints."""
        return self._actions.copy()
