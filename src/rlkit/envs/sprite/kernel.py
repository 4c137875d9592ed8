"""Dynamics and picture of the sprite task: compiled functions over arrays of N tasks."""

from __future__ import annotations

import numpy as np

from rlkit.envs.jit import kernel
from rlkit.envs.streams import below

PIXELS = 3  # along the edge of a field
SPRITE, DISTRACTOR, RING = np.uint8(255), np.uint8(170), np.uint8(90)  # decoys look as the sprite does
RING_FIELD = np.array([1, 1])
MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # stay, up, down, left, right
ROW, COLUMN = 0, 1


@kernel
def begin(rows, fields, streams, places, movers, decoys):  # type: ignore[no-untyped-def]
    """New episodes: everything but the ring at random, the sprite not on the ring."""
    for i in range(len(rows)):
        if not rows[i]:
            continue
        while True:
            draw(streams, i, fields, places[i])
            if not on_ring(places[i]):
                break
        for j in range(movers.shape[1]):
            draw(streams, i, fields, movers[i, j])
        for j in range(decoys.shape[1]):
            draw(streams, i, fields, decoys[i, j])


@kernel
def draw(streams, i, fields, place):  # type: ignore[no-untyped-def]
    """A field at random."""
    place[ROW], place[COLUMN] = below(streams, i, fields), below(streams, i, fields)


@kernel
def on_ring(place):  # type: ignore[no-untyped-def]
    """Whether a field is the ring's."""
    return place[ROW] == RING_FIELD[ROW] and place[COLUMN] == RING_FIELD[COLUMN]


@kernel
def advance(rows, actions, fields, streams, places, movers, rewards, ends):  # type: ignore[no-untyped-def]
    """One step: the sprite as told, distractors at random; on the ring the episode ends."""
    for i in range(len(rows)):
        if not rows[i]:
            continue
        for axis in range(2):
            places[i, axis] = min(max(places[i, axis] + MOVES[actions[i], axis], 0), fields - 1)
            for j in range(movers.shape[1]):
                movers[i, j, axis] = min(max(movers[i, j, axis] + below(streams, i, 3) - 1, 0), fields - 1)
        ends[i] = on_ring(places[i])
        rewards[i] = 1.0 if ends[i] else 0.0


@kernel
def show(rows, fresh, places, movers, decoys, observations):  # type: ignore[no-untyped-def]
    """Draw the newest frame; older ones move up, or are black where an episode begins."""
    stack = observations.shape[1]
    for i in range(len(rows)):
        if not rows[i]:
            continue
        for k in range(stack - 1):
            if fresh:
                observations[i, k] = 0
            else:
                observations[i, k] = observations[i, k + 1]
        frame = observations[i, stack - 1]
        frame[:] = 0
        fill(frame, RING_FIELD, RING)
        frame[RING_FIELD[ROW] * PIXELS + 1, RING_FIELD[COLUMN] * PIXELS + 1] = 0
        for j in range(decoys.shape[1]):
            fill(frame, decoys[i, j], SPRITE)
        for j in range(movers.shape[1]):
            fill(frame, movers[i, j], DISTRACTOR)
        fill(frame, places[i], SPRITE)


@kernel
def fill(frame, place, colour):  # type: ignore[no-untyped-def]
    """One field of a frame."""
    for y in range(place[ROW] * PIXELS, (place[ROW] + 1) * PIXELS):
        for x in range(place[COLUMN] * PIXELS, (place[COLUMN] + 1) * PIXELS):
            frame[y, x] = colour
