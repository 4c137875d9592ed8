"""The game is OpenSpiel's `bargaining`, move by move and bit for bit.

Games are driven from OpenSpiel's side: its instance and its chance outcomes are imposed on the kernel. Where OpenSpiel
is not installed, recorded games (`make_goldens.py`) stand in for it.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlkit.envs.negotiation import kernel
from rlkit.envs.negotiation.rules import AGREE, OFFERS, observation_size
from rlkit.envs.negotiation.scenarios import Scenario, load_scenarios, scenario_index, universe
from rlkit.envs.negotiation.tables import tables
from rlkit.envs.negotiation.vector import NegotiationVectorEnv
from rlkit.envs.streams import new_streams

SETTINGS = list(itertools.product((2, 3, 10, 15), (1.0, 0.9), (0.0, 0.1)))
GAMES = 1000  # a setting: 16,000 games in all


class TwoSided:
    """Games in the kernel of which both sides' moves and chance are told to it."""

    def __init__(self, scenarios: np.ndarray, max_turns: int, discount: float) -> None:
        n = len(scenarios)
        self.max_turns, self.discount = max_turns, discount
        self.games, self.offers, _ = kernel.new_games(n, max_turns)
        self.streams = new_streams(0, n)
        self._observations = np.zeros((n, observation_size(max_turns)), dtype=np.float32)
        self._masks = np.zeros((n, AGREE + 1), dtype=np.bool_)
        fixed = np.full((n, 3), -1, dtype=np.int32)
        fixed[:, 0] = scenarios
        draw = kernel.Draw(load_scenarios("all"), np.array([kernel.FIRST_EXTERNAL], dtype=np.int32), np.ones(1), seat=0)
        kernel.reset_games(
            np.ones(n, dtype=np.bool_),
            self.games,
            self.offers,
            self.streams,
            tables(),
            kernel.Rules(max_turns, discount, 0.0, False),
            draw,
            fixed,
            self._observations,
            self._masks,
        )

    def move(self, rows: np.ndarray, actions: np.ndarray, prob_end: float) -> None:
        """Play actions; where chance moves after one, it ends the game with this probability."""
        n = len(self.games)
        kernel.external_moves(
            rows.astype(np.int64),
            actions.astype(np.int64),
            self.games,
            self.offers,
            self.streams,
            tables(),
            kernel.Rules(self.max_turns, self.discount, prob_end, False),
            self._observations,
            self._masks,
            np.zeros(n),
            np.zeros(n, dtype=np.bool_),
        )

    def see(self, rows: np.ndarray, player: int) -> tuple[np.ndarray, np.ndarray]:
        """Observations and masks of a player."""
        observations = np.zeros((len(rows), self._observations.shape[1]), dtype=np.float32)
        masks = np.zeros((len(rows), AGREE + 1), dtype=np.bool_)
        kernel.encode_rows(
            rows.astype(np.int64),
            player,
            self.games,
            self.offers,
            tables(),
            self.max_turns,
            observations,
            masks,
        )
        return observations, masks

    def returns(self) -> np.ndarray:
        """Both players' returns, shape ``(n, 2)``."""
        utilities = np.zeros((len(self.games), 2))
        kernel.returns(self.games, self.offers, tables(), self.discount, utilities)
        return utilities


def as_index(state: Any) -> int:
    drawn = state.instance()
    return scenario_index(Scenario(tuple(drawn.pool), (tuple(drawn.values[0]), tuple(drawn.values[1]))))


def load(max_turns: int, discount: float, prob_end: float) -> Any:
    pyspiel = pytest.importorskip("pyspiel", reason="open-spiel is not installed")
    return pyspiel.load_game("bargaining", {"max_turns": max_turns, "discount": discount, "prob_end": prob_end})


def choose(state: Any, agree_rate: float, rng: np.random.Generator) -> int:
    """A random legal action that agrees often enough for games of every length."""
    legal = state.legal_actions()
    if legal[-1] == AGREE and rng.random() < agree_rate:
        return AGREE
    return int(legal[int(rng.integers(len(legal)))])


