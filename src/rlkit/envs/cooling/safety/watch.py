"""What the sensors of a batch say when some of them may be wrong, as a kernel; :class:`Monitor` explains it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import inlined, kernel

FROZEN_STEPS = 4  # equal readings in a row; with the noise of our thermometers once in 1e5 by chance
APART_K = 3.0  # readings of one zone's inlets differ by less: their spread between racks is 1 to 2 K
STEADY_AIRFLOW = 0.02  # a larger change of what is asked says nothing about the fans
FULL_SHARE = 0.93  # above it all fans turn: within noise and bias of the sensor


class Instruments(NamedTuple):
    """The readings that are watched, ``k``, each with ``r`` redundant sensors; places are -1 where there is none."""

    columns: NDArray[np.int64]  # (k, r) of observations
    low: NDArray[np.float64]  # (k, r) the instruments' ranges
    span: NDArray[np.float64]
    floor: NDArray[np.float64]  # (k, r) at or below it a sensor is dead
    freezable: NDArray[np.bool_]  # (k, r) whether its noise always shows
    zones: NDArray[np.int64]  # (zones, 5) of readings: hottest inlet, mean inlet, supply air, fan speed; of an action
    racks: NDArray[np.int64]  # (zones, most racks) of readings
    hall: int  # the hall's hottest inlet
    scaled: bool  # whether observations are spread over -1 to 1


class Watched(NamedTuple):
    """What is known of ``n`` halls, changed in place."""

    values: NDArray[np.float64]  # (n, k) what the plausible sensors of a reading say; NaN where there is none
    hottest_c: NDArray[np.float64]  # (n, zones)
    rise_k: NDArray[np.float64]  # (n, zones)
    fans_available: NDArray[np.float64]  # (n, zones)
    disagree: NDArray[np.bool_]  # (n,)
    silent: NDArray[np.bool_]  # (n,)
    implausible: NDArray[np.bool_]  # (n,)
    shown: NDArray[np.float32]  # (n, k, r) the last observations
    repeats: NDArray[np.uint8]  # (n, k, r) up to FROZEN_STEPS
    last_airflow: NDArray[np.float64]  # (n, zones)


HOTTEST, MEAN, SUPPLY, FAN_SPEED, AIRFLOW = range(5)  # columns of Instruments.zones


@inlined
def _upper_median(buffer, count):  # type: ignore[no-untyped-def]
    """Median of the first numbers of a buffer, the higher of the two in the middle; NaN of nothing. Sorts them."""
    for j in range(1, count):
        value, k = buffer[j], j - 1
        while k >= 0 and buffer[k] > value:
            buffer[k + 1] = buffer[k]
            k -= 1
        buffer[k + 1] = value
    return buffer[count // 2] if count > 0 else math.nan


@inlined
def _read(i, observations, begun, t, w, buffer):  # type: ignore[no-untyped-def]
    """Values of all readings of hall ``i``, and whether its sensors are plausible and alive."""
    columns, lows, spans, floors, freezables = t.columns, t.low, t.span, t.floor, t.freezable
    shown, repeats, values, begins = w.shown[i], w.repeats[i], w.values[i], begun[i]
    all_frozen, some_freezable, implausible = True, False, False
    for k in range(columns.shape[0]):
        count = 0
        for r in range(columns.shape[1]):
            raw, span, freezable = observations[i, columns[k, r]], spans[k, r], freezables[k, r]
            value = np.float64(raw)
            same = abs(value - np.float64(shown[k, r])) <= 1e-6 * (2.0 if t.scaled else span) and not begins
            if t.scaled:
                value = lows[k, r] + 0.5 * (value + 1.0) * span
            times = min(np.int64(repeats[k, r]) + 1, FROZEN_STEPS) if same else 0
            repeats[k, r], shown[k, r] = times, raw
            frozen = freezable and times >= FROZEN_STEPS
            some_freezable |= freezable
            all_frozen &= frozen or not freezable
            if math.isfinite(value) and value > floors[k, r] and not frozen:
                buffer[count] = value
                count += 1
            else:
                implausible = True
        values[k] = _upper_median(buffer, count)
    w.implausible[i] = implausible
    w.silent[i] = some_freezable and all_frozen


@inlined
def _at(i, place, values):  # type: ignore[no-untyped-def]
    """A reading of hall ``i``; NaN where there is none."""
    return values[i, place] if place >= 0 else math.nan


@inlined
def _second_rack(i, racks, values):  # type: ignore[no-untyped-def]
    """The second-hottest of at least three racks, so that one wrong sensor among many is not believed; else NaN."""
    first, second, count = -math.inf, -math.inf, 0
    for place in racks:
        if place < 0:
            continue
        count += 1
        value = values[i, place]
        if value > first:
            first, second = value, first
        elif value > second:
            second = value
    return second if count >= 3 and second > -math.inf else math.nan


@inlined
def _estimate_inlet(i, z, hall, t, w):  # type: ignore[no-untyped-def]
    """Hottest inlet of a zone from all that measure it; notes where they contradict each other."""
    places = t.zones[z]
    first, second, count = -math.inf, -math.inf, 0
    for source in range(4):
        if source == 0:
            value = _at(i, places[HOTTEST], w.values)
        elif source == 1:
            value = _at(i, places[MEAN], w.values)
        elif source == 2:
            value = _second_rack(i, t.racks[z], w.values)
        else:
            value = hall if t.zones.shape[0] == 1 else math.nan
        if math.isnan(value):
            continue
        count += 1
        if value > first:
            first, second = value, first
        elif value > second:
            second = value
    apart = count > 1 and first - second > APART_K
    apart = apart or first < _at(i, places[SUPPLY], w.values) - APART_K
    w.disagree[i] = w.disagree[i] or apart
    if count == 0:
        return hall
    # Two colder than the hottest by far cannot outvote it: a hot spot is worse than a needless alarm.
    return second if count > 2 and not apart else first


@inlined
def _estimate_inlets(i, begun, t, w):  # type: ignore[no-untyped-def]
    """Hottest inlets of all zones and their rise over the last step."""
    zones, hall = t.zones.shape[0], _at(i, t.hall, w.values)
    w.disagree[i] = False
    if zones > 1:
        hottest, known = -math.inf, True
        for z in range(zones):
            own = _at(i, t.zones[z, HOTTEST], w.values)
            known = known and not math.isnan(own)
            hottest = max(hottest, own)
        w.disagree[i] = known and abs(hall - hottest) > APART_K
    for z in range(zones):
        before = w.hottest_c[i, z]
        w.hottest_c[i, z] = after = _estimate_inlet(i, z, hall, t, w)
        w.rise_k[i, z] = 0.0 if begun[i] or math.isnan(after - before) else after - before


@inlined
def _estimate_fans(i, begun, commands, t, w):  # type: ignore[no-untyped-def]
    """Share of the fans that turn: their speed over what was asked, where that has not just changed."""
    for z in range(t.zones.shape[0]):
        asked, speed = commands[i, t.zones[z, AIRFLOW]], _at(i, t.zones[z, FAN_SPEED], w.values)
        steady = abs(asked - w.last_airflow[i, z]) < STEADY_AIRFLOW and speed > STEADY_AIRFLOW and asked > 0.0
        if begun[i]:
            w.fans_available[i, z] = 1.0
        elif steady:
            share = min(speed / asked, 1.0)
            w.fans_available[i, z] = 1.0 if share > FULL_SHARE else share
        w.last_airflow[i, z] = asked


@kernel
def watch_rows(observations, begun, commands, t, w):  # type: ignore[no-untyped-def]
    """Take note of new observations.

    Args:
        observations: As the environment gives them, shape ``(n, observations)``.
        begun: Where an episode has just begun, shape ``(n,)`` bool.
        commands: In force, in engineering units, shape ``(n, actions)``.
        t: The :class:`Instruments`.
        w: The :class:`Watched`, changed in place.
    """
    buffer = np.empty(t.columns.shape[1])
    for i in range(observations.shape[0]):
        _read(i, observations, begun, t, w, buffer)
        _estimate_inlets(i, begun, t, w)
        _estimate_fans(i, begun, commands, t, w)
