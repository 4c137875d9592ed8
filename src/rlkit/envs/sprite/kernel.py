"""Dynamics and picture of the sprite task: compiled functions over arrays of N tasks."""

from __future__ import annotations

import numpy as np

from rlkit.envs.jit import kernel
from rlkit.envs.streams import below

PIXELS = 3  # along the edge of a field
SPRITE, DISTRACTOR, RING = np.uint8(255), np.uint8(170), np.uint8(90)
MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # stay, up, down, left, right
ROW, COLUMN = 0, 1


@kernel
def begin(rows, fields, distractors, streams, places, rings, movers):  # type: ignore[no-untyped-def]
    """New episodes: everything at random, the sprite not on the ring."""
    for i in range(len(rows)):
        if not rows[i]:
            continue
        rings[i, ROW], rings[i, COLUMN] = below(streams, i, fields), below(streams, i, fields)
        while True:
            places[i, ROW], places[i, COLUMN] = below(streams, i, fields), below(streams, i, fields)
            if places[i, ROW] != rings[i, ROW] or places[i, COLUMN] != rings[i, COLUMN]:
                break
        for j in range(distractors):
            movers[i, j, ROW], movers[i, j, COLUMN] = below(streams, i, fields), below(streams, i, fields)


@kernel
def advance(rows, actions, fields, distractors, streams, places, rings, movers, rewards, ends):  # type: ignore[no-untyped-def]
    """One step: the sprite as told, distractors at random; on the ring the episode ends."""
    for i in range(len(rows)):
        if not rows[i]:
            continue
        for axis in range(2):
            places[i, axis] = min(max(places[i, axis] + MOVES[actions[i], axis], 0), fields - 1)
            for j in range(distractors):
                movers[i, j, axis] = min(max(movers[i, j, axis] + below(streams, i, 3) - 1, 0), fields - 1)
        found = places[i, ROW] == rings[i, ROW] and places[i, COLUMN] == rings[i, COLUMN]
        rewards[i] = 1.0 if found else 0.0
        ends[i] = found


@kernel
def show(rows, fresh, distractors, places, rings, movers, observations):  # type: ignore[no-untyped-def]
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
        fill(frame, rings[i, ROW], rings[i, COLUMN], RING)
        frame[rings[i, ROW] * PIXELS + 1, rings[i, COLUMN] * PIXELS + 1] = 0
        for j in range(distractors):
            fill(frame, movers[i, j, ROW], movers[i, j, COLUMN], DISTRACTOR)
        fill(frame, places[i, ROW], places[i, COLUMN], SPRITE)


@kernel
def fill(frame, row, column, colour):  # type: ignore[no-untyped-def]
    """One field of a frame."""
    for y in range(row * PIXELS, (row + 1) * PIXELS):
        for x in range(column * PIXELS, (column + 1) * PIXELS):
            frame[y, x] = colour