@pytest.mark.parametrize(("max_turns", "discount", "prob_end"), SETTINGS)
def test_random_games_are_openspiels(max_turns: int, discount: float, prob_end: float) -> None:
    game = load(max_turns, discount, prob_end)
    rng = np.random.default_rng([max_turns, int(10 * discount), int(10 * prob_end)])
    start = game.new_initial_state()
    num_instances = len(start.chance_outcomes())
    states = [start.child(int(rng.integers(num_instances))) for _ in range(GAMES)]
    ours = TwoSided(np.array([as_index(state) for state in states]), max_turns, discount)
    rows = np.arange(GAMES)
    while len(rows):
        mover = states[rows[0]].current_player()  # all games are at the same move
        for player in range(2):
            observations, masks = ours.see(rows, player)
            expected = np.array([states[row].observation_tensor(player) for row in rows], dtype=np.float32)
            np.testing.assert_array_equal(observations, expected)
            if player == mover:
                legal = np.array([states[row].legal_actions_mask() for row in rows], dtype=np.bool_)
                np.testing.assert_array_equal(masks, legal)
        actions = np.array([choose(states[row], 0.02 if row % 2 else 0.2, rng) for row in rows])
        goes_on = np.zeros(len(rows), dtype=np.bool_)
        for k, row in enumerate(rows):
            assert states[row].current_player() == mover
            states[row].apply_action(int(actions[k]))
            if states[row].is_chance_node():
                goes_on[k] = rng.random() > 0.1
                states[row].apply_action(num_instances + int(not goes_on[k]))
        # Where OpenSpiel has no chance node ours must have none either: then a certain end changes nothing.
        ours.move(rows[goes_on], actions[goes_on], prob_end=0.0)
        ours.move(rows[~goes_on], actions[~goes_on], prob_end=1.0 if prob_end else 0.0)
        over = np.array([states[row].is_terminal() for row in rows])
        np.testing.assert_array_equal(ours.games["status"][rows] != kernel.RUNNING, over)
        np.testing.assert_array_equal(ours.returns()[rows], np.array([states[row].returns() for row in rows]))
        for player in range(2):
            final = np.array([states[row].observation_tensor(player) for row in rows[over]], dtype=np.float32)
            if over.any():
                np.testing.assert_array_equal(ours.see(rows[over], player)[0], final)
        rows = rows[~over]


class Mirror:
    """An opponent that plays the same game in OpenSpiel and compares what it is shown.

    The environment draws the chance here; what it drew shows in whether the game goes on.
    """

    def __init__(self, game: Any, rng: np.random.Generator) -> None:
        self.start = game.new_initial_state()
        self.instances = {as_index(self.start.child(k)): k for k, _ in self.start.chance_outcomes()}
        self.states: dict[int, Any] = {}
        self.rng = rng

    def begin(self, rows: np.ndarray, scenarios: np.ndarray) -> np.ndarray:
        """New games in the rows of a mask; returns the instances for ``reset``."""
        for row in np.flatnonzero(rows):
            self.states[int(row)] = self.start.child(self.instances[int(scenarios[row])])
        return scenarios

    def settle(self, row: int, ended: bool) -> Any:
        state = self.states[row]
        if state.is_chance_node():
            state.apply_action(len(self.instances) + int(ended))
        assert state.is_terminal() == ended
        return state

    def check(self, row: int, observation: np.ndarray, mask: np.ndarray) -> Any:
        """Compare what the player to move is shown."""
        state = self.settle(row, ended=False)
        np.testing.assert_array_equal(observation, np.array(state.observation_tensor(), dtype=np.float32))
        np.testing.assert_array_equal(mask, np.array(state.legal_actions_mask(), dtype=np.bool_))
        return state

    def play(self, row: int, observation: np.ndarray, mask: np.ndarray) -> int:
        state = self.check(row, observation, mask)
        action = choose(state, 0.1, self.rng)
        state.apply_action(action)
        return action

    def act(self, turns: Any) -> np.ndarray:
        parts = zip(turns.rows, turns.observations, turns.action_masks, strict=True)
        return np.array([self.play(int(row), observation, mask) for row, observation, mask in parts])


@pytest.mark.parametrize(("max_turns", "discount", "prob_end"), [(2, 1.0, 0.1), (3, 0.9, 0.0), (10, 0.9, 0.1)])
def test_the_vector_environment_plays_openspiels_game(max_turns: int, discount: float, prob_end: float) -> None:
    rng = np.random.default_rng(max_turns)
    mirror = Mirror(load(max_turns, discount, prob_end), rng)
    n, wanted = 100, 500
    env = NegotiationVectorEnv(
        n,
        opponent=mirror,
        max_turns=max_turns,
        discount=discount,
        prob_end=prob_end,
        autoreset_mode="disabled",
    )
    instances = np.array(list(mirror.instances))
    seats = np.arange(n) % 2
    scenarios = mirror.begin(np.ones(n, dtype=np.bool_), rng.choice(instances, n))
    observations, _ = env.reset(seed=3, options={"scenarios": scenarios, "seats": seats})
    games = 0
    while games < wanted:
        masks = env.action_masks()
        actions = np.array([mirror.play(row, observations[row], masks[row]) for row in range(n)])
        observations, rewards, ended, truncated, _ = env.step(actions)
        assert not truncated.any() and (rewards[~ended] == 0).all()
        for row in np.flatnonzero(ended):
            state = mirror.settle(row, ended=True)
            seat = int(seats[row])
            assert rewards[row] == state.returns()[seat]
            final = np.array(state.observation_tensor(seat), dtype=np.float32)
            np.testing.assert_array_equal(observations[row], final)
        games += int(ended.sum())
        if ended.any():
            scenarios = mirror.begin(ended, rng.choice(instances, n))
            options = {"reset_mask": ended, "scenarios": scenarios, "seats": seats}
            observations, _ = env.reset(options=options)


