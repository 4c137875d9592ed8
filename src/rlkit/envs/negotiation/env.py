"""The negotiation game behind Gymnasium's API: the single environment, whose docstring is the manual."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.batch import SingleEnv
from rlkit.envs.negotiation.partners import OpponentSpec
from rlkit.envs.negotiation.rules import DEFAULT_MAX_TURNS
from rlkit.envs.negotiation.scenarios import Scenario, scenario_index
from rlkit.envs.negotiation.vector import NegotiationVectorEnv


class NegotiationEnv(SingleEnv):
    """Divide books, hats and balls with someone whose values you cannot see.

    ## Description

    The item-split game of *Deal or No Deal* (Lewis et al. 2017, arXiv:1706.05125) with the alternating offers of
    OpenSpiel's ``bargaining``. A pool of five to seven books, hats and balls is to be divided. Each player
    values the whole pool at ten points, but item by item differently, and sees only its own values. The players take
    turns to offer a split or to agree to the last offer. Without agreement both get nothing.

    ## Action space

    ``Discrete(121)``: 0 to 119 are offers, named by what the one who offers *keeps*, in OpenSpiel's order
    (``rules.OFFERS``); 120 agrees to the last offer. With ``walk_away=True``, ``Discrete(122)``: 121 ends the game.
    ``info["action_mask"]`` and ``action_masks()`` tell the legal actions: offers within the pool, and agreeing once an
    offer is on the table. With ``illegal="end"`` an illegal one ends the game without a deal and sets
    ``info["illegal"]``; with ``illegal="error"`` it raises.

    ## Observation space

    ``Box(0, 1, (83 + max_turns,), float32)``, OpenSpiel's observation tensor bit for bit; with ten turns:

    | index | meaning |
    |---|---|
    | 0 | an agreement was reached |
    | 1 .. 11 | number of offers made, one-hot |
    | 12 .. 35 | the pool: for each item, bits 0..count are set, of 8 |
    | 36 .. 68 | own values: for each item, bits 0..value are set, of 11 |
    | 69 .. 92 | the last offer, coded as the pool; zeros before the first |

    ## Reward

    At the end, own points in the deal times ``discount ** (offers - 1)``, or 0; before, 0. The range is 0 to 10.

    ## Starting state

    An instance drawn from ``scenarios``, a seat and an opponent. If the opponent sits in seat 0, its first offer is
    made. ``reset(options={"scenario": (pool, first_values, second_values), "seat": 0, "opponent": 0})`` fixes any
    of these (``scenario`` also as an index in ``scenarios.universe()``, ``opponent`` as an entry of the mixture).

    ## Episode end

    Terminates when a player agrees; when ``max_turns`` offers have been made (the last one can never be accepted); with
    probability ``prob_end`` after each offer from the second on; on walking away; on an illegal action. Then ``info``
    has ``utility``, ``partner_utility``, ``agreement``, ``pareto`` (the deal is Pareto efficient), ``nash_gap`` (1 -
    product of the utilities / the largest possible product; 1 without a deal), ``turns`` (offers made),
    ``illegal``, ``opponent`` (entry of ``opponent_names``), ``seat``, ``outcome`` (index in ``kernel.OUTCOMES``) and
    ``is_success`` (there was a deal).

    ## Arguments

    Args:
        opponent: A scripted bot (:mod:`rlkit.envs.negotiation.opponents` has the list and their rules), the path of
            a saved run, an object with ``act(turns)``, a mapping of names or paths to weights, or a sequence of these.
        seat: 0 (the learner moves first), 1 or ``"random"``.
        max_turns: Offers after which the game ends, at least 2.
        discount: What a deal loses with each further offer, in (0, 1].
        prob_end: Chance that the game breaks off after an offer, in [0, 1).
        walk_away: Adds the action that ends the game without a deal.
        scenarios: ``"all"``, ``"train"``, ``"test"`` or the path of a file (:func:`scenarios.load_scenarios`).
        illegal: ``"end"`` or ``"error"``.
        max_episode_steps: Truncates after so many of the learner's moves.
        render_mode: None, ``"rgb_array"`` or ``"ansi"``.

    ## Versions

    * v0: first version.

    Example:
        >>> import gymnasium, rlkit
        >>> env = gymnasium.make("rlkit/Negotiation-v0", opponent="conceder", seat=0)
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, int(info["action_mask"].sum())
        ((93,), 20)
    """

    metadata: dict[str, Any] = NegotiationVectorEnv.metadata

    def __init__(
        self,
        *,
        opponent: OpponentSpec = "linear",
        seat: int | str = "random",
        max_turns: int = DEFAULT_MAX_TURNS,
        discount: float = 1.0,
        prob_end: float = 0.0,
        walk_away: bool = False,
        scenarios: str = "all",
        illegal: str = "end",
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.batch = NegotiationVectorEnv(
            1,
            opponent=opponent,
            seat=seat,
            max_turns=max_turns,
            discount=discount,
            prob_end=prob_end,
            walk_away=walk_away,
            scenarios=scenarios,
            illegal=illegal,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=max_episode_steps,
            copy=False,
            render_mode=render_mode,
        )
        super().__init__(self.batch)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin a new game; ``options`` may fix ``scenario``, ``seat`` and ``opponent``."""
        if not options:
            return super().reset(seed=seed)
        options = dict(options)
        plural = {"scenario": "scenarios", "seat": "seats", "opponent": "opponents"}
        if unknown := set(options) - set(plural):
            raise ValueError(f"unknown reset options {sorted(unknown)}: options are {', '.join(plural)}")
        if "scenario" in options:
            options["scenario"] = scenario_number(options["scenario"])
        return super().reset(seed=seed, options={plural[key]: value for key, value in options.items()})

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, shape ``(actions,)``."""
        return self.batch.action_masks()[0]

    def suggest(self, bot: str) -> int:
        """What a scripted bot would do in the learner's place."""
        return int(self.batch.suggest(bot)[0])

    @property
    def opponent_names(self) -> tuple[str, ...]:
        """Names of the entries of the opponent mixture."""
        return self.batch.opponent_names


def scenario_number(scenario: Any) -> int:
    """Index of an instance given as an index, a ``Scenario`` or ``(pool, first_values, second_values)``.

    Raises:
        ValueError: If it is none of these, or breaks a rule.
    """
    if isinstance(scenario, int | np.integer):
        return int(scenario)
    if isinstance(scenario, Scenario):
        return scenario_index(scenario)
    try:
        pool, first, second = scenario
    except (TypeError, ValueError):
        raise ValueError(
            f"a scenario is ((books, hats, balls), (first values), (second values)) or an index, got {scenario!r}"
        ) from None
    return scenario_index(Scenario.checked(pool, first, second))
