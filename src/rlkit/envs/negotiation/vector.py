"""The negotiation game as a batch behind Gymnasium's vector API; ``env.NegotiationEnv`` is the manual."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlkit.envs.batch import BatchEnv, State
from rlkit.envs.negotiation import kernel
from rlkit.envs.negotiation.opponents import OPPONENTS
from rlkit.envs.negotiation.partners import OpponentSpec, Turns, mixture
from rlkit.envs.negotiation.rules import DEFAULT_MAX_TURNS, NUM_OFFERS, OFFERS, item_list, observation_size
from rlkit.envs.negotiation.scenarios import load_scenarios, universe
from rlkit.envs.negotiation.solutions import solution_table
from rlkit.envs.negotiation.tables import tables

_EITHER_SEAT = 2
_SEATS: dict[Any, int] = {0: 0, 1: 1, "random": _EITHER_SEAT}


class NegotiationVectorEnv(BatchEnv):
    """N games at once; :class:`~rlkit.envs.negotiation.env.NegotiationEnv` explains arguments and spaces.

    In addition, ``reset(options=...)`` takes arrays of N: ``scenarios`` (indices in
    ``scenarios.universe()``), ``seats`` and ``opponents`` (entries of the mixture), -1 where the draw is
    to decide.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 1,
        "metrics": {
            "prefix": "negotiation",
            "values": {
                "utility": "utility",
                "partner_utility": "partner_utility",
                "agreement": "agreement",
                "pareto_share": ["pareto", "agreement"],
                "nash_gap": "nash_gap",
                "turns": "turns",
                "illegal": "illegal",
            },
        },
    }

    def __init__(
        self,
        num_envs: int,
        *,
        opponent: OpponentSpec = "linear",
        seat: int | str = "random",
        max_turns: int = DEFAULT_MAX_TURNS,
        discount: float = 1.0,
        prob_end: float = 0.0,
        walk_away: bool = False,
        scenarios: str = "all",
        illegal: str = "end",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
    ) -> None:
        check_rules(max_turns, discount, prob_end, seat, illegal)
        super().__init__(
            num_envs,
            spaces.Box(0.0, 1.0, (observation_size(max_turns),), np.float32),
            spaces.Discrete(NUM_OFFERS + (2 if walk_away else 1)),
            autoreset_mode=autoreset_mode,
            max_episode_steps=max_episode_steps,
            copy=copy,
            render_mode=render_mode,
        )
        self.rules = kernel.Rules(int(max_turns), float(discount), float(prob_end), bool(walk_away))
        self._mixture = mixture(opponent)
        self._tables = tables()
        self._draw = kernel.Draw(load_scenarios(scenarios), self._mixture.bots, self._mixture.cumulative, _SEATS[seat])
        self._raise_illegal = illegal == "error"
        n = self.num_envs
        self._games, self._offers, _ = kernel.new_games(n, max_turns)
        self._masks = np.zeros((n, self.single_action_space.n), dtype=np.bool_)  # type: ignore[attr-defined]
        self._drawn = np.zeros((0, 3), dtype=np.int32)

    @property
    def opponent_names(self) -> tuple[str, ...]:
        """Names of the entries of the opponent mixture; ``info["opponent"]`` counts in them."""
        return self._mixture.names

    @property
    def offers(self) -> NDArray[np.int16]:
        """Offers made in each game, shape ``(n, max_turns)``; those from :attr:`num_offers` on mean nothing."""
        return self._offers.copy()

    @property
    def num_offers(self) -> NDArray[np.int32]:
        """How many offers were made in each game, shape ``(n,)``."""
        return self._games["num_offers"].copy()

    @property
    def scenario_indices(self) -> NDArray[np.int32]:
        """The instance of each game, an index in ``scenarios.universe()``, shape ``(n,)``."""
        return self._games["scenario"].copy()

    @property
    def seats(self) -> NDArray[np.int32]:
        """The learner's seat in each game, shape ``(n,)``: 0 moves first."""
        return self._games["seat"].copy()

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, shape ``(n, actions)``."""
        return self._masks.copy()

    def suggest(self, bot: str) -> NDArray[np.int64]:
        """What a scripted bot would do in the learner's place; agree (120) where a game is over.

        Args:
            bot: A name of ``OPPONENTS``. Only ``random`` draws from the games' streams.

        Returns:
            Actions, shape ``(n,)``.
        """
        if bot not in OPPONENTS:
            mixture(bot)  # the error that names the nearest
            raise ValueError(f"only scripted bots can suggest: {', '.join(OPPONENTS)}; got {bot!r}")
        actions = np.empty(self.num_envs, dtype=np.int64)
        kernel.suggest_moves(
            OPPONENTS.index(bot),
            self._games,
            self._offers,
            self._streams,
            self._tables,
            self.rules.max_turns,
            actions,
        )
        return actions

    def _reset_rows(self, rows: NDArray[np.bool_], options: dict[str, Any]) -> None:
        fixed = self._fixed(options) if options else self._drawn
        kernel.reset_games(
            rows,
            self._games,
            self._offers,
            self._streams,
            self._tables,
            self.rules,
            self._draw,
            fixed,
            self._observations,
            self._masks,
        )
        if self._mixture.external:
            self._external_moves()

    def _fixed(self, options: dict[str, Any]) -> NDArray[np.int32]:
        """What reset options fix, checked: shape ``(n, 3)``."""
        limits = {"scenarios": len(universe()), "seats": 2, "opponents": len(self._mixture.names)}
        if unknown := set(options) - set(limits):
            raise ValueError(f"unknown reset options {sorted(unknown)}: options are reset_mask, {', '.join(limits)}")
        fixed = np.full((self.num_envs, len(limits)), -1, dtype=np.int32)
        for column, (name, limit) in enumerate(limits.items()):
            if name in options:
                given = np.asarray(options[name])
                if given.shape != (self.num_envs,) or given.dtype.kind not in "iu":
                    raise ValueError(
                        f"options[{name!r}] must be {self.num_envs} whole numbers, got {given.dtype} {given.shape}"
                    )
                if given.min() < -1 or given.max() >= limit:
                    raise ValueError(f"options[{name!r}] must be from 0 to {limit - 1} (-1: drawn), got {given}")
                fixed[:, column] = given
        return fixed

    def _step_rows(self, rows: NDArray[np.bool_], actions: NDArray[np.int64]) -> None:
        if self._raise_illegal:
            self._refuse_illegal(rows, actions)
        kernel.step_games(
            rows,
            actions,
            self._games,
            self._offers,
            self._streams,
            self._tables,
            self.rules,
            self._observations,
            self._masks,
            self._rewards,
            self._terminations,
        )
        if self._mixture.external:
            self._external_moves()

    def _external_moves(self) -> None:
        """Ask the Python opponents whose turn it is."""
        games = self._games
        waiting = (games["status"] == kernel.RUNNING) & (games["num_offers"] % 2 != games["seat"])
        for j, opponent in enumerate(self._mixture.external):
            rows = np.flatnonzero(waiting & (games["opponent"] == kernel.FIRST_EXTERNAL + j))
            if not len(rows):
                continue
            turns = self._turns(rows, partner=1)
            actions = np.asarray(opponent.act(turns))
            if actions.shape != rows.shape or actions.dtype.kind not in "iu":
                raise ValueError(
                    f"opponent {type(opponent).__name__}.act must return {len(rows)} whole numbers, "
                    f"got {actions.dtype} {actions.shape}"
                )
            num_actions = self._masks.shape[1]
            if actions.min() < 0 or actions.max() >= num_actions:
                raise ValueError(
                    f"opponent {type(opponent).__name__}.act must return actions from 0 to {num_actions - 1}, "
                    f"got {actions}"
                )
            kernel.external_moves(
                rows,
                actions.astype(np.int64),
                games,
                self._offers,
                self._streams,
                self._tables,
                self.rules,
                self._observations,
                self._masks,
                self._rewards,
                self._terminations,
            )

    def _turns(self, rows: NDArray[np.int64], partner: int) -> Turns:
        observations = np.zeros((len(rows), self._observations.shape[1]), dtype=np.float32)
        masks = np.zeros((len(rows), self._masks.shape[1]), dtype=np.bool_)
        uniforms = np.empty(len(rows), dtype=np.float64)
        kernel.encode_rows(
            rows, partner, self._games, self._offers, self._tables, self.rules.max_turns, observations, masks
        )
        kernel.draw_uniforms(rows, self._streams, uniforms)
        return Turns(observations, masks, rows, uniforms)

    def _refuse_illegal(self, rows: NDArray[np.bool_], actions: NDArray[np.int64]) -> None:
        wrong = rows & ~self._masks[np.arange(self.num_envs), actions]
        if not wrong.any():
            return
        row = int(np.flatnonzero(wrong)[0])
        pool = universe()[self._games["scenario"][row]].pool
        action = int(actions[row])
        if action < NUM_OFFERS:
            what = f"the offer {action}, which keeps {item_list(OFFERS[action])},"
        else:
            what = "agreeing before any offer was made"
        raise ValueError(
            f"action {action} is not legal in environment {row}: {what} cannot be played "
            f"with a pool of {item_list(pool)}. "
            f"Legal actions: {np.flatnonzero(self._masks[row]).tolist()} (info['action_mask'], action_masks())"
        )

    def _step_info(self) -> dict[str, Any]:
        return {"action_mask": self._returned(self._masks)}

    def _verdicts(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        references = solution_table()
        verdicts = np.zeros(self.num_envs, dtype=kernel.VERDICT)
        kernel.judge(
            rows,
            self._games,
            self._offers,
            self._tables,
            self.rules,
            references.complement,
            references.pareto,
            references.nash_product,
            verdicts,
        )
        return verdicts

    def _task_state(self) -> State:
        return {"games": self._games.view(np.int32).reshape(self.num_envs, -1), "offers": self._offers}

    def _set_task_state(self, state: State) -> None:
        if state["offers"].shape != self._offers.shape:
            raise ValueError(
                f"the state is of games of {state['offers'].shape[1]} turns, this one has {self.rules.max_turns}"
            )
        self._games.view(np.int32).reshape(self.num_envs, -1)[:] = state["games"]
        self._offers[:] = state["offers"]
        kernel.encode_rows(
            np.arange(self.num_envs),
            0,
            self._games,
            self._offers,
            self._tables,
            self.rules.max_turns,
            self._observations,
            self._masks,
        )

    def render(self) -> tuple[Any, ...] | None:
        """Pictures ``(400, 640, 3)`` uint8 or, with ``render_mode="ansi"``, texts: one of each game.

        A game whose episode ended in the last step shows its end only until it is reset.
        """
        if self.render_mode is None:
            return None
        return tuple(self.render_row(row) for row in range(self.num_envs))

    def render_row(self, row: int) -> Any:
        """The picture (or text) of one game of the batch."""
        from rlkit.envs.negotiation.render import describe_game, render_game

        game = self._games[row]
        picture = describe_game if self.render_mode == "ansi" else render_game
        return picture(
            universe()[game["scenario"]],
            self._offers[row, : game["num_offers"]].tolist(),
            seat=int(game["seat"]),
            outcome=kernel.OUTCOMES[game["status"]],
            opponent=self.opponent_names[game["entry"]],
            max_turns=self.rules.max_turns,
            discount=self.rules.discount,
        )


def check_rules(max_turns: Any, discount: Any, prob_end: Any, seat: Any, illegal: Any) -> None:
    """Refuse parameters with which there is no game."""
    if isinstance(max_turns, bool) or not isinstance(max_turns, int | np.integer) or max_turns < 2:
        raise ValueError(f"max_turns must be a whole number >= 2 (an offer and an answer), got {max_turns!r}")
    if not isinstance(discount, int | float) or not 0.0 < discount <= 1.0:
        raise ValueError(f"discount must be in (0, 1], got {discount!r}")
    if not isinstance(prob_end, int | float) or not 0.0 <= prob_end < 1.0:
        raise ValueError(f"prob_end must be in [0, 1), got {prob_end!r}")
    if not isinstance(seat, int | str) or seat not in _SEATS:
        raise ValueError(f"seat must be 0, 1 or 'random', got {seat!r}")
    if illegal not in ("end", "error"):
        raise ValueError(f"illegal must be 'end' or 'error', got {illegal!r}")
