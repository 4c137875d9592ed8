"""Rough ground: a bank of height fields, from which every course takes one.

MuJoCo's height fields belong to the model, not to a simulation, so they are made once and a simulation chooses one by
``geom_dataid``. The bank holds :data:`LEVELS` amplitudes times :data:`VARIANTS` shapes, both of constant relief and of
one that grows along the course.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel
from rlkit.envs.locomotion.limits import CourseLimits

LEVELS = 8
VARIANTS = 4
CELL_M = 0.2  # a foot's length: finer grids cost contacts
RAMP_M = 1.0  # over which a field rises from the ground at its first and falls at its last edge
FLOOR_SHARE = 0.1  # of the relief below its lowest place, so that feet do not touch the plane as well
BASE_M = 0.1  # how far a field's solid reaches below the ground
_OCTAVES_M = ((1.6, 1.0), (0.6, 0.6), (CELL_M, 0.2))  # wavelength and weight of the noise
_SEED = 20170707


class Bank(NamedTuple):
    """K height fields of one grid: ``tops_m[k] * data[k]`` above the ground, over x in ``x_min_m .. x_max_m``."""

    data: NDArray[np.float32]  # (k, rows along y, columns along x), each from 0 to 1
    tops_m: NDArray[np.float64]  # (k,)
    x_min_m: float
    x_max_m: float
    half_width_m: float


def new_bank(limits: CourseLimits) -> Bank:
    """The bank for a body's courses: the same for the same limits, everywhere.

    For planar bodies a field has two equal rows.
    """
    x_min, x_max = limits.run_up_m, limits.length_m
    columns = max(2, round((x_max - x_min) / CELL_M) + 1)
    rows = 2 if limits.planar else max(2, round(2 * limits.half_width_m / CELL_M) + 1)
    bits = np.random.PCG64(_SEED)
    shapes = [_noise(bits, 1 if limits.planar else rows, columns) for _ in range(VARIANTS)]
    position_m = np.linspace(0.0, x_max - x_min, columns)
    ramp = np.clip(np.minimum(position_m, position_m[-1] - position_m) / RAMP_M, 0.0, 1.0)
    easy, hard = limits.relief_m
    data, tops = [], []
    for envelope in (ramp, ramp * np.linspace(0.0, 1.0, columns)):
        for level in range(LEVELS):
            for shape in shapes:
                field = shape * envelope
                data.append(np.broadcast_to(field / field.max(), (rows, columns)))
                tops.append(easy + (hard - easy) * level / (LEVELS - 1))
    return Bank(np.array(data, dtype=np.float32), np.array(tops), x_min, x_max, limits.half_width_m)


def _noise(bits: np.random.PCG64, rows: int, columns: int) -> NDArray[np.float64]:
    """Value noise of three wavelengths, from FLOOR_SHARE to 1; raw bits, since these stay the same in every NumPy."""
    total = np.zeros((rows, columns))
    for wavelength_m, weight in _OCTAVES_M:
        step = wavelength_m / CELL_M
        knots = (2 + int(rows / step), 2 + int(columns / step))
        values: NDArray[np.float64] = (bits.random_raw(knots[0] * knots[1]) >> np.uint64(11)) * np.float64(2.0**-53)
        along_x = _stretched(values.reshape(knots), columns, step)
        total += weight * _stretched(along_x.T, rows, step).T
    total -= total.min()
    return FLOOR_SHARE + (1.0 - FLOOR_SHARE) * total / total.max()


def _stretched(values: NDArray[np.float64], count: int, step: float) -> NDArray[np.float64]:
    """Rows of knots interpolated linearly at ``count`` places, ``step`` places from knot to knot."""
    places = np.arange(count) / step
    left = places.astype(np.int64)
    share = places - left
    return values[:, left] * (1 - share) + values[:, left + 1] * share


def add_height_fields(spec: Any, bank: Bank, **geom: Any) -> None:
    """Add a bank to a model, and one geom that shows a field of it.

    The geom is compiled with the highest field, so that the bounding volumes that MuJoCo derives hold for all.

    Args:
        spec: A ``mujoco.MjSpec``.
        bank: The bank; field k becomes the asset ``field_k``.
        geom: Further attributes of the geom, such as its name.
    """
    import mujoco

    rows, columns = bank.data.shape[1:]
    for k, data in enumerate(bank.data):
        size = [0.5 * (bank.x_max_m - bank.x_min_m), bank.half_width_m, bank.tops_m[k], BASE_M]
        spec.add_hfield(name=f"field_{k}", nrow=rows, ncol=columns, size=size, userdata=data.ravel())
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_HFIELD,
        hfieldname=f"field_{int(np.argmax(bank.tops_m))}",
        pos=[0.5 * (bank.x_min_m + bank.x_max_m), 0.0, 0.0],
        **geom,
    )


@lean_kernel
def field_number(growing: bool, difficulty: float, variant: int) -> int:
    """Number of the field of this relief in the bank."""
    level = int(difficulty * (LEVELS - 1) + 0.5)
    return (LEVELS * (1 if growing else 0) + level) * VARIANTS + variant


@lean_kernel
def field_height(bank, field, x, y):  # type: ignore[no-untyped-def]
    """Height of a field above the ground; minus infinity beside it.

    Each cell is two triangles that meet on the diagonal from its lower left to its upper right corner, as in MuJoCo's
    ``mj_rayHfield``.
    """
    if not (bank.x_min_m <= x <= bank.x_max_m and abs(y) <= bank.half_width_m):
        return -np.inf
    rows, columns = bank.data.shape[1], bank.data.shape[2]
    across = (x - bank.x_min_m) / (bank.x_max_m - bank.x_min_m) * (columns - 1)
    up = (y + bank.half_width_m) / (2.0 * bank.half_width_m) * (rows - 1)
    c = min(int(across), columns - 2)
    r = min(int(up), rows - 2)
    across -= c
    up -= r
    near = np.float64(bank.data[field, r, c])
    far = np.float64(bank.data[field, r + 1, c + 1])
    if across >= up:
        corner = np.float64(bank.data[field, r, c + 1])
        share = near + across * (corner - near) + up * (far - corner)
    else:
        corner = np.float64(bank.data[field, r + 1, c])
        share = near + up * (corner - near) + across * (far - corner)
    return share * bank.tops_m[field]
