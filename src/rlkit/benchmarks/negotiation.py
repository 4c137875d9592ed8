"""Speed of the negotiation game beside OpenSpiel's, in one run.

Both sides play uniformly legal moves in the same game (ten turns, no discount), so that games have the same length on
both; what is counted is *moves*, of either player. rlkit's step contains the partner's reply, the learner's
observation and mask and, at an end, the verdict and the new game; OpenSpiel's loop asks for the mover's observation
tensor and legal actions. Runs alternate, CPU seconds are compared, and the median of the ratios is printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import gymnasium
import numpy as np

import rlkit  # noqa: F401  (registers the environments)
from rlkit.benchmarks.table import print_table
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.envs.negotiation.vector import NegotiationVectorEnv

ENV_ID = "rlkit/Negotiation-v0"
BATCH = 4096
TARGET_BATCH, TARGET_SINGLE = 30.0, 10.0


def batch_moves_per_second(num_envs: int, opponent: str, copy: bool, decisions: int) -> tuple[float, float]:
    """Moves and learner's steps per CPU second of a batch.

    Args:
        num_envs: Games at once.
        opponent: The scripted partner.
        copy: Whether steps return fresh arrays.
        decisions: About how many of the learner's decisions to measure.

    Returns:
        Moves of either player, and steps, per CPU second of ``step`` calls.
    """
    envs = gymnasium.make_vec(
        ENV_ID, num_envs=num_envs, opponent=opponent, autoreset_mode="same_step", copy=copy
    ).unwrapped
    assert isinstance(envs, NegotiationVectorEnv)
    _, infos = envs.reset(seed=0)
    seconds, moves, steps = 0.0, 0, 0
    offers = envs.num_offers.sum()
    while steps < decisions:
        actions = envs.suggest("random")
        start = time.process_time()
        _, _, terminated, _, infos = envs.step(actions)
        seconds += time.process_time() - start
        steps += num_envs
        # Every move is an offer or what ended the game; offers of finished games are in the verdicts.
        finished = infos["final_info"]["turns"][terminated].sum() if "final_info" in infos else 0
        now = envs.num_offers.sum()
        moves += int(finished + now - offers) + int(terminated.sum())
        offers = now
    envs.close()
    return moves / seconds, steps / seconds


def single_moves_per_second(games: int) -> float:
    """Moves of either player per CPU second of a single environment, random against random."""
    env = gymnasium.make(ENV_ID, opponent="random").unwrapped
    chances = np.random.default_rng(0).random(64 * games).tolist()
    moves = turn = 0
    _, info = env.reset(seed=0)
    start = time.process_time()
    for _ in range(games):
        over = False
        while not over:
            legal = info["action_mask"].nonzero()[0]
            turn += 1
            _, _, over, _, info = env.step(int(legal[int(chances[turn] * len(legal))]))
        moves += info["turns"] + (1 if info["agreement"] else 0)
        _, info = env.reset()
    return moves / (time.process_time() - start)


def pyspiel_moves_per_second(games: int) -> float:
    """OpenSpiel's states through Python: moves per CPU second with ``observation_tensor`` and ``legal_actions``."""
    import pyspiel

    game = pyspiel.load_game("bargaining")
    rng = np.random.default_rng(0)
    chances = rng.random(64 * games).tolist()
    instances = rng.integers(0, 1000, games).tolist()
    moves = turn = 0
    start = time.process_time()
    for instance in instances:
        state = game.new_initial_state()
        state.apply_action(instance)
        while not state.is_terminal():
            state.observation_tensor(state.current_player())
            legal = state.legal_actions()
            turn += 1
            state.apply_action(legal[int(chances[turn] * len(legal))])
            moves += 1
        state.returns()
    return moves / (time.process_time() - start)


def rl_environment_moves_per_second(games: int) -> float:
    """``open_spiel.python.rl_environment``: moves per CPU second."""
    from open_spiel.python import rl_environment

    env = rl_environment.Environment("bargaining")
    env.seed(0)
    chances = np.random.default_rng(0).random(64 * games).tolist()
    moves = turn = 0
    start = time.process_time()
    for _ in range(games):
        step = env.reset()
        while not step.last():
            legal = step.observations["legal_actions"][step.observations["current_player"]]
            turn += 1
            step = env.step([legal[int(chances[turn] * len(legal))]])
            moves += 1
    return moves / (time.process_time() - start)


def _compared(ours: Callable[[], float], theirs: Callable[[], float], repeats: int) -> tuple[float, float, float]:
    """Medians of both and of their ratio, measured in turn."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def main(repeats: int = 5) -> None:
    """Print the ratios to OpenSpiel and the speed against every opponent and batch size."""
    try:
        import pyspiel  # noqa: F401
    except ImportError:
        print("OpenSpiel is not installed (pip install open-spiel): no ratios, rlkit's own figures only.\n")
    else:
        rows = []
        for copy in (False, True):
            ours, theirs, ratio = _compared(
                lambda copy=copy: batch_moves_per_second(BATCH, "random", copy, 400_000)[0],  # type: ignore[misc]
                lambda: pyspiel_moves_per_second(2_000),
                repeats,
            )
            name = f"{BATCH} games, copy={copy} / pyspiel with observations"
            rows.append([name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ratio:.1f}x", f">= {TARGET_BATCH:.0f}x"])
        ours, theirs, ratio = _compared(
            lambda: single_moves_per_second(2_000), lambda: rl_environment_moves_per_second(300), repeats
        )
        name = "single Env / rl_environment"
        rows.append([name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ratio:.1f}x", f">= {TARGET_SINGLE:.0f}x"])
        print_table("Moves per CPU second, one core", ["", "rlkit", "OpenSpiel", "ratio", "target"], rows)
    rows = []
    for opponent in OPPONENTS:
        moves, steps = batch_moves_per_second(BATCH, opponent, False, 400_000)
        rows.append([opponent, f"{moves / 1e6:.2f}", f"{steps / 1e6:.2f}"])
    print_table(f"{BATCH} games, by opponent (millions per CPU second)", ["opponent", "moves", "steps"], rows)
    rows = []
    for size in (1, 16, 256, 1024, 4096):
        moves, steps = batch_moves_per_second(size, "random", False, min(400_000, 4_000 * size))
        rows.append([f"{size:,}", f"{moves / 1e6:.3f}", f"{steps / 1e6:.3f}"])
    print_table("By batch size (millions per CPU second)", ["games", "moves", "steps"], rows)
