"""Record games of OpenSpiel's `bargaining`, so that its rules are tested where OpenSpiel is not installed.

Run `python tests/envs/negotiation/make_goldens.py` (needs open-spiel >= 1.6.13) to write `openspiel_traces.npz`
beside this file. For each setting of the game (a row of `settings`: max_turns, discount, prob_end) it holds, named
by the row's number: the instances; the moves (-1 after the end); what chance did after each (0: there was no chance
node, 1: the game went on, 2: it ended); the returns; and, as packed bits, both players' observations before every
move and at the end, and the legal actions of the player to move.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyspiel

TRACES = Path(__file__).with_name("openspiel_traces.npz")
SETTINGS = list(itertools.product((2, 3, 10, 15), (1.0, 0.9), (0.0, 0.1)))
GAMES = 12
NUM_ACTIONS = 121
AGREE = 120


def record(max_turns: int, discount: float, prob_end: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Play random games of one setting."""
    parameters = {"max_turns": max_turns, "discount": discount, "prob_end": prob_end}
    game = pyspiel.load_game("bargaining", parameters)
    size = game.observation_tensor_shape()[0]
    moments = max_turns + 2  # before each of max_turns moves and a final agreement, and at the end
    trace = {
        "instances": np.zeros((GAMES, 3, 3), dtype=np.int8),
        "moves": np.full((GAMES, moments - 1), -1, dtype=np.int16),
        "chance": np.zeros((GAMES, moments - 1), dtype=np.int8),
        "returns": np.zeros((GAMES, 2)),
        "observations": np.zeros((GAMES, moments, 2, size), dtype=np.uint8),
        "masks": np.zeros((GAMES, moments, NUM_ACTIONS), dtype=np.uint8),
    }
    for row in range(GAMES):
        start = game.new_initial_state()
        continues = len(start.chance_outcomes())  # the outcome after the instances: go on; the next: end
        state = start.child(int(rng.integers(continues)))
        drawn = state.instance()
        trace["instances"][row] = [drawn.pool, *drawn.values]
        for moment in range(moments):
            for player in range(2):
                trace["observations"][row, moment, player] = state.observation_tensor(player)
            if state.is_terminal():
                break
            trace["masks"][row, moment] = state.legal_actions_mask()
            legal = state.legal_actions()
            agrees = AGREE in legal and rng.random() < 0.15
            action = AGREE if agrees else int(rng.choice(legal))
            trace["moves"][row, moment] = action
            state.apply_action(action)
            if state.is_chance_node():
                ends = rng.random() < 0.15
                trace["chance"][row, moment] = 2 if ends else 1
                state.apply_action(continues + int(ends))
        trace["returns"][row] = state.returns()
    for name in ("observations", "masks"):
        trace[name] = np.packbits(trace[name], axis=-1)
    return trace


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(20260717)
    arrays = {"settings": np.array(SETTINGS)}
    for number, setting in enumerate(SETTINGS):
        for name, array in record(*setting, rng).items():
            arrays[f"{number}/{name}"] = array
    np.savez_compressed(TRACES, **arrays)


if __name__ == "__main__":
    main()
