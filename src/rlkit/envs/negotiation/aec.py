"""The two-sided game as a PettingZoo environment: each agent bargains for itself.

The moves go through the same kernel as those of the Gymnasium environments; here no opponent is built in, both
sides are external.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlkit.envs.negotiation import kernel
from rlkit.envs.negotiation.env import scenario_number
from rlkit.envs.negotiation.render import describe_game, render_game
from rlkit.envs.negotiation.rules import AGREE, DEFAULT_MAX_TURNS, observation_size
from rlkit.envs.negotiation.scenarios import load_scenarios, universe
from rlkit.envs.negotiation.tables import tables
from rlkit.envs.negotiation.vector import check_rules
from rlkit.envs.streams import new_streams

try:
    from pettingzoo import AECEnv
except ImportError as error:
    raise ImportError(
        "aec_env needs PettingZoo, which is not installed: run `pip install 'pettingzoo>=1.25'` "
        "(it is rlkit's extra `pettingzoo`)"
    ) from error

NUM_ACTIONS = AGREE + 1
AGENTS = ("player_0", "player_1")
_BOOKKEEPING = (
    "agents",
    "agent_selection",
    "rewards",
    "_cumulative_rewards",
    "terminations",
    "truncations",
    "infos",
)


def aec_env(
    max_turns: int = DEFAULT_MAX_TURNS,
    discount: float = 1.0,
    prob_end: float = 0.0,
    render_mode: str | None = None,
) -> NegotiationAEC:
    """The two-sided item-split game, with OpenSpiel's ``bargaining`` rules, as a PettingZoo AEC environment.

    ``player_0`` makes the first offer; the two take turns until one agrees to the other's last offer. Actions
    0 to 119 are offers (what the proposer keeps), 120 agrees. An observation is a dictionary with
    ``"observation"`` (OpenSpiel's tensor, the layout of ``rlkit/Negotiation-v0``) and ``"action_mask"`` (all
    zeros when it is not the agent's turn). Rewards come at the end: the points of the items an agent gets, times
    ``discount ** (offers - 1)``, and nothing without a deal. An illegal action ends the game without a deal. At
    the end ``infos[agent]`` has ``"outcome"``, ``"agreement"`` and ``"illegal"`` (this agent's action was).

    Args:
        max_turns: Offers after which the game ends without a deal, at least 2.
        discount: Factor on the points for every offer after the first, in (0, 1].
        prob_end: Chance that the game ends after an offer, from the second on, in [0, 1).
        render_mode: ``"rgb_array"``, ``"ansi"`` or None.

    Returns:
        The environment. ``reset(options={"scenario": (pool, values0, values1)})`` fixes the instance; otherwise
        it is drawn from all 5,793.

    Raises:
        ValueError: If a parameter is out of range.

    Example:
        >>> env = aec_env(max_turns=6)
        >>> env.reset(seed=1, options={"scenario": ((1, 2, 3), (8, 1, 0), (4, 0, 2))})
        >>> env.step(16)  # player_0 keeps the book and both hats
        >>> env.agent_selection, env.observe("player_1")["observation"].shape
        ('player_1', (89,))
        >>> env.step(120)  # player_1 agrees
        >>> env.rewards
        {'player_0': 10.0, 'player_1': 6.0}
    """
    return NegotiationAEC(max_turns=max_turns, discount=discount, prob_end=prob_end, render_mode=render_mode)


class NegotiationAEC(AECEnv[str, dict[str, NDArray[Any]], int]):
    """See :func:`aec_env`."""

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array", "ansi"],
        "name": "negotiation_v0",
        "is_parallelizable": False,
        "render_fps": 1,
    }

    def __init__(self, *, max_turns: int, discount: float, prob_end: float, render_mode: str | None) -> None:
        super().__init__()
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode must be None, 'rgb_array' or 'ansi', got {render_mode!r}")
        check_rules(max_turns, discount, prob_end, seat=0, illegal="end")
        self._rules = kernel.Rules(int(max_turns), float(discount), float(prob_end), False)
        self.render_mode = render_mode
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self.observation_spaces = {agent: _observation_space(self._rules.max_turns) for agent in AGENTS}
        self.action_spaces = {agent: spaces.Discrete(NUM_ACTIONS) for agent in AGENTS}
        self._games, self._offers, _ = kernel.new_games(1, self._rules.max_turns)
        self._streams = new_streams(None, 1)
        self._draw = kernel.Draw(
            scenarios=load_scenarios("all"),
            bots=np.array([kernel.FIRST_EXTERNAL], dtype=np.int32),
            cumulative=np.ones(1),
            seat=0,  # so that the kernel's learner is player_0 and its partner player_1
        )
        size = observation_size(self._rules.max_turns)
        self._observation = np.zeros((1, size), dtype=np.float32)
        self._mask = np.zeros((1, NUM_ACTIONS), dtype=np.bool_)

    def observation_space(self, agent: str) -> spaces.Dict:
        """Space of an agent's observations: always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Space of an agent's actions: always the same object."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start a new game.

        Args:
            seed: Seeds the stream that draws instances and random ends; None lets it run on.
            options: ``{"scenario": (pool, values0, values1)}`` (or a ``Scenario``) fixes the instance.

        Raises:
            ValueError: If the seed or an option is not understood, or the instance breaks a rule.
        """
        fixed = np.full((1, 3), -1, dtype=np.int32)
        fixed[0, 0] = _fixed_scenario(options or {})
        if seed is not None:
            self._streams = new_streams(seed, 1)
        kernel.reset_games(
            np.ones(1, dtype=np.bool_),
            self._games,
            self._offers,
            self._streams,
            tables(),
            self._rules,
            self._draw,
            fixed,
            self._observation,
            self._mask,
        )
        self.agents = list(AGENTS)
        self.agent_selection = AGENTS[0]
        self._skip_agent_selection = None
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations = dict.fromkeys(AGENTS, False)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}

    def observe(self, agent: str) -> dict[str, NDArray[Any]]:
        """What an agent sees, whoever's turn it is.

        Returns:
            ``"observation"``, shape ``(83 + max_turns,)`` float32, and ``"action_mask"``, shape ``(121,)`` int8.
        """
        if agent not in AGENTS:
            raise ValueError(f"the agents are {AGENTS[0]!r} and {AGENTS[1]!r}, got {agent!r}")
        player = AGENTS.index(agent)
        observation, mask = np.zeros_like(self._observation), np.zeros_like(self._mask)
        kernel.encode_rows(
            np.zeros(1, dtype=np.int64),
            player,
            self._games,
            self._offers,
            tables(),
            self._rules.max_turns,
            observation,
            mask,
        )
        running = self._games[0]["status"] == kernel.RUNNING
        if not running or self._games[0]["num_offers"] % 2 != player:
            mask[:] = False
        return {"observation": observation[0], "action_mask": mask[0].astype(np.int8)}

    def step(self, action: int | None) -> None:
        """The move of ``agent_selection``; None for an agent whose game is over.

        Raises:
            ValueError: If the action is not a whole number from 0 to 120.
            RuntimeError: If no game is running.
        """
        if not self.agents:
            raise RuntimeError("no game is running: call reset() first")
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        chosen = np.array([_checked_action(action)], dtype=np.int64)
        self._cumulative_rewards[agent] = 0.0
        rewards, ended = np.zeros(1), np.zeros(1, dtype=np.bool_)
        kernel.external_moves(
            np.zeros(1, dtype=np.int64),
            chosen,
            self._games,
            self._offers,
            self._streams,
            tables(),
            self._rules,
            self._observation,
            self._mask,
            rewards,
            ended,
        )
        self.agent_selection = AGENTS[1 - AGENTS.index(agent)]
        self._clear_rewards()
        if ended[0]:
            self._finish(agent)
        self._accumulate_rewards()

    def _finish(self, last_mover: str) -> None:
        utilities = np.zeros((1, 2))
        kernel.returns(self._games, self._offers, tables(), self._rules.discount, utilities)
        status = int(self._games[0]["status"])
        for player, agent in enumerate(AGENTS):
            self.rewards[agent] = float(utilities[0, player])
            self.terminations[agent] = True
            self.infos[agent] = {
                "outcome": kernel.OUTCOMES[status],
                "agreement": status == kernel.DEAL,
                "illegal": status == kernel.ILLEGAL and agent == last_mover,
            }

    def render(self) -> NDArray[np.uint8] | str | None:
        """The game so far, both sides' values shown: a picture or a text, as ``render_mode`` asks."""
        if self.render_mode is None:
            return None
        game = self._games[0]
        draw = render_game if self.render_mode == "rgb_array" else describe_game
        return draw(
            universe()[int(game["scenario"])],
            [int(offer) for offer in self._offers[0, : game["num_offers"]]],
            seat=0,
            outcome=kernel.OUTCOMES[int(game["status"])],
            opponent=AGENTS[1],
            max_turns=self._rules.max_turns,
            discount=self._rules.discount,
            learner=AGENTS[0],
        )

    def close(self) -> None:
        """Nothing is held open; there because PettingZoo wants it beside :meth:`render`."""

    def get_state(self) -> dict[str, Any]:
        """Everything :meth:`set_state` needs to come back here: arrays and plain values."""
        state = {name: copy.deepcopy(getattr(self, name)) for name in _BOOKKEEPING if hasattr(self, name)}
        game = {name: int(self._games[0][name]) for name in kernel.GAME.names or ()}
        return {**state, "game": game, "offers": self._offers.copy(), "streams": self._streams.copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of :meth:`get_state`, of this or an equal environment."""
        for name in _BOOKKEEPING:
            if name in state:
                setattr(self, name, copy.deepcopy(state[name]))
        for name, value in state["game"].items():
            self._games[0][name] = value
        self._offers[:] = state["offers"]
        self._streams[:] = state["streams"]
        self._skip_agent_selection = None


def _observation_space(max_turns: int) -> spaces.Dict:
    return spaces.Dict(
        {
            "observation": spaces.Box(0.0, 1.0, (observation_size(max_turns),), np.float32),
            "action_mask": spaces.Box(0, 1, (NUM_ACTIONS,), np.int8),
        }
    )


def _fixed_scenario(options: Mapping[str, Any]) -> int:
    """Index of the instance that the options ask for, or -1.

    PettingZoo's API test wants unknown options to be ignored; a mistyped "scenario" is still refused.
    """
    for name in options:
        if name != "scenario" and difflib.get_close_matches(str(name).lower(), ["scenario"]):
            raise ValueError(f"reset has no option {name!r}: did you mean 'scenario'?")
    wanted = options.get("scenario")
    return -1 if wanted is None else scenario_number(wanted)


def _checked_action(action: Any) -> int:
    number = np.asarray(action)
    if number.shape != () or not np.issubdtype(number.dtype, np.integer) or not 0 <= number < NUM_ACTIONS:
        raise ValueError(
            f"an action is a whole number from 0 to {AGREE} (up to {AGREE - 1}: offers; {AGREE}: agree), got {action!r}"
        )
    return int(number)