@pytest.mark.parametrize("prob_end", [0.0, 0.1])
def test_the_pettingzoo_environment_plays_openspiels_game(prob_end: float) -> None:
    pytest.importorskip("pettingzoo", reason="pettingzoo is not installed")
    from rlkit.envs.negotiation.aec import aec_env

    game = load(6, 0.9, prob_end)
    num_instances = len(game.new_initial_state().chance_outcomes())
    rng = np.random.default_rng(8)
    env = aec_env(max_turns=6, discount=0.9, prob_end=prob_end)
    for seed in range(60):
        state = game.new_initial_state().child(int(rng.integers(num_instances)))
        drawn = state.instance()
        env.reset(seed=seed, options={"scenario": (drawn.pool, drawn.values[0], drawn.values[1])})
        while not env.terminations[env.agent_selection]:
            assert env.agent_selection == f"player_{state.current_player()}"
            for player, agent in enumerate(env.agents):
                seen = env.observe(agent)
                expected = np.array(state.observation_tensor(player), dtype=np.float32)
                np.testing.assert_array_equal(seen["observation"], expected)
                np.testing.assert_array_equal(seen["action_mask"], state.legal_actions_mask(player))
            action = choose(state, 0.2, rng)
            state.apply_action(action)
            env.step(action)
            if state.is_chance_node():
                state.apply_action(num_instances + int(env.terminations[env.agent_selection]))
        assert state.is_terminal()
        assert [env.rewards[agent] for agent in env.possible_agents] == state.returns()
        for player, agent in enumerate(env.possible_agents):
            expected = np.array(state.observation_tensor(player), dtype=np.float32)
            np.testing.assert_array_equal(env.observe(agent)["observation"], expected)


def test_offers_are_numbered_as_openspiels() -> None:
    game = load(10, 1.0, 0.0)
    assert [tuple(offer.quantities) for offer in game.all_offers()] == [tuple(o) for o in OFFERS.tolist()]


def recorded() -> list[tuple[tuple[float, ...], dict[str, np.ndarray]]]:
    """The recorded games: settings, and the arrays that `make_goldens.py` describes."""
    names = ("instances", "moves", "chance", "returns", "observations", "masks")
    with np.load(Path(__file__).with_name("openspiel_traces.npz"), allow_pickle=False) as file:
        settings = [tuple(row) for row in file["settings"].tolist()]
        return [(setting, {name: file[f"{k}/{name}"] for name in names}) for k, setting in enumerate(settings)]


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_recorded_games_are_reproduced(number: int) -> None:
    setting, trace = recorded()[number]
    assert setting == SETTINGS[number]
    max_turns, discount, prob_end = SETTINGS[number]
    instances = [scenario_index(Scenario.checked(*instance)) for instance in trace["instances"].tolist()]
    ours = TwoSided(np.array(instances), max_turns, discount)
    observations = np.unpackbits(trace["observations"], axis=-1, count=observation_size(max_turns))
    masks = np.unpackbits(trace["masks"], axis=-1, count=AGREE + 1)
    for row in range(len(instances)):
        here = np.array([row])
        moves = trace["moves"][row]
        moves = moves[moves >= 0]
        for moment in range(len(moves) + 1):
            for player in range(2):
                seen, mask = ours.see(here, player)
                np.testing.assert_array_equal(seen[0], observations[row, moment, player])
                if moment < len(moves) and player == moment % 2:
                    np.testing.assert_array_equal(mask[0], masks[row, moment])
            if moment < len(moves):
                assert ours.games["status"][row] == kernel.RUNNING
                went_on = trace["chance"][row, moment] == 1
                certain_end = 1.0 if prob_end and not went_on else 0.0  # without a chance node, without effect
                ours.move(here, moves[moment : moment + 1], certain_end)
        assert ours.games["status"][row] != kernel.RUNNING
    np.testing.assert_array_equal(ours.returns(), trace["returns"])


def test_recorded_games_cover_every_way_to_end() -> None:
    agreed = sum(int((trace["moves"] == AGREE).sum()) for _, trace in recorded())
    ended = sum(int((trace["chance"] == 2).sum()) for _, trace in recorded())
    games = sum(len(trace["moves"]) for _, trace in recorded())
    assert agreed > 30 and ended > 10 and games - agreed - ended > 30


def test_openspiels_instances_are_in_the_universe() -> None:
    start = load(10, 1.0, 0.0).new_initial_state()
    indices = {as_index(start.child(k)) for k, _ in start.chance_outcomes()}
    assert len(indices) == 1000 and max(indices) < len(universe())
