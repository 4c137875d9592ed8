"""One random stream an environment, usable inside kernels.

A batch holds its streams as an array of 256-bit states, one row an environment, advanced by xoshiro256++
(Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"). Row ``i`` depends on the seed and on
``i`` alone, so environment ``i`` behaves the same in a batch of 1 or of 4,096.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.jit import lean_kernel

Streams = NDArray[np.uint64]  # (n, 4)

_TO_UNIT = 2.0**-53
_ZIGGURAT_LAYERS = 256
_ZIGGURAT_TAIL = 3.6541528853610088  # where the tail begins with 256 layers (Marsaglia and Tsang 2000, section 3)


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The layers under the normal density: scale of 52 random bits, edge of the layer above, density at the edge."""
    last = _ZIGGURAT_LAYERS - 1
    at_tail = math.exp(-0.5 * _ZIGGURAT_TAIL**2)
    area = _ZIGGURAT_TAIL * at_tail + math.sqrt(math.pi / 2) * math.erfc(_ZIGGURAT_TAIL / math.sqrt(2))
    edges = np.zeros(_ZIGGURAT_LAYERS)
    edges[last] = _ZIGGURAT_TAIL
    for layer in range(last - 1, 0, -1):
        above = edges[layer + 1]
        edges[layer] = math.sqrt(-2 * math.log(area / above + math.exp(-0.5 * above**2)))
    density = np.exp(-0.5 * edges**2)
    widths = edges.copy()
    widths[0] = area / at_tail  # the base layer: a rectangle as large as it and the tail together
    scales = widths * 2.0**-52
    inner = np.concatenate([[_ZIGGURAT_TAIL], edges[:last]])
    for table in (scales, inner, density):
        table.flags.writeable = False
    return scales, inner, density


_SCALES, _INNER, _DENSITY = _ziggurat()


def new_streams(seed: int | Sequence[int | None] | None, n: int) -> Streams:
    """Seed ``n`` independent streams.

    Args:
        seed: An int spawns all of them from ``SeedSequence(seed)``; a sequence gives each stream the one that the
            seed alone would give a batch of one; None draws entropy from the operating system.
        n: How many streams.

    Returns:
        States, shape ``(n, 4)`` uint64.

    Raises:
        ValueError: If the seed is negative, or a sequence has not ``n`` entries.
    """
    if seed is None or isinstance(seed, int | np.integer):
        sequences = _sequence(seed).spawn(n)
    else:
        seeds = list(seed)
        if len(seeds) != n:
            raise ValueError(f"got {len(seeds)} seeds for {n} environments: give one int, or one seed each")
        sequences = [_sequence(one).spawn(1)[0] for one in seeds]
    return np.array([s.generate_state(4, np.uint64) for s in sequences], dtype=np.uint64).reshape(n, 4)


def _sequence(seed: int | np.integer | None) -> np.random.SeedSequence:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
        raise ValueError(f"a seed is a whole number >= 0 or None, got {seed!r}")
    return np.random.SeedSequence(None if seed is None else int(seed))


@lean_kernel
def next_bits(streams: Streams, i: int) -> np.uint64:
    """Advance stream ``i``: 64 random bits (xoshiro256++)."""
    s0, s1, s2, s3 = streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3]
    total = s0 + s3
    result = ((total << np.uint64(23)) | (total >> np.uint64(41))) + s0
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3] = s0, s1, s2, s3
    return result


@lean_kernel
def uniform(streams: Streams, i: int) -> float:
    """A float in [0, 1) with 53 random bits."""
    return np.float64(next_bits(streams, i) >> np.uint64(11)) * _TO_UNIT


@lean_kernel
def below(streams: Streams, i: int, n: int) -> int:
    """A whole number in ``0 .. n-1``; the bias, below ``n / 2**53``, is out of any test's reach."""
    return int(uniform(streams, i) * n)


@lean_kernel
def normal(streams: Streams, i: int) -> float:
    """A standard normal number, by the ziggurat of Marsaglia and Tsang (2000) with 256 layers.

    Almost always (98.5 %) one step of the stream: 8 of its bits choose a layer, 1 the sign, 52 the place. Layer, sign
    and place are separate bits, as Doornik (2005) asks.
    """
    while True:
        bits = next_bits(streams, i)
        layer = np.int64(bits & np.uint64(255))
        place = np.int64(bits >> np.uint64(12)) * _SCALES[layer]
        sign = 1.0 - 2.0 * np.float64(np.int64((bits >> np.uint64(8)) & np.uint64(1)))
        if place < _INNER[layer]:
            return sign * place
        if layer == 0:
            return sign * _tail(streams, i)
        height = _DENSITY[layer] + (_DENSITY[layer - 1] - _DENSITY[layer]) * uniform(streams, i)
        if height < math.exp(-0.5 * place * place):
            return sign * place


@lean_kernel
def scaled_normals(streams, i, scale, out):  # type: ignore[no-untyped-def]
    """Normal numbers of these standard deviations: what :func:`normal` gives one by one, at twice the speed.

    The stream stays in registers, and goes back to its array only where the ziggurat's first look is not enough.

    Args:
        streams: Random streams.
        i: Which.
        scale: Shape ``(k,)``. Where it is 0 the number is 0, and none is drawn.
        out: Written, shape ``(>= k,)``.
    """
    s0, s1, s2, s3 = streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3]
    k = 0
    while k < scale.shape[0]:
        if scale[k] <= 0.0:
            out[k] = 0.0
            k += 1
            continue
        total = s0 + s3
        bits = ((total << np.uint64(23)) | (total >> np.uint64(41))) + s0
        shifted = s1 << np.uint64(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
        layer = np.int64(bits & np.uint64(255))
        place = np.int64(bits >> np.uint64(12)) * _SCALES[layer]
        sign = 1.0 - 2.0 * np.float64(np.int64((bits >> np.uint64(8)) & np.uint64(1)))
        if place >= _INNER[layer]:
            streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3] = s0, s1, s2, s3
            place = _second_look(streams, i, layer, place)
            s0, s1, s2, s3 = streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3]
            if place < 0.0:
                continue
        out[k] = scale[k] * (sign * place)
        k += 1
    streams[i, 0], streams[i, 1], streams[i, 2], streams[i, 3] = s0, s1, s2, s3


@lean_kernel
def _second_look(streams, i, layer, place):  # type: ignore[no-untyped-def]
    """A place at a layer's edge, or one in the tail; -1 where it is beyond the density."""
    if layer == 0:
        return _tail(streams, i)
    height = _DENSITY[layer] + (_DENSITY[layer - 1] - _DENSITY[layer]) * uniform(streams, i)
    return place if height < math.exp(-0.5 * place * place) else -1.0


@lean_kernel
def _tail(streams: Streams, i: int) -> float:
    """A normal number above the ziggurat's edge (Marsaglia 1964)."""
    while True:
        beyond = -math.log1p(-uniform(streams, i)) / _ZIGGURAT_TAIL
        if -2.0 * math.log1p(-uniform(streams, i)) > beyond * beyond:
            return _ZIGGURAT_TAIL + beyond


@lean_kernel
def exponential(streams: Streams, i: int, mean: float) -> float:
    """A waiting time with this mean; infinite where the mean is."""
    return -math.log1p(-uniform(streams, i)) * mean if mean < math.inf else math.inf
